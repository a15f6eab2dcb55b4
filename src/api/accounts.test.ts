import assert from 'node:assert/strict';
import { readFile, stat } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import type { ErrorView, SignInView, TokenView } from '../client/types.ts';
import { openAuth } from './auth/auth.ts';
import { browser, CHEAP, createHarness, type Harness } from './harness.ts';

const signIn = (h: Harness, password: string, more: { user?: string; remoteAddress?: string } = {}) =>
  h.call({ method: 'POST', url: '/api/v1/sign-in', body: { user: more.user ?? 'admin', password }, ...(more.remoteAddress === undefined ? {} : { remoteAddress: more.remoteAddress }) });

test('a sign-in sets a cookie that scripts and other sites cannot use, and tells the CSRF token', async (t) => {
  const h = await createHarness(t);
  const answer = await signIn(h, h.password);
  assert.equal(answer.statusCode, 200);
  assert.match(String(answer.headers['set-cookie']), /^weir=[A-Za-z0-9_-]{43}; Path=\/; HttpOnly; SameSite=Strict$/);
  const view = answer.json<SignInView>();
  assert.deepEqual([view.who, view.role, view.expiresAtMs], ['admin', 'admin', h.clock.nowMs + 12 * 3_600_000]);
  assert.equal(h.control.noted.at(-1)?.kind, 'sign-in');
  const { cookie, csrf } = await browser(h);
  const info = await h.call({ url: '/api/v1/sign-in', headers: { cookie } });
  assert.equal(info.json<SignInView>().csrf, csrf);
});

test('under TLS the cookie is Secure and bound to the host', async (t) => {
  const { cert, key } = await import('./test-certificate.ts');
  const h = await createHarness(t, { tls: { cert, key } });
  const answer = await signIn(h, h.password);
  assert.match(String(answer.headers['set-cookie']), /^__Host-weir=[^;]+; Path=\/; HttpOnly; Secure; SameSite=Strict$/);
  assert.match(String(answer.headers['strict-transport-security']), /max-age=31536000/);
  assert.equal((await h.call({ url: '/api/v1/status', token: h.admin, headers: { origin: 'http://localhost:8440' } })).statusCode, 403);
  assert.equal((await h.call({ url: '/api/v1/status', token: h.admin, headers: { origin: 'https://localhost:8440' } })).statusCode, 200);
});

test('a wrong password and an unknown user get the same answer; the name that is no user does not reach the log', async (t) => {
  const h = await createHarness(t);
  const wrong = await signIn(h, 'wrong password');
  const unknown = await signIn(h, 'wrong password', { user: 'my-password-typed-here' });
  assert.equal(wrong.statusCode, 401);
  assert.equal(wrong.body, unknown.body);
  assert.equal(wrong.headers['set-cookie'], undefined);
  assert.deepEqual(h.control.noted.map((e) => [e.kind, e.who]), [['sign-in-failed', 'admin'], ['sign-in-failed', 'unknown']]);
  assert.doesNotMatch(h.logged.join('') + JSON.stringify(h.control.noted), /my-password-typed-here/);
});

test('the sixth attempt of a minute is refused even with the right password, another address is not', async (t) => {
  const h = await createHarness(t);
  for (let i = 0; i < 5; i++) assert.equal((await signIn(h, 'wrong password')).statusCode, 401);
  h.clock.nowMs += 20_000;
  const limited = await signIn(h, h.password);
  assert.equal(limited.statusCode, 429);
  assert.equal(limited.headers['retry-after'], '40');
  assert.equal(limited.json<ErrorView>().code, 'TOO_MANY');
  assert.equal((await signIn(h, h.password, { remoteAddress: '192.0.2.7' })).statusCode, 200);
  for (let i = 0; i < 5; i++) await signIn(h, 'wrong password', { remoteAddress: `2001:db8:0:1::${i}` });
  assert.equal((await signIn(h, h.password, { remoteAddress: '2001:db8:0:1:ffff::9' })).statusCode, 429, 'one IPv6 host has a /64');
  assert.equal((await signIn(h, h.password, { remoteAddress: '2001:db8:0:2::9' })).statusCode, 200);
  h.clock.nowMs += 40_000;
  assert.equal((await signIn(h, h.password)).statusCode, 200);
  assert.equal(h.control.noted.filter((e) => e.kind === 'sign-in-limited').length, 2);
});

