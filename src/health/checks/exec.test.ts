import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, readFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { parseIp, type Ip } from '../../net/ip.ts';
import type { CheckResult, Target } from '../health.ts';
import type { CheckEnv } from './attempt.ts';
import { execCheck, judgeExit, MAX_PROGRAMS } from './exec.ts';

const directory = mkdtempSync(join(tmpdir(), 'weir-exec-'));
after(() => rmSync(directory, { recursive: true, force: true }));

function environment(programs = { directory, running: 0 }): CheckEnv {
  const setTimer: CheckEnv['setTimer'] = (fn, ms) => {
    const timer = setTimeout(fn, ms);
    return () => clearTimeout(timer);
  };
  const unused = { reach: () => assert.fail(), look: () => assert.fail(), echo: () => assert.fail(), ask: () => assert.fail(), close: () => undefined };
  return { nowMs: () => performance.now(), setTimer, random: Math.random, neighbours: unused, icmp: unused, paths: unused, programs, cancels: new Set() };
}

async function run(script: string, options: { args?: string[]; dynamic?: boolean; timeoutMs?: number; mode?: number; env?: CheckEnv } = {}): Promise<CheckResult> {
  const file = join(directory, 'probe');
  writeFileSync(file, `#!/bin/sh\n${script}\n`);
  chmodSync(file, options.mode ?? 0o755);
  const probe = { kind: 'exec', program: 'probe', args: options.args ?? [], dynamic: options.dynamic ?? false } as const;
  const target: Target = {
    key: 'd|s|x|1', director: 'games', server: 'eu 1', ip: parseIp('2001:db8::1') as Ip, port: 27015, probe,
    intervalMs: 1000, timeoutMs: options.timeoutMs ?? 5000, rise: 1, fall: 1, source: null, via: null, slowStartMs: 0, damping: null,
  };
  const env = options.env ?? environment();
  const result = await execCheck(probe)(target, env);
  assert.deepEqual([env.cancels.size, env.programs.running === 0 || env.programs.running === MAX_PROGRAMS], [0, true], 'all is given back');
  return result;
}

test('exit code 0 is up, another is down, and the first line of the output says why', async () => {
  const good = await run('exit 0');
  assert.deepEqual([good.ok, good.weightPercent], [true, undefined], good.detail);
  const bad = await run('printf "map crashed\\033[2J\\nmore\\n"; exit 3');
  assert.deepEqual([bad.ok, bad.finding, bad.detail], [false, undefined, 'exit code 3: map crashed [2J']);
});

test('arguments arrive as they are, no shell looks at them, and the environment is weir\'s own six words', async () => {
  const result = await run('printf "%s|" "$#" "$1" "$2" "$WEIR_DIRECTOR" "$WEIR_SERVER" "$WEIR_ADDRESS" "$WEIR_PORT" "$WEIR_TIMEOUT_MS" "$HOME$USER$NODE_OPTIONS"', { args: ['$(id)', 'a  b;*'] });
  assert.match(result.detail, /: 2\|\$\(id\)\|a {2}b;\*\|games\|eu 1\|2001:db8::1\|27015\|5000\|\|$/);
});

test('dynamic: the output names the share of its weight, or else an exit code of 2 to 102', async () => {
  assert.equal((await run('echo 40%', { dynamic: true })).weightPercent, 40);
  assert.equal((await run('exit 27', { dynamic: true })).weightPercent, 25);
  assert.deepEqual([(await run('exit 1', { dynamic: true })).ok, (await run('exit 103', { dynamic: true })).ok, (await run('exit 27')).ok], [false, false, false]);
  const silent = await run('exit 0', { dynamic: true });
  assert.deepEqual([silent.ok, silent.weightPercent], [true, undefined]);
});

test('a program that does not end is killed with all it started', async () => {
  const file = join(directory, 'pid');
  const result = await run(`sleep 60 & echo $! > ${file}; wait`, { timeoutMs: 300 });
  assert.deepEqual([result.ok, result.detail], [false, 'no answer within 300 ms']);
  const pid = Number(readFileSync(file, 'utf8'));
  for (let tries = 0; tries < 100 && alive(pid); tries++) await new Promise((resolve) => setTimeout(resolve, 10));
  assert.equal(alive(pid), false, 'the program it started is gone too');
});

function alive(pid: number): boolean {
  try {
    // One that has ended and that its new parent (init) has not collected yet runs no more.
    return !/^\d+ \(.*\) Z/.test(readFileSync(`/proc/${pid}/stat`, 'latin1'));
  } catch {
    return false;
  }
}

test('a program that prints without end costs no memory and is judged by its exit code', async () => {
  const result = await run('yes no | head -c 2000000; exit 4');
  assert.match(result.detail, /^exit code 4: no$/);
});

test('a program others could write, or in a directory others could write, is not run', async () => {
  assert.match((await run('exit 0', { mode: 0o775 })).detail, /may be written by others: chmod go-w/);
  const open = join(directory, 'open');
  mkdirSync(open);
  chmodSync(open, 0o777);
  const result = await run('exit 0', { env: environment({ directory: open, running: 0 }) });
  assert.deepEqual([result.finding, /may be written by others/.test(result.detail)], ['cannot', true]);
  assert.match((await run('exit 0', { mode: 0o644 })).detail, /cannot be started: spawn .* EACCES/);
  const gone = await run('exit 0', { env: environment({ directory: join(directory, 'nowhere'), running: 0 }) });
  assert.match(gone.detail, /nowhere cannot be used: it is not there/);
});

test('beyond the cap a program is not started, and the check says so', async () => {
  const result = await run('exit 0', { env: environment({ directory, running: MAX_PROGRAMS }) });
  assert.deepEqual([result.finding, result.detail], ['cannot', `${MAX_PROGRAMS} check programs run already: use longer intervals or shorter programs`]);
});

test('a program that a signal ended is down', () => {
  assert.deepEqual(judgeExit({ code: null, signal: 'SIGSEGV', output: '', error: null }, false, () => ''), { ok: false, detail: 'ended by SIGSEGV' });
});
