import assert from 'node:assert/strict';
import { connect, type AddressInfo, type Socket } from 'node:net';
import { test } from 'node:test';
import type { ErrorView } from '../client/types.ts';
import { createHarness, type Harness } from './harness.ts';

async function refused(h: Harness, options: Parameters<Harness['call']>[0]): Promise<ErrorView & { status: number }> {
  const answer = await h.call({ token: h.admin, ...options });
  return { status: answer.statusCode, ...answer.json<ErrorView>() };
}

test('an unknown field of a body or a query is refused with the nearest known one', async (t) => {
  const h = await createHarness(t);
  const rows: readonly (readonly [Parameters<Harness['call']>[0], RegExp])[] = [
    [{ method: 'POST', url: '/api/v1/apply', body: { confirmms: 60_000 } }, /unknown field "confirmms" \(did you mean confirmMs\?\)/],
    [{ method: 'PUT', url: '/api/v1/documents/edited', body: { layer5: '' } }, /unknown field "layer5" \(did you mean layer4\?\)/],
    [{ method: 'POST', url: '/api/v1/sessions/purge', body: { clint: '192.0.2.1' } }, /did you mean client/],
    [{ method: 'POST', url: '/api/v1/override', body: { director: 'd', server: 's', action: 'drian' } }, /found "drian" \(did you mean drain\?\)/],
    [{ url: '/api/v1/status?full=1' }, /unknown field "full"/],
    [{ url: '/api/v1/sessions?sever=s1' }, /did you mean server/],
    [{ url: '/api/v1/sessions?server=a&server=b' }, /query.server: expected string; found a list of 2/],
    [{ method: 'POST', url: '/api/v1/save', body: { note: 'x' } }, /expected none/],
    [{ method: 'POST', url: '/api/v1/apply?confirmMs=60000' }, /unknown field "confirmMs"/],
  ];
  for (const [options, message] of rows) {
    const view = await refused(h, options);
    assert.equal(view.status, 400, view.message);
    assert.equal(view.code, 'BAD_REQUEST');
    assert.match(view.message, message);
  }
  assert.deepEqual(h.control.calls, []);
});

test('nothing is turned into another type: a null, a number or a list is no document, and only plain digits are a number', async (t) => {
  const h = await createHarness(t);
  for (const nat of [null, 5, true, ['x'], {}]) assert.equal((await refused(h, { method: 'PUT', url: '/api/v1/documents/edited', body: { nat } })).status, 400, JSON.stringify(nat));
  for (const confirmMs of ['60000', 1.5, 999, -1, 86_400_001, null]) assert.equal((await refused(h, { method: 'POST', url: '/api/v1/apply', body: { confirmMs } })).status, 400, JSON.stringify(confirmMs));
  for (const limit of ['0', '1001', '1e2', '0x10', '+5', ' 5', '', '05', '-1', 'NaN']) assert.equal((await refused(h, { url: `/api/v1/sessions?limit=${encodeURIComponent(limit)}` })).status, 400, limit);
  for (const revision of ['1e1', '-1', '1.0', 'x', '%20', '99999999999999999999']) assert.equal((await refused(h, { url: `/api/v1/revisions/${revision}` })).status, 400, revision);
  assert.equal((await refused(h, { method: 'PUT', url: '/api/v1/documents/edited', body: {} })).message, 'body: expected at least one of layer4, nat, services, found none');
  assert.deepEqual(h.control.calls, []);
});

