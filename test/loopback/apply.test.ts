/** Changes under load: an apply moves the sessions it must, and no other; nobody loses a datagram. */
import assert from 'node:assert/strict';
import { setTimeout as after } from 'node:timers/promises';
import { test } from 'node:test';
import type { PlanView } from '../../src/client/types.ts';
import { until } from '../contract/mailbox.ts';
import { openSocket, type Socket } from '../fixtures/echo.ts';
import { local } from '../fixtures/loopback.ts';
import { withScope, type Scope } from '../fixtures/scope.ts';
import { startWeir, type Weir } from '../fixtures/weir.ts';

const VIP = { ip: local(1), port: 5300 };
const PORT = 5301;
const NAMES = ['one', 'two', 'three'] as const;

const server = (name: (typeof NAMES)[number], more = ''): string => `    server ${name} ${local(11 + NAMES.indexOf(name))}:${PORT} ${more}\n`;
const director = (...lines: readonly string[]): string => `director echo ${VIP.ip}:${VIP.port} UDP\n    balance leastconn\n${lines.join('')}`;

interface Load {
  readonly clients: number;
  /** Stops all clients; rejects when one was not answered, or by another's answer. Returns how many datagrams were answered. */
  stop(): Promise<number>;
}

/** Clients that each send a datagram, wait for its answer, and send the next: one that is lost stops its client and is found. */
async function startLoad(scope: Scope, first: number, count: number): Promise<Load> {
  const sockets = await Promise.all(Array.from({ length: count }, () => openSocket(scope, { ip: local(99) })));
  let stopping = false;
  scope.defer(() => {
    stopping = true;
  });
  const talk = async (socket: Socket, id: number): Promise<number> => {
    let n = 0;
    for (; !stopping; n++) {
      await socket.send(`c${id} ${n}`, VIP);
      const { text, from } = await socket.inbox.take();
      assert.equal(from, `${VIP.ip}:${VIP.port}`);
      assert.equal(text.replace(/^\w+:/, ''), `c${id} ${n}`, 'each client gets the answer to what it sent last');
      // 200 datagrams a second each: a steady load, not a flood.
      await after(5);
    }
    return n;
  };
  const talking = Promise.all(sockets.map((socket, i) => talk(socket, first + i)));
  talking.catch(() => {});
  return {
    clients: count,
    async stop() {
      stopping = true;
      return (await talking).reduce((sum, n) => sum + n, 0);
    },
  };
}

/** Returns, for each client that a server has seen, the source addresses it came from. */
function sourcesAt(socket: Socket): Map<string, Set<string>> {
  const sources = new Map<string, Set<string>>();
  for (const { text, from } of socket.inbox.all) {
    // The checks' datagrams are empty.
    if (text === '') continue;
    const client = text.slice(0, text.indexOf(' '));
    sources.set(client, (sources.get(client) ?? new Set()).add(from));
  }
  return sources;
}

async function apply(weir: Weir, conf: string): Promise<PlanView> {
  return weir.json<PlanView>('apply', await weir.file('next.conf', conf));
}

test('servers added, weighed anew and removed, checks and another director changed: only the removed server\'s sessions move', (t) => withScope(async (scope) => {
  const servers = await Promise.all(NAMES.map((name, i) => openSocket(scope, { ip: local(11 + i), port: PORT, tag: name })));
  const [one, two, three] = servers as [Socket, Socket, Socket];
  const base = [server('one'), server('two')];
  const weir = await startWeir(scope, { conf: director(...base) });
  const residents = await startLoad(scope, 0, 20);
  await Promise.all([one, two].map((socket) => socket.inbox.take()));

  const added = await apply(weir, director(...base, server('three')));
  assert.deepEqual(added.steps.map(({ op }) => op), ['add-server']);
  const newcomers = await startLoad(scope, 100, 10);
  await three.inbox.take();
  const harmless = [
    director(server('one', 'weight 7'), server('two', 'weight 3'), server('three')),
    director('    check interval 2s\n    option persistence timeout 60s\n', server('one', 'weight 7 check'), server('two', 'weight 3'), server('three')),
    `${director(server('two', 'weight 3'), server('one', 'weight 7 check'), server('three'))}director other ${VIP.ip}:5400 UDP\n    server x ${local(11)}:${PORT}\n`,
  ];
  for (const conf of harmless) assert.equal((await apply(weir, conf)).moves, 0);
  const onThree = sourcesAt(three).size;
  assert.ok(onThree > 0);

  const doomed = (await weir.counted()).directors.find(({ name }) => name === 'echo')?.servers.find(({ name }) => name === 'three');
  const removed = await apply(weir, director(...base));
  assert.equal(removed.moves, doomed?.sessions, 'the plan says how many sessions lose their server');
  // What was under way to it when it was removed has come by the time the others have had more.
  for (const socket of [one, two, one, two]) {
    socket.inbox.drain();
    await socket.inbox.take(({ text }) => text !== '');
  }
  const moved = new Set(sourcesAt(three).keys());
  const seen = three.inbox.all.length;
  for (const socket of [one, two]) await until('load goes on', async () => socket.inbox.all.length, (n) => n > 200);

  const answered = await residents.stop() + await newcomers.stop();
  assert.equal(three.inbox.all.length, seen, 'nothing is sent to a removed server');
  const everywhere = [one, two].map(sourcesAt);
  for (const [client, sources] of [...everywhere, sourcesAt(three)].flatMap((map) => [...map])) assert.equal(sources.size, 1, `${client} kept its source port: ${[...sources].join(' ')}`);
  for (let id = 0; id < 20; id++) {
    if (moved.has(`c${id}`)) continue;
    assert.equal(everywhere.filter((map) => map.has(`c${id}`)).length, 1, `c${id} stayed with one server`);
  }
  const { directors } = await weir.counted();
  const echo = directors.find(({ name }) => name === 'echo');
  assert.deepEqual([echo?.packetsIn, echo?.packetsOut], [answered, answered], 'every datagram of every client was answered');
  t.diagnostic(`${answered} datagrams through ${harmless.length + 2} applies, ${moved.size} sessions moved, ${echo?.sessionsCreated} made`);
  assert.equal(echo?.sessionsCreated, residents.clients + newcomers.clients + moved.size, 'a session is made for each client and for each that had to move');
}));
