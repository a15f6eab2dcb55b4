import assert from 'node:assert/strict';
import { once } from 'node:events';
import { request, type IncomingMessage } from 'node:http';
import { connect, type AddressInfo } from 'node:net';
import { test, type TestContext } from 'node:test';
import type { ErrorView } from '../client/types.ts';
import { browser, createHarness, type Harness } from './harness.ts';
import { createFakeControl } from './fake-control.ts';
import { createStreamHub, type StreamTarget } from './stream.ts';
import type { AppOptions } from './app.ts';

interface Stream {
  readonly response: IncomingMessage;
  /** Resolves when what was received matches. */
  until(pattern: RegExp): Promise<string>;
  readonly ended: Promise<void>;
  leave(): void;
}

async function start(t: TestContext, stream: AppOptions['stream'] = {}): Promise<{ readonly h: Harness; readonly open: (headers?: Record<string, string>, query?: string) => Promise<Stream> }> {
  const h = await createHarness(t, { stream });
  await h.app.listen({ host: '127.0.0.1', port: 0 });
  const { port } = h.app.server.address() as AddressInfo;
  const open = (headers: Record<string, string> = { authorization: `Bearer ${h.viewer}` }, query = ''): Promise<Stream> => new Promise((resolve, reject) => {
    const req = request({ port, host: '127.0.0.1', path: `/api/v1/stream${query}`, headers }, (response) => {
      let heard = '';
      const waiting: { pattern: RegExp; done: (text: string) => void }[] = [];
      const look = (): void => waiting.forEach((w) => w.pattern.test(heard) && w.done(heard));
      response.setEncoding('utf8').on('data', (text: string) => {
        heard += text;
        look();
      });
      response.on('error', () => undefined);
      resolve({
        response,
        until: (pattern) => new Promise((done) => {
          waiting.push({ pattern, done });
          look();
        }),
        ended: new Promise((done) => response.on('close', done)),
        leave: () => req.destroy(),
      });
    });
    req.on('error', (error) => reject(error)).end();
  });
  return { h, open };
}

test('events and samples come as they happen, with the strict headers and nothing from before', async (t) => {
  const { h, open } = await start(t);
  h.control.emit({ kind: 'old', text: 'before' });
  const stream = await open();
  assert.equal(stream.response.headers['content-type'], 'text/event-stream; charset=utf-8');
  assert.equal(stream.response.headers['cache-control'], 'no-store');
  assert.match(String(stream.response.headers['content-security-policy']), /default-src 'none'/);
  await stream.until(/retry: 2000\n\n/);
  h.control.emit({ kind: 'server-down', text: 'line one\nid: 99\n\nevent: forged' });
  h.control.sample({ atMs: 5, directors: [] });
  const heard = await stream.until(/event: sample[^]*\n\n/);
  assert.doesNotMatch(heard, /before/);
  assert.match(heard, /id: 2\nevent: event\ndata: \{"seq":2,[^\n]*line one\\nid: 99[^\n]*\}\n\nevent: sample\ndata: \{"atMs":5,"directors":\[\]\}\n\n$/);
  stream.leave();
});

test('Last-Event-ID brings what was missed, once and in order, and goes before ?since', async (t) => {
  const { h, open } = await start(t);
  for (const text of ['a', 'b', 'c']) h.control.emit({ kind: 'k', text });
  const stream = await open({ authorization: `Bearer ${h.viewer}`, 'last-event-id': '1' }, '?since=0');
  h.control.emit({ kind: 'k', text: 'd' });
  const heard = await stream.until(/id: 4/);
  assert.deepEqual([...heard.matchAll(/^id: (\d+)$/gm)].map((m) => m[1]), ['2', '3', '4']);
  stream.leave();
  const since = await open(undefined, '?since=3');
  await since.until(/id: 4/);
  since.leave();
  for (const bad of ['x', '-1', '1e3', '9'.repeat(30)]) {
    const refused = await open({ authorization: `Bearer ${h.viewer}`, 'last-event-id': bad });
    assert.equal(refused.response.statusCode, 400, bad);
    refused.leave();
  }
});

test('a heartbeat comes by itself', async (t) => {
  const { open } = await start(t, { heartbeatMs: 5 });
  const stream = await open();
  await stream.until(/(:\n\n.*){3}/s);
  stream.leave();
});