test('a sign-in ends when unused for 30 minutes, after 12 hours, and at a sign-out', async (t) => {
  const h = await createHarness(t);
  const status = async (cookie: string) => (await h.call({ url: '/api/v1/status', headers: { cookie } })).statusCode;
  const idle = await browser(h);
  h.clock.nowMs += 30 * 60_000 - 1;
  assert.equal(await status(idle.cookie), 200);
  h.clock.nowMs += 30 * 60_000;
  assert.equal(await status(idle.cookie), 401);

  const busy = await browser(h);
  for (let i = 0; i < 47; i++) {
    h.clock.nowMs += 15 * 60_000;
    assert.equal(await status(busy.cookie), 200);
  }
  h.clock.nowMs += 15 * 60_000;
  assert.equal(await status(busy.cookie), 401);

  const [one, two] = [await browser(h), await browser(h)];
  const out = await h.call({ method: 'DELETE', url: '/api/v1/sign-in', headers: { cookie: one.cookie, 'x-weir-csrf': one.csrf } });
  assert.equal(out.statusCode, 204);
  assert.match(String(out.headers['set-cookie']), /^weir=; .*Expires=Thu, 01 Jan 1970/);
  assert.equal(await status(one.cookie), 401);
  assert.equal(await status(two.cookie), 200);
  const three = await browser(h);
  assert.equal((await h.call({ method: 'DELETE', url: '/api/v1/sign-ins', headers: { cookie: two.cookie, 'x-weir-csrf': two.csrf } })).statusCode, 204);
  assert.equal(await status(two.cookie), 401);
  assert.equal(await status(three.cookie), 401);
});

test('a token is told once, works until revoked, and its name is taken while it lives', async (t) => {
  const h = await createHarness(t);
  const make = (body: object) => h.call({ method: 'POST', url: '/api/v1/tokens', token: h.admin, body });
  const made = (await make({ name: 'ci', role: 'viewer' })).json<TokenView & { token: string }>();
  assert.match(made.token, /^weir_[0-9a-f]{16}_[A-Za-z0-9_-]{43}$/);
  assert.equal((await make({ name: 'ci', role: 'viewer' })).statusCode, 400);
  h.clock.nowMs += 5;
  assert.equal((await h.call({ url: '/api/v1/status', token: made.token })).statusCode, 200);
  const listed = await h.call({ url: '/api/v1/tokens', token: h.admin });
  assert.deepEqual(listed.json<TokenView[]>().find((token) => token.id === made.id), { id: made.id, name: 'ci', role: 'viewer', createdAtMs: h.clock.nowMs - 5, expiresAtMs: null, lastUsedAtMs: h.clock.nowMs });
  assert.equal((await h.call({ method: 'DELETE', url: `/api/v1/tokens/${made.id}`, token: h.admin })).statusCode, 204);
  assert.equal((await h.call({ url: '/api/v1/status', token: made.token })).statusCode, 401);
  assert.equal((await h.call({ method: 'DELETE', url: `/api/v1/tokens/${made.id}`, token: h.admin })).statusCode, 404);
  assert.deepEqual(h.control.noted.filter((e) => e.kind.startsWith('token-')).map((e) => `${e.kind} ${e.who}`), ['token-created token:a', 'token-revoked token:a', 'token-refused unknown']);
});

