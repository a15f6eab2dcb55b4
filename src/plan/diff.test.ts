import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { desiredArbitrary } from './arbitrary.ts';
import { applySteps, diff } from './diff.ts';
import type { Desired, DesiredDirector } from './desired.ts';
import { parseIp, type Ip } from '../net/ip.ts';

const RUNS = { seed: 20260722, numRuns: 500 };

test('the difference of a state with itself is empty, whatever objects it is made of', () => {
  fc.assert(fc.property(desiredArbitrary, (x) => assert.deepEqual(diff(structuredClone(x), x).steps, [])), RUNS);
});

test('the steps lead from any state to any other', () => {
  fc.assert(fc.property(desiredArbitrary, desiredArbitrary, (to, from) => assert.deepEqual(applySteps(from, diff(to, from).steps), to)), RUNS);
});

test('the same two states give the same steps, in whatever order the directors come', () => {
  fc.assert(
    fc.property(desiredArbitrary, desiredArbitrary, (to, from) => {
      const shuffled: Desired = { directors: [...from.directors].reverse() };
      assert.deepEqual(diff(to, shuffled).steps, diff(to, from).steps);
    }),
    RUNS,
  );
});

test('every step is one line that names what changes', () => {
  fc.assert(
    fc.property(desiredArbitrary, desiredArbitrary, (to, from) => {
      const texts = diff(to, from).steps.map((s) => s.text);
      for (const text of texts) assert.match(text, /^(add|remove|director|server) [^\n]+$/);
      assert.equal(new Set(texts).size, texts.length);
    }),
    RUNS,
  );
});

const web: DesiredDirector = {
  name: 'web', vip: parseIp('10.0.0.3') as Ip, ports: { first: 8000, last: 8000 }, protocol: 'udp', mode: 'nat', balance: 'leastconn', persistence: null,
  session: { kind: 'two-way', replies: 1, timeoutMs: null, max: null, rate: null, sourceRate: null, amplification: null }, on: { down: { kind: 'move' }, drain: { kind: 'keep', forMs: null }, remove: { kind: 'move' } }, sourceNat: null,
  servers: [1, 2].map((n) => ({ name: `web${n}`, ip: parseIp(`10.0.0.2${n}`) as Ip, port: 8000, weight: 10, state: 'up', sorry: false })),
};
const of = (...directors: DesiredDirector[]): Desired => ({ directors });
const textsOf = (to: Desired, from: Desired): string[] => diff(to, from).steps.map((s) => s.text);

test('steps read as an operator says them', () => {
  const [web1, web2] = web.servers as [DesiredDirector['servers'][0], DesiredDirector['servers'][0]];
  assert.deepEqual(textsOf(of(web), of()), ['add director web 10.0.0.3:8000 udp: balance leastconn, mode nat, 2 servers']);
  assert.deepEqual(textsOf(of(), of(web)), ['remove director web 10.0.0.3:8000 udp']);
  assert.deepEqual(textsOf(of({ ...web, servers: [{ ...web1, state: 'down', weight: 5 }, web2] }), of(web)), ['server web/web1 10.0.0.21:8000: state up -> down, weight 10 -> 5']);
  assert.deepEqual(textsOf(of({ ...web, balance: 'maglev', servers: [web2, web1] }), of(web)), ['director web: balance leastconn -> maglev, server order']);
  assert.deepEqual(textsOf(of({ ...web, session: { ...web.session, amplification: 3 } }), of(web)), ['director web: session two-way -> two-way amplification 3']);
  assert.deepEqual(textsOf(of({ ...web, vip: parseIp('2001:db8::3') as Ip, ports: { first: 1, last: 9 } }), of(web)), ['director web: address 10.0.0.3:8000 -> [2001:db8::3]:1-9']);
});

test('a server with a new address is another server: one goes, one comes', () => {
  const [web1, web2] = web.servers as [DesiredDirector['servers'][0], DesiredDirector['servers'][0]];
  const moved = { ...web1, ip: parseIp('10.0.0.99') as Ip };
  assert.deepEqual(textsOf(of({ ...web, servers: [moved, web2] }), of(web)), [
    'director web: server order',
    'remove server web/web1 10.0.0.21:8000',
    'add server web/web1 10.0.0.99:8000: weight 10, state up',
  ]);
});
