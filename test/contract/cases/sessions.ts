/** The three kinds of sessions, their ends and their limits. */
import assert from 'node:assert/strict';
import type { Case } from '../case.ts';
import type { Context } from '../context.ts';
import { until } from '../mailbox.ts';
import { director, session } from '../make.ts';
import type { Datagram } from '../world.ts';

export const sessionCases: readonly Case[] = [
  {
    name: 'request-reply spreads the requests of one client port by least outstanding, and each reply arrives',
    async run({ apply, vip, client, server }) {
      const [at, c] = [await vip(), await client()];
      const holds = await Promise.all(['a', 'b', 'c'].map((name) => server(name, { behaviour: 'silent' })));
      await apply(director(at, holds.map((s) => s.line()), { session: session('request-reply') }));
      for (let n = 0; n < 30; n++) await c.send(`r${n}`, at);
      const held: { datagram: Datagram; answer: () => Promise<void> }[] = [];
      for (const { name, peer } of holds) {
        for (let n = 0; n < 10; n++) {
          const datagram = await peer.inbox.take();
          held.push({ datagram, answer: () => peer.send(`${name}:${datagram.text}`, datagram.from) });
        }
      }
      for (const { answer } of held.toReversed()) await answer();
      for (let n = 0; n < 30; n++) await c.inbox.take((d) => d.text.endsWith(`:r${n}`));
      assert.equal(c.inbox.all.length, 30);
    },
  },
  {
    name: 'request-reply under leastconn leaves a slow server alone',
    async run({ apply, vip, client, server, ask, tell }) {
      const [at, c] = [await vip(), await client()];
      const [slow, fast] = [await server('slow', { behaviour: 'silent' }), await server('fast')];
      await apply(director(at, [slow.line()], { session: session('request-reply') }));
      for (let n = 0; n < 3; n++) await tell(c, at);
      for (let n = 0; n < 3; n++) await slow.peer.inbox.take();
      await apply(director(at, [slow.line(), fast.line()], { session: session('request-reply') }));
      for (let n = 0; n < 10; n++) assert.equal(await ask(c, at), 'fast');
    },
  },
  {
    name: 'request-reply ends after the stated number of replies',
    async run({ apply, vip, client, server, sessions, reading }) {
      const [at, hold, c] = [await vip(), await server('a', { behaviour: 'silent' }), await client()];
      await apply(director(at, [hold.line()], { session: session('request-reply', { replies: 3 }) }));
      await c.send('three, please', at);
      const { from } = await hold.peer.inbox.take();
      for (const text of ['1', '2']) {
        await hold.peer.send(text, from);
        assert.equal((await c.inbox.take()).text, text);
      }
      assert.equal((await reading()).sessions, 1);
      await hold.peer.send('3', from);
      assert.equal((await c.inbox.take()).text, '3');
      await until('the session to end', () => sessions(), (list) => list.length === 0);
      await hold.peer.send('4', from);
      await c.send('fence', at);
      const next = await hold.peer.inbox.take();
      await hold.peer.send('5', next.from);
      assert.equal((await c.inbox.take()).text, '5', 'the fourth reply was one too many');
    },
  },
  {
    name: 'one-way spreads a single source that never pauses',
    async run({ apply, vip, client, server }) {
      const [at, c] = [await vip(), await client()];
      const sinks = await Promise.all(['a', 'b', 'c'].map((name) => server(name, { behaviour: 'silent' })));
      await apply(director(at, sinks.map((s, i) => s.line({ weight: i + 1 })), { balance: 'roundrobin', session: session('one-way') }));
      for (let n = 0; n < 120; n++) await c.send(`m${n}`, at);
      for (const [i, { peer }] of sinks.entries()) for (let n = 0; n < 20 * (i + 1); n++) await peer.inbox.take();
      assert.deepEqual(sinks.map((s) => s.peer.inbox.all.length), [20, 40, 60]);
      assert.equal(new Set(sinks.flatMap((s) => s.peer.inbox.all.map((d) => d.text))).size, 120);
    },
  },
  {
    name: 'two-way: an idle session ends and the next datagram starts a new one',
    async run({ apply, vip, client, server, ask, sessions, reading }) {
      const [at, a, c] = [await vip(), await server('a'), await client()];
      await apply(director(at, [a.line()], { session: session('two-way', { timeoutMs: 1000 }) }));
      for (let n = 0; n < 3; n++) await ask(c, at);
      const [live] = await sessions();
      assert.ok(live && live.expiresInMs <= 1000, `expires in ${live?.expiresInMs} ms`);
      await until('the session to end', () => sessions(), (list) => list.length === 0);
      await ask(c, at);
      assert.equal((await reading()).sessionsCreated, 2);
    },
  },
  {
    name: 'two-way: datagrams keep a session alive beyond its timeout',
    async run({ apply, vip, client, server, ask, sessions, reading }) {
      const [at, a, c] = [await vip(), await server('a'), await client()];
      await apply(director(at, [a.line()], { session: session('two-way', { timeoutMs: 1000 }) }));
      await until('the session to be older than its timeout', async () => {
        await ask(c, at);
        return (await sessions())[0].ageMs;
      }, (age) => age > 2200);
      assert.equal((await reading()).sessionsCreated, 1);
    },
  },
  {
    name: 'a late reply to a purged session reaches no other client',
    run: (context) => lateReply(context, null, async ({ engine, sessions }) => {
      assert.equal(await engine.purge({}), 1);
      assert.deepEqual(await sessions(), []);
    }),
  },
  {
    name: 'a late reply to an expired session reaches no other client',
    run: (context) => lateReply(context, 200, async ({ sessions }) => {
      await until('the session to expire', () => sessions(), (list) => list.length === 0);
    }),
  },
  {
    name: 'session max: one more is dropped and counted, and a place that is free again is used',
    async run({ apply, vip, client, server, ask, tell, dropped, engine }) {
      const [at, a] = [await vip(), await server('a')];
      const clients = await Promise.all(Array.from({ length: 4 }, () => client()));
      await apply(director(at, [a.line()], { session: session('two-way', { max: 3 }) }));
      for (const c of clients.slice(0, 3)) await ask(c, at);
      await tell(clients[3], at);
      await dropped('session_max', 1);
      for (const c of clients.slice(0, 3)) await ask(c, at);
      assert.equal(await engine.purge({ client: `${clients[0].at.ip.text}:${clients[0].at.port}` }), 1);
      assert.equal(await ask(clients[3], at), 'a');
      await tell(clients[0], at);
      await dropped('session_max', 2);
    },
  },
  {
    name: 'session max holds over all workers under many clients at once',
    async run({ apply, vip, client, server, ...context }) {
      const [at, a] = [await vip(), await server('a')];
      const clients = await Promise.all(Array.from({ length: 60 }, () => client()));
      await apply(director(at, [a.line()], { session: session('two-way', { max: 20 }) }));
      await Promise.all(clients.map((c) => c.send('x', at)));
      await context.dropped('session_max', 40);
      const { sessions, sessionsCreated } = await context.reading();
      assert.deepEqual([sessions, sessionsCreated], [20, 20]);
      assert.equal((await context.sessions()).length, 20);
    },
  },
  {
    name: 'session source-rate: one address makes so many new sessions a second, another is not held to it, and those that live go on',
    async run({ apply, vip, world, client, server, ask, tell, dropped, reading }) {
      const [at, a, one, other] = [await vip(), await server('a'), await client({ ip: world.clientIp(0) }), await client({ ip: world.clientIp(1) })];
      await apply(director(at, [a.line()], { session: session('two-way', { sourceRate: 1 }) }));
      assert.equal(await ask(one, at), 'a');
      const more = await Promise.all(Array.from({ length: 20 }, () => client({ ip: one.at.ip })));
      const began = Date.now();
      for (const c of more) await tell(c, at);
      await ask(other, at);
      // Whole seconds of a clock that is not ours: one that began meanwhile lets one more through.
      const { sessionsCreated, drops } = await until('all of them to be counted', () => reading(), (r) => r.sessionsCreated + r.drops.rate_limit === 22);
      assert.ok(sessionsCreated <= 3 + Math.ceil((Date.now() - began) / 1000), `${sessionsCreated} sessions, ${drops.rate_limit} dropped`);
      for (let n = 0; n < 10; n++) assert.equal(await ask(one, at), 'a');
      await dropped('rate_limit', drops.rate_limit);
      const late = more.at(-1)!;
      await until('the next second', async () => {
        await tell(late, at);
        return late.inbox.all.length;
      }, (answers) => answers > 0);
    },
  },
  {
    name: "session amplification: a session carries so many times its client's bytes, the rest is dropped and counted; another director is not held to it, and a change moves nobody",
    async run({ apply, vip, client, server, dropped, sessions, reading }) {
      const [at, beside, a, c, free] = [await vip(), await vip(), await server('a', { behaviour: 'silent' }), await client(), await client()];
      const unlimited = director(beside, [a.line()], { name: 'beside' });
      await apply(director(at, [a.line()], { session: session('two-way', { amplification: 3 }) }), unlimited);
      await c.send(Buffer.alloc(100), at);
      const { from } = await a.peer.inbox.take();
      for (let n = 0; n < 20; n++) await a.peer.send(Buffer.alloc(100), from);
      await dropped('amplification', 17);
      for (let n = 0; n < 3; n++) assert.equal((await c.inbox.take()).data.length, 100);
      const [{ bytesIn, bytesOut, packetsOut }] = await sessions({ director: 'main' });
      assert.deepEqual([bytesIn, bytesOut, packetsOut, (await reading()).packetsOut], [100, 300, 3, 20], 'what the server sent is counted as sent by it');

      await c.send(Buffer.alloc(10), at);
      await a.peer.inbox.take();
      await a.peer.send(Buffer.alloc(31), from);
      await dropped('amplification', 18);
      await a.peer.send(Buffer.alloc(30), from);
      assert.equal((await c.inbox.take()).data.length, 30);

      await free.send('x', beside);
      const other = await a.peer.inbox.take();
      for (let n = 0; n < 20; n++) await a.peer.send(Buffer.alloc(100), other.from);
      for (let n = 0; n < 20; n++) await free.inbox.take();
      assert.equal((await reading('beside')).drops.amplification, 0);

      await apply(director(at, [a.line()]), unlimited);
      await a.peer.send(Buffer.alloc(1000), from);
      assert.equal((await c.inbox.take()).data.length, 1000);
      assert.equal((await reading()).sessionsCreated, 1);
      assert.equal(c.inbox.all.length, 5);
    },
  },
  {
    name: 'session rate: all sources together make so many new sessions a second, over all workers; another director has its own',
    async run({ apply, vip, world, client, server, ask, tell, reading }) {
      const [at, beside, a] = [await vip(), await vip(), await server('a')];
      const clients = await Promise.all(Array.from({ length: 40 }, (_, n) => client({ ip: world.clientIp(n) })));
      await apply(director(at, [a.line()], { session: session('two-way', { rate: 5 }) }), director(beside, [a.line()], { name: 'beside' }));
      const began = Date.now();
      for (const c of clients) await tell(c, at);
      for (const c of clients) assert.equal(await ask(c, beside), 'a');
      const { sessionsCreated } = await until('all of them to be counted', () => reading(), (r) => r.sessionsCreated + r.drops.rate_limit === 40);
      const seconds = 1 + Math.ceil((Date.now() - began) / 1000);
      assert.ok(sessionsCreated >= 5 && sessionsCreated <= 5 * seconds, `${sessionsCreated} sessions in ${seconds} s`);
    },
  },
  {
    name: 'a fixed source port is served right through add, drain, remove, delete and re-add',
    async run({ apply, vip, world, client, server, ask, tell, sessions }) {
      const at = await vip();
      const [a, b, d] = [await server('a'), await server('b'), await server('d')];
      const c = await client({ port: await world.freePorts(1) });
      await apply(director(at, [a.line()]));
      assert.equal(await ask(c, at), 'a');
      await apply(director(at, [a.line(), b.line()]));
      assert.equal(await ask(c, at), 'a', 'a server more moves nobody');
      await apply(director(at, [a.line({ state: 'drain' }), b.line()]));
      assert.equal(await ask(c, at), 'a', 'drain keeps sessions');
      await apply(director(at, [b.line()]));
      assert.equal(await ask(c, at), 'b', 'remove moves them');
      await apply();
      assert.deepEqual(await sessions(), []);
      await tell(c, at);
      await apply(director(at, [d.line()]));
      assert.equal(await ask(c, at), 'd', 'nothing old is left');
      await apply(director(at, [a.line()]));
      assert.equal(await ask(c, at), 'a');
    },
  },
];

