/** Applies: what they change takes hold, what they do not change is not touched. */
import assert from 'node:assert/strict';
import { hostPortText } from '../../../src/net/endpoint.ts';
import type { DesiredDirector } from '../../../src/plan/desired.ts';
import type { Case } from '../case.ts';
import { until } from '../mailbox.ts';
import { desired, director, session } from '../make.ts';
import { planOf } from '../plan.ts';

export const changeCases: readonly Case[] = [
  {
    name: 'observe shows what was applied, and applying it again is an empty plan that touches nothing',
    async run({ apply, vip, client, server, ask, engine, sessions }) {
      const at = await vip();
      const [a, b, c] = [await server('a'), await server('b'), await client()];
      const wanted = desired([
        director(at, [a.line({ weight: 7 }), b.line({ state: 'drain' })], { balance: 'maglev', persistence: { timeoutMs: 9000, prefix4: 24, prefix6: 64 } }),
        director(await vip(1), [b.line()], { name: 'other', session: session('request-reply', { replies: 2, timeoutMs: 5000, max: 10 }) }),
      ]);
      await apply(...wanted.directors);
      assert.deepEqual(await engine.observe(), wanted);
      assert.equal(await ask(c, at), 'a');
      const before = await sessions();
      const again = planOf(wanted, await engine.observe());
      assert.deepEqual(again.steps, []);
      await engine.apply(again);
      assert.equal(await ask(c, at), 'a');
      const after = await sessions();
      assert.deepEqual(after.map((s) => s.sourcePort), before.map((s) => s.sourcePort));
    },
  },
  {
    name: 'applies under traffic lose no datagram and move no session they need not',
    async run({ apply, vip, client, server, engine }) {
      const [at, elsewhere] = [await vip(), await vip(1)];
      const [a, b, extra] = [await server('a'), await server('b'), await server('x')];
      const clients = await Promise.all(Array.from({ length: 8 }, () => client()));
      const main = (options: Partial<DesiredDirector> = {}, more = false): DesiredDirector => director(at, [a.line(), b.line(), ...(more ? [extra.line()] : [])], options);
      const other = (weight: number): DesiredDirector => director(elsewhere, [extra.line({ weight })], { name: 'other' });
      await apply(main());
      // Every client has its session before anything changes: one that came later might rightly be given to x, which then goes.
      for (const [n, c] of clients.entries()) {
        await c.send(`c${n}.first`, at);
        await c.inbox.take();
      }
      let stop = false;
      const rounds = clients.map(async (c, n) => {
        let k = 0;
        for (; !stop || k < 20; k++) {
          const text = `c${n}.${k}`;
          await c.send(text, at);
          await c.inbox.take((d) => d.text.endsWith(`:${text}`));
        }
        return k;
      });
      try {
        await apply(main(), other(1));
        await apply(main(), other(2));
        await apply(main({}, true), other(2));
        await apply(main({ balance: 'roundrobin' }, true), other(2));
        await apply(main({ balance: 'roundrobin' }, true));
        await apply(main({ balance: 'maglev' }, false));
      } finally {
        stop = true;
      }
      const counts = await Promise.all(rounds);
      for (const n of clients.keys()) {
        const seen = new Set([a, b, extra].flatMap((s) => s.peer.inbox.all.filter((d) => d.text.startsWith(`c${n}.`)).map((d) => `${s.name} from port ${d.from.port}`)));
        assert.equal(seen.size, 1, `client ${n} was seen as ${[...seen].join(', ')}`);
      }
      const reading = (await engine.read()).directors.find((d) => d.name === 'main')!;
      assert.equal(reading.sessionsCreated, 8);
      assert.equal(reading.packetsOut, counts.reduce((x, y) => x + y, clients.length));
      assert.deepEqual(Object.values(reading.drops).filter((count) => count !== 0), []);
    },
  },
  {
    name: 'a one-way flow that never pauses leaves a removed server within one datagram of the apply',
    run: (context) => leaves(context, 'one-way'),
  },
  {
    name: 'a two-way flow that never pauses leaves a removed server within one datagram of the apply',
    run: (context) => leaves(context, 'two-way'),
  },
  {
    name: 'zero servers: datagrams are dropped and counted; with one they are served',
    async run({ apply, vip, client, server, ask, tell, dropped }) {
      const [at, a, c] = [await vip(), await server('a'), await client()];
      await apply(director(at, []));
      for (let n = 1; n <= 3; n++) {
        await tell(c, at);
        await dropped('no_server', n);
      }
      await apply(director(at, [a.line()]));
      assert.equal(await ask(c, at), 'a');
      await apply(director(at, [a.line({ state: 'down' })]));
      await tell(c, at);
      await dropped('no_server', 4);
      await apply(director(at, [a.line({ state: 'unknown' })]));
      assert.equal(await ask(c, at), 'a', 'unknown takes sessions');
    },
  },
  {
    name: 'a director whose address or port changes is served at the new one and not at the old',
    async run({ apply, vip, world, client, server, ask, engine }) {
      const [old, next, a, c] = [await vip(), await vip(1), await server('a'), await client()];
      await apply(director(old, [a.line()]));
      assert.equal(await ask(c, old), 'a');
      await apply(director(next, [a.line()]));
      assert.equal(await ask(c, next), 'a');
      await (await world.openForeign(old.ip, old.port)).close();
      assert.equal((await engine.observe()).directors[0]?.vip?.text, next.ip.text);
    },
  },
  {
    name: 'two directors may exchange their addresses in one apply',
    async run({ apply, vip, client, server, ask }) {
      const [one, two, a, b, c] = [await vip(), await vip(), await server('a'), await server('b'), await client()];
      await apply(director(one, [a.line()], { name: 'a' }), director(two, [b.line()], { name: 'b' }));
      assert.deepEqual([await ask(c, one), await ask(c, two)], ['a', 'b']);
      await apply(director(two, [a.line()], { name: 'a' }), director(one, [b.line()], { name: 'b' }));
      assert.deepEqual([await ask(c, one), await ask(c, two)], ['b', 'a']);
    },
  },
  {
    name: 'a server whose address changes is another server',
    async run({ apply, vip, client, server, ask }) {
      const [at, a, b, c] = [await vip(), await server('a'), await server('b'), await client()];
      await apply(director(at, [a.line({ name: 's' })]));
      assert.equal(await ask(c, at), 'a');
      await apply(director(at, [b.line({ name: 's' })]));
      assert.equal(await ask(c, at), 'b');
    },
  },
  {
    name: '200 directors are applied at once, work, and go again',
    timeoutMs: 60_000,
    async run({ apply, world, client, server, ask, engine }) {
      const [first, a, c, ip] = [await world.freePorts(200), await server('a'), await client(), world.vip(0)!];
      const balances = ['roundrobin', 'leastconn', 'maglev', 'source'] as const;
      const all = Array.from({ length: 200 }, (_, n) => director({ ip, port: first + n }, [a.line()], { name: `d${n}`, balance: balances[n % 4] }));
      await apply(...all);
      for (const n of [0, 1, 2, 3, 99, 198, 199]) assert.equal(await ask(c, { ip, port: first + n }), 'a', `director ${n}`);
      assert.equal((await engine.read()).directors.length, 200);
      await apply(...all.slice(0, 1));
      assert.equal(await ask(c, { ip, port: first }), 'a');
      await (await world.openForeign(ip, first + 150)).close();
    },
  },
  {
    name: 'sessions of a removed director end, those of others stay',
    async run({ apply, vip, client, server, ask, sessions }) {
      const [one, two, a, c] = [await vip(), await vip(), await server('a'), await client()];
      const [first, second] = [director(one, [a.line()], { name: 'first' }), director(two, [a.line()], { name: 'second' })];
      await apply(first, second);
      await ask(c, one);
      await ask(c, two);
      await apply(second);
      const left = await until('one session', () => sessions(), (list) => list.length === 1);
      assert.deepEqual(left.map((s) => [s.director, s.vip]), [['second', hostPortText(two.ip, two.port)]]);
      assert.equal(await ask(c, two), 'a');
    },
  },
];

