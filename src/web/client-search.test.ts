import assert from 'node:assert/strict';
import { test } from 'node:test';
import { clientAddress, clientState } from './client-search.ts';

test('a client is asked for only once it is whole', () => {
  for (const [text, state] of [['', 'none'], [' ', 'none'], ['192.0', 'partial'], ['192.0.2.7', 'whole'], ['192.0.2.7:', 'partial'], [' 192.0.2.7:53 ', 'whole'], ['2001:db8::1', 'whole'], ['[2001:db8::1]:5', 'whole'], ['[2001:db8::1]', 'partial'], ['192.0.2.7:70000', 'partial']] as const) {
    assert.equal(clientState(text), state, text);
  }
  assert.deepEqual([clientAddress('192.0.2.7:53'), clientAddress('[2001:db8::1]:5'), clientAddress('192.0.2.7')], ['192.0.2.7', '2001:db8::1', '192.0.2.7']);
});
