/** The alarm of sessions whose datagrams go nowhere, on the real engine: a client that is kept on a server that was taken out, and one on a server that fell silent. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { until } from '../contract/mailbox.ts';
import { openSocket, type Socket } from '../fixtures/echo.ts';
import { local } from '../fixtures/loopback.ts';
import { withScope, type Scope } from '../fixtures/scope.ts';
import { startWeir, type Weir } from '../fixtures/weir.ts';
import type { BlackholeView } from '../../src/client/types.ts';

const VIP = { ip: local(1), port: 5400 };
const PORT = 5401;
const SERVERS = ['one', 'two'] as const;
/** Grace, a search, and a reading: src/health/blackhole.ts, src/daemon/watch.ts; the rest is a loaded machine's. */
const RAISED_WITHIN_MS = 25_000;

const line = (name: (typeof SERVERS)[number]): string => `    server ${name} ${local(11 + SERVERS.indexOf(name))}:${PORT}\n`;
const conf = (...names: readonly (typeof SERVERS)[number][]): string => `director echo ${VIP.ip}:${VIP.port} UDP\n    balance roundrobin\n    on remove keep\n${names.map(line).join('')}`;

/** Clients that send ten datagrams a second each, answered or not. */
async function talk(scope: Scope, count: number): Promise<readonly Socket[]> {
  const clients = await Promise.all(Array.from({ length: count }, () => openSocket(scope, { ip: local(99) })));
  const timer = setInterval(() => clients.forEach((client) => void client.send('x', VIP).catch(() => undefined)), 100);
  scope.defer(() => clearInterval(timer));
  return clients;
}

const alarms = async (weir: Weir): Promise<readonly BlackholeView[]> => (await weir.client.status()).blackholes;

test('sessions kept on a server that was taken out raise the alarm, and the purge of blackholed ones moves them and no others', { timeout: 60_000 }, () => withScope(async (scope) => {
  const [one, two] = await Promise.all(SERVERS.map((name, i) => openSocket(scope, { ip: local(11 + i), port: PORT, tag: name })));
  assert.ok(one && two);
  const weir = await startWeir(scope, { conf: conf('one', 'two') });
  await talk(scope, 4);
  await until('both have clients', async () => [one.inbox.all.length, two.inbox.all.length], ([a = 0, b = 0]) => a > 20 && b > 20);
  const file = await weir.file('less.conf', conf('one'));
  assert.equal((await weir.cli('apply', file)).code, 0);
  const found = await until('the alarm', () => alarms(weir), (list) => list.length > 0, RAISED_WITHIN_MS);
  assert.deepEqual(found.map((b) => [b.director, b.server, b.address, b.cause, b.sessions]), [['echo', 'two', `${local(12)}:${PORT}`, 'not-in-set', 2]]);
  const purged = await weir.json<{ purged: number }>('purge', '--blackholed');
  assert.equal(purged.purged, 2);
  const before = two.inbox.all.length;
  const alone = one.inbox.all.length;
  await until('all send to the one that is left', async () => one.inbox.all.length, (n) => n > alone + 100);
  assert.ok(two.inbox.all.length - before <= 2, 'nothing more goes to the server that was taken out');
  assert.deepEqual(await until('the alarm is over', () => alarms(weir), (list) => list.length === 0, RAISED_WITHIN_MS), []);
  const kinds = (await weir.client.events()).map(({ kind }) => kind);
  assert.deepEqual([kinds.filter((k) => k === 'blackhole').length, kinds.filter((k) => k === 'blackhole-over').length], [1, 1]);
}));

test('a server that falls silent under its sessions raises the other alarm', { timeout: 60_000 }, () => withScope(async (scope) => {
  const one = await openSocket(scope, { ip: local(11), port: PORT, tag: 'one' });
  const quiet = await openSocket(scope, { ip: local(12), port: PORT });
  const weir = await startWeir(scope, { conf: conf('one', 'two') });
  await talk(scope, 4);
  await until('both have clients', async () => [one.inbox.all.length, quiet.inbox.all.length], ([a = 0, b = 0]) => a > 20 && b > 20);
  const [alarm] = await until('the alarm', () => alarms(weir), (list) => list.length > 0, RAISED_WITHIN_MS);
  assert.deepEqual([alarm?.server, alarm?.cause, alarm?.sessions], ['two', 'one-way', 2]);
  const metrics = await weir.client.metrics();
  assert.match(metrics, /weir_server_blackholed_sessions\{director="echo",server="two",address="[\d.:]+",cause="one-way"\} 2/);
  assert.match(metrics, /weir_director_replies_expected\{director="echo"\} 1/);
  assert.match((await weir.cli('status')).output, /server echo\/two .* gets requests and answers none/);
}));
