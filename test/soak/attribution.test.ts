import assert from 'node:assert/strict';
import { test } from 'node:test';
import { attribute } from './attribution.ts';
import { causesOf, type Cause, type Happening } from './history.ts';
import { DETECTION_MS, firstConfiguration, type State } from './model.ts';
import type { Lost } from './ledger.ts';

const lost = (id: number, sentMs: number, more: Partial<Lost> = {}): Lost => ({ id, sentMs, director: 'two-way-4', kind: 'two-way', flow: 'fixed 0.0', gotBy: null, candidates: null, ...more });
const none = (): number => 0;
const cause = (more: Partial<Cause>): Cause => ({ reason: 'why', director: null, server: null, fromMs: 0, toMs: 100, count: null, ...more });
const ids = (list: readonly Lost[]): readonly number[] => list.map(({ id }) => id);

test('a loss without a cause is not explained', () => {
  assert.deepEqual(ids(attribute([lost(1, 50)], [], none).unexplained), [1]);
});

test('an interval explains what was sent in it, of its director and its server, and nothing else', () => {
  const causes = [cause({ director: 'two-way-4', server: 's1' })];
  const { unexplained, byReason } = attribute([
    lost(1, 50), lost(2, 101), lost(3, 50, { director: 'one-way-4' }), lost(4, 50, { candidates: ['s2'] }), lost(5, 50, { candidates: ['s1'] }),
  ], causes, none);
  assert.deepEqual([ids(unexplained), byReason], [[2, 3, 4], { why: 2 }]);
});

test('a count explains as many as it says', () => {
  const { unexplained, byReason } = attribute([lost(1, 10), lost(2, 20), lost(3, 30)], [cause({ reason: 'no_port', count: 2 })], none);
  assert.deepEqual([ids(unexplained), byReason], [[3], { no_port: 2 }]);
});

test('of counts that fit, the one that ends first is spent, so that a later loss finds its own', () => {
  const causes = [cause({ reason: 'late', fromMs: 0, toMs: 200, count: 1 }), cause({ reason: 'early', fromMs: 0, toMs: 100, count: 1 })];
  assert.deepEqual(attribute([lost(1, 50), lost(2, 150)], causes, none), { byReason: { early: 1, late: 1 }, unexplained: [] });
});

test("a director's own count goes before one of any, and both before an interval", () => {
  const causes = [cause({ reason: 'interval' }), cause({ reason: 'any', count: 1 }), cause({ reason: 'own', director: 'two-way-4', count: 1 })];
  assert.deepEqual(attribute([lost(1, 1), lost(2, 2), lost(3, 3)], causes, none).byReason, { own: 1, any: 1, interval: 1 });
});

test('a count is not spent on what an interval explains while something else needs it', () => {
  const causes = [cause({ reason: 'interval', toMs: 20 }), cause({ reason: 'counted', count: 1 })];
  assert.deepEqual(attribute([lost(1, 10), lost(2, 50)], causes, none), { byReason: { counted: 1, interval: 1 }, unexplained: [] });
});

test('slack widens what fits, as much as it says for that time and no more', () => {
  const { unexplained } = attribute([lost(1, 130), lost(2, 1130)], [cause({}), cause({ fromMs: 1000, toMs: 1100 })], (atMs) => (atMs < 1000 ? 20 : 40));
  assert.deepEqual(ids(unexplained), [1]);
});

const STATE: State = { running: firstConfiguration(), saved: firstConfiguration(), overrides: new Map() };
const changed = (fromMs: number, toMs: number, before: State, after: State): Happening => ({ kind: 'changed', fromMs, toMs, before, after });
const withDirector = (name: string, change: (d: State['running']['directors'][number]) => State['running']['directors']): State => ({ ...STATE, running: { directors: STATE.running.directors.flatMap((d) => (d.name === name ? change(d) : [d])) } });
const spans = (causes: readonly Cause[]): readonly (readonly [string | null, string | null, number, number])[] => causes.map((c) => [c.director, c.server, c.fromMs, c.toMs]);

test('a server that dies in silence explains losses until its checks must have found out, or until it is back', () => {
  const stopped: Happening = { kind: 'server-stopped', server: 's1', atMs: 1000 };
  assert.deepEqual(spans(causesOf([stopped, { kind: 'server-back', server: 's1', atMs: 9000 }])), [[null, 's1', 1000, 1000 + DETECTION_MS]]);
  assert.deepEqual(spans(causesOf([stopped, { kind: 'server-back', server: 's1', atMs: 1500 }])), [[null, 's1', 1000, 1500]]);
});

test('one whose death ICMP tells of explains much less: what was under way, and the few datagrams that find it out', () => {
  const [underWay, finders] = causesOf([{ kind: 'server-killed', server: 's1', atMs: 1000 }, { kind: 'server-back', server: 's1', atMs: 9000 }]);
  assert.ok(underWay.count === null && underWay.toMs < 1000 + DETECTION_MS / 2);
  assert.deepEqual([finders.count, finders.toMs], [4, 1000 + DETECTION_MS]);
});

test('what makes weir ask a dead server anew begins its time again, for that director alone; another change does not', () => {
  const without = withDirector('two-way-4', (d) => [{ ...d, servers: d.servers.filter(({ name }) => name !== 's1') }]);
  const heavier = withDirector('two-way-4', (d) => [{ ...d, servers: d.servers.map((s) => ({ ...s, weight: 5 })) }]);
  const dead = { kind: 'server-stopped', server: 's1', atMs: 1000 } as const;
  const back = { kind: 'server-back', server: 's1', atMs: 20_000 } as const;
  assert.deepEqual(spans(causesOf([dead, changed(5000, 5100, without, STATE), back])), [[null, 's1', 1000, 1000 + DETECTION_MS], ['two-way-4', 's1', 5000, 5100 + DETECTION_MS]]);
  assert.deepEqual(spans(causesOf([dead, changed(5000, 5100, STATE, heavier), back])), [[null, 's1', 1000, 1000 + DETECTION_MS]]);
  assert.deepEqual(spans(causesOf([dead, { kind: 'health-anew', fromMs: 6900, toMs: 7000 }, back])).at(-1), [null, 's1', 6900, 7000 + DETECTION_MS]);
});

test('a director is not there from the begin of the apply that deletes it to the end of the one that adds it', () => {
  const gone = withDirector('two-way-4', () => []);
  assert.deepEqual(spans(causesOf([changed(100, 150, STATE, gone), changed(900, 980, gone, STATE)])), [['two-way-4', null, 100, 980]]);
  assert.deepEqual(spans(causesOf([changed(100, 150, STATE, gone)])), [['two-way-4', null, 100, Infinity]]);
});
