/** Each algorithm through the whole engine: shares, weights, who is chosen. Exact where clients come one after the other. */
import assert from 'node:assert/strict';
import type { Balance } from '../../../src/balance/terms.ts';
import type { Case } from '../case.ts';
import { tally, type Context } from '../context.ts';
import { director } from '../make.ts';

const NAMES = ['a', 'b', 'c'];

export const balanceCases: readonly Case[] = [
  ...(['roundrobin', 'leastconn'] as const).map((balance) => exactly(balance, [1, 2, 3], 48, [8, 16, 24], 0)),
  ...(['shortestexpected', 'neverqueue'] as const).map((balance) => exactly(balance, [1, 2, 3], 48, [8, 16, 24], 2)),
  exactly('failover', [1, 3, 2], 12, [0, 12, 0], 0),
  exactly('dest', [1, 1, 1], 12, 'one', 0),
  // On weight 4 a server is overloaded from its fifth session on while another has less than two.
  exactly('localitybased', [4, 4, 0], 10, 'five each', 0),
  exactly('localitybased-replication', [100, 100, 100], 12, 'one', 0),
  ...(['random', 'maglev', 'source', 'srcdst'] as const).map(statistically),
  {
    name: 'source keeps every port of an address on one server',
    async run(context) {
      const { world, apply, client, vip, ask } = context;
      const at = await vip();
      await apply(director(at, await lines(context, [1, 1, 1]), { balance: 'source' }));
      for (let host = 0; host < 4; host++) {
        const tags = [];
        for (let n = 0; n < 4; n++) tags.push(await ask(await client({ ip: world.clientIp(host) }), at));
        assert.equal(new Set(tags).size, 1, tags.join());
      }
    },
  },
  {
    name: 'hash algorithms choose alike in another engine, whatever the order of the servers',
    async run(context) {
      const { apply, client, vip, ask, engine } = context;
      const at = await vip();
      const servers = await lines(context, [1, 2, 3]);
      const clients = await Promise.all(Array.from({ length: 12 }, () => client()));
      const round = async (): Promise<string[]> => {
        const tags = [];
        for (const c of clients) tags.push(await ask(c, at));
        return tags;
      };
      await apply(director(at, servers, { balance: 'maglev' }));
      const first = await round();
      await apply();
      await apply(director(at, servers.toReversed(), { balance: 'maglev' }));
      await engine.purge({});
      assert.deepEqual(await round(), first);
    },
  },
  {
    name: 'a server of weight 0 gets no new session and keeps those it has',
    async run(context) {
      const { apply, client, vip, ask } = context;
      const at = await vip();
      const servers = await lines(context, [1, 1, 1]);
      const old = await Promise.all(Array.from({ length: 3 }, () => client()));
      await apply(director(at, servers, { balance: 'roundrobin' }));
      const homes = [];
      for (const c of old) homes.push(await ask(c, at));
      assert.deepEqual(homes.toSorted(), NAMES);
      await apply(director(at, servers.map((s) => (s.name === 'b' ? { ...s, weight: 0 } : s)), { balance: 'roundrobin' }));
      for (const [n, c] of old.entries()) assert.equal(await ask(c, at), homes[n]);
      const fresh = [];
      for (let n = 0; n < 8; n++) fresh.push(await ask(await client(), at));
      assert.deepEqual(tally(fresh, NAMES), [4, 0, 4]);
    },
  },
  {
    name: 'weights changed by an apply hold for new sessions',
    async run(context) {
      const { apply, client, vip, ask, engine } = context;
      const at = await vip();
      const servers = await lines(context, [1, 1, 1]);
      await apply(director(at, servers));
      for (let n = 0; n < 6; n++) await ask(await client(), at);
      await apply(director(at, servers.map((s) => ({ ...s, weight: { a: 1, b: 2, c: 5 }[s.name]! }))));
      await engine.purge({});
      const tags = [];
      for (let n = 0; n < 40; n++) tags.push(await ask(await client(), at));
      assert.deepEqual(tally(tags, NAMES), [5, 10, 25]);
    },
  },
  {
    name: 'leastconn fills a server that lost its sessions first',
    async run(context) {
      const { apply, client, vip, ask, engine } = context;
      const at = await vip();
      await apply(director(at, await lines(context, [1, 1, 1])));
      for (let n = 0; n < 9; n++) await ask(await client(), at);
      assert.equal(await engine.purge({ server: 'b' }), 3);
      const tags = [];
      for (let n = 0; n < 3; n++) tags.push(await ask(await client(), at));
      assert.deepEqual(tags, ['b', 'b', 'b']);
    },
  },
];

/** `count` clients one after the other, each keeping its session. 'one': all on one server; 'five each': two servers have five. */
function exactly(balance: Balance, weights: number[], count: number, expected: number[] | 'one' | 'five each', slack: number): Case {
  return {
    name: `${balance} with weights ${weights.join(', ')}: sessions go where the algorithm says`,
    async run(context) {
      const { apply, client, vip, ask } = context;
      const at = await vip();
      await apply(director(at, await lines(context, weights), { balance }));
      const clients = await Promise.all(Array.from({ length: count }, () => client()));
      const tags = [];
      for (const c of clients) tags.push(await ask(c, at));
      const got = tally(tags, NAMES);
      if (expected === 'one') return assert.deepEqual(got.toSorted((a, b) => a - b), [0, 0, count]);
      if (expected === 'five each') return assert.deepEqual(got.toSorted((a, b) => a - b), [0, 5, 5]);
      got.forEach((n, i) => assert.ok(Math.abs(n - expected[i]) <= slack, `${got.join()}, expected ${expected.join()} within ${slack}`));
    },
  };
}

/** Shares within five standard deviations; a client each, and for the hashes of addresses an address each. */
function statistically(balance: Balance): Case {
  return {
    name: `${balance} with weights 1, 2, 3: shares follow the weights`,
    async run(context) {
      const { apply, client, vip, ask, world } = context;
      const [at, count] = [await vip(), 72];
      await apply(director(at, await lines(context, [1, 2, 3]), { balance }));
      const clients = await Promise.all(Array.from({ length: count }, (_, n) => client({ ip: world.clientIp(n) })));
      const tags = [];
      for (const c of clients) tags.push(await ask(c, at));
      tally(tags, NAMES).forEach((n, i) => {
        const p = (i + 1) / 6;
        assert.ok(Math.abs(n - count * p) <= 5 * Math.sqrt(count * p * (1 - p)), `${NAMES[i]} got ${n} of ${count}`);
      });
    },
  };
}

async function lines({ server }: Context, weights: number[]): Promise<ReturnType<Awaited<ReturnType<Context['server']>>['line']>[]> {
  const servers = await Promise.all(NAMES.map((name) => server(name)));
  return servers.map((s, i) => s.line({ weight: weights[i] }));
}
