import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseDocuments } from '../../src/bin/engines.ts';
import { splitDocuments } from '../../src/config/documents.ts';
import { LONG_LIFE, planEvents, type EventKind } from './events.ts';
import { BACKENDS, configurationText, firstConfiguration } from './model.ts';
import { loopbackPlace } from './places.ts';

const MINUTES = 5;
const of = (seed: number, minutes = MINUTES) => planEvents({ seed, durationMs: minutes * 60_000, ownsTraffic: true, natFamilies: [4] });

test('a seed repeats its events, and another has others', () => {
  assert.deepEqual(of(7), of(7));
  assert.notDeepEqual(of(7), of(8));
});

test('five minutes hold well over a hundred events, of every kind', () => {
  for (let seed = 0; seed < 20; seed++) assert.ok(of(seed).length > 120, `${of(seed).length} with seed ${seed}`);
  const kinds = new Set<EventKind>(Array.from({ length: 5 }, (_, seed) => of(seed)).flat().map(({ kind }) => kind));
  assert.deepEqual([...kinds].toSorted(), [
    'apply', 'checks-muted', 'daemon-killed', 'flood', 'override', 'purge', 'read-all', 'readers-hang', 'reload', 'save', 'server-back', 'server-killed', 'server-stopped', 'takeover', 'worker-killed',
  ]);
});

test('every configuration it applies is one that weir takes', async () => {
  const place = await loopbackPlace();
  const texts = new Set([firstConfiguration(), ...of(3, 10).flatMap((event) => ('configuration' in event ? [event.configuration] : []))].map((configuration) => configurationText(configuration, place)));
  for (const text of texts) assert.deepEqual(parseDocuments(splitDocuments(text)).issues.filter(({ severity }) => severity === 'error'), [], text);
});

test('processes of weir end in the first and the last part alone, at most two servers are dead, and all are back before the end', () => {
  for (let seed = 0; seed < 20; seed++) {
    const dead = new Set<string>();
    for (const event of of(seed)) {
      const share = event.atMs / (MINUTES * 60_000);
      if (event.kind === 'daemon-killed' || event.kind === 'takeover') assert.ok(share < LONG_LIFE.from || share > LONG_LIFE.to, `${event.kind} at ${share}`);
      if (event.kind === 'server-killed' || event.kind === 'server-stopped') {
        assert.ok(!dead.has(event.server));
        dead.add(event.server);
      }
      if (event.kind === 'server-back') assert.ok(dead.delete(event.server));
      assert.ok(dead.size < BACKENDS.length - 1, `${[...dead].join(' ')} dead`);
    }
    assert.deepEqual([...dead], []);
  }
});
