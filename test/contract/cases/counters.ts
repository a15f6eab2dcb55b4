/** Counters equal what was sent and received, to the packet and the byte, zeros included. */
import assert from 'node:assert/strict';
import { setTimeout as delay } from 'node:timers/promises';
import { RESPONSE_BUCKETS, responseBucket } from '../../../src/engine/response-times.ts';
import { hostPortText } from '../../../src/net/endpoint.ts';
import type { Case } from '../case.ts';
import { allDrops } from '../context.ts';
import { until } from '../mailbox.ts';
import { director, session } from '../make.ts';

export const counterCases: readonly Case[] = [
  {
    name: 'counters of director and servers equal what was sent and received',
    async run({ apply, vip, client, server, engine, reading }) {
      const at = await vip();
      const servers = [await server('a'), await server('b')];
      const clients = await Promise.all(Array.from({ length: 4 }, () => client()));
      await apply(director(at, servers.map((s) => s.line())));
      for (const [n, c] of clients.entries()) {
        for (const size of [0, 1, 100 + n, 1472, 9000]) {
          await c.send(Buffer.alloc(size, 120), at);
          await c.inbox.take((d) => d.data.length === size + 2);
        }
      }
      const tracked = (inboxes: readonly { readonly data: Buffer }[][]): { packets: number; bytes: number } => ({
        packets: inboxes.flat().length,
        bytes: inboxes.flat().reduce((sum, d) => sum + d.data.length, 0),
      });
      const [toServers, toClients] = [tracked(servers.map((s) => s.peer.inbox.all)), tracked(clients.map((c) => c.inbox.all))];
      const result = await until('the counters to settle', () => reading(), (r) => r.packetsOut === toClients.packets);
      const expectedServers = servers.map((s, i) => {
        const got = tracked([s.peer.inbox.all]);
        return {
          name: s.name,
          address: hostPortText(s.peer.at.ip, s.peer.at.port),
          packetsIn: got.packets,
          bytesIn: got.bytes,
          packetsOut: got.packets,
          // Each answer is the datagram behind the two bytes `a:` or `b:`.
          bytesOut: got.bytes + 2 * got.packets,
          sessions: 2,
          sessionsCreated: 2,
          sessionsMoved: 0,
          unanswered: 0,
          icmpErrors: 0,
          // Which bucket is the machine's affair; how many there are is not.
          responseTimes: result.servers[i]?.responseTimes ?? null,
        };
      });
      assert.deepEqual(result, {
        name: 'main',
        packetsIn: toServers.packets,
        bytesIn: toServers.bytes,
        packetsOut: toClients.packets,
        bytesOut: toClients.bytes,
        sessions: 4,
        sessionsCreated: 4,
        drops: allDrops({}),
        servers: expectedServers,
      });
      for (const { responseTimes, packetsOut } of result.servers) assert.equal(responseTimes?.reduce((sum, n) => sum + n, 0) ?? packetsOut, packetsOut, 'each reply has its response time');
      assert.deepEqual([toServers.packets, toClients.bytes], [20, toServers.bytes + 40]);
      assert.deepEqual(Object.values(allDrops((await engine.read()).drops)).filter((n) => n !== 0), []);
    },
  },
  {
    name: 'what came in equals what went to servers and what was dropped',
    async run({ apply, vip, client, server, ask, tell, dropped, reading }) {
      const [at, a] = [await vip(), await server('a')];
      const [one, two] = [await client(), await client()];
      await apply(director(at, [a.line()], { session: session('two-way', { max: 1 }) }));
      for (let n = 0; n < 3; n++) await ask(one, at);
      for (let n = 0; n < 2; n++) await tell(two, at);
      await dropped('session_max', 2);
      await apply(director(at, []));
      await tell(one, at);
      await dropped('no_server', 1);
      const { packetsIn, packetsOut, drops } = await reading();
      assert.deepEqual({ packetsIn, packetsOut, drops }, { packetsIn: 6, packetsOut: 3, drops: allDrops({ session_max: 2, no_server: 1 }) });
    },
  },
  {
    name: 'the first reply after a request is counted under the time since the last request',
    async run({ apply, vip, client, server, reading }) {
      const [at, c, hold] = [await vip(), await client(), await server('a', { behaviour: 'silent' })];
      await apply(director(at, [hold.line()]));
      const delayMs = 60;
      const counted = new Array<number>(RESPONSE_BUCKETS).fill(0);
      for (const requests of [1, 2]) {
        let asked = 0;
        for (let n = 0; n < requests; n++) {
          if (n > 0) await delay(3 * delayMs);
          asked = performance.now();
          await c.send(`q${n}`, at);
        }
        let from = at;
        for (let n = 0; n < requests; n++) ({ from } = await hold.peer.inbox.take());
        const heard = performance.now();
        await delay(delayMs);
        const shortest = performance.now() - heard;
        for (const text of ['first', 'second']) {
          await hold.peer.send(text, from);
          await c.inbox.take((d) => d.text === text);
        }
        const longest = performance.now() - asked;
        const times = (await until('the replies to be counted', () => reading(), (r) => r.servers[0]?.packetsOut === 2 * requests)).servers[0]?.responseTimes ?? [];
        const more = times.flatMap((n, bucket) => Array<number>(n - counted[bucket]).fill(bucket));
        assert.equal(more.length, 1, `the second reply answers nothing new: ${times.join(' ')}`);
        const [low, high] = [responseBucket(shortest * 1e6), responseBucket(longest * 1e6)];
        assert.ok(more[0] >= low && more[0] <= high, `bucket ${more[0]} for a reply after ${shortest} to ${longest} ms (${low} to ${high})`);
        counted[more[0]]++;
      }
    },
  },
  {
    name: 'counters only grow while the epoch stays, through every kind of apply',
    async run({ apply, vip, client, server, ask, engine, reading }) {
      const [at, a, b, c] = [await vip(), await server('a'), await server('b'), await client()];
      const { epoch } = await engine.read();
      await apply(director(at, [a.line()]));
      await ask(c, at);
      const first = await until('the reply to be counted', () => reading(), (r) => r.packetsOut === 1);
      await apply(director(at, [a.line({ weight: 3 }), b.line()], { balance: 'maglev' }));
      await ask(c, at);
      const second = await until('the reply to be counted', () => reading(), (r) => r.packetsOut === 2);
      assert.deepEqual([first.packetsIn, second.packetsIn, second.servers[0]?.packetsIn, second.sessionsCreated], [1, 2, 2, 1]);
      assert.equal((await engine.read()).epoch, epoch);
    },
  },
  {
    name: 'one-way datagrams are counted on the server they went to',
    async run({ apply, vip, client, server, reading }) {
      const [at, c] = [await vip(), await client()];
      const sinks = [await server('a', { behaviour: 'silent' }), await server('b', { behaviour: 'silent' })];
      await apply(director(at, sinks.map((s) => s.line()), { session: session('one-way'), balance: 'roundrobin' }));
      for (let n = 0; n < 10; n++) await c.send('12345', at);
      for (const { peer } of sinks) for (let n = 0; n < 5; n++) await peer.inbox.take();
      const r = await until('the counters to settle', () => reading(), (x) => x.servers.every((s) => s.packetsIn === 5));
      assert.deepEqual([r.packetsIn, r.bytesIn, r.packetsOut, r.bytesOut], [10, 50, 0, 0]);
      assert.deepEqual(r.servers.map((s) => [s.bytesIn, s.packetsOut, s.icmpErrors]), [[25, 0, 0], [25, 0, 0]]);
    },
  },
  {
    name: 'a session that ends without any reply counts as unanswered, one with a reply does not',
    async run({ apply, vip, client, server, tell, reading }) {
      const [at, c, hold] = [await vip(), await client(), await server('a', { behaviour: 'silent' })];
      await apply(director(at, [hold.line()], { session: session('request-reply', { timeoutMs: 1000 }) }));
      await tell(c, at);
      await tell(c, at);
      await hold.peer.inbox.take();
      const second = await hold.peer.inbox.take();
      await hold.peer.send('yes', second.from);
      await c.inbox.take();
      const r = await until('the other request to expire', () => reading(), (x) => x.sessions === 0);
      assert.deepEqual([r.servers[0]?.unanswered, r.servers[0]?.packetsOut], [1, 1]);
    },
  },
];
