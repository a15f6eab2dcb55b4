/** File descriptors run out: clients cannot take them all, what has one goes on, refusals are counted and said, and all works again when there are some. */
import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { test } from 'node:test';
import { ApiError } from '../../src/client/client.ts';
import type { ServerView } from '../../src/client/types.ts';
import { run } from '../../bench/command.ts';
import { until } from '../contract/mailbox.ts';
import { oneConnection } from '../fixtures/api-token.ts';
import { openSocket, type Socket } from '../fixtures/echo.ts';
import { local } from '../fixtures/loopback.ts';
import { needs } from '../fixtures/needs.ts';
import { withScope, type Scope } from '../fixtures/scope.ts';
import { more, startLoad, type Load } from '../fixtures/steady-load.ts';
import { startWeir, type Weir } from '../fixtures/weir.ts';

const VIP = { ip: local(1), port: 5300 };
const NEW = { ip: local(2), port: 5300 };
/** Half of the limit is kept from clients. Node.js opens the files of a program in parallel: with less it does not start. */
const LIMIT = 400;
const NEWCOMERS = 250;
/** Two directors, so that one's clients can be in want while the other's have what they need; the second's sessions, and their ports, are soon free again. */
const CONF = `director steady ${VIP.ip}:${VIP.port} UDP
    server one ${local(11)}:5301
director busy ${NEW.ip}:${NEW.port} UDP
    session request-reply
    check interval 200ms timeout 150ms rise 1 fall 2
    option udpcheck send "ping" expect "ping"
    server two ${local(12)}:5301 check
`;

async function stage(scope: Scope, prefix: readonly string[]): Promise<{ readonly weir: Weir; readonly load: Load; readonly newcomers: readonly Socket[] }> {
  await openSocket(scope, { ip: local(11), port: 5301, tag: 'one' });
  await openSocket(scope, { ip: local(12), port: 5301, tag: 'two' });
  const weir = await startWeir(scope, { conf: CONF, args: ['--workers', '1'], prefix });
  await until('the check is good', () => weir.server('two'), ({ state }) => state === 'up');
  const load = await startLoad(scope, { ip: local(30), port: 6000, clients: 10, everyMs: 10, vip: VIP });
  await more(load, 100);
  const newcomers = await Promise.all(Array.from({ length: NEWCOMERS }, () => openSocket(scope, { ip: local(40) })));
  return { weir, load, newcomers };
}

async function nothingLost(load: Load): Promise<void> {
  const { sent, ...lost } = await load.stop();
  assert.deepEqual(lost, { lost: 0, twice: 0, moved: [] }, `of ${sent} datagrams`);
}

/** Sends a datagram from each; the server's answers are not waited for. */
async function all(clients: readonly Socket[], text: string): Promise<void> {
  await Promise.all(clients.map((client) => client.send(text, NEW)));
}

test('clients cannot take the descriptors that weir itself needs: those beyond are refused and counted, the API answers new callers and says so, and there is room when they are gone', needs('prlimit'), () => withScope(async (scope) => {
  const { weir, load, newcomers } = await stage(scope, ['prlimit', `--nofile=${LIMIT}`]);
  await all(newcomers, 'first');
  const { directors, engine } = await until('newcomers are refused', () => weir.client.status(), ({ directors: [, busy] }) => (busy?.drops['no_port'] ?? 0) > 0);
  assert.equal(engine.gauges['max_upstream_sockets'], LIMIT / 2);
  assert.ok(directors[1]!.sessionsCreated >= LIMIT / 2 - 10, `${directors[1]!.sessionsCreated} sessions`);
  const said = await weir.cli('status');
  assert.equal(said.code, 0, said.output);
  assert.match(said.output, /warning: director busy dropped \d+ datagrams within 20 s \(no_port\): no source port towards the server is free and rested/);
  const counted = await weir.counted();
  assert.equal(counted.directors[1]!.packetsIn, NEWCOMERS);
  assert.equal(counted.directors[1]!.drops['no_port'], NEWCOMERS - counted.directors[1]!.servers[0]!.packetsIn, 'each that was not sent on was counted');
  // Sessions end a second after their answer, their ports rest a second more.
  const [late] = newcomers.slice(-1);
  await until('a client that was refused is served', async () => {
    await late!.send('again', NEW);
    return late!.inbox.all.length;
  }, (answers) => answers > 0);
  assert.equal((await weir.server('two')).state, 'up');
  await nothingLost(load);
}));

test('no descriptor is left to the whole process: sessions go on, no server is put out for it, changes are refused with the cure, and weir recovers when there are some', needs('prlimit'), () => withScope(async (scope) => {
  const { weir, load, newcomers } = await stage(scope, []);
  const pid = String(weir.process.pid);
  const client = await oneConnection(scope, weir.state);
  const two = async (): Promise<ServerView> => (await client.servers()).find(({ name }) => name === 'two') ?? assert.fail();
  await two();
  // Whatever asks from now on gets EMFILE (getrlimit(2): the limit is the number that the next one may not have).
  run('prlimit', ['--pid', pid, '--nofile=3:']);
  await all(newcomers, 'first');
  // This client has its connection. Others get none, and wait.
  const { warnings } = await until('the kernel refuses sockets', () => client.status(), ({ engine, directors: [, busy] }) => (engine.gauges['upstream_sockets_refused'] ?? 0) > 0 && (busy?.drops['no_port'] ?? 0) > 0);
  assert.match(warnings.map(({ message, hint }) => `${message}; ${hint}`).join('\n'), /the kernel refused \d+ sockets towards servers within 20 s: .*; raise the limit of open files/);
  await assert.rejects(client.edit({ layer4: `${CONF}# changed\n` }), (error) => error instanceof ApiError && /EMFILE/.test(error.message) && /raise the limit of open files/.test(error.view.cure ?? ''));
  await weir.process.match(/"kind":"losses".*the kernel refused \d+ sockets towards servers/);
  const other = weir.cli('status');
  await until('the check cannot run', two, ({ lastCheck }) => /no file descriptor left/.test(lastCheck?.detail ?? ''));
  await more(load, 200);

  run('prlimit', ['--pid', pid, `--nofile=${readdirSync(`/proc/${pid}/fd`).length + 1000}:`]);
  assert.equal((await other).code, 0, 'who waited is served');
  await all(newcomers, 'second');
  await Promise.all(newcomers.map((client) => client.inbox.take(({ text }) => text === 'two:second')));
  await until('the check is good', () => weir.server('two'), ({ lastCheck, state }) => state === 'up' && lastCheck?.ok === true);
  assert.deepEqual((await weir.client.events()).filter(({ kind }) => kind === 'server-down'), []);
  await weir.client.edit({ layer4: `${CONF}# changed\n` });
  await weir.client.apply();
  await nothingLost(load);
}));
