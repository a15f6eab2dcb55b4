/** The disk under the state directory is full, read-only or slow, while traffic flows: what cannot be written is refused by name, what was acknowledged stays, and the data plane never waits for a disk. */
import assert from 'node:assert/strict';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { ApiError } from '../../src/client/client.ts';
import type { Stage } from '../../src/client/types.ts';
import { until } from '../contract/mailbox.ts';
import { mounts, smallDisk, type Disk } from '../fixtures/disk.ts';
import { openSocket } from '../fixtures/echo.ts';
import { local } from '../fixtures/loopback.ts';
import { needs } from '../fixtures/needs.ts';
import { temporaryDirectory } from '../fixtures/process.ts';
import { Scope, withScope } from '../fixtures/scope.ts';
import { more, startLoad, type Load } from '../fixtures/steady-load.ts';
import { refusedWeir, startWeir, type Weir } from '../fixtures/weir.ts';

const VIP = { ip: local(1), port: 5300 };
const LOAD = { ip: local(30), port: 6000, clients: 10, everyMs: 10, vip: VIP };

/** The n-th configuration; the weight of its server says which one runs. Long enough that no block has room for it by chance. */
const conf = (n: number): string => `# number ${n} ${'.'.repeat(6000)}\ndirector echo ${VIP.ip}:${VIP.port} UDP\n    server one ${local(11)}:5301 weight ${n}\n`;