/** Sends in lockstep with arrival while a server is removed; counts what it still gets of what was sent after the apply returned. */
async function leaves({ apply, vip, client, server }: Parameters<Case['run']>[0], kind: 'one-way' | 'two-way'): Promise<void> {
  const [at, c] = [await vip(), await client()];
  const sinks = [await server('a', { behaviour: 'silent' }), await server('b', { behaviour: 'silent' })];
  const options = { session: session(kind), balance: 'roundrobin' } as const;
  await apply(director(at, sinks.map((s) => s.line()), options));
  let arrived: ((name: string) => void) | undefined;
  for (const { name, peer } of sinks) peer.inbox.listen(() => arrived?.(name));
  const sendOne = async (): Promise<string> => {
    const where = new Promise<string>((resolve) => (arrived = resolve));
    await c.send('beat', at);
    return where;
  };
  let applied = false;
  const went: string[] = [];
  const home = await sendOne();
  const pump = (async () => {
    while (!applied) went.push(await sendOne());
  })();
  await apply(director(at, sinks.filter((s) => s.name !== home).map((s) => s.line()), options));
  applied = true;
  await pump;
  const after: string[] = [];
  for (let n = 0; n < 20; n++) after.push(await sendOne());
  const other = home === 'a' ? 'b' : 'a';
  assert.deepEqual(after, after.map(() => other));
  assert.ok(went.length > 0);
}
