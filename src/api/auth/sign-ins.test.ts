import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createSignIns, IDLE_MS, sameSecret } from './sign-ins.ts';

const admin = { name: 'admin', role: 'admin' } as const;

test('the table holds no cookie, and each sign-in has its own cookie and CSRF token', () => {
  const table = createSignIns(() => 0);
  const [one, two] = [table.start(admin, 'a'), table.start(admin, 'a')];
  assert.equal(new Set([one.cookie, two.cookie, one.signIn.csrf, two.signIn.csrf, one.signIn.key, two.signIn.key]).size, 6);
  assert.ok(!JSON.stringify(one.signIn).includes(one.cookie));
  assert.equal(table.use(one.cookie), one.signIn);
  for (const cookie of ['', one.signIn.key, `${one.cookie}x`, one.cookie.slice(1)]) assert.equal(table.use(cookie), undefined);
});

test('at the cap the one unused longest goes, after those that are over', () => {
  let nowMs = 0;
  const table = createSignIns(() => nowMs, 2);
  const [one, two] = [table.start(admin, 'a'), table.start(admin, 'a')];
  table.use(one.cookie);
  const three = table.start(admin, 'a');
  assert.deepEqual([one, two, three].map((s) => table.isLive(s.signIn.key)), [true, false, true]);
  nowMs = IDLE_MS;
  table.start(admin, 'a');
  assert.equal(table.size, 1);
});

test('looking whether a sign-in lasts does not make it last', () => {
  let nowMs = 0;
  const table = createSignIns(() => nowMs);
  const { signIn } = table.start(admin, 'a');
  for (; nowMs < IDLE_MS; nowMs += 60_000) assert.equal(table.isLive(signIn.key), true);
  assert.equal(table.isLive(signIn.key), false);
});

test('secrets of different length compare as different', () => {
  assert.equal(sameSecret('a', 'a'), true);
  assert.equal(sameSecret('a', 'ab'), false);
  assert.equal(sameSecret('', 'a'), false);
});
