/** The process that is measured as `weir`: the userspace engine without health, API or CLI. Argument: WeirOptions as JSON. */
import { createUserspaceEngine } from '../../src/engine/userspace/index.ts';
import { benchPlan, type WeirOptions } from './director.ts';

const options = JSON.parse(process.argv[2] ?? '') as WeirOptions;
const engine = await createUserspaceEngine({
  onEvent: (event) => process.stderr.write(`${JSON.stringify(event)}\n`),
  workers: options.workers,
});
await engine.apply(benchPlan(options));
for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => void end());
// Whatever the engine's own handles do.
const alive = setInterval(() => undefined, 60_000);

async function end(): Promise<void> {
  clearInterval(alive);
  await engine.close('remove');
}
