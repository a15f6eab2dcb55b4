/** Five minutes of the soak that `npm run soak` holds for thirty. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { until } from '../contract/mailbox.ts';
import { temporaryDirectory } from '../fixtures/process.ts';
import { withScope } from '../fixtures/scope.ts';
import { ROOT } from '../house/root.ts';
import { soak } from './soak.ts';

/** One sequence of events, so that what a change of weir does is not mistaken for what a change of events does; `npm run soak` takes a new one each time. */
const SEED = 30;
const MINUTES = 5;

test(`${MINUTES} minutes of applies, kills, deaths and floods under load: every lost datagram has a reason, and nothing grows`, { timeout: (MINUTES + 3) * 60_000 }, async (t) => {
  const { outcome, report, failure } = await soak({ engine: 'userspace', minutes: MINUTES, seed: SEED }, (line) => t.diagnostic(line));
  t.diagnostic(report);
  assert.equal(failure, '', failure);
  assert.ok(outcome.totals.sent > MINUTES * 60 * 50, `only ${outcome.totals.sent} datagrams were sent`);
});

test('a soak that is interrupted ends what it started and removes what it made', { timeout: 60_000 }, () => withScope(async (scope) => {
  const folder = await temporaryDirectory(scope);
  const child = spawn(process.execPath, [join(ROOT, 'dist/test/soak/main.js'), '--minutes', '1', '--seed', '1'], { env: { ...process.env, TMPDIR: folder }, stdio: 'ignore' });
  scope.defer(() => void child.kill('SIGKILL'));
  const ended = once(child, 'exit');
  await until('its weir', async () => processesOf(folder), (pids) => pids.length > 0, 20_000);
  child.kill('SIGINT');
  assert.deepEqual(await ended, [null, 'SIGINT']);
  assert.deepEqual([processesOf(folder), readdirSync(folder)], [[], []]);
}));

/** Returns the processes that have the folder in their words. */
function processesOf(folder: string): readonly string[] {
  return readdirSync('/proc').filter((entry) => {
    try {
      return /^\d+$/.test(entry) && readFileSync(`/proc/${entry}/cmdline`, 'utf8').includes(folder);
    } catch {
      // It ended meanwhile.
      return false;
    }
  });
}
