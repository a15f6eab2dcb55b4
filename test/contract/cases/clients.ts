/** Who gets which reply, and who stays with whom. */
import assert from 'node:assert/strict';
import type { Case } from '../case.ts';
import { director, session } from '../make.ts';
import { until } from '../mailbox.ts';

const PERSISTENT = { timeoutMs: 60_000, prefix4: 32, prefix6: 128 };

export const clientCases: readonly Case[] = [
  {
    name: 'two-way pins a client to its server and to one source port',
    async run({ apply, vip, client, server, ask }) {
      const at = await vip();
      const servers = await Promise.all(['a', 'b', 'c'].map((name) => server(name)));
      const clients = await Promise.all(Array.from({ length: 6 }, () => client()));
      await apply(director(at, servers.map((s) => s.line()), { balance: 'roundrobin' }));
      const homes = new Map<number, string>();
      for (let round = 0; round < 6; round++) {
        for (const [n, c] of clients.entries()) {
          const tag = await ask(c, at);
          assert.equal(homes.get(n) ?? tag, tag, `client ${n} stays`);
          homes.set(n, tag);
        }
      }
      for (const { name, peer } of servers) {
        const ports = new Set(peer.inbox.all.map((d) => d.from.port));
        assert.equal(ports.size, [...homes.values()].filter((home) => home === name).length, 'one source port a session');
      }
    },
  },
  {
    name: 'two clients behind one address get each their own replies',
    async run({ apply, vip, client, server }) {
      const [at, hold] = [await vip(), await server('a', { behaviour: 'silent' })];
      const [one, two] = [await client(), await client()];
      assert.equal(one.at.ip.text, two.at.ip.text);
      await apply(director(at, [hold.line()]));
      for (let round = 0; round < 5; round++) {
        await one.send(`one ${round}`, at);
        await two.send(`two ${round}`, at);
        const held = [await hold.peer.inbox.take(), await hold.peer.inbox.take()];
        for (const d of held.toReversed()) await hold.peer.send(`to ${d.text}`, d.from);
        assert.equal((await one.inbox.take()).text, `to one ${round}`);
        assert.equal((await two.inbox.take()).text, `to two ${round}`);
      }
      assert.deepEqual([one.inbox.all.length, two.inbox.all.length], [5, 5]);
    },
  },
  {
    name: 'under persistence, clients of one address share a server and still get each their own replies',
    async run({ apply, vip, world, client, server, ask }) {
      const at = await vip();
      const servers = await Promise.all(['a', 'b', 'c'].map((name) => server(name)));
      await apply(director(at, servers.map((s) => s.line()), { balance: 'roundrobin', persistence: PERSISTENT }));
      const homes = [];
      for (let host = 0; host < 3; host++) {
        const clients = await Promise.all([0, 1, 2, 3].map(() => client({ ip: world.clientIp(host) })));
        const tags = [];
        for (const c of clients) tags.push(await ask(c, at), await ask(c, at));
        assert.equal(new Set(tags).size, 1, `host ${host}: ${tags.join()}`);
        for (const c of clients) assert.equal(c.inbox.all.length, 2);
        homes.push(tags[0]);
      }
      assert.deepEqual(homes.toSorted(), ['a', 'b', 'c'], 'the hosts themselves rotate');
    },
  },
  {
    name: 'persistence with a netmask keeps a whole network on one server',
    async run({ apply, vip, world, client, server, ask }) {
      const at = await vip();
      const servers = await Promise.all(['a', 'b'].map((name) => server(name)));
      const near = await Promise.all([0, 1, 2].map((n) => client({ ip: world.clientIp(n) })));
      await apply(director(at, servers.map((s) => s.line()), { balance: 'roundrobin', persistence: { ...PERSISTENT, prefix4: 24 } }));
      const tags = [];
      for (const c of near) tags.push(await ask(c, at));
      assert.equal(new Set(tags).size, 1, tags.join());
      const far = await client({ ip: world.clientIp(200) });
      assert.notEqual(await ask(far, at), tags[0]);
    },
  },
  {
    name: 'persistence outlives the session',
    async run({ apply, vip, client, server, ask, sessions }) {
      const at = await vip();
      const servers = await Promise.all(['a', 'b', 'c'].map((name) => server(name)));
      await apply(director(at, servers.map((s) => s.line()), { balance: 'roundrobin', persistence: PERSISTENT, session: session('two-way', { timeoutMs: 500 }) }));
      const home = await ask(await client(), at);
      for (let n = 0; n < 2; n++) {
        await until('the session to expire', () => sessions(), (list) => list.length === 0);
        assert.equal(await ask(await client(), at), home);
      }
    },
  },
  {
    name: 'persistence ends after its time without datagrams',
    async run({ apply, vip, client, server, ask, sessions }) {
      const at = await vip();
      const servers = await Promise.all(['a', 'b'].map((name) => server(name)));
      const c = await client();
      await apply(director(at, servers.map((s) => s.line()), { balance: 'roundrobin', persistence: { ...PERSISTENT, timeoutMs: 300 }, session: session('two-way', { timeoutMs: 800 }) }));
      const home = await ask(c, at);
      // The session lives longer than the persistence entry, so when it is gone both are; the rotation then decides, and home's turn was taken.
      await until('the session to expire', () => sessions(), (list) => list.length === 0);
      const seen = new Set([home]);
      for (let n = 0; n < 2 && seen.size < 2; n++) {
        seen.add(await ask(c, at));
        await until('the session to expire', () => sessions(), (list) => list.length === 0);
      }
      assert.equal(seen.size, 2);
    },
  },
  {
    name: 'a persistent client whose server goes down moves and stays with the new one',
    async run({ apply, vip, client, server, ask }) {
      const at = await vip();
      const servers = await Promise.all(['a', 'b', 'c'].map((name) => server(name)));
      const [one, two] = [await client(), await client()];
      const main = (down: string): Parameters<typeof apply>[0] =>
        director(at, servers.map((s) => s.line({ state: s.name === down ? 'down' : 'up' })), { balance: 'roundrobin', persistence: PERSISTENT });
      await apply(main(''));
      const home = await ask(one, at);
      await apply(main(home));
      const next = await ask(one, at);
      assert.notEqual(next, home);
      assert.equal(await ask(two, at), next);
      await apply(main(''));
      assert.equal(await ask(await client(), at), next, 'it does not go back by itself');
    },
  },
  ...([{ state: 'drain' }, { weight: 0 }] as const).map((change): Case => ({
    name: `under persistence, new sessions leave a server with ${JSON.stringify(change)} and those it has stay`,
    async run({ apply, vip, client, server, ask }) {
      const at = await vip();
      const servers = await Promise.all(['a', 'b'].map((name) => server(name)));
      const [one, two] = [await client(), await client()];
      const options = { balance: 'roundrobin', persistence: PERSISTENT } as const;
      await apply(director(at, servers.map((s) => s.line()), options));
      const home = await ask(one, at);
      await apply(director(at, servers.map((s) => s.line(s.name === home ? change : {})), options));
      assert.notEqual(await ask(two, at), home);
      assert.equal(await ask(one, at), home);
    },
  })),
  {
    name: 'many clients at once each get their own replies, and every one is counted',
    async run({ apply, vip, client, server, reading }) {
      const at = await vip();
      const servers = await Promise.all(['a', 'b', 'c'].map((name) => server(name)));
      const clients = await Promise.all(Array.from({ length: 60 }, () => client()));
      await apply(director(at, servers.map((s) => s.line())));
      // Four in flight a client: 240 small datagrams fit every socket buffer on the way, so none may be lost.
      for (let round = 0; round < 3; round++) {
        await Promise.all(
          clients.map(async (c, n) => {
            const texts = [0, 1, 2, 3].map((k) => `${n}.${round}.${k}`);
            await Promise.all(texts.map((text) => c.send(text, at)));
            const tags = [];
            for (const text of texts) tags.push((await c.inbox.take()).text.replace(`:${text}`, ''));
            assert.ok(new Set(tags).size === 1 && ['a', 'b', 'c'].includes(tags[0]), `client ${n}: ${tags.join()}`);
          }),
        );
      }
      assert.ok(clients.every((c) => c.inbox.all.length === 12));
      const total = 60 * 12;
      const read = await until('the counters to settle', () => reading(), (r) => r.packetsOut === total);
      assert.deepEqual([read.packetsIn, read.sessions, read.sessionsCreated], [total, 60, 60]);
      assert.equal(read.servers.reduce((sum, s) => sum + s.packetsIn, 0), total);
      assert.equal(read.bytesOut, read.bytesIn + 2 * total);
    },
  },
  {
    name: 'a server may answer several times and speak first while the session lives',
    async run({ apply, vip, client, server }) {
      const [at, hold, c] = [await vip(), await server('a', { behaviour: 'silent' }), await client()];
      await apply(director(at, [hold.line()]));
      await c.send('hello', at);
      const { from } = await hold.peer.inbox.take();
      for (const text of ['one', 'two', 'three']) await hold.peer.send(text, from);
      for (const text of ['one', 'two', 'three']) assert.equal((await c.inbox.take()).text, text);
      await hold.peer.send('later, unasked', from);
      assert.equal((await c.inbox.take()).text, 'later, unasked');
    },
  },
  {
    name: "a datagram to a session's source port from anybody but its server reaches no client",
    async run({ apply, vip, world, client, server, ask }) {
      const [at, a, c, intruder] = [await vip(), await server('a'), await client(), await client({ ip: world.serverIp(4) })];
      await apply(director(at, [a.line()]));
      await ask(c, at);
      const { from } = a.peer.inbox.all[0];
      await intruder.send('forged', from);
      for (let n = 0; n < 5; n++) await ask(c, at);
      assert.deepEqual(c.inbox.drain(), []);
    },
  },
];
