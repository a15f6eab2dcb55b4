/** All rows as tests, for whatever kernel runs them. */
import { after, test } from 'node:test';
import { Bed } from './bed.ts';
import { runRow, type Row } from './row.ts';
import { checksumRows } from './rows/checksums.ts';
import { choosingRows } from './rows/choosing.ts';
import { errorRows } from './rows/errors.ts';
import { foreignRows } from './rows/foreign.ts';
import { fragmentRows } from './rows/fragments.ts';
import { limitRows } from './rows/limits.ts';
import { policyRows } from './rows/policies.ts';
import { requestReplyRows } from './rows/request-reply.ts';
import { twoWayRows } from './rows/two-way.ts';
import { wayRows } from './rows/ways.ts';

const ROWS: readonly Row[] = [twoWayRows, requestReplyRows, choosingRows, policyRows, checksumRows, limitRows, wayRows, fragmentRows, errorRows, foreignRows].flat();

/** Registers one test a row. */
export function runPackets(): void {
  const bed = new Bed();
  after(() => bed.close());
  for (const row of ROWS) test(row.name, () => runRow(bed, row));
}
