import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { abiHeader } from './header.ts';
import { offsetOf, place } from './layout.ts';
import { SESSION, STRUCTS } from './spec.ts';

const HEADER = join(import.meta.dirname, '../../../../../bpf/abi.h');

test('bpf/abi.h is what the spec says', () => {
  const text = abiHeader();
  if (process.env['WEIR_UPDATE'] === '1') writeFileSync(HEADER, text);
  assert.equal(readFileSync(HEADER, 'utf8'), text, 'run with WEIR_UPDATE=1 to write it again');
});

test('every struct has its size, no hidden padding, and field names of its own', () => {
  for (const spec of STRUCTS) {
    const placed = place(spec);
    assert.equal(new Set(placed.map((field) => field.name)).size, placed.length, spec.name);
  }
});

test('what IPv4 traffic compares and rewrites lies in the first cache line of a session', () => {
  for (const name of ['state', 'client4_be', 'vip4_be', 'source4_be', 'client_port_be', 'source_port_be', 'server', 'expires', 'hop', 'packets_in', 'packets_out']) {
    assert.ok(offsetOf(SESSION, name) < 64, name);
  }
});
