/** What is tried against a server on a network: bodies that cost more than their bytes, requests within requests, clients that never finish. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, type AddressInfo, type Socket } from 'node:net';
import { test, type TestContext } from 'node:test';
import { gzipSync } from 'node:zlib';
import { Mailbox } from '../../test/contract/mailbox.ts';
import type { AppOptions } from './app.ts';
import { hasMoreParts } from './body.ts';
import { createHarness, type Harness } from './harness.ts';

const JSON_TYPE = { 'content-type': 'application/json' };
const MIB = 1024 * 1024;

async function listening(t: TestContext, options: Partial<AppOptions> = {}): Promise<Harness & { dial(): Promise<Client>; aborted: Mailbox<string> }> {
  const h = await createHarness(t, options);
  const aborted = new Mailbox<string>('requests that ended early', (url) => url);
  h.app.addHook('onRequestAbort', async (request) => aborted.push(request.url));
  await h.app.listen({ host: '127.0.0.1', port: 0 });
  const { port } = h.app.server.address() as AddressInfo;
  return {
    ...h,
    aborted,
    async dial() {
      const socket = connect(port, '127.0.0.1');
      t.after(() => socket.destroy());
      await once(socket, 'connect');
      return new Client(socket);
    },
  };
}

/** A client that says what it likes. */
class Client {
  readonly socket: Socket;
  heard = '';
  readonly closed: Promise<string>;
  constructor(socket: Socket) {
    this.socket = socket;
    socket.on('data', (data: Buffer) => (this.heard += data.toString('latin1')));
    socket.on('error', () => {});
    this.closed = new Promise((resolve) => socket.on('close', () => resolve(this.heard)));
  }
  /** Returns all that was answered when the server hangs up. */
  say(text: string): Promise<string> {
    this.socket.write(text, 'latin1');
    return this.closed;
  }
}

test('parts are counted outside of strings, whatever the strings hold', () => {
  assert.equal(hasMoreParts('{"a":1,"b":[2]}', 7), false);
  assert.equal(hasMoreParts('{"a":1,"b":[2]}', 6), true);
  assert.equal(hasMoreParts(JSON.stringify({ nat: '[{,:"\\"\\\\'.repeat(1000) }), 3), false);
  assert.equal(hasMoreParts('"not closed [[[[[[', 0), false);
  assert.equal(hasMoreParts('"\\\\"[[', 1), true, 'an escaped backslash ends no escape');
});

test('a bomb of JSON is refused for its parts, in no more time than reading it takes', async (t) => {
  const h = await createHarness(t);
  const bombs: Readonly<Record<string, string>> = {
    'open lists': '['.repeat(16 * MIB),
    'nested lists': '['.repeat(8 * MIB) + ']'.repeat(8 * MIB),
    'nested objects': '{"a":'.repeat(3 * MIB),
    'many numbers': `{"nat":[${'0,'.repeat(8 * MIB)}0]}`,
    'many fields': `{${Array.from({ length: 500_000 }, (_, i) => `"f${i}":0`).join(',')}}`,
    'many fields of one name': `{${'"nat":"",'.repeat(500_000)}"nat":""}`,
  };
  for (const [what, payload] of Object.entries(bombs)) {
    const before = process.cpuUsage();
    const answer = await h.call({ method: 'PUT', url: '/api/v1/documents/edited', token: h.admin, payload, headers: JSON_TYPE });
    const { user, system } = process.cpuUsage(before);
    assert.deepEqual([answer.statusCode, answer.json<{ code: string }>().code], [400, 'BAD_REQUEST'], what);
    // Parsing the first of them takes 5 s and 2 GiB.
    assert.ok(user + system < 2_000_000, `${what}: ${(user + system) / 1e6} s`);
  }
  const small = '['.repeat(60_000);
  for (const url of ['/api/v1/sign-in', '/api/v1/apply', '/api/v1/tokens']) assert.equal((await h.call({ method: 'POST', url, token: h.admin, payload: small, headers: JSON_TYPE })).statusCode, 400, url);
  assert.deepEqual(h.control.calls, []);
});

