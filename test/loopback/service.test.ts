/** weir under a service manager: what it tells it, and the unit that packaging/ has for systemd. PID 1 need not be systemd for any of it. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { chown, cp, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { until } from '../contract/mailbox.ts';
import { openSocket } from '../fixtures/echo.ts';
import { local } from '../fixtures/loopback.ts';
import { needs } from '../fixtures/needs.ts';
import { openNotifySocket } from '../fixtures/notify-socket.ts';
import { succeed, temporaryDirectory } from '../fixtures/process.ts';
import { withScope } from '../fixtures/scope.ts';
import { startWeir } from '../fixtures/weir.ts';
import { ROOT } from '../house/root.ts';

const VIP = { ip: local(1), port: 5300 };
const SERVER = { ip: local(11), port: 5301 };
const CONF = `director echo ${VIP.ip}:${VIP.port} UDP\n    server one ${SERVER.ip}:${SERVER.port}\n`;
const NOBODY = 65_534;
/** `systemd-analyze security`: 0 is closed, 10 is open. What is left is the network itself, which weir is for. */
const EXPOSURE_MAX = 2;

for (const kind of ['a path', 'an abstract name'] as const) {
  test(`it tells a manager at ${kind} that it is ready, alive, reloading, ready again and stopping`, () => withScope(async (scope) => {
    const place = kind === 'a path' ? join(await temporaryDirectory(scope), 'notify') : `@weir-test-${process.pid}`;
    const manager = openNotifySocket(scope, place);
    await openSocket(scope, { ...SERVER, tag: 'one' });
    const weir = await startWeir(scope, { conf: CONF, env: { NOTIFY_SOCKET: place, WATCHDOG_USEC: '200000' } });
    assert.equal(await manager.take(), `READY=1\nMAINPID=${weir.process.pid}`, 'the first word');
    // What is ready answers: no wait, no retry.
    assert.equal((await weir.cli('status')).code, 0);
    for (let beats = 0; beats < 5; beats++) await manager.take((text) => text === 'WATCHDOG=1');
    const before = process.hrtime.bigint() / 1000n;
    weir.process.signal('SIGHUP');
    const since = /^RELOADING=1\nMONOTONIC_USEC=(\d+)$/.exec(await manager.take((text) => text.startsWith('RELOADING=1')))?.[1] ?? '';
    assert.ok(BigInt(since) >= before && BigInt(since) <= process.hrtime.bigint() / 1000n, since);
    await manager.take((text) => text.startsWith('READY=1'));
    assert.deepEqual(await weir.process.stop(), { code: 0, signal: null });
    await manager.take((text) => text === 'STOPPING=1');
    assert.ok(manager.drain().every((text) => text === 'WATCHDOG=1'), 'and nothing else');
  }));
}

/** The unit and what lies beside it, as they would be installed, with this clone in the place of /opt/weir. */
async function units(directory: string): Promise<readonly string[]> {
  const names = ['weir', 'weir-lvs', 'weir-xdp'];
  const text = (await readFile(join(ROOT, 'packaging/weir.service'), 'utf8')).replaceAll('/opt/weir', ROOT);
  for (const name of names) {
    await writeFile(join(directory, `${name}.service`), text);
    const more = name.split('-')[1];
    if (more === undefined) continue;
    await mkdir(join(directory, `${name}.service.d`));
    await cp(join(ROOT, `packaging/${more}.conf`), join(directory, `${name}.service.d`, `${more}.conf`));
  }
  return names.map((name) => join(directory, `${name}.service`));
}

test('systemd finds nothing wrong with the unit and its additions', needs('systemd-analyze'), () => withScope(async (scope) => {
  const said = await succeed(scope, ['systemd-analyze', 'verify', '--man=no', '--recursive-errors=no', ...await units(await temporaryDirectory(scope))], { env: { SYSTEMD_UNIT_PATH: undefined } });
  // Units of the machine itself may be old-fashioned.
  assert.doesNotMatch(said, /^weir|\/weir[^/]*:\d/m, said);
}));