test('a body that is no JSON, of another type, or with a poisoned prototype is refused', async (t) => {
  const h = await createHarness(t);
  const url = '/api/v1/apply';
  const json = { 'content-type': 'application/json' };
  assert.equal((await refused(h, { method: 'POST', url, payload: '{"confirmMs":', headers: json })).message, 'the body is not JSON');
  assert.equal((await refused(h, { method: 'POST', url, payload: '', headers: json })).status, 400);
  assert.equal((await refused(h, { method: 'POST', url, payload: 'null', headers: json })).status, 400);
  assert.equal((await refused(h, { method: 'POST', url, payload: '[]', headers: json })).status, 400);
  assert.equal((await refused(h, { method: 'POST', url, payload: '{"__proto__":{"confirmMs":1}}', headers: json })).status, 400);
  assert.equal((await refused(h, { method: 'POST', url, payload: '{"constructor":{"prototype":{}}}', headers: json })).status, 400);
  for (const type of ['text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data; boundary=x', 'text/json', 'nonsense']) {
    assert.equal((await refused(h, { method: 'POST', url, payload: '{}', headers: { 'content-type': type } })).status, 415, type);
  }
  assert.deepEqual(h.control.calls, []);
});

test('documents take bodies up to 64 MiB, every other call up to 64 KiB', async (t) => {
  const h = await createHarness(t);
  const megabyte = 'x'.repeat(1024 * 1024);
  assert.equal((await h.call({ method: 'PUT', url: '/api/v1/documents/edited', token: h.admin, body: { nat: megabyte } })).statusCode, 200);
  for (const url of ['/api/v1/apply', '/api/v1/override', '/api/v1/tokens', '/api/v1/passwd', '/api/v1/sign-in']) {
    const view = await refused(h, { method: 'POST', url, body: { name: megabyte } });
    assert.equal(view.status, 413, url);
    assert.equal(view.code, 'TOO_LARGE');
  }
  const tooLarge = await refused(h, { method: 'PUT', url: '/api/v1/documents/edited', payload: '', headers: { 'content-type': 'application/json', 'content-length': String(64 * 1024 * 1024 + 1) } });
  assert.equal(tooLarge.status, 413);
});

test('the fifth large body at the same time is told to come again; a place is free after an answer and after a client that went away', async (t) => {
  const h = await createHarness(t);
  let gone = (): void => undefined;
  const abort = new Promise<void>((resolve) => (gone = resolve));
  h.app.addHook('onRequestAbort', async (_request) => gone());
  const { port } = await listening(h);
  const begin = (): Promise<Socket> => new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1');
    socket.on('error', reject);
    // 100-continue tells that the server has taken the request and waits for its body.
    socket.once('data', (data) => (String(data).startsWith('HTTP/1.1 100') ? resolve(socket) : reject(new Error(String(data)))));
    socket.write(`PUT /api/v1/documents/edited HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${h.admin}\r\nContent-Type: application/json\r\nContent-Length: 10\r\nExpect: 100-continue\r\n\r\n`);
  });
  const [first, second, ...others] = await Promise.all([begin(), begin(), begin(), begin()]);
  const fifth = await refused(h, { method: 'POST', url: '/api/v1/check', body: { nat: '' } });
  assert.equal(fifth.status, 503);
  assert.equal(fifth.code, 'BUSY');

  const answered = new Promise<string>((resolve) => first?.once('data', (data) => resolve(String(data))));
  first?.write('{"nat":""}');
  assert.match(await answered, /^HTTP\/1.1 200/);
  const next = await begin();
  assert.equal((await refused(h, { method: 'POST', url: '/api/v1/check', body: { nat: '' } })).status, 503);

  second?.destroy();
  await abort;
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal((await h.call({ method: 'POST', url: '/api/v1/check', token: h.admin, body: { nat: '' } })).statusCode, 200);
  for (const socket of [first, next, ...others]) socket?.destroy();
});

test('an unknown path gets the nearest route, a known path with another method gets what it allows', async (t) => {
  const h = await createHarness(t);
  const unknown = await refused(h, { url: '/api/v1/sesions' });
  assert.equal(unknown.status, 404);
  assert.equal(unknown.code, 'UNKNOWN_ROUTE');
  assert.match(unknown.cure ?? '', /did you mean \/api\/v1\/sessions\?/);
  const answer = await h.call({ method: 'DELETE', url: '/api/v1/revisions/5', token: h.admin });
  assert.equal(answer.statusCode, 405);
  assert.equal(answer.headers['allow'], 'GET, HEAD');
  assert.equal(answer.json<ErrorView>().code, 'METHOD_NOT_ALLOWED');
});

