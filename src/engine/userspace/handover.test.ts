import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { serialize } from 'node:v8';
import { HANDOVER_FORMAT, HANDOVER_LAYOUT, HandoverRefused, decodeHandover, decodeTerms, encodeTerms } from './handover.ts';

/** What each format's records looked like. A layout that is not here needs a new number: change HANDOVER_FORMAT and add a line. */
const LAYOUTS: Readonly<Record<number, string>> = { 1: '472404bd1836b33a' };

test('a change of the layout has a format number of its own', () => {
  assert.equal(LAYOUTS[HANDOVER_FORMAT], createHash('sha256').update(HANDOVER_LAYOUT).digest('hex').slice(0, 16));
});

test('terms are read back as they were stated, beyond 2^53 nanoseconds too', () => {
  const terms = { workers: 3, epochNs: 2n ** 60n + 1n };
  assert.deepEqual(decodeTerms(encodeTerms(terms)), terms);
});

test('another format, another layout and what is no handover are refused by name', () => {
  const other = encodeTerms({ workers: 1, epochNs: 0n }).replace('"format":1', '"format":7');
  assert.throws(() => decodeTerms(other), (e) => e instanceof HandoverRefused && /in format 7, this program takes over format 1/.test(e.message) && e.cure !== '');
  assert.throws(() => decodeHandover(serialize({ format: HANDOVER_FORMAT, layout: '[]' })), /laid out otherwise/);
  assert.throws(() => decodeHandover(serialize({ format: 2 })), /in format 2/);
  assert.throws(() => decodeHandover(Buffer.from('no')), /cannot be read/);
  assert.throws(() => decodeHandover(serialize(null)), /format undefined/);
});
