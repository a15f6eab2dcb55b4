/**
 * The process that is measured as `xdp`: weir's xdp engine without health, API or CLI. Argument: WeirOptions as JSON.
 * Prints `ready`; answers each line `sessions` with the engine's own count of live sessions.
 */
import { createXdpEngine } from '../../src/engine/xdp/index.ts';
import { benchPlan, type WeirOptions } from './director.ts';
import { serveQuestions } from './questions.ts';

const options = JSON.parse(process.argv[2] ?? '') as WeirOptions;
const engine = await createXdpEngine({
  onEvent: (event) => process.stderr.write(`${JSON.stringify(event)}\n`),
  interfaces: options.interfaces,
  mode: 'native',
  sessions: options.capacity,
});
await engine.apply(benchPlan(options));
serveQuestions(engine);