test('a path that climbs out leads nowhere', async (t) => {
  const h = await createHarness(t);
  for (const url of ['/../../etc/passwd', '/api/v1/../../auth.json', '/api/v1/documents/..%2f..%2fauth.json', '/api/v1/documents/%2e%2e%2fauth.json', '/api/v1/revisions/..%2f..', '/cli.token', '/api/v1/tokens/..%2f..%2fcli.token', '//etc/passwd', '/api/v1/documents/edited%00', '/%zz', '/api/v1/documents/%c0%ae', `/${'a'.repeat(5000)}`]) {
    const answer = await h.call({ url, token: h.admin });
    assert.ok([400, 404, 405].includes(answer.statusCode), `${url}: ${answer.statusCode}`);
    assert.equal(typeof answer.json<ErrorView>().code, 'string');
    assert.doesNotMatch(answer.body, /root:|scrypt|weir_/);
  }
});

test('line ends in names, tags and ids neither reach a header nor split a line of the log', async (t) => {
  const h = await createHarness(t);
  const evil = 'a\r\nSet-Cookie: x=1\r\n\r\n{"level":60}';
  for (const options of [
    { method: 'POST', url: '/api/v1/tokens', body: { name: evil, role: 'viewer' } },
    { method: 'POST', url: '/api/v1/sign-in', body: { user: evil, password: evil } },
    { method: 'POST', url: '/api/v1/override', body: { director: evil, server: evil, action: 'drain' } },
    { method: 'GET', url: `/api/v1/${encodeURIComponent(evil)}` },
    { method: 'GET', url: `/api/v1/events?since=${encodeURIComponent(evil)}` },
    { method: 'GET', url: `/api/v1/status?${encodeURIComponent(evil)}=1` },
  ] as const) {
    const answer = await h.call({ token: h.admin, ...options });
    assert.ok(answer.statusCode >= 400, options.url);
    assert.equal(answer.headers['set-cookie'], undefined);
  }
  for (const line of h.logged) assert.notEqual((JSON.parse(line) as { level: number }).level, 60);
  // eslint-disable-next-line no-control-regex -- exactly these must not be there
  for (const event of h.control.noted) assert.doesNotMatch(event.text + event.who, /[\u0000-\u001f]/);
});

test('what is no HTTP, lacks a Host or has too many headers is answered in the same shape and hung up on', async (t) => {
  const h = await createHarness(t);
  const { port } = await listening(h);
  const say = (text: string): Promise<string> => new Promise((resolve, reject) => {
    let heard = '';
    const socket = connect(port, '127.0.0.1', () => socket.write(text));
    socket.on('data', (data) => (heard += String(data)));
    socket.on('error', reject);
    socket.on('close', () => resolve(heard));
  });
  assert.match(await say('nonsense\r\n\r\n'), /^HTTP\/1.1 400 [^]*"code":"BAD_REQUEST"/);
  assert.match(await say(`GET / HTTP/1.1\r\nHost: localhost\r\nX: ${'x'.repeat(20_000)}\r\n\r\n`), /^HTTP\/1.1 431 [^]*"code":"HEADERS_TOO_LARGE"/);
  assert.match(await say('GET /healthz HTTP/1.1\r\nConnection: close\r\n\r\n'), /^HTTP\/1.1 4\d\d /);
  assert.match(await say('GET /healthz HTTP/1.0\r\n\r\n'), /^HTTP\/1.1 421 /);
  assert.match(await say('GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n'), /^HTTP\/1.1 200 /);
});

async function listening(h: Harness): Promise<AddressInfo> {
  await h.app.listen({ host: '127.0.0.1', port: 0 });
  return h.app.server.address() as AddressInfo;
}