async function numberOf(weir: Weir, stage: Stage): Promise<number> {
  const { documents } = await weir.client.documents(stage);
  const n = Number(/^# number (\d+)/.exec(documents.layer4)?.[1]);
  assert.equal(documents.layer4, conf(n), `${stage} is whole`);
  return n;
}

async function stages(weir: Weir): Promise<readonly number[]> {
  return [await numberOf(weir, 'edited'), await numberOf(weir, 'running'), await numberOf(weir, 'saved'), (await weir.server('one')).configuredWeight];
}

async function nothingLost(load: Load): Promise<void> {
  const { sent, ...lost } = await load.stop();
  assert.deepEqual(lost, { lost: 0, twice: 0, moved: [] }, `of ${sent} datagrams`);
}

const BROKEN_DISKS: readonly { readonly what: string; readonly break: (disk: Disk) => Promise<unknown>; readonly mend: (disk: Disk) => Promise<void>; readonly found: RegExp; readonly cure: RegExp }[] = [
  { what: 'full', break: (disk) => disk.fill(), mend: (disk) => disk.free(), found: /no space left on device/, cure: /free space on this file system and try again/ },
  { what: 'read-only', break: (disk) => disk.remount('ro'), mend: (disk) => disk.remount('rw'), found: /read-only file system/, cure: /mount the file system read-write, or choose another directory with --state DIR/ },
];

for (const disk of BROKEN_DISKS) {
  test(`a ${disk.what} disk: edits, applies, saves and overrides are refused with the cure, nothing changes, and all works again when it is mended`, mounts, () => withScope(async (scope) => {
    await openSocket(scope, { ip: local(11), port: 5301, tag: 'one' });
    const place = await smallDisk(scope);
    const state = join(place.path, 'state');
    const life = new Scope();
    scope.defer(() => life.end());
    const weir = await startWeir(life, { state, conf: conf(1) });
    const load = await startLoad(scope, LOAD);
    await more(load, 200);
    // Acknowledged: number 2 is saved, number 3 runs, number 4 is edited.
    for (const n of [2, 3]) {
      await weir.client.edit({ layer4: conf(n) });
      await weir.client.apply();
      if (n === 2) await weir.client.save();
    }
    await weir.client.edit({ layer4: conf(4) });

    await disk.break(place);
    const refused = (error: unknown): boolean => {
      assert.ok(error instanceof ApiError, String(error));
      assert.equal(error.view.code, 'STORE_FAILED');
      assert.match(error.message, disk.found);
      assert.match(error.view.cure ?? '', disk.cure);
      return true;
    };
    const { client } = weir;
    await assert.rejects(client.edit({ layer4: conf(5) }), refused);
    await assert.rejects(client.apply(), refused);
    await assert.rejects(client.save(), refused);
    await assert.rejects(client.override('echo', 'one', 'drain'), refused);
    const said = await weir.cli('apply', await weir.file('five.conf', conf(5)));
    assert.equal(said.code, 1, said.output);
    assert.match(said.output, disk.found);
    assert.match(said.output, disk.cure);
    assert.deepEqual(await stages(weir), [4, 3, 2, 3], 'edited, running, saved, and what the engine runs');
    const { state: is, override } = await weir.server('one');
    assert.deepEqual([is, override], ['unknown', null], 'and it was not drained');
    await more(load, 200);

    await disk.mend(place);
    await client.apply();
    assert.deepEqual(await stages(weir), [4, 4, 2, 4]);
    // And broken once more while an apply waits to be confirmed: it is taken back all the same.
    await client.edit({ layer4: conf(6) });
    await client.apply({ confirmMs: 1000 });
    await disk.break(place);
    await until('the apply that nobody confirmed is taken back', () => weir.server('one'), ({ configuredWeight }) => configuredWeight === 4);
    await until('what could not be recorded is said', () => client.events(), (events) => events.some(({ text }) => /the automatic rollback could not be recorded/.test(text)));
    await nothingLost(load);
    // What a restart finds does not depend on why nothing could be written.
    if (disk !== BROKEN_DISKS[0]) return disk.mend(place);
    weir.process.signal('SIGKILL');
    await weir.process.exit;
    const start = await refusedWeir(scope, { state });
    assert.equal(start.code, 1, start.output);
    assert.match(start.output, disk.found);
    assert.match(start.output, disk.cure);

    await disk.mend(place);
    const again = await startWeir(scope, { state });
    assert.deepEqual(await stages(again), [6, 2, 2, 2], 'a restart runs what was saved, and what was edited is as it was');
    await again.client.apply();
    await again.client.save();
    assert.deepEqual(await stages(again), [6, 6, 6, 6]);
  }));
}

/** Each sync of a file or directory takes so long: an apply of what was edited makes four of them, one after the other (its revision, then the state). */
const SYNC_MS = 400;
const SYNCS_OF_AN_APPLY = 4;
/** What must not wait for the disk answers within this, on a loaded machine; far below what an apply waits. */
const AT_ONCE_MS = 1000;

test('a slow disk: an apply is acknowledged when it is on it and not before, while datagrams, reads and failover do not wait', needs('strace'), (t) => withScope(async (scope) => {
  const one = new Scope();
  scope.defer(() => one.end());
  await openSocket(one, { ip: local(11), port: 5301, tag: 'one' });
  await openSocket(scope, { ip: local(12), port: 5301, tag: 'two' });
  const servers = (n: number): string => ['one', 'two'].map((name, i) => `    server ${name} ${local(11 + i)}:5301 weight ${n} check\n`).join('');
  // A check that sees what evidence of the data plane does not: the server's other port.
  const slow = (n: number): string => `director echo ${VIP.ip}:${VIP.port} UDP\n    on down move\n    check interval 100ms timeout 90ms rise 1 fall 2 port 5302\n    option udpcheck send "ping" expect "ping"\n${servers(n)}`;
  const alive = new Scope();
  scope.defer(() => alive.end());
  await openSocket(alive, { ip: local(11), port: 5302, tag: 'one' });
  await openSocket(scope, { ip: local(12), port: 5302, tag: 'two' });
  const state = join(await temporaryDirectory(scope), 'state');
  const log = join(await temporaryDirectory(scope), 'syncs');
  // In the place of a slow disk: the kernel holds each sync back, and nothing else (man 1 strace, delay_enter; --seccomp-bpf leaves all other calls alone).
  const strace = ['strace', '-D', '-f', '-qq', '--seccomp-bpf', '-o', log, '-e', 'trace=fsync,fdatasync', '-e', `inject=fsync,fdatasync:delay_enter=${SYNC_MS * 1000}`];
  const weir = await startWeir(scope, { state, conf: slow(1), prefix: strace });
  await until('both servers are up', () => weir.client.servers(), (all) => all.every(({ state: is }) => is === 'up'));
  const load = await startLoad(scope, LOAD);
  await more(load, 200);
  await weir.client.edit({ layer4: slow(7) });

  let done = false;
  const beganMs = performance.now();
  const applied = weir.client.apply().then(() => {
    done = true;
    return performance.now() - beganMs;
  });
  // A server's health fails while the disk holds the apply up: before the engine was even asked.
  await alive.end();
  const failedMs = performance.now();
  await until('the data plane has left the server that is down', () => weir.client.sessions(), ({ sessions }) => sessions.every(({ server }) => server === 'two'));
  const failoverMs = performance.now() - failedMs;
  const { candidates } = await weir.client.explain({ client: LOAD.ip, vip: `${VIP.ip}:${VIP.port}` });
  assert.deepEqual(candidates.map(({ server, state: is, weight }) => [server, is, weight]), [['one', 'down', 1], ['two', 'up', 1]], 'what waits is not there yet');
  assert.equal((await weir.client.documents('running')).documents.layer4, slow(1), 'nor shown as running');
  const reads: number[] = [];
  const read = async (): Promise<void> => {
    const from = performance.now();
    await Promise.all([weir.client.status(), weir.client.documents('running'), weir.client.plan(), weir.client.metrics()]);
    reads.push(performance.now() - from);
  };
  while (!done) await read();
  const appliedMs = await applied;
  t.diagnostic(`apply ${Math.round(appliedMs)} ms, failover ${Math.round(failoverMs)} ms, ${reads.length} reads of at most ${Math.round(Math.max(...reads))} ms`);
  assert.ok(appliedMs >= SYNC_MS * SYNCS_OF_AN_APPLY, `acknowledged after ${appliedMs} ms`);
  assert.ok(reads.length > 0 && Math.max(...reads) < AT_ONCE_MS, `reads ${reads.join(' ')}`);
  const [, two] = await weir.client.servers();
  assert.equal(two?.configuredWeight, 7);
  const { sent, lost, twice } = await load.stop();
  assert.deepEqual({ lost, twice }, { lost: 0, twice: 0 }, `of ${sent} datagrams`);
  weir.process.signal('SIGKILL');
  await weir.process.exit;
  await rm(log);
}));
