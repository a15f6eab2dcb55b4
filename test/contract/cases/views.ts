/** What an engine shows: sessions page by page, filters, purge, explain, and what it says it cannot do. */
import assert from 'node:assert/strict';
import type { Balance } from '../../../src/balance/terms.ts';
import { Unsupported, type SessionFilter, type SessionView } from '../../../src/engine/engine.ts';
import { endpointText } from '../../../src/net/endpoint.ts';
import type { Case } from '../case.ts';
import { desired, director, session } from '../make.ts';
import { planOf } from '../plan.ts';

export const viewCases: readonly Case[] = [
  {
    name: 'sessions are listed page by page, each exactly once',
    async run({ apply, vip, client, server, ask, engine }) {
      const at = await vip();
      const servers = [await server('a'), await server('b')];
      const clients = await Promise.all(Array.from({ length: 45 }, () => client()));
      await apply(director(at, servers.map((s) => s.line())));
      for (const c of clients) await ask(c, at);
      for (const limit of [1000, 45, 7, 1]) {
        const seen: SessionView[] = [];
        let cursor: string | null = null;
        do {
          const page = await engine.sessions({}, cursor === null ? { limit } : { limit, cursor });
          assert.equal(page.total, 45);
          assert.ok(page.sessions.length <= limit, `${page.sessions.length} on a page of ${limit}`);
          seen.push(...page.sessions);
          cursor = page.next;
          assert.ok(seen.length <= 45, 'paging ends');
        } while (cursor !== null);
        assert.deepEqual(seen.map((s) => s.client).toSorted(), clients.map((c) => endpointText(c.at)).toSorted(), `limit ${limit}`);
      }
    },
  },
  {
    name: 'a session view tells what the server and the client saw',
    async run({ apply, vip, client, server, ask, sessions }) {
      const [at, a, c] = [await vip(), await server('a'), await client()];
      await apply(director(at, [a.line()]));
      await ask(c, at);
      await ask(c, at);
      const [view, ...rest] = await sessions();
      assert.deepEqual(rest, []);
      const { ageMs, idleMs, expiresInMs, ...fixed } = view;
      const bytes = a.peer.inbox.all.reduce((sum, d) => sum + d.data.length, 0);
      assert.deepEqual(fixed, {
        director: 'main',
        client: endpointText(c.at),
        vip: endpointText(at),
        server: 'a',
        serverAddress: endpointText(a.peer.at),
        sourcePort: a.peer.inbox.all[0].from.port,
        outstanding: 0,
        packetsIn: 2,
        bytesIn: bytes,
        packetsOut: 2,
        bytesOut: bytes + 4,
      });
      assert.ok(ageMs >= idleMs && idleMs >= 0 && expiresInMs > 60_000 && expiresInMs <= 120_000, `age ${ageMs}, idle ${idleMs}, expires in ${expiresInMs}`);
    },
  },
  {
    name: 'a request that waits shows its outstanding replies',
    async run({ apply, vip, client, server, sessions }) {
      const [at, hold, c] = [await vip(), await server('a', { behaviour: 'silent' }), await client()];
      await apply(director(at, [hold.line()], { session: session('request-reply', { replies: 3 }) }));
      await c.send('x', at);
      const { from } = await hold.peer.inbox.take();
      assert.deepEqual((await sessions()).map((s) => s.outstanding), [3]);
      await hold.peer.send('1', from);
      await c.inbox.take();
      assert.deepEqual((await sessions()).map((s) => s.outstanding), [2]);
    },
  },
  {
    name: 'filters by director, server, address and address:port select exactly what they say, and so does purge',
    async run({ apply, vip, world, client, server, ask, sessions, engine }) {
      const [one, two] = [await vip(), await vip()];
      const [a, b] = [await server('a'), await server('b')];
      const clients = await Promise.all([0, 0, 1, 1].map((n) => client({ ip: world.clientIp(n) })));
      await apply(director(one, [a.line(), b.line()], { name: 'one', balance: 'roundrobin' }), director(two, [a.line()], { name: 'two' }));
      for (const c of clients) {
        await ask(c, one);
        await ask(c, two);
      }
      const count = async (filter: SessionFilter): Promise<number> => {
        const page = await engine.sessions(filter, { limit: 1000 });
        assert.equal(page.total, 8, 'the total does not depend on the filter');
        return page.sessions.length;
      };
      const [address, port] = [clients[0].at.ip.text, endpointText(clients[0].at)];
      assert.deepEqual(
        [await count({ director: 'one' }), await count({ server: 'a' }), await count({ server: 'b' }), await count({ client: address }), await count({ client: port })],
        [4, 6, 2, 4, 2],
      );
      assert.deepEqual([await count({ client: port, director: 'two' }), await count({ director: 'none' }), await count({ client: '192.0.2.1' })], [1, 0, 0]);
      assert.equal(await engine.purge({ client: port, director: 'two' }), 1);
      assert.equal((await sessions()).length, 7);
      assert.equal(await engine.purge({ server: 'b' }), 2);
      assert.equal(await engine.purge({ server: 'b' }), 0);
      assert.equal(await engine.purge({}), 5);
      assert.deepEqual(await sessions(), []);
      assert.equal(await ask(clients[0], two), 'a');
    },
  },
  {
    name: 'a purged client starts a new session from another source port',
    async run({ apply, vip, client, server, ask, engine, reading }) {
      const [at, a, c] = [await vip(), await server('a'), await client()];
      await apply(director(at, [a.line()]));
      await ask(c, at);
      assert.equal(await engine.purge({ client: endpointText(c.at) }), 1);
      await ask(c, at);
      assert.equal(new Set(a.peer.inbox.all.map((d) => d.from.port)).size, 2);
      assert.equal((await reading()).sessionsCreated, 2);
    },
  },
  ...(['roundrobin', 'leastconn', 'shortestexpected', 'neverqueue', 'failover', 'source', 'dest', 'srcdst', 'maglev'] as const).map(explains),
  {
    name: 'explain says why: a session that exists, no server, no director; and changes nothing',
    async run({ apply, vip, client, server, ask, engine, reading }) {
      const [at, empty, a, c] = [await vip(), await vip(), await server('a'), await client()];
      await apply(director(at, [a.line(), a.line({ name: 'z', state: 'down' })]), director(empty, [], { name: 'empty' }));
      await ask(c, at);
      const before = await reading();
      const [pinned, none, nowhere] = await Promise.all([
        engine.explain({ client: endpointText(c.at), vip: endpointText(at), protocol: 'udp' }),
        engine.explain({ client: endpointText(c.at), vip: endpointText(empty), protocol: 'udp' }),
        engine.explain({ client: endpointText(c.at), vip: '192.0.2.1:9', protocol: 'udp' }),
      ]);
      assert.deepEqual([pinned.director, pinned.server], ['main', 'a']);
      assert.match(pinned.why, /session/i);
      assert.deepEqual(pinned.candidates.map((s) => [s.server, s.state, s.weight, s.sessions]), [['a', 'up', 1, 1], ['z', 'down', 1, 0]]);
      assert.ok(pinned.candidates.every((s) => s.note !== ''));
      assert.deepEqual([none.director, none.server], ['empty', null]);
      assert.match(none.why, /no.server/i);
      assert.deepEqual([nowhere.director, nowhere.server], [null, null]);
      assert.deepEqual(await reading(), before);
    },
  },
  {
    name: 'what the engine calls unsupported names the engine, and is refused by apply without a change',
    async run({ apply, vip, client, server, ask, engine }) {
      const [at, a, c] = [await vip(), await server('a'), await client()];
      await apply(director(at, [a.line()]));
      const main = (await engine.observe()).directors[0];
      const next = { ...(await vip(1)) };
      const odd = [
        director(next, [a.line()], { name: 'x', mode: 'gateway' }),
        director(next, [a.line()], { name: 'x', mode: 'tunnel' }),
        director(next, [a.line()], { name: 'x', protocol: 'tcp' }),
        director({ ...next, port: 0 }, [a.line()], { name: 'x' }),
        director(next, [a.line()], { name: 'x', vip: null }),
      ];
      for (const one of odd) {
        const wanted = desired([main, one]);
        const cannot = engine.unsupported(wanted);
        if (cannot.length === 0) continue;
        for (const reason of cannot) assert.ok(reason instanceof Unsupported && reason.engine === engine.name && reason.what !== '' && reason.director === 'x', reason.message);
        await assert.rejects(engine.apply(planOf(wanted, await engine.observe())));
        assert.deepEqual((await engine.observe()).directors, [main]);
      }
      assert.deepEqual(engine.unsupported(desired([main])), []);
      assert.equal(await ask(c, at), 'a');
    },
  },
  {
    name: 'probe says that the engine works here',
    async run({ engine }) {
      const probe = await engine.probe();
      assert.ok(probe.ok, JSON.stringify(probe));
    },
  },
];

/** What explain says of a new client is where its datagram then goes, and what it says after that is the same. */
function explains(balance: Balance): Case {
  return {
    name: `explain agrees with where ${balance} then sends the datagram`,
    async run({ apply, vip, world, client, server, ask, engine }) {
      const at = await vip();
      const servers = await Promise.all(['a', 'b', 'c'].map((name) => server(name)));
      await apply(director(at, servers.map((s, i) => s.line({ weight: i + 1 })), { balance }));
      for (let n = 0; n < 9; n++) {
        const c = await client({ ip: world.clientIp(n) });
        const query = { client: endpointText(c.at), vip: endpointText(at), protocol: 'udp' } as const;
        const before = await engine.explain(query);
        const tag = await ask(c, at);
        assert.equal(before.server, tag, `client ${n}: ${before.why}`);
        assert.equal((await engine.explain(query)).server, tag);
      }
    },
  };
}
