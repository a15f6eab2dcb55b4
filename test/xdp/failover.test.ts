/** The failover table on the xdp engine, which a restart does not touch: its data plane is in the kernel. Killed processes: life.test.ts. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createXdpEngine } from '../../src/engine/xdp/index.ts';
import { kernelBound } from '../failover/bounds.ts';
import { runFailover } from '../failover/run.ts';
import { failoverTable } from '../failover/table.ts';
import { closedAfter, createXdpWorld } from './world.ts';

const world = closedAfter(createXdpWorld());

test('every cell of the failover table is within its bound', { timeout: 90_000 }, async (t) => {
  const rows = await runFailover({ world, create: (onEvent) => createXdpEngine({ onEvent, sessions: 1 << 14 }), boundOf: kernelBound });
  t.diagnostic(failoverTable(rows));
  assert.equal(rows.length, 84);
  assert.deepEqual(rows.filter((r) => r.fault !== null).map((r) => `${r.cell.name}: ${r.fault}`), []);
});
