/**
 * The engine in a process of its own, for tests that kill it: reads a line of JSON (desired directors), applies it, prints `applied`; `close leave`
 * and `close remove` end it. Before the step of that number `WEIR_DIE_AT` it kills itself, as kill -9 does.
 */
import { createInterface } from 'node:readline';
import { createXdpEngine } from '../../src/engine/xdp/index.ts';
import type { DesiredDirector } from '../../src/plan/desired.ts';
import { diff } from '../../src/plan/diff.ts';

let left = Number(process.env['WEIR_DIE_AT'] ?? -1);
const engine = await createXdpEngine({
  onEvent: (event) => process.stderr.write(`${JSON.stringify(event)}\n`), sessions: 1 << 14,
  onStep() {
    if (left-- === 0) process.kill(process.pid, 'SIGKILL');
  },
});
for await (const line of createInterface({ input: process.stdin })) {
  if (line.startsWith('close ')) {
    await engine.close(line.endsWith('remove') ? 'remove' : 'leave');
    break;
  }
  await engine.apply(diff({ directors: JSON.parse(line) as DesiredDirector[] }, await engine.observe()));
  process.stdout.write('applied\n');
}
process.stdin.destroy();
