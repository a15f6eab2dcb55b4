/** The process that is measured as `weir`: the userspace engine without health, API or CLI. Argument: WeirOptions as JSON. */
import { join } from 'node:path';
import type { Engine, EngineEvent } from '../../src/engine/engine.ts';
import type { Desired, DesiredDirector } from '../../src/plan/desired.ts';
import { ROOT } from '../root.ts';
import type { WeirOptions } from './weir-start.ts';

interface UserspaceModule {
  readonly createUserspaceEngine: (options: { onEvent: (event: EngineEvent) => void; workers: number }) => Promise<Engine>;
}

const options = JSON.parse(process.argv[2] ?? '') as WeirOptions;
// By path at run time: the bench builds and measures its peers without the engine.
const { createUserspaceEngine } = (await import(join(ROOT, 'dist/src/engine/userspace/index.js'))) as UserspaceModule;
const engine = await createUserspaceEngine({
  onEvent: (event) => process.stderr.write(`${JSON.stringify(event)}\n`),
  workers: options.workers,
});
const director: DesiredDirector = {
  name: 'bench',
  vip: options.vip.ip,
  ports: { first: options.vip.port, last: options.vip.port },
  protocol: 'udp',
  mode: 'nat',
  balance: 'roundrobin',
  persistence: null,
  session: { kind: 'two-way', replies: 1, timeoutMs: null, max: null },
  on: { down: { kind: 'move' }, drain: { kind: 'keep', forMs: null }, remove: { kind: 'move' } },
  sourceNat: null,
  servers: options.servers.map((server, i) => ({ name: `s${i + 1}`, ip: server.ip, port: server.port, weight: 1, state: 'up', sorry: false })),
};
const next: Desired = { directors: [director] };
await engine.apply({ steps: [{ op: 'add-director', director, text: 'add director bench' }], next });
for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => void end());
// Whatever the engine's own handles do.
const alive = setInterval(() => undefined, 60_000);

async function end(): Promise<void> {
  clearInterval(alive);
  await engine.close('remove');
}
