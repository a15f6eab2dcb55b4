import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test, type TestContext } from 'node:test';
import { createHarness, type Harness } from '../api/harness.ts';
import { listen, parseListen } from '../api/listen.ts';
import { ApiError, createClient } from './client.ts';
import type { Client, StreamMessage } from './types.ts';

async function start(t: TestContext): Promise<{ h: Harness; baseUrl: string; client: Client; viewer: Client }> {
  const h = await createHarness(t);
  const baseUrl = await listen(h.app, { address: parseListen('127.0.0.1:0'), tls: false, insecure: false });
  return { h, baseUrl, client: createClient({ baseUrl: `${baseUrl}/`, token: h.admin }), viewer: createClient({ baseUrl, token: h.viewer }) };
}

const refusal = (status: number, code: string) => (error: unknown): boolean => error instanceof ApiError && error.status === status && error.view.code === code;

test('every function of the client reaches the daemon over a real socket', async (t) => {
  const { h, client } = await start(t);
  assert.deepEqual(await client.status(), await h.control.status());
  const { etag } = await client.documents('edited');
  const edited = await client.edit({ nat: '# ü 🌊\n' }, { ifMatch: etag });
  await assert.rejects(client.edit({ nat: '' }, { ifMatch: etag }), refusal(412, 'EDITED_BY_ANOTHER'));
  assert.equal((await client.documents('edited')).documents.nat, '# ü 🌊\n');
  assert.equal((await client.check({ layer4: 'wrong' })).length, 1);
  assert.equal((await client.plan()).steps.length, 1);
  const { revision, confirmBy } = await client.apply({ confirmMs: 5000, ifMatch: edited.etag });
  assert.notEqual(confirmBy, null);
  assert.equal(await client.confirm(), undefined);
  assert.equal((await client.save()).what, 'save');
  assert.equal((await client.revisions()).length, 2);
  assert.equal((await client.revision(revision)).documents.nat, '# ü 🌊\n');
  assert.equal((await client.rollback(revision)).revision, 3);
  assert.equal((await client.apply()).confirmBy, null);
  assert.equal((await client.servers()).length, 2);
  assert.equal((await client.override('d1', 's1', 'drain')).override, 'drain');
  assert.equal((await client.sessions()).sessions.length, 3);
  const page = await client.sessions({ limit: 2 });
  assert.equal((await client.sessions({ limit: 2, cursor: page.next ?? '' })).sessions.length, 1);
  assert.equal((await client.sessions({ client: '127.0.0.1:40001' })).sessions.length, 1);
  assert.equal(await client.purge({ director: 'd1' }), 3);
  assert.equal(await client.purge({}), 3);
  assert.equal((await client.explain({ client: '[2001:db8::1]:1', vip: '127.0.0.1:8000' })).server, 's1');
  assert.equal((await client.services()).length, 1);
  assert.equal((await client.service('lvs', null, 'restart')).state, 'running');
  h.control.emit({ kind: 'k', text: 'x' });
  assert.equal((await client.events({ since: 0, last: 1 })).length, 1);
  assert.equal((await client.events()).length, 1);
  assert.deepEqual(await client.series(), []);
  assert.match(await client.metrics(), /^weir_build_info/m);
  const made = await client.createToken({ name: 'n', role: 'viewer', expiresInMs: 60_000 });
  assert.ok((await client.tokens()).some((token) => token.id === made.id));
  assert.equal(await client.revokeToken(made.id), undefined);
  assert.equal(await client.passwd({ newPassword: 'a new password' }), undefined);
});

test('a refusal carries status, code, cure and issues', async (t) => {
  const { client, viewer } = await start(t);
  await client.edit({ layer4: 'wrong' });
  await assert.rejects(client.apply(), (error) => error instanceof ApiError && error.status === 422 && error.view.issues?.length === 1 && error.message === error.view.message);
  await assert.rejects(viewer.save(), refusal(403, 'FORBIDDEN'));
  await assert.rejects(client.revision(77), refusal(404, 'NOT_FOUND'));
});

