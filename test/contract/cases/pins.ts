/** Pinning: an operator puts a client's live sessions on a server of his choice. */
import assert from 'node:assert/strict';
import { EngineError, type PinRequest } from '../../../src/engine/engine.ts';
import { endpointText } from '../../../src/net/endpoint.ts';
import type { Case } from '../case.ts';
import type { Context } from '../context.ts';
import { director, ON_DEFAULT, session } from '../make.ts';

export const pinCases: readonly Case[] = [
  {
    name: 'a pinned session is on the server at once, stays there, and is counted as moved',
    async run({ apply, vip, client, server, ask, engine, sessions, reading }) {
      const [at, c] = [await vip(), await client()];
      const [a, b] = [await server('a'), await server('b')];
      await apply(director(at, [a.line(), b.line({ weight: 0 })]));
      assert.equal(await ask(c, at), 'a');
      const request = { director: 'main', client: endpointText(c.at), server: 'b' };
      assert.equal(await engine.pin(request), 1);
      assert.deepEqual((await sessions()).map((s) => [s.client, s.server, s.serverAddress]), [[endpointText(c.at), 'b', endpointText(b.peer.at)]]);
      for (let n = 0; n < 3; n++) assert.equal(await ask(c, at), 'b');
      assert.equal(await engine.pin(request), 1, 'one that is there already is counted too');
      assert.equal(await ask(c, at), 'b');
      const { servers, sessions: live } = await reading();
      assert.deepEqual(servers.map((s) => [s.name, s.sessionsMoved, s.sessions]), [['a', 1, 0], ['b', 0, 1]]);
      assert.equal(live, 1);
    },
  },
  {
    name: 'pinning an address moves all its sessions of that director, address and port only the one, and nobody else',
    async run({ apply, vip, world, client, server, ask, engine }) {
      const [one, two] = [await vip(), await vip()];
      const [a, b] = [await server('a'), await server('b')];
      const clients = await Promise.all([0, 0, 0, 1].map((n) => client({ ip: world.clientIp(n) })));
      const lines = [a.line(), b.line({ weight: 0 })];
      await apply(director(one, lines, { name: 'one' }), director(two, lines, { name: 'two' }));
      for (const c of clients) for (const at of [one, two]) assert.equal(await ask(c, at), 'a');
      const where = async (): Promise<string[]> => {
        const tags = [];
        for (const c of clients) tags.push((await ask(c, one)) + (await ask(c, two)));
        return tags;
      };
      assert.equal(await engine.pin({ director: 'one', client: endpointText(clients[0].at), server: 'b' }), 1);
      assert.deepEqual(await where(), ['ba', 'aa', 'aa', 'aa']);
      assert.equal(await engine.pin({ director: 'one', client: clients[0].at.ip.text, server: 'b' }), 3);
      assert.deepEqual(await where(), ['ba', 'ba', 'ba', 'aa']);
      assert.equal(await engine.pin({ director: 'two', client: '192.0.2.77', server: 'b' }), 0);
      assert.equal((await engine.sessions({}, { limit: 100 })).total, 8);
    },
  },
  {
    name: 'a pinned session leaves as any other does when its server goes down',
    async run({ apply, vip, client, server, ask, engine }) {
      const [at, c] = [await vip(), await client()];
      const [a, b] = [await server('a'), await server('b')];
      await apply(director(at, [a.line(), b.line({ weight: 0 })]));
      await ask(c, at);
      await engine.pin({ director: 'main', client: endpointText(c.at), server: 'b' });
      assert.equal(await ask(c, at), 'b');
      await apply(director(at, [a.line(), b.line({ weight: 0, state: 'down' })]));
      assert.equal(await ask(c, at), 'a');
    },
  },
  {
    name: 'under persistence a pinned client takes its new sessions along',
    async run({ apply, vip, world, client, server, ask, engine }) {
      const [at, ip] = [await vip(), world.clientIp(3)];
      const [a, b] = [await server('a'), await server('b')];
      await apply(director(at, [a.line({ weight: 256 }), b.line()], { balance: 'failover', persistence: { timeoutMs: 60_000, prefix4: 32, prefix6: 128 } }));
      assert.equal(await ask(await client({ ip }), at), 'a');
      assert.equal(await engine.pin({ director: 'main', client: ip.text, server: 'b' }), 1);
      assert.equal(await ask(await client({ ip }), at), 'b', 'another port of the address');
      assert.equal(await ask(await client({ ip: world.clientIp(4) }), at), 'a', 'another address');
    },
  },
  {
    name: 'a reply on its way when its session is pinned elsewhere still reaches the client',
    async run({ apply, vip, client, server, ask, engine }) {
      const [at, c] = [await vip(), await client()];
      const [hold, b] = [await server('a', { behaviour: 'silent' }), await server('b')];
      await apply(director(at, [hold.line(), b.line({ weight: 0 })]));
      await c.send('question', at);
      const { from } = await hold.peer.inbox.take();
      await engine.pin({ director: 'main', client: endpointText(c.at), server: 'b' });
      assert.equal(await ask(c, at), 'b');
      await hold.peer.send('answer', from);
      assert.equal((await c.inbox.take()).text, 'answer');
    },
  },
  {
    name: 'pinning where a session would not stay is refused with a cure and moves nothing',
    async run(context) {
      const { apply, vip, client, server, ask } = context;
      const [at, c] = [await vip(), await client()];
      const [a, b] = [await server('a'), await server('b')];
      const to = (name: string, of = 'main'): PinRequest => ({ director: of, client: endpointText(c.at), server: name });
      const main = (state: 'down' | 'disabled' | 'drain', on = ON_DEFAULT) => director(at, [a.line(), b.line({ state })], { on });
      await apply(main('down'));
      assert.equal(await ask(c, at), 'a');
      await refused(context, [to('b'), to('c'), to('a', 'other')]);
      await apply(main('disabled'));
      await refused(context, [to('b')]);
      await apply(main('drain', { ...ON_DEFAULT, drain: { kind: 'move' } }));
      await refused(context, [to('b')]);
      assert.equal(await ask(c, at), 'a');
    },
  },
  {
    name: 'what is scheduled datagram by datagram cannot be pinned, and says so',
    async run(context) {
      const { apply, vip, client, server, ask } = context;
      const [at, c, a] = [await vip(), await client(), await server('a')];
      for (const kind of ['request-reply', 'one-way'] as const) {
        await apply(director(at, [a.line()], { session: session(kind) }));
        if (kind === 'request-reply') await ask(c, at);
        await refused(context, [{ director: 'main', client: endpointText(c.at), server: 'a' }]);
      }
    },
  },
];

async function refused({ engine, sessions }: Context, requests: readonly PinRequest[]): Promise<void> {
  const before = (await sessions()).map((s) => [s.client, s.server, s.sourcePort]);
  for (const request of requests) await assert.rejects(engine.pin(request), (e) => e instanceof EngineError && e.cure !== '' && e.landed.length === 0, JSON.stringify(request));
  assert.deepEqual((await sessions()).map((s) => [s.client, s.server, s.sourcePort]), before);
}
