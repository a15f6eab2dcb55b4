/** The failover table on the userspace engine. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createUserspaceEngine } from '../../src/engine/userspace/index.ts';
import { loopbackWorld } from '../contract/loopback.ts';
import { userspaceBound, userspaceFate } from '../failover/bounds.ts';
import { runFailover } from '../failover/run.ts';
import { failoverTable } from '../failover/table.ts';

test('every cell of the failover table is within its bound', { timeout: 60_000 }, async (t) => {
  const rows = await runFailover({ world: loopbackWorld(), create: async (onEvent) => createUserspaceEngine({ onEvent, workers: 2 }), boundOf: userspaceBound, fateOf: userspaceFate });
  t.diagnostic(failoverTable(rows));
  assert.equal(rows.length, 84);
  assert.deepEqual(rows.filter((r) => r.fault !== null).map((r) => `${r.cell.name}: ${r.fault}`), []);
});
