/** Five minutes of the soak that `npm run soak` holds for thirty. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
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
