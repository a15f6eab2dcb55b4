/** What the daemon may do after its start, as the kernel tells it for each of its threads; and that what it kept is enough for later applies. */
import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { chown, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { engineCandidates } from '../../src/bin/engines.ts';
import { namesOf, parseStatus, type Privileges } from '../../src/privileges/capabilities.ts';
import { until } from '../contract/mailbox.ts';
import { openSocket } from '../fixtures/echo.ts';
import { local } from '../fixtures/loopback.ts';
import { temporaryDirectory } from '../fixtures/process.ts';
import { withScope } from '../fixtures/scope.ts';
import { startWeir, type Weir } from '../fixtures/weir.ts';

const VIP = { ip: local(1), port: 5300 };
const SERVER = { ip: local(11), port: 5301 };
const CONF = `director echo ${VIP.ip}:${VIP.port} UDP\n    server one ${SERVER.ip}:${SERVER.port}\n`;
const own = parseStatus(readFileSync('/proc/self/status', 'utf8'));
const asRoot = { skip: own.uid === 0 && namesOf(own.effective).includes('CAP_SETPCAP') ? false : 'needs root with CAP_SETPCAP', timeout: 60_000 };
const NOBODY = 65_534;

function threadsOf(weir: Weir): readonly Privileges[] {
  const tasks = `/proc/${weir.process.pid}/task`;
  return readdirSync(tasks).map((id) => parseStatus(readFileSync(join(tasks, id, 'status'), 'utf8')));
}

/** Every thread has these capabilities, can be given no others, and status says the same. */
async function assertHas(weir: Weir, capabilities: readonly string[]): Promise<void> {
  const threads = threadsOf(weir);
  // Two packet workers, V8's helpers, libuv's pool.
  assert.ok(threads.length >= 8, `${threads.length} threads`);
  for (const { effective, permitted, bounding, noNewPrivileges } of threads) {
    assert.deepEqual([effective, permitted, bounding].map(namesOf), [capabilities, capabilities, capabilities]);
    assert.equal(noNewPrivileges, true);
  }
  assert.deepEqual((await weir.client.status()).privileges, { uid: 0, capabilities, noNewPrivileges: true });
}

test('root keeps in every thread what its engine and later applies need, and those work with it: a low port, ICMP checks, SIGHUP, a restart of the engine', asRoot, () => withScope(async (scope) => {
  await openSocket(scope, { ...SERVER, tag: 'one' });
  const client = await openSocket(scope, { ip: local(99) });
  const weir = await startWeir(scope, { conf: CONF });
  await assertHas(weir, ['CAP_NET_BIND_SERVICE', 'CAP_NET_RAW']);
  assert.match((await weir.cli('status')).output, /^runs as user 0 with CAP_NET_BIND_SERVICE CAP_NET_RAW, and can get no other$/m);

  const low = { ip: local(2), port: 53 };
  const more = `${CONF}director low ${low.ip}:${low.port} UDP\n    check interval 1s timeout 500ms rise 1\n    option icmpcheck\n    server one ${SERVER.ip}:${SERVER.port} check\n`;
  const applied = await weir.cli('apply', await weir.file('more.conf', more));
  assert.equal(applied.code, 0, applied.output);
  await client.send('hello', low);
  assert.equal((await client.inbox.take()).text, 'one:hello');
  await until('the ICMP check answers', async () => (await weir.client.status()).directors.find(({ name }) => name === 'low')?.servers[0]?.state, (state) => state === 'up');

  assert.equal((await weir.cli('save')).code, 0);
  await weir.file('weir.conf', more.replace('server one', 'server two'));
  weir.process.signal('SIGHUP');
  await weir.process.match(/SIGHUP: FILE runs as revision/);
  assert.equal((await weir.cli('service', 'restart', 'lvs')).code, 0);
  await client.send('again', low);
  assert.equal((await client.inbox.take()).text, 'one:again');
  await assertHas(weir, ['CAP_NET_BIND_SERVICE', 'CAP_NET_RAW']);
}));

const hasXdp = engineCandidates().some(({ name }) => name === 'xdp');
const NETWORK = ['CAP_NET_BIND_SERVICE', 'CAP_NET_ADMIN', 'CAP_NET_RAW'];
const ROWS = [
  { what: 'NAT rules', conf: `${CONF}nat out\n    protocol udp\n    before destination ${VIP.ip} dport ${VIP.port}\n    after source ${VIP.ip}\n`, engine: 'userspace', kept: NETWORK },
  { what: 'an engine named by the configuration', conf: `${CONF}service lvs\n    engine userspace\n`, engine: null, kept: ['CAP_NET_BIND_SERVICE', 'CAP_NET_RAW'] },
  { what: 'engine auto', conf: CONF, engine: 'auto', kept: [...NETWORK, ...(hasXdp ? ['CAP_PERFMON', 'CAP_BPF'] : [])] },
] as const;
for (const { what, conf, engine, kept } of ROWS) {
  test(`with ${what} root keeps ${kept.join(' ')}`, asRoot, () => withScope(async (scope) => {
    await openSocket(scope, { ...SERVER, tag: 'one' });
    const weir = await startWeir(scope, { conf, engine });
    await assertHas(weir, kept);
  }));
}

test('root may work in the directory of another user, and keeps the two capabilities that this takes', asRoot, () => withScope(async (scope) => {
  const home = join(await temporaryDirectory(scope), 'home');
  await mkdir(home, { mode: 0o700 });
  await chown(home, NOBODY, NOBODY);
  await openSocket(scope, { ...SERVER, tag: 'one' });
  const weir = await startWeir(scope, { conf: CONF, state: join(home, 'state') });
  await assertHas(weir, ['CAP_DAC_OVERRIDE', 'CAP_FOWNER', 'CAP_NET_BIND_SERVICE', 'CAP_NET_RAW']);
}));

test('a user without capabilities has none after the start either', asRoot, () => withScope(async (scope) => {
  const place = await temporaryDirectory(scope);
  await chown(place, NOBODY, NOBODY);
  const weir = await startWeir(scope, { state: join(place, 'state'), prefix: ['setpriv', '--reuid', String(NOBODY), '--regid', String(NOBODY), '--clear-groups'] });
  for (const { uid, permitted } of threadsOf(weir)) assert.deepEqual([uid, permitted], [NOBODY, 0n]);
  assert.deepEqual((await weir.client.status()).privileges?.capabilities, []);
}));