test('one stream more than the cap is refused with 503 and when to come again; a place is free when one leaves', async (t) => {
  const { h, open } = await start(t, { maxClients: 2 });
  const [one, two] = [await open(), await open()];
  const third = await open();
  assert.equal(third.response.statusCode, 503);
  assert.equal(third.response.headers['retry-after'], '15');
  assert.equal((JSON.parse(await third.until(/\}$/)) as ErrorView).code, 'BUSY');
  assert.match((await h.call({ url: '/metrics', token: h.viewer })).body, /^weir_api_streams 2\n[^]*^weir_api_streams_opened_total 2\n[^]*^weir_api_streams_refused_total 1$/m);
  one.leave();
  await one.ended;
  // The server learns of it a moment later; each refusal is a round trip.
  let again = await open();
  while (again.response.statusCode !== 200) again = await open();
  again.leave();
  two.leave();
});

test('a stream ends at once when its sign-in or token ends, and at a heartbeat when it expires', async (t) => {
  const { h, open } = await start(t, { heartbeatMs: 5 });
  const viewer = h.auth.tokens().find((token) => token.name === 'v');
  const byToken = await open();
  await h.auth.revokeToken(viewer?.id ?? '');
  await byToken.ended;
  const { cookie, csrf } = await browser(h);
  const byCookie = await open({ cookie });
  await h.call({ method: 'DELETE', url: '/api/v1/sign-in', headers: { cookie, 'x-weir-csrf': csrf } });
  await byCookie.ended;
  const { token } = await h.auth.createToken({ name: 'short', role: 'viewer', expiresInMs: 60_000 });
  const expiring = await open({ authorization: `Bearer ${token}` });
  h.clock.nowMs += 60_000;
  await expiring.ended;
  assert.equal((await open({ cookie })).response.statusCode, 401);
});

test('closing the API ends its streams', async (t) => {
  const { h, open } = await start(t);
  const stream = await open();
  await h.app.close();
  await stream.ended;
  assert.equal(h.control.listeners, 0);
});

test('a client that does not read is cut off and counted, the others go on; without clients nothing is subscribed', () => {
  const control = createFakeControl();
  const hub = createStreamHub({ control, maxBufferedBytes: 1000 });
  const target = (reads: boolean): StreamTarget & { heard: string[]; destroyed: boolean } => ({
    heard: [], destroyed: false, writableLength: 0,
    write(text) {
      this.heard.push(text);
      if (!reads) (this as { writableLength: number }).writableLength += text.length;
      return reads;
    },
    end: () => undefined,
    destroy() {
      this.destroyed = true;
    },
  });
  const [slow, quick] = [target(false), target(true)];
  const places = [slow, quick].map((client) => {
    const place = hub.reserve();
    place.start(client, null, () => true);
    return place;
  });
  assert.equal(control.listeners, 1);
  for (let i = 0; i < 100; i++) control.emit({ kind: 'k', text: 'x'.repeat(100) });
  assert.ok(slow.destroyed);
  assert.ok(slow.heard.join('').length < 1300);
  assert.equal(quick.heard.length, 101);
  assert.equal(hub.counters.slow, 1);
  places.forEach((place) => place.release());
  places.forEach((place) => place.release());
  assert.equal(hub.counters.clients, 0);
  assert.equal(control.listeners, 0);
});

test('a stream that would wait behind another on its connection is refused, and takes no place for good', async (t) => {
  const { h, open } = await start(t, { maxClients: 2 });
  const socket = connect((h.app.server.address() as AddressInfo).port, '127.0.0.1');
  t.after(() => socket.destroy());
  let heard = '';
  const first = new Promise<void>((resolve) => socket.setEncoding('latin1').on('data', (text: string) => {
    heard += text;
    if (/retry: 2000/.test(heard)) resolve();
  }));
  socket.write(`GET /api/v1/stream HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${h.viewer}\r\n\r\n`.repeat(8));
  await first;
  const closed = once(socket, 'close');
  socket.destroy();
  await closed;
  const streams: Stream[] = [];
  // The server hears of the end of a connection in its own time.
  for (const end = performance.now() + 10_000; streams.length < 2 && performance.now() < end;) {
    const stream = await open();
    if (stream.response.statusCode === 200) streams.push(stream);
  }
  assert.equal(streams.length, 2);
  for (const stream of streams) stream.leave();
});
