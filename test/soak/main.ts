/** `npm run soak -- [--minutes N] [--seed S] [--engine userspace|xdp] [--json]`. Exit code 1: something did not hold. SIGINT and SIGTERM undo all that was made first. */
import { parseArgs } from 'node:util';
import { soak } from './soak.ts';

const { values } = parseArgs({
  options: { minutes: { type: 'string', default: '30' }, seed: { type: 'string', default: String(Date.now() % 1_000_000) }, engine: { type: 'string', default: 'userspace' }, json: { type: 'boolean', default: false } },
});
const [minutes, seed] = [Number(values.minutes), Number(values.seed)];
const { engine } = values;
if (!(minutes >= 1 && minutes <= 24 * 60)) throw new RangeError(`--minutes: expected 1 to 1440, got ${values.minutes}`);
if (!Number.isInteger(seed) || seed < 0) throw new RangeError(`--seed: expected a whole number from 0 on, got ${values.seed}`);
if (engine !== 'userspace' && engine !== 'xdp') throw new RangeError(`--engine: expected userspace or xdp, got ${engine}`);

process.stderr.write(`soak of ${engine}, ${minutes} minutes, --seed ${seed}\n`);
const interrupted = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => interrupted.abort(signal));
const { outcome, verdict, report, failure } = await soak({ engine, minutes, seed }, (line) => process.stderr.write(`${line}\n`), interrupted.signal).catch((error: unknown) => {
  if (!interrupted.signal.aborted) throw error;
  process.stderr.write(`interrupted by ${interrupted.signal.reason}\n`);
  // Nobody listens for it any more: it ends the process, and whoever waits for that sees why.
  process.kill(process.pid, interrupted.signal.reason as NodeJS.Signals);
  return new Promise<never>(() => undefined);
});
if (values.json) {
  const { events, totals, attribution, idle } = outcome;
  process.stdout.write(`${JSON.stringify({ engine, minutes, seed, events, totals, lost: attribution.byReason, unexplained: attribution.unexplained, growth: verdict.growth, lifeMs: verdict.lifeMs, idle, problems: verdict.problems, samples: outcome.samples })}\n`);
} else {
  process.stdout.write(report);
}
if (failure !== '') process.stderr.write(`\n${failure}\n`);
process.exitCode = failure === '' ? 0 : 1;
