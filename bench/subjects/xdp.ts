/**
 * The process that is measured as `xdp`: weir's xdp engine without health, API or CLI. Argument: WeirOptions as JSON.
 * Prints `ready`; answers each line `sessions` with the engine's own count of live sessions.
 */
import { createInterface } from 'node:readline';
import { createXdpEngine } from '../../src/engine/xdp/index.ts';
import { benchPlan, type WeirOptions } from './director.ts';

const options = JSON.parse(process.argv[2] ?? '') as WeirOptions;
const engine = await createXdpEngine({
  onEvent: (event) => process.stderr.write(`${JSON.stringify(event)}\n`),
  interfaces: options.interfaces,
  mode: 'native',
  sessions: options.capacity,
});
await engine.apply(benchPlan(options));
const questions = createInterface({ input: process.stdin });
questions.on('line', (line) => {
  if (line === 'sessions') void tellSessions();
});
for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => void end());
process.stdout.write('ready\n');

async function tellSessions(): Promise<void> {
  const { directors } = await engine.read();
  process.stdout.write(`${directors.reduce((total, director) => total + director.sessions, 0)}\n`);
}

async function end(): Promise<void> {
  questions.close();
  process.stdin.destroy();
  await engine.close('remove');
}
