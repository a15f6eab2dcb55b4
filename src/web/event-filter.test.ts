import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { EventView } from '../client/types.ts';
import { matchingEvents } from './event-filter.ts';

const EVENTS: readonly EventView[] = [
  { seq: 1, atMs: 1, kind: 'start', who: 'weir', text: 'weir started', service: 'lvs' },
  { seq: 2, atMs: 2, kind: 'server-down', who: 'weir', text: 'server web/srv1 up -> down: ICMP port unreachable', director: 'web', server: 'srv1', service: 'health' },
  { seq: 3, atMs: 3, kind: 'edit', who: 'admin', text: 'edited nat' },
  { seq: 4, atMs: 4, kind: 'server-up', who: 'weir', text: 'server web/srv1 down -> up', director: 'web', server: 'srv1', service: 'health' },
];
const found = (filter: Partial<Parameters<typeof matchingEvents>[1]>): readonly number[] => matchingEvents(EVENTS, { words: '', kind: '', service: '', ...filter }).map(({ seq }) => seq);

test('events come newest first; all words must be there, whatever their order and case', () => {
  assert.deepEqual(found({}), [4, 3, 2, 1]);
  assert.deepEqual(found({ words: ' icmp  WEB ' }), [2]);
  assert.deepEqual(found({ words: 'admin' }), [3]);
  assert.deepEqual(found({ words: 'web nothing' }), []);
});

test('kind and service narrow it further', () => {
  assert.deepEqual(found({ service: 'health' }), [4, 2]);
  assert.deepEqual(found({ service: 'health', kind: 'server-up' }), [4]);
  assert.deepEqual(found({ service: 'lvs', words: 'srv1' }), []);
});
