/** The pure parts: which pairs are judged, and how. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { judgePairs, pairsText, type Carried } from './carried.ts';

const carried = (subject: Carried['subject'], rate: number, clients = 1000): Carried => ({ subject, clients, servers: 3, offered: 20_000, rate, share: 0.7, tries: [rate], misdelivered: 0 });

test('a pair is judged where both were measured under the same load, and 0.98 is enough', () => {
  const judged = judgePairs([carried('routing', 30_000), carried('ipvsadm', 10_000), carried('lvs', 9_800), carried('ipvsadm-plain', 10_000), carried('lvs-plain', 9_799), carried('ipvsadm', 10_000, 10)]);
  assert.deepEqual(judged.map(({ weir, clients, met }) => [weir, clients, met]), [['lvs-plain', 1000, false], ['lvs', 1000, true]]);
  assert.match(pairsText(judged), /^not met {2}mode nat, 1000 clients: lvs-plain carries 0\.980 x ipvsadm-plain, at least 0\.98 asked\nmet /);
});

test('where the generator gave out first there is no verdict', () => {
  const [judged] = judgePairs([carried('ipvsadm', 10_000), { ...carried('lvs', 12_000), share: 1 }]);
  assert.deepEqual([judged?.measured, judged?.met], [false, false]);
});

test('what carried nothing is no measure', () => {
  assert.deepEqual(judgePairs([carried('ipvsadm', 0), carried('lvs', 9_800)]), []);
});
