/**
 * The process that is measured as `xdp`: weir's xdp engine without health, API or CLI. Argument: WeirOptions as JSON.
 * Prints `ready`; answers each line `sessions` with the engine's own count of live sessions.
 */
import { createInterface } from 'node:readline';
import type { Engine, EngineEvent } from '../../src/engine/engine.ts';
import { benchPlan, type WeirOptions } from './director.ts';

/** What the engine's folder exports. By name and not by import: the bench is built, and measures the rest, where that folder is not there. */
interface XdpModule {
  createXdpEngine(options: { onEvent: (event: EngineEvent) => void; interfaces: readonly string[]; mode: 'native' | 'generic' }): Promise<Engine>;
}

const options = JSON.parse(process.argv[2] ?? '') as WeirOptions;
const { createXdpEngine } = (await import(new URL('../../src/engine/xdp/index.js', import.meta.url).href)) as XdpModule;
const engine = await createXdpEngine({
  onEvent: (event) => process.stderr.write(`${JSON.stringify(event)}\n`),
  interfaces: options.interfaces,
  mode: 'native',
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