test('compressed bodies are not unpacked', async (t) => {
  const h = await createHarness(t);
  const payload = gzipSync(JSON.stringify({ nat: 'x'.repeat(10 * MIB) }));
  assert.ok(payload.length < 64 * 1024);
  const answer = await h.call({ method: 'PUT', url: '/api/v1/documents/edited', token: h.admin, payload, headers: { ...JSON_TYPE, 'content-encoding': 'gzip' } });
  assert.equal(answer.statusCode, 400);
});

test('a viewer may have 1 MiB checked and says beforehand how much it is; an admin as much as may be edited', async (t) => {
  const h = await listening(t);
  const check = (token: string, bytes: number) => h.call({ method: 'POST', url: '/api/v1/check', token, body: { nat: '#'.repeat(bytes) } });
  assert.equal((await check(h.viewer, MIB - 1000)).statusCode, 200);
  assert.equal((await check(h.viewer, MIB)).statusCode, 413);
  assert.equal((await check(h.admin, MIB)).statusCode, 200);
  const chunked = await (await h.dial()).say(`POST /api/v1/check HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${h.viewer}\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\na\r\n{"nat":""}\r\n0\r\n\r\n`);
  assert.match(chunked, /^HTTP\/1\.1 413 /);
});

test('names of prototypes in cookies, queries and paths are names like any other', async (t) => {
  const h = await createHarness(t);
  for (const name of ['__proto__', 'constructor', 'prototype', 'toString', 'hasOwnProperty']) {
    assert.equal((await h.call({ url: '/api/v1/status', headers: { cookie: `${name}=weir; weir.${name}=x` } })).statusCode, 401, name);
    assert.equal((await h.call({ url: `/api/v1/status?${name}=1`, token: h.admin })).statusCode, 400, name);
    assert.equal((await h.call({ url: `/api/v1/sessions?${name}[limit]=1`, token: h.admin })).statusCode, 400, name);
    assert.equal((await h.call({ url: `/api/v1/documents/${name}`, token: h.admin })).statusCode, 400, name);
    assert.equal((await h.call({ url: `/assets/${name}`, token: h.admin })).statusCode, 404, name);
    assert.equal((await h.call({ method: 'POST', url: '/api/v1/sign-in', body: { user: name, password: 'not this one' } })).statusCode, 401, name);
    h.clock.nowMs += 60_000;
  }
  assert.equal(({} as Record<string, unknown>)['limit'], undefined);
});

