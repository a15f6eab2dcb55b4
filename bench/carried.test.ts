/** The pure parts: which pairs are judged, and how. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { judgePairs, pairsText, type Carried } from './carried.ts';

const carried = (subject: Carried['subject'], rate: number, clients = 1000): Carried => ({ subject, clients, servers: 3, rate, tries: [rate], misdelivered: 0 });

test('a pair is judged where both were measured with as many clients, and just the bar is enough', () => {
  const judged = judgePairs([carried('routing', 30_000), carried('ipvsadm', 10_000), carried('lvs', 9_800), carried('xdp', 39_199), carried('ipvsadm-plain', 10_000), carried('lvs-plain', 9_799), carried('ipvsadm', 10_000, 10)]);
  assert.deepEqual(judged.map(({ ours, clients, met }) => [ours, clients, met]), [['lvs-plain', 1000, false], ['lvs', 1000, true], ['xdp', 1000, false]]);
  assert.match(pairsText(judged), /^not met {2}mode nat, .*1000 clients: lvs-plain carries 0\.980 x ipvsadm-plain, at least 0\.98 asked\nmet /);
});

test('what carried nothing is no measure', () => {
  assert.deepEqual(judgePairs([carried('ipvsadm', 0), carried('lvs', 9_800)]), []);
});
