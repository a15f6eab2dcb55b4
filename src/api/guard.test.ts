import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ErrorView } from '../client/types.ts';
import { browser, createHarness, EVERY_CALL } from './harness.ts';

const calls = Object.entries(EVERY_CALL);

test('every call answers an admin token as its row says', async (t) => {
  const h = await createHarness(t);
  for (const [name, { method, url, body, status }] of calls) {
    const answer = await h.call({ method, url, token: h.admin, ...(body === undefined ? {} : { body }) });
    assert.equal(answer.statusCode, status, `${name}: ${answer.body}`);
  }
});

test('every call that is not public is refused without a token, with a wrong one and with a wrong cookie, before its body is looked at', async (t) => {
  const h = await createHarness(t);
  for (const [name, { method, url, access }] of calls) {
    if (access === 'public') continue;
    const wrong = `weir_0123456789abcdef_${'A'.repeat(43)}`;
    const nearly = h.admin.slice(0, -2) + (h.admin.endsWith('AA') ? 'BB' : 'AA');
    for (const headers of [{}, { authorization: `Bearer ${wrong}` }, { authorization: `Bearer ${nearly}` }, { authorization: `Bearer ${h.admin}x` }, { authorization: `Basic ${h.admin}` }, { cookie: `weir=${'A'.repeat(43)}` }, { cookie: 'weir=' }]) {
      const answer = await h.call({ method, url, headers, ...(method === 'GET' ? {} : { body: { bad: true } }) });
      assert.equal(answer.statusCode, 401, name);
      assert.equal(answer.json<ErrorView>().code, 'UNAUTHENTICATED');
      assert.equal(answer.headers['www-authenticate'], 'Bearer realm="weir"');
    }
  }
  assert.deepEqual(h.control.calls, []);
});

test('a viewer may read, check, plan and explain, and change nothing', async (t) => {
  const h = await createHarness(t);
  await h.control.save('test');
  h.control.calls.length = 0;
  for (const [name, { method, url, body, access, status }] of calls) {
    if (access === 'public') continue;
    const answer = await h.call({ method, url, token: h.viewer, ...(body === undefined ? {} : { body }) });
    assert.equal(answer.statusCode, access === 'admin' ? 403 : status, name);
    if (access === 'admin') assert.equal(answer.json<ErrorView>().code, 'FORBIDDEN');
  }
  assert.deepEqual(h.control.calls, []);
});

test('a write with a cookie needs the CSRF token of that sign-in; a read does not; a bearer token never does', async (t) => {
  const h = await createHarness(t);
  const one = await browser(h);
  const other = await browser(h);
  for (const [name, { method, url, body, access }] of calls) {
    if (access === 'public' || method === 'GET') continue;
    for (const headers of [{ cookie: one.cookie }, { cookie: one.cookie, 'x-weir-csrf': '' }, { cookie: one.cookie, 'x-weir-csrf': other.csrf }]) {
      const answer = await h.call({ method, url, headers, ...(body === undefined ? {} : { body }) });
      assert.equal(answer.statusCode, 403, name);
      assert.equal(answer.json<ErrorView>().code, 'CSRF');
    }
  }
  assert.deepEqual(h.control.calls, []);
  assert.equal((await h.call({ url: '/api/v1/status', headers: { cookie: one.cookie } })).statusCode, 200);
  assert.equal((await h.call({ method: 'POST', url: '/api/v1/save', headers: { cookie: one.cookie, 'x-weir-csrf': one.csrf } })).statusCode, 200);
  assert.deepEqual(h.control.calls, ['save admin']);
});

