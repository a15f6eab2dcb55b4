/** The test driver, run on files that pass, fail, skip, die, leave early, hold no test, do not end, and leave a child behind. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { ROOT } from './root.ts';

interface Run {
  readonly code: number | null;
  readonly out: string;
  readonly lastLine: string | undefined;
}

/** Runs scripts/test.mjs on the fixture tiers. */
function drive(args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<Run> {
  return new Promise((resolve, reject) => {
    const { WEIR_REQUIRE: _, ...inherited } = process.env;
    const child = spawn(process.execPath, ['scripts/test.mjs', '--no-setup', '--tiers', 'test/fixtures/driver/tiers.mjs', ...args], {
      cwd: ROOT, env: { ...inherited, ...env }, stdio: ['ignore', 'pipe', 'inherit'],
    });
    let out = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => { out += text; });
    child.on('error', reject);
    child.on('close', (code) => resolve({ code, out, lastLine: out.trimEnd().split('\n').at(-1) }));
  });
}

test('counts, failures and reasons of all kinds add up, and the last line is the counts', async () => {
  const { code, out, lastLine } = await drive([]);
  assert.equal(lastLine, '7 passed, 6 failed, 5 skipped', out);
  assert.equal(code, 1);
  for (const expected of [
    /FAILED mixed .*: a suite > fails inside\n.*AssertionError/,
    /crash\.test\.mjs: the file itself\n\s+was killed by SIGSEGV, in: dies/,
    /throws\.test\.mjs: the file itself\n\s+ended with exit code 1[^]*thrown before any test/,
    /exited with code 0 before its tests were over, in: leaves/,
    /the file ran no test/,
    /the tests ended and the process did not within 2 s/,
    /left a process running, killed: \d+ sleep 97/,
    /skipped: mixed .*: a skipped suite: for another/,
    /skipped: mixed .*: is to do: to do: one day/,
    /skipped: cannot: .*needs the moon/,
  ]) assert.match(out, expected);
});

test('skips alone pass, and fail by name under WEIR_REQUIRE=all', async () => {
  const free = await drive(['skips']);
  assert.deepEqual([free.code, free.lastLine], [0, '1 passed, 0 failed, 1 skipped']);
  const strict = await drive(['skips'], { WEIR_REQUIRE: 'all' });
  assert.deepEqual([strict.code, strict.lastLine], [1, '1 passed, 0 failed, 1 skipped']);
  assert.match(strict.out, /WEIR_REQUIRE=all forbids it: skips .*: is skipped: for a reason/);
});

test('a tier may run beside the next ones, and has ended before the one that waits for it starts', async () => {
  const meeting = mkdtempSync(join(tmpdir(), 'weir-test-'));
  try {
    const { code, out, lastLine } = await drive(['--tiers', 'test/fixtures/driver/beside-tiers.mjs'], { WEIR_MEETING: meeting });
    assert.deepEqual([code, lastLine], [0, '3 passed, 0 failed, 0 skipped'], out);
    const order = [...out.matchAll(/^(\w+): 1 passed, 0 failed, 0 skipped in/gm)].map(([, tier]) => tier);
    // Whoever of the two that meet ends last.
    assert.deepEqual([order.slice(0, 2).toSorted(), order.slice(2)], [['beside', 'meets'], ['after']]);
  } finally {
    rmSync(meeting, { recursive: true });
  }
});

test('no test at all is a failure', async () => {
  for (const args of [['absent'], ['skips', '--file', 'no-such-file'], ['skips', '--name', 'no such test']]) {
    const { code, lastLine } = await drive(args);
    assert.deepEqual([code, lastLine], [1, '0 passed, 1 failed, 0 skipped'], args.join(' '));
  }
});

test('a file and a test can be named', async () => {
  const { code, lastLine } = await drive(['--file', 'mixed', '--name', 'passes inside']);
  assert.deepEqual([code, lastLine], [0, '1 passed, 0 failed, 0 skipped']);
});
