/** The failover table on ip_vs, in the guest: what it cannot do is refused by name, the rest is held to the bounds of a data plane in the kernel. */
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { createLvsEngine } from '../../src/engine/lvs/index.ts';
import { kernelBound } from '../failover/bounds.ts';
import { runFailover } from '../failover/run.ts';
import { failoverTable } from '../failover/table.ts';
import { createGuestWorld } from './world.ts';

const world = createGuestWorld();
after(() => world.close());

test('every cell of the failover table is within its bound, or refused by name', { timeout: 120_000 }, async (t) => {
  const rows = await runFailover({ world, create: (onEvent) => createLvsEngine({ onEvent }), boundOf: kernelBound, lanes: 8 });
  t.diagnostic(failoverTable(rows));
  assert.equal(rows.length, 84);
  assert.deepEqual(rows.filter((r) => r.fault !== null).map((r) => `${r.cell.name}: ${r.fault}`), []);
  assert.deepEqual([...new Set(rows.filter((r) => r.refused !== null).map((r) => r.cell.kind === 'request-reply' ? 'request-reply' : r.cell.action))].toSorted(), ['drop', 'request-reply']);
});