test('the Host header must be loopback or an allowed name, on every path and before the token is looked at', async (t) => {
  const h = await createHarness(t);
  for (const host of ['evil.example', 'localhost.evil.example', 'weir.example.evil', '192.0.2.1:8440', '[2001:db8::1]:8440', 'other.example', 'other.example:80', 'localhost:8440@evil', 'a b', '127.0.0.1:8440\\', 'localhost:999999']) {
    for (const url of ['/api/v1/status', '/healthz', '/nowhere', '/metrics']) {
      const answer = await h.call({ url, token: h.admin, headers: { host } });
      assert.equal(answer.statusCode, 421, `${host} ${url}`);
      assert.equal(answer.json<ErrorView>().code, 'BAD_HOST');
    }
  }
  for (const host of ['localhost', 'LOCALHOST:1', '127.0.0.1:8440', '127.8.8.8', '[::1]:8440', 'weir.example', 'weir.example:9999', 'other.example:8440']) {
    assert.equal((await h.call({ url: '/api/v1/status', token: h.admin, headers: { host } })).statusCode, 200, host);
  }
});

test('a page of another origin is refused whatever it brings, the own origin is not', async (t) => {
  const h = await createHarness(t);
  for (const origin of ['http://evil.example', 'null', 'http://localhost:3000', 'http://localhost', 'http://localhost:8440.evil.example', 'ftp://localhost:8440', 'http://127.0.0.1:8440']) {
    for (const url of ['/api/v1/status', '/healthz', '/api/v1/nowhere']) {
      const answer = await h.call({ url, token: h.admin, headers: { origin } });
      assert.equal(answer.statusCode, 403, `${origin} ${url}`);
      assert.equal(answer.json<ErrorView>().code, 'BAD_ORIGIN');
    }
  }
  assert.equal((await h.call({ url: '/api/v1/status', token: h.admin, headers: { origin: 'http://localhost:8440' } })).statusCode, 200);
});

test('no answer opens the API to other origins, and each carries the strict headers', async (t) => {
  const h = await createHarness(t);
  for (const options of [{ url: '/api/v1/status', token: h.viewer }, { url: '/api/v1/status' }, { url: '/nowhere' }, { url: '/healthz' }, { url: '/metrics', token: h.viewer }, { url: '/api/v1/status', headers: { host: 'evil' } }]) {
    const { headers } = await h.call(options);
    assert.equal(headers['access-control-allow-origin'], undefined);
    assert.match(String(headers['content-security-policy']), /default-src 'none'.*frame-ancestors 'none'/);
    assert.equal(headers['x-content-type-options'], 'nosniff');
    assert.equal(headers['x-frame-options'], 'DENY');
    assert.equal(headers['referrer-policy'], 'no-referrer');
    assert.equal(headers['cache-control'], 'no-store');
    assert.equal(headers['strict-transport-security'], undefined);
  }
});

test('a preflight is refused: there is no CORS', async (t) => {
  const h = await createHarness(t);
  const answer = await h.call({ method: 'OPTIONS', url: '/api/v1/status', headers: { origin: 'http://localhost:8440', 'access-control-request-method': 'GET' } });
  assert.equal(answer.statusCode, 405);
});

test('/metrics may be opened without a token, and nothing else with it', async (t) => {
  const h = await createHarness(t, { metricsPublic: true });
  assert.equal((await h.call({ url: '/metrics' })).statusCode, 200);
  assert.equal((await h.call({ url: '/api/v1/status' })).statusCode, 401);
});

test('HEAD is guarded like GET', async (t) => {
  const h = await createHarness(t);
  assert.equal((await h.call({ method: 'HEAD', url: '/api/v1/status' })).statusCode, 401);
  assert.equal((await h.call({ method: 'HEAD', url: '/api/v1/tokens', token: h.viewer })).statusCode, 403);
  assert.equal((await h.call({ method: 'HEAD', url: '/api/v1/status', token: h.viewer })).statusCode, 200);
});

test('refused tokens are noted once a minute and source, so that a monitor cannot flood the log', async (t) => {
  const h = await createHarness(t);
  const noted = (): number => h.control.noted.filter((event) => event.kind === 'token-refused').length;
  for (let i = 0; i < 20; i++) await h.call({ url: '/api/v1/status', token: 'nonsense' });
  assert.equal(noted(), 1);
  h.clock.nowMs += 60_000;
  await h.call({ url: '/api/v1/status', token: 'nonsense' });
  assert.equal(noted(), 2);
  assert.match((await h.call({ url: '/metrics', token: h.viewer })).body, /^weir_api_tokens_refused_total 21$/m);
});