test('a token expires on time, and then its name is free', async (t) => {
  const h = await createHarness(t);
  const make = () => h.call({ method: 'POST', url: '/api/v1/tokens', token: h.admin, body: { name: 'short', role: 'admin', expiresInMs: 60_000 } });
  const { token } = (await make()).json<{ token: string }>();
  h.clock.nowMs += 59_999;
  assert.equal((await h.call({ url: '/api/v1/status', token })).statusCode, 200);
  h.clock.nowMs += 1;
  assert.equal((await h.call({ url: '/api/v1/status', token })).statusCode, 401);
  assert.equal((await make()).statusCode, 201);
  for (const body of [{ name: 'x', role: 'root' }, { name: '', role: 'viewer' }, { name: '-x', role: 'viewer' }, { name: 'x'.repeat(65), role: 'viewer' }, { name: 'x', role: 'viewer', expiresInMs: 1 }, { name: 'x' }]) {
    assert.equal((await h.call({ method: 'POST', url: '/api/v1/tokens', token: h.admin, body })).statusCode, 400, JSON.stringify(body));
  }
});

test('tokens and the password outlive a restart, sign-ins do not', async (t) => {
  const h = await createHarness(t);
  const before = await browser(h);
  const again = await openAuth({ directory: h.directory, cost: CHEAP, now: () => h.clock.nowMs });
  assert.deepEqual((await again.bootstrap()).adminPassword, null);
  assert.equal(again.byToken(h.viewer)?.who, 'token:v');
  assert.equal(again.byCookie(before.cookie.slice('weir='.length)), undefined);
  assert.notEqual(await again.signIn('admin', h.password, '127.0.0.1'), null);
});

test('a sign-in changes its own password with the old one; its other sign-ins end, this one and tokens stay', async (t) => {
  const h = await createHarness(t);
  const [mine, other] = [await browser(h), await browser(h)];
  const change = (body: object) => h.call({ method: 'POST', url: '/api/v1/passwd', headers: { cookie: mine.cookie, 'x-weir-csrf': mine.csrf }, body });
  assert.equal((await change({ newPassword: 'a new password' })).statusCode, 400, 'the old password is missing');
  assert.equal((await change({ oldPassword: 'wrong', newPassword: 'a new password' })).statusCode, 400);
  const short = await change({ oldPassword: h.password, newPassword: 'short' });
  assert.match(short.json<ErrorView>().message, /expected at least 12 characters; found text of 5 characters/);
  h.clock.nowMs += 60_000;
  assert.equal((await change({ oldPassword: h.password, newPassword: 'a new password' })).statusCode, 204);
  assert.equal((await h.call({ url: '/api/v1/status', headers: { cookie: mine.cookie } })).statusCode, 200);
  assert.equal((await h.call({ url: '/api/v1/status', headers: { cookie: other.cookie } })).statusCode, 401);
  assert.equal((await h.call({ url: '/api/v1/status', token: h.viewer })).statusCode, 200);
  assert.equal((await signIn(h, h.password)).statusCode, 401);
  assert.equal((await signIn(h, 'a new password')).statusCode, 200);
});

test('an admin token sets a lost password without the old one, and no password of a user that is not', async (t) => {
  const h = await createHarness(t);
  const change = (body: object) => h.call({ method: 'POST', url: '/api/v1/passwd', token: h.admin, body });
  assert.equal((await change({ newPassword: 'a new password' })).statusCode, 204);
  assert.equal((await change({ user: 'nobody', newPassword: 'a new password' })).statusCode, 404);
  assert.equal((await signIn(h, 'a new password')).statusCode, 200);
});

test('the CLI token file is for its owner only and signs in as admin', async (t) => {
  const h = await createHarness(t);
  const file = path.join(h.directory, 'cli.token');
  assert.equal((await stat(file)).mode & 0o777, 0o600);
  const token = (await readFile(file, 'utf8')).trim();
  const info = await h.call({ url: '/api/v1/sign-in', token });
  assert.deepEqual(info.json<SignInView>(), { who: 'token:cli', role: 'admin', csrf: null, expiresAtMs: null });
});
