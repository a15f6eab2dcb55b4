/** `node dist/test/failover/show.js userspace|xdp|lvs`: runs the failover table on one engine and prints it; what `npm run bench -- failover` runs. Exit code 1: a cell is not within its bound. */
import { kernelBound, userspaceBound, userspaceFate } from './bounds.ts';
import { runFailover, type Row } from './run.ts';
import { failoverTable } from './table.ts';

const rows = await run(process.argv[2] ?? '');
process.stdout.write(failoverTable(rows));
const faults = rows.filter((row) => row.fault !== null);
const worst = Math.max(...rows.map((row) => (row.fate === 'dropped' ? 0 : (row.outcome?.gapMs ?? 0))));
process.stdout.write(`\n${rows.length} cells, ${rows.filter((row) => row.refused !== null).length} refused by name, ${faults.length} not within their bound; the widest gap is ${worst} ms\n`);
process.exitCode = faults.length === 0 ? 0 : 1;

async function run(engine: string): Promise<readonly Row[]> {
  if (engine === 'userspace') {
    const [{ createUserspaceEngine }, { loopbackWorld }] = [await import('../../src/engine/userspace/index.ts'), await import('../contract/loopback.ts')];
    return runFailover({ world: loopbackWorld(), create: async (onEvent) => createUserspaceEngine({ onEvent, workers: 2 }), boundOf: userspaceBound, fateOf: userspaceFate });
  }
  if (engine === 'xdp') {
    const [{ createXdpEngine }, { createXdpWorld }] = [await import('../../src/engine/xdp/index.ts'), await import('../xdp/world.ts')];
    const world = createXdpWorld();
    try {
      return await runFailover({ world, create: (onEvent) => createXdpEngine({ onEvent, sessions: 1 << 14 }), boundOf: kernelBound });
    } finally {
      world.close();
    }
  }
  if (engine === 'lvs') {
    const [{ createLvsEngine }, { createGuestWorld }] = [await import('../../src/engine/lvs/index.ts'), await import('../lvs/world.ts')];
    const world = createGuestWorld();
    try {
      return await runFailover({ world, create: (onEvent) => createLvsEngine({ onEvent }), boundOf: kernelBound, lanes: 8 });
    } finally {
      world.close();
    }
  }
  throw new RangeError(`expected userspace, xdp or lvs, got ${engine}`);
}
