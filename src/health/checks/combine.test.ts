import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseIp, type Ip } from '../../net/ip.ts';
import { createFakeClock } from '../fake-clock.ts';
import type { CheckResult, Target } from '../health.ts';
import { attempt, cannot, fail, pass, type Check, type CheckEnv, type Finding } from './attempt.ts';
import { combine, verdict } from './combine.ts';

const GOOD = { name: 'a', ok: true, detail: 'fine', latencyMs: 1 };
const BAD = { name: 'b', ok: false, detail: 'silent', latencyMs: 1 };
const REFUSED = { name: 'c', ok: false, detail: 'no', latencyMs: 1, finding: 'refused' as const };
const CANNOT = { name: 'd', ok: false, detail: 'no socket', latencyMs: 1, finding: 'cannot' as const };

test('all: one that fails fails them; one that cannot run leaves it open unless another fails', () => {
  assert.deepEqual(verdict('all', [GOOD, { ...GOOD, name: 'e' }]), { ok: true, detail: 'a: fine; e: fine' });
  assert.deepEqual(verdict('all', [GOOD, BAD]), { ok: false, detail: 'b: silent' });
  assert.deepEqual(verdict('all', [GOOD, CANNOT]), { ok: false, detail: 'd: no socket', finding: 'cannot' });
  assert.deepEqual(verdict('all', [CANNOT, REFUSED]), { ok: false, detail: 'c: no', finding: 'refused' });
});

test('any: one that is good is enough; only all together refuse', () => {
  assert.deepEqual(verdict('any', [BAD, GOOD]), { ok: true, detail: 'a: fine' });
  assert.deepEqual(verdict('any', [BAD, REFUSED]), { ok: false, detail: 'b: silent; c: no' });
  assert.deepEqual(verdict('any', [REFUSED, REFUSED]), { ok: false, detail: 'c: no; c: no', finding: 'refused' });
  assert.equal(verdict('any', [BAD, CANNOT]).finding, 'cannot');
});

test('all: the least weight counts; any: that of the one that decided', () => {
  const heavy = { ...GOOD, weightPercent: 80 };
  const light = { ...GOOD, weightPercent: 30 };
  assert.equal(verdict('all', [heavy, GOOD, light]).weightPercent, 30);
  assert.equal(verdict('any', [heavy, light]).weightPercent, 80);
});

/** A check that takes `ms` of the fake clock. */
function after(ms: number, finding: Finding, ports: number[] = []): Check {
  return (target, env) => attempt(env, { timeoutMs: target.timeoutMs, onTimeout: () => fail('late'), begin: (settle) => (ports.push(target.port), env.setTimer(() => settle(finding), ms)) });
}

function begin(how: 'all' | 'any', parts: readonly { check: Check; port?: number }[]) {
  const clock = createFakeClock();
  const unused = { reach: () => assert.fail(), look: () => assert.fail(), echo: () => assert.fail(), ask: () => assert.fail(), close: () => undefined };
  const env: CheckEnv = { ...clock, random: () => 0, neighbours: unused, icmp: unused, paths: unused, programs: { directory: '', running: 0 }, cancels: new Set() };
  const target: Target = { key: 'k', director: 'd', server: 's', ip: parseIp('192.0.2.1') as Ip, port: 53, probe: { kind: 'default' }, intervalMs: 1000, timeoutMs: 500, rise: 1, fall: 1, source: null, via: null, slowStartMs: 0, damping: null };
  let result: CheckResult | undefined;
  void combine(how, parts.map(({ check, port }, i) => ({ name: `p${i}`, check, port: port ?? null })))(target, env).then((r) => (result = r));
  return { clock, env, result: () => result };
}

test('parts run at once, each at its own port, and the first that decides ends the others', async () => {
  const ports: number[] = [];
  const any = begin('any', [{ check: after(400, fail('no'), ports) }, { check: after(20, pass('yes'), ports), port: 22 }]);
  await any.clock.advance(20);
  assert.deepEqual([any.result()?.ok, any.result()?.latencyMs, any.env.cancels.size, any.clock.pending(), ports], [true, 20, 0, 0, [53, 22]]);
  const all = begin('all', [{ check: after(400, pass('yes')) }, { check: after(30, fail('no')) }]);
  await all.clock.advance(30);
  assert.deepEqual([all.result()?.ok, all.result()?.detail, all.clock.pending()], [false, 'p1: no', 0]);
});

test('a part that cannot run does not end the others', async () => {
  const all = begin('all', [{ check: after(10, cannot('no socket')) }, { check: after(100, fail('no')) }]);
  await all.clock.advance(100);
  assert.deepEqual([all.result()?.ok, all.result()?.finding, all.result()?.detail], [false, undefined, 'p1: no']);
});

test('a service that stops ends all parts', async () => {
  const all = begin('all', [{ check: after(100, pass('yes')) }, { check: after(100, pass('yes')) }]);
  for (const cancel of all.env.cancels) cancel();
  await all.clock.advance(0);
  assert.deepEqual([all.result()?.finding, all.clock.pending(), all.env.cancels.size], ['cannot', 0, 0]);
});
