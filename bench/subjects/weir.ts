/** The process that is measured as `weir`: the userspace engine without health, API or CLI. Argument: WeirOptions as JSON. */
import { createUserspaceEngine } from '../../src/engine/userspace/index.ts';
import type { Desired, DesiredDirector } from '../../src/plan/desired.ts';
import type { WeirOptions } from './weir-start.ts';

const options = JSON.parse(process.argv[2] ?? '') as WeirOptions;
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
  session: { kind: options.session, replies: 1, timeoutMs: null, max: null },
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