/** Each hides a purge by an admin behind, or in, a request that one reader takes for shorter or longer than another does. */
const smuggled = (token: string): string => {
  const body = '{"all":true}';
  return `POST /api/v1/sessions/purge HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${token}\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
};
const HEAD = 'POST /api/v1/sign-out HTTP/1.1\r\nHost: localhost\r\n';
const SMUGGLERS: Readonly<Record<string, (inner: string) => string>> = {
  'a length and chunks': (inner) => `${HEAD}Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${inner}`,
  'chunks and a length': (inner) => `${HEAD}Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n${inner}`,
  'two lengths': (inner) => `${HEAD}Content-Length: 0\r\nContent-Length: ${inner.length}\r\n\r\n${inner}`,
  'a list of lengths': (inner) => `${HEAD}Content-Length: 0, ${inner.length}\r\n\r\n${inner}`,
  'a length with a sign': (inner) => `${HEAD}Content-Length: +0\r\n\r\n${inner}`,
  'a space before the colon': (inner) => `${HEAD}Content-Length : 0\r\n\r\n${inner}`,
  'a folded header': (inner) => `${HEAD}X: a\r\n Content-Length: ${inner.length}\r\n\r\n${inner}`,
  'another coding': (inner) => `${HEAD}Transfer-Encoding: xchunked\r\n\r\n${inner}`,
  'chunks and then another coding': (inner) => `${HEAD}Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n${inner}`,
  'a chunk size that wraps': (inner) => `${HEAD}Transfer-Encoding: chunked\r\n\r\n10000000000000000\r\n${inner}`,
  'a chunk size with a prefix': (inner) => `${HEAD}Transfer-Encoding: chunked\r\n\r\n0x0\r\n\r\n${inner}`,
  'a header that ends with a bare CR': (inner) => `${HEAD}X: a\rContent-Length: 0\r\n\r\n${inner}`,
  'a zero byte in a header': (inner) => `${HEAD}X: a\u0000b\r\n\r\n${inner}`,
};

test('a request that two readers would take for two lengths is refused, the connection ends, and nothing after it is read', async (t) => {
  const h = await listening(t);
  for (const [what, wrap] of Object.entries(SMUGGLERS)) {
    const heard = await (await h.dial()).say(wrap(smuggled(h.admin)));
    assert.match(heard, /^HTTP\/1\.1 4\d\d /, what);
    assert.equal(heard.match(/HTTP\/1\.1 \d{3} /g)?.length, 1, `${what}: one answer\n${heard}`);
  }
  assert.deepEqual(h.control.calls, []);
});

test('nobody becomes another protocol: an upgrade is answered as if it had not been asked for', async (t) => {
  const h = await listening(t);
  for (const protocol of ['websocket', 'h2c', 'TLS/1.3']) {
    const heard = await (await h.dial()).say(`GET /api/v1/stream HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade, close\r\nUpgrade: ${protocol}\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n`);
    assert.match(heard, /^HTTP\/1\.1 401 /, protocol);
  }
  assert.match(await (await h.dial()).say('CONNECT 127.0.0.1:22 HTTP/1.1\r\nHost: localhost\r\n\r\n'), /^(HTTP\/1\.1 4\d\d [^]*)?$/);
  assert.match(await (await h.dial()).say('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'), /^HTTP\/1\.1 4\d\d /);
});

test('headers and bodies that never end are cut off, and the places they held are free again', async (t) => {
  const h = await listening(t, { limits: { headersMs: 200, requestMs: 400, checkMs: 20 } });
  const begun = performance.now();
  const slow = await h.dial();
  slow.socket.write('GET /healthz HTTP/1.1\r\nHost: localhost\r\nX: ');
  // One byte at a time keeps no connection.
  const drip = setInterval(() => slow.socket.write('x'), 20);
  t.after(() => clearInterval(drip));
  assert.match(await slow.closed, /^HTTP\/1\.1 408 [^]*"code":"TIMEOUT"/);

  const bodies = await Promise.all(Array.from({ length: 4 }, async () => {
    const client = await h.dial();
    client.socket.write(`PUT /api/v1/documents/edited HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${h.admin}\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{`);
    return client;
  }));
  for (const client of bodies) assert.match(await client.closed, /^HTTP\/1\.1 408 /);
  for (const _ of bodies) await h.aborted.take((url) => url.startsWith('/api/v1/documents'));
  assert.equal((await h.call({ method: 'PUT', url: '/api/v1/documents/edited', token: h.admin, body: { nat: '' } })).statusCode, 200);
  assert.ok(performance.now() - begun < 10_000);
});

test('at the cap of connections the next is closed at once, and there is room again when those that say nothing are cut off', async (t) => {
  const h = await listening(t, { limits: { connections: 5, headersMs: 300, requestMs: 400, checkMs: 20 } });
  const idle = await Promise.all(Array.from({ length: 5 }, () => h.dial()));
  assert.equal(await (await h.dial()).closed, '', 'not a byte');
  for (const client of idle) await client.closed;
  assert.match(await (await h.dial()).say('GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n'), /^HTTP\/1\.1 200 /);
});

test('a thousand headers are too many bytes long before they are too many', async (t) => {
  const h = await listening(t);
  const heard = await (await h.dial()).say(`GET /healthz HTTP/1.1\r\nHost: localhost\r\n${Array.from({ length: 5000 }, (_, i) => `X${i}: y\r\n`).join('')}\r\n`);
  assert.match(heard, /^HTTP\/1\.1 431 /);
  assert.equal((await h.call({ url: '/healthz' })).statusCode, 200);
});