test(`systemd rates the unit's exposure at ${EXPOSURE_MAX.toFixed(1)} or less`, needs('systemd-analyze'), (t) => withScope(async (scope) => {
  const [unit = ''] = await units(await temporaryDirectory(scope));
  const said = await succeed(scope, ['systemd-analyze', 'security', '--offline=true', '--no-pager', unit]);
  const exposure = Number(/Overall exposure level for weir\.service: ([\d.]+)/.exec(said)?.[1]);
  t.diagnostic(`exposure ${exposure} of 10`);
  assert.ok(exposure <= EXPOSURE_MAX, said);
}));

test('with the user, the capabilities and the system calls of the unit it binds a low port, checks by ICMP and saves', { ...needs('setpriv', 'strace', 'systemd-analyze'), ...(process.getuid?.() === 0 ? {} : { skip: 'needs root' }) }, () => withScope(async (scope) => {
  const unit = await readFile(join(ROOT, 'packaging/weir.service'), 'utf8');
  const capabilities = (/^AmbientCapabilities=(.*)$/m.exec(unit)?.[1] ?? '').split(' ').map((name) => `+${name.replace(/^CAP_/, '').toLowerCase()}`).join(',');
  const place = await temporaryDirectory(scope);
  await chown(place, NOBODY, NOBODY);
  const trace = join(place, 'trace');
  await openSocket(scope, { ...SERVER, tag: 'one' });
  const low = { ip: local(2), port: 53 };
  const weir = await startWeir(scope, {
    state: join(place, 'state'),
    prefix: [
      // Beside weir, not above it: signals are for weir.
      'strace', '--daemonize', '--follow-forks', '--summary-only', '--summary-columns=calls,name', `--output=${trace}`,
      'setpriv', '--reuid', String(NOBODY), '--regid', String(NOBODY), '--clear-groups', '--no-new-privs', '--inh-caps', `-all,${capabilities}`, '--ambient-caps', `-all,${capabilities}`, '--bounding-set', `-all,${capabilities}`,
    ],
  });
  await weir.client.edit({ layer4: `director low ${low.ip}:${low.port} UDP\n    check interval 1s timeout 500ms rise 1\n    option icmpcheck\n    server one ${SERVER.ip}:${SERVER.port} check\n` });
  await weir.client.apply();
  await weir.client.save();
  const client = await openSocket(scope, { ip: local(99) });
  await client.send('hello', low);
  assert.equal((await client.inbox.take()).text, 'one:hello');
  await until('the ICMP check answers', () => weir.server('one'), ({ state }) => state === 'up');
  await weir.process.stop();

  const summary = await until('strace has written its summary', () => readFile(trace, 'utf8'), (text) => text.includes('total'));
  const called = summary.split('\n').flatMap((line) => /^\s*\d+\s+(\w+)$/.exec(line)?.[1] ?? []);
  const allowed = allowedBy(unit);
  // setpriv's own, before weir begins: systemd does the like before its filter is in force.
  const before = new Set(['capset', 'setresuid', 'setresgid', 'setgroups', 'setregid', 'setreuid', 'total']);
  assert.ok(called.includes('epoll_wait') && called.includes('recvmmsg'), called.join(' '));
  assert.deepEqual(called.filter((name) => !allowed.has(name) && !before.has(name)), []);
}));

/** Returns the system calls that the unit's filter lets through: each line adds, one with ~ takes away. */
function allowedBy(unit: string): ReadonlySet<string> {
  const allowed = new Set<string>();
  for (const [, without, names = ''] of unit.matchAll(/^SystemCallFilter=(~?)(.*)$/gm)) {
    for (const name of names.split(' ').flatMap((word) => (word.startsWith('@') ? [...syscalls(word)] : [word]))) {
      if (without === '~') allowed.delete(name);
      else allowed.add(name);
    }
  }
  return allowed;
}

/** Returns the names in one of systemd's sets of system calls, those of the sets within it too. */
function syscalls(set: string): ReadonlySet<string> {
  const text = execFileSync('systemd-analyze', ['syscall-filter', '--no-pager', set], { encoding: 'utf8' });
  const names = text.split('\n').slice(1).map((line) => line.trim()).filter((line) => line !== '' && !line.startsWith('#'));
  return new Set(names.flatMap((name) => (name.startsWith('@') ? [...syscalls(name)] : [name])));
}
