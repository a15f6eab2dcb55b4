/** One process of weir takes over from another under load: no datagram and no session is lost, and whatever fails, somebody goes on. */
import assert from 'node:assert/strict';
import { closeSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { createConnection } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import type { SessionsView, StatusView } from '../../src/client/types.ts';
import { TAKEOVER_SOCKET } from '../../src/takeover/messages.ts';
import { askRunning, type Running as RunningWeir } from '../../src/takeover/taker.ts';
import { until } from '../contract/mailbox.ts';
import { openSocket } from '../fixtures/echo.ts';
import { local } from '../fixtures/loopback.ts';
import { finish, start, temporaryDirectory } from '../fixtures/process.ts';
import { withScope, type Scope } from '../fixtures/scope.ts';
import { more, startLoad, type Load } from '../fixtures/steady-load.ts';
import { startWeir, WEIR, type Weir } from '../fixtures/weir.ts';
import { ROOT } from '../house/root.ts';

const VIP = { ip: local(1), port: 5300 };
const SERVERS = ['a', 'b', 'c'] as const;
const CLIENTS = 40;
/** 40 clients every 10 ms: 4000 datagrams/s, and as many answers. */
const EVERY_MS = 10;
const START_MS = 20_000;

/** The last server is not there: its check has found that out, and a successor must know. */
const CONF = `director main ${VIP.ip}:${VIP.port} UDP
    balance leastconn
    check interval 30s timeout 1s fall 1
${SERVERS.map((name, n) => `    server ${name} ${local(11 + n)}:5301\n`).join('')}    server gone ${local(19)}:5301 check
`;

async function stage(scope: Scope): Promise<{ weir: Weir; load: Load; conf: string }> {
  for (const [n, tag] of SERVERS.entries()) await openSocket(scope, { ip: local(11 + n), port: 5301, tag });
  const weir = await startWeir(scope, { conf: CONF, args: ['--workers', '2'] });
  await until('the check of the server that is gone', () => weir.server('gone'), ({ state }) => state === 'down');
  const load = await startLoad(scope, { ip: local(30), port: 6000, clients: CLIENTS, everyMs: EVERY_MS, vip: VIP });
  await more(load, 1000);
  return { weir, load, conf: await weir.file('weir.conf', CONF) };
}

async function sessionsOf(weir: Weir): Promise<SessionsView['sessions']> {
  return (await weir.client.sessions({ limit: 1000 })).sessions.toSorted((x, y) => (x.client < y.client ? -1 : 1));
}

const urlOf = async ({ state }: Weir): Promise<string> => (JSON.parse(await readFile(join(state, 'api.json'), 'utf8')) as { url: string }).url;
/** What of a session must outlive its process. */
const lasting = (sessions: SessionsView['sessions']): unknown => sessions.map(({ director, client, vip, server, serverAddress, sourcePort }) => ({ director, client, vip, server, serverAddress, sourcePort }));
const total = ({ directors: [main] }: StatusView): number => main.packetsIn;

async function nothingLost(load: Load): Promise<number> {
  const { sent, ...lost } = await load.stop();
  assert.deepEqual(lost, { lost: 0, twice: 0, moved: [] }, `of ${sent} datagrams`);
  return sent;
}

test('a takeover under 4000 datagrams/s loses none, keeps every session, and counters, health and the API go on', (t) => withScope(async (scope) => {
  const { weir, load } = await stage(scope);
  const before = { sessions: await sessionsOf(weir), status: await weir.client.status(), gone: await weir.server('gone'), url: await urlOf(weir) };
  const startedAt = Date.now();
  const next = await startWeir(scope, { conf: CONF, state: weir.state, args: ['--takeover'] });
  assert.deepEqual(await weir.process.exit, { code: 0, signal: null });
  const [, pause] = /has taken over; datagrams waited for (\d+) ms/.exec(weir.process.output()) ?? [];
  t.diagnostic(`datagrams waited for ${pause} ms, the load of the machine included`);
  await more(load, 2000);
  const after = { sessions: await sessionsOf(next), status: await next.client.status(), gone: await next.server('gone'), url: await urlOf(next) };
  assert.equal(before.sessions.length, CLIENTS);
  assert.equal(after.url, before.url, 'the API is where it was, though its port was free to choose');
  assert.deepEqual(lasting(after.sessions), lasting(before.sessions));
  assert.ok(after.sessions.every((s, n) => s.packetsIn > before.sessions[n]!.packetsIn && s.ageMs > before.sessions[n]!.ageMs));
  assert.equal(after.status.engine.epoch, before.status.engine.epoch);
  assert.match(after.status.engine.why, new RegExp(`taken over from process ${weir.process.pid} `));
  assert.equal(after.status.directors[0]!.sessionsCreated, CLIENTS);
  assert.deepEqual([after.gone.state, after.gone.reason], [before.gone.state, before.gone.reason]);
  assert.ok(after.gone.sinceMs < startedAt, 'and since when');
  // And on: the successor has a successor, started by the signal that a service manager sends.
  next.process.signal('SIGUSR2');
  // Not its exit: the successor has its output.
  const pid = Number((await next.process.match(/process (\d+) has taken over/, START_MS))[1]);
  scope.defer(() => void process.kill(pid, 'SIGKILL'));
  await more(load, 1000);
  assert.deepEqual(lasting(await sessionsOf(next)), lasting(before.sessions));
  const sent = await nothingLost(load);
  const counted = await next.counted();
  assert.equal(total(counted), sent, 'every datagram was counted, by one of three processes');
  assert.equal(counted.directors[0]!.packetsOut, sent);
  await next.client.apply();
  await next.client.save();
}));

test('kill -9 of the successor, wherever it is, leaves the old process running with all its sessions', () => withScope(async (scope) => {
  const { weir, load, conf } = await stage(scope);
  const before = await sessionsOf(weir);
  let asked = 0;
  for (const afterMs of [0, 30, 60, 100, 150, 220]) {
    const next = await start(scope, [process.execPath, WEIR, 'run', conf, '--engine', 'userspace', '--takeover', '--api', '127.0.0.1:0', '--state', weir.state]);
    asked++;
    await weir.process.match(new RegExp(`process ${next.pid} asks to take over`), START_MS);
    await new Promise((resolve) => setTimeout(resolve, afterMs));
    next.signal('SIGKILL');
    await next.exit;
    // It was quicker than the kill: that one has the traffic, and died with it.
    if (/has taken over/.test(weir.process.output())) break;
    await weir.process.match(new RegExp(`process ${next.pid} did not take over`), START_MS);
    await more(load, 400);
    assert.deepEqual(lasting(await sessionsOf(weir)), lasting(before), `killed ${afterMs} ms after it asked`);
  }
  assert.ok(asked >= 2);
  if (/has taken over/.test(weir.process.output())) return;
  await weir.client.apply();
  const after = await startWeir(scope, { conf: CONF, state: weir.state, args: ['--takeover'] });
  assert.deepEqual(lasting(await sessionsOf(after)), lasting(before), 'and a whole one takes over after all');
}));

const CONNECTION_ENDS: readonly (readonly [string, (successor: RunningWeir) => Promise<void>])[] = [
  ['was told what to get ready', async () => undefined],
  ['has all sockets and sessions, while nothing moves', async (successor) => {
    const { engine, api } = await successor.freeze();
    for (const descriptor of [...engine.descriptors, api.descriptor]) closeSync(descriptor);
  }],
  ['has said that it has the traffic', async (successor) => {
    const { engine, api } = await successor.freeze();
    successor.running();
    for (const descriptor of [...engine.descriptors, api.descriptor]) closeSync(descriptor);
  }],
];

test('a successor that goes away after any step costs no datagram, no session and no change', () => withScope(async (scope) => {
  const { weir, load } = await stage(scope);
  const before = await sessionsOf(weir);
  for (const [what, steps] of CONNECTION_ENDS) {
    const successor = await askRunning(join(weir.state, TAKEOVER_SOCKET), '9.9.9');
    assert.equal(successor.is.pid, weir.process.pid);
    await steps(successor);
    successor.close();
    await more(load, 400);
    assert.deepEqual(lasting(await sessionsOf(weir)), lasting(before), what);
    await weir.client.apply();
  }
  assert.deepEqual(await nothingLost(load) > 0, true);
  assert.equal(weir.process.output().match(/did not take over: process \d+ ended before the step/g)?.length, CONNECTION_ENDS.length);
}));

test('a successor that hangs while nothing moves is killed, and the old process goes on', () => withScope(async (scope) => {
  const { weir, load } = await stage(scope);
  const script = join(await temporaryDirectory(scope), 'hangs.mjs');
  await writeFile(script, `import { askRunning } from ${JSON.stringify(join(ROOT, 'dist/src/takeover/taker.js'))};
    const running = await askRunning(process.argv[2], '9.9.9');
    await running.freeze();
    setInterval(() => {}, 1000);`);
  const hangs = await start(scope, [process.execPath, script, join(weir.state, TAKEOVER_SOCKET)]);
  await weir.process.match(new RegExp(`process ${hangs.pid} asks to take over`));
  assert.deepEqual(await hangs.exit, { code: null, signal: 'SIGKILL' });
  await more(load, 400);
  assert.deepEqual((await load.stop()).moved, []);
}));

test('what cannot be taken over is refused by name with a cure, and or-restart starts afresh', () => withScope(async (scope) => {
  const nowhere = join(await temporaryDirectory(scope), 'state');
  const run = (state: string, ...args: string[]): ReturnType<typeof finish> => finish(scope, [process.execPath, WEIR, 'run', '--engine', 'userspace', '--api', '127.0.0.1:0', '--state', state, ...args]);
  const nobody = await run(nowhere, '--takeover');
  assert.equal(nobody.code, 1);
  assert.match(nobody.output, /no weir to take over from: nobody answers at .*takeover\.sock\n.*start without --takeover/);
  const weir = await startWeir(scope, { conf: CONF, args: ['--workers', '1'] });
  const conf = await weir.file('other.conf', CONF);
  await weir.client.edit({ layer4: `${CONF}    server extra ${local(18)}:5301\n` });
  await weir.client.apply({ confirmMs: 60_000 });
  const pending = await run(weir.state, conf, '--takeover');
  assert.equal(pending.code, 1);
  assert.match(pending.output, /revision \d+ still waits to be confirmed\n.*weir confirm/);
  assert.match(await sayHello(join(weir.state, TAKEOVER_SOCKET), { step: 'hello', protocol: 99, version: '9.9.9' }), /hands over by protocol 1, weir 9\.9\.9 takes over by 99/);
  const anew = await startWeir(scope, { conf: CONF, state: weir.state, args: ['--takeover-or-restart'] });
  assert.deepEqual(await weir.process.exit, { code: 0, signal: null });
  assert.match((await anew.client.status()).engine.why, /as configured/);
  const first = await startWeir(scope, { state: nowhere, args: ['--takeover-or-restart'] });
  assert.match((await first.client.status()).engine.why, /as configured/);
}));

/** Says one line to the running weir and returns all that it answers. */
function sayHello(path: string, message: unknown): Promise<string> {
  return new Promise((resolve, reject) => {
    let answer = '';
    const socket = createConnection(path, () => socket.write(`${JSON.stringify(message)}\n`));
    socket.setEncoding('utf8').on('data', (text: string) => { answer += text; });
    socket.once('error', reject);
    socket.once('close', () => resolve(answer));
  });
}