test('no daemon, a daemon that is silent and a stranger at the address are told apart', async (t) => {
  const { baseUrl, h } = await start(t);
  await h.app.close();
  await assert.rejects(createClient({ baseUrl, token: h.admin }).status(), (error) => refusal(0, 'UNREACHABLE')(error) && /ECONNREFUSED/.test((error as ApiError).message));
  let answers = (): string | null => null;
  const stranger = createServer((_request, response) => {
    const text = answers();
    if (text !== null) response.writeHead(text === '' ? 200 : 502).end(text);
  }).listen(0, '127.0.0.1');
  await new Promise((resolve) => stranger.once('listening', resolve));
  t.after(() => {
    stranger.closeAllConnections();
    stranger.close();
  });
  const there = `http://127.0.0.1:${(stranger.address() as AddressInfo).port}`;
  await assert.rejects(createClient({ baseUrl: there, timeoutMs: 50 }).status(), refusal(0, 'TIMEOUT'));
  const strange = createClient({ baseUrl: there });
  answers = () => '<html>Bad gateway</html>';
  await assert.rejects(strange.status(), refusal(502, 'BAD_ANSWER'));
  answers = () => '';
  await assert.rejects(strange.status(), refusal(200, 'BAD_ANSWER'));
});

test('the stream brings events and samples, resumes after a seq, and ends when told', async (t) => {
  const { h, viewer } = await start(t);
  h.control.emit({ kind: 'k', text: 'one' });
  h.control.emit({ kind: 'k', text: 'two' });
  const heard: StreamMessage[] = [];
  const end = new AbortController();
  await viewer.stream((message) => {
    heard.push(message);
    if (heard.length === 1) h.control.sample({ atMs: 1, directors: [] });
    if (heard.length === 2) end.abort();
  }, end.signal, { sinceSeq: 1 });
  assert.deepEqual(heard.map((m) => m.type), ['event', 'sample']);
  assert.equal(heard[0]?.type === 'event' && heard[0].event.text, 'two');
});

test('the stream resolves when the daemon ends it and is refused like any call', async (t) => {
  const { h, viewer, baseUrl } = await start(t);
  await assert.rejects(createClient({ baseUrl, token: 'no' }).stream(() => undefined, new AbortController().signal), refusal(401, 'UNAUTHENTICATED'));
  const running = viewer.stream(() => void h.app.close(), new AbortController().signal, { sinceSeq: 0 });
  h.control.emit({ kind: 'k', text: 'now' });
  await running;
  const aborted = new AbortController();
  aborted.abort();
  await viewer.stream(() => undefined, aborted.signal);
});

test('a browser signs in, writes with its CSRF token, finds it again after a reload, and signs out', async (t) => {
  const { h, baseUrl } = await start(t);
  let cookie = '';
  // What a browser does with cookies, and the Origin it sends.
  const jar: typeof fetch = async (input, init) => {
    const response = await fetch(input, { ...init, headers: { ...(init?.headers as Record<string, string>), cookie, origin: baseUrl } });
    for (const set of response.headers.getSetCookie()) cookie = set.split(';')[0] ?? '';
    return response;
  };
  const page = createClient({ baseUrl, fetch: jar });
  await assert.rejects(page.signIn('admin', 'wrong password'), refusal(401, 'UNAUTHENTICATED'));
  assert.equal((await page.signIn('admin', h.password)).who, 'admin');
  assert.equal((await page.save()).who, 'admin');
  const reloaded = createClient({ baseUrl, fetch: jar });
  await assert.rejects(reloaded.save(), refusal(403, 'CSRF'));
  await reloaded.signedIn();
  await reloaded.save();
  await reloaded.signOut();
  await assert.rejects(page.status(), refusal(401, 'UNAUTHENTICATED'));
});