/** A server answers after its session has ended, when many new clients have come. */
async function lateReply(context: Context, timeoutMs: number | null, end: (context: Context) => Promise<void>): Promise<void> {
  const { apply, vip, client, server } = context;
  const [at, hold, first] = [await vip(), await server('a', { behaviour: 'silent' }), await client()];
  await apply(director(at, [hold.line()], { session: session('two-way', { timeoutMs }) }));
  await first.send('slow question', at);
  const slow = await hold.peer.inbox.take();
  await end(context);
  // The new sessions live long, however slow the machine; the old one is gone already.
  await apply(director(at, [hold.line()]));
  const others = await Promise.all(Array.from({ length: 40 }, () => client()));
  await Promise.all(others.map((c, n) => c.send(`new ${n}`, at)));
  const held = [];
  for (let n = 0; n < others.length; n++) held.push(await hold.peer.inbox.take());
  assert.ok(held.every((d) => d.from.port !== slow.from.port), 'the freed source port rests');
  await hold.peer.send('late answer', slow.from);
  for (const d of held) await hold.peer.send(`answer to ${d.text}`, d.from);
  for (const [n, c] of others.entries()) assert.equal((await c.inbox.take()).text, `answer to new ${n}`);
  assert.ok([first, ...others].every((c) => c.inbox.drain().length === 0), 'the late answer reached nobody');
}
