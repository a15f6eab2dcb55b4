import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ApplyResult, DocumentsView, EditResult, ErrorView, EventView, RevisionView, SampleView, ServerView, SessionsView, StatusView } from '../client/types.ts';
import type { Issue } from '../config/issue.ts';
import { Refusal } from '../daemon/control.ts';
import { EngineError, Unsupported } from '../engine/engine.ts';
import { FIRST } from './fake-control.ts';
import { createHarness } from './harness.ts';

test('edit, plan, apply with confirm, confirm, save and rollback walk through, each with its name in the record', async (t) => {
  const h = await createHarness(t);
  const put = await h.call({ method: 'PUT', url: '/api/v1/documents/edited', token: h.admin, body: { nat: '# one\n' } });
  const { etag } = put.json<EditResult>();
  assert.equal(put.headers['etag'], `"${etag}"`);
  assert.equal((await h.call({ url: '/api/v1/plan', token: h.admin })).json<ApplyResult>().steps.length, 1);
  const applied = (await h.call({ method: 'POST', url: '/api/v1/apply', token: h.admin, body: { confirmMs: 60_000 }, headers: { 'if-match': `"${etag}"` } })).json<ApplyResult>();
  assert.equal(applied.confirmBy, 1_700_000_060_000);
  assert.equal((await h.call({ method: 'POST', url: '/api/v1/apply', token: h.admin })).json<ErrorView>().code, 'CONFIRM_PENDING');
  const confirmed = await h.call({ method: 'POST', url: '/api/v1/confirm', token: h.admin });
  assert.equal(confirmed.statusCode, 204);
  assert.equal(confirmed.body, '');
  assert.equal((await h.call({ method: 'POST', url: '/api/v1/confirm', token: h.admin })).statusCode, 409);
  const saved = (await h.call({ method: 'POST', url: '/api/v1/save', token: h.admin })).json<RevisionView>();
  assert.equal(saved.who, 'token:a');
  const revisions = (await h.call({ url: '/api/v1/revisions', token: h.viewer })).json<RevisionView[]>();
  assert.deepEqual(revisions.map((r) => r.what), ['apply', 'save']);
  assert.equal((await h.call({ url: `/api/v1/revisions/${applied.revision}`, token: h.admin })).json<DocumentsView>().documents.nat, '# one\n');
  assert.equal((await h.call({ method: 'POST', url: `/api/v1/revisions/${applied.revision}/rollback`, token: h.admin })).statusCode, 200);
  assert.deepEqual(h.control.calls, ['edit token:a ["nat"]', 'apply token:a 60000', 'confirm token:a', 'save token:a', 'rollback token:a 1']);
});

test('documents carry an ETag, answer 304 while it is the same, and 412 when another was faster', async (t) => {
  const h = await createHarness(t);
  const url = '/api/v1/documents/edited';
  const first = await h.call({ url, token: h.admin });
  const tag = String(first.headers['etag']);
  assert.equal(tag, `"${first.json<DocumentsView>().etag}"`);
  for (const header of [tag, `W/${tag}`, `"x", ${tag}`, '*']) {
    const same = await h.call({ url, token: h.admin, headers: { 'if-none-match': header } });
    assert.equal(same.statusCode, 304, header);
    assert.equal(same.body, '');
    assert.equal(same.headers['etag'], tag);
  }
  assert.equal((await h.call({ url, token: h.admin, headers: { 'if-none-match': '"x"' } })).statusCode, 200);
  const body = { nat: '# mine\n' };
  assert.equal((await h.call({ method: 'PUT', url, token: h.admin, body, headers: { 'if-match': tag } })).statusCode, 200);
  const late = await h.call({ method: 'PUT', url, token: h.admin, body: { nat: '# late\n' }, headers: { 'if-match': tag } });
  assert.equal(late.statusCode, 412);
  assert.equal(late.json<ErrorView>().code, 'EDITED_BY_ANOTHER');
  assert.equal((await h.call({ method: 'POST', url: '/api/v1/apply', token: h.admin, headers: { 'if-match': tag } })).statusCode, 412);
  for (const header of ['abc', `W/${tag}`, `${tag}, "x"`, '"a b"']) {
    assert.equal((await h.call({ method: 'PUT', url, token: h.admin, body, headers: { 'if-match': header } })).statusCode, 400, header);
  }
  assert.equal((await h.call({ method: 'PUT', url, token: h.admin, body, headers: { 'if-match': '*' } })).statusCode, 200);
  assert.equal((await h.call({ url, token: h.admin })).json<DocumentsView>().documents.layer4, FIRST.layer4);
});

test('an apply of a wrong configuration is refused with every issue and where it is', async (t) => {
  const h = await createHarness(t);
  const put = await h.call({ method: 'PUT', url: '/api/v1/documents/edited', token: h.admin, body: { layer4: '\nwrong' } });
  assert.equal(put.json<EditResult>().issues.length, 1);
  const answer = await h.call({ method: 'POST', url: '/api/v1/apply', token: h.admin });
  assert.equal(answer.statusCode, 422);
  const view = answer.json<ErrorView>();
  assert.equal(view.code, 'CONFIG_INVALID');
  assert.deepEqual(view.issues?.[0]?.at, { file: 'layer4.conf', line: 2, col: 1, endCol: 6 });
  assert.equal(view.issues?.[0]?.nearest, 'weight');
  const checked = await h.call({ method: 'POST', url: '/api/v1/check', token: h.viewer, body: { layer4: 'wrong' } });
  assert.equal(checked.json<Issue[]>().length, 1);
});

test('a viewer sees no secret of a configuration, an admin does', async (t) => {
  const h = await createHarness(t);
  await h.control.apply({ who: 'test' });
  await h.control.edit({ nat: 'x' }, { who: 'test' });
  for (const url of ['/api/v1/documents/edited', '/api/v1/documents/saved', '/api/v1/revisions/1', '/api/v1/status']) {
    assert.match((await h.call({ url, token: h.admin })).body, /tops3cret/, url);
    const seen = await h.call({ url, token: h.viewer });
    assert.doesNotMatch(seen.body, /tops3cret|m0re/, url);
    assert.match(seen.body, /community \*\*\*/, url);
  }
});

test('status, servers, services, series and explain pass through whole', async (t) => {
  const h = await createHarness(t);
  h.control.sample({ atMs: 1, directors: [{ name: 'd1', packetsInPerS: 1.5, bytesInPerS: 2, packetsOutPerS: 0, bytesOutPerS: 0, sessions: 2, newSessionsPerS: 0.25, dropsPerS: 3, drops: { no_server: 3 }, responses: { replies: 4, p50Ms: 0.25, p90Ms: 1, p99Ms: null } }] });
  assert.deepEqual((await h.call({ url: '/api/v1/status', token: h.admin })).json<StatusView>(), await h.control.status());
  assert.deepEqual((await h.call({ url: '/api/v1/servers', token: h.viewer })).json<ServerView[]>(), await h.control.servers());
  assert.deepEqual((await h.call({ url: '/api/v1/services', token: h.viewer })).json(), h.control.services());
  assert.deepEqual((await h.call({ url: '/api/v1/series', token: h.viewer })).json(), h.control.series());
  assert.deepEqual((await h.call({ url: '/api/v1/nat', token: h.viewer })).json(), await h.control.natRules());
  const explained = await h.call({ url: '/api/v1/explain?client=%5B2001:db8::1%5D:53&vip=127.0.0.1:8000&protocol=tcp', token: h.viewer });
  assert.match(explained.json<{ why: string }>().why, /^\[2001:db8::1\]:53 to 127.0.0.1:8000 by tcp/);
});

test('sessions come in pages and are purged by filter', async (t) => {
  const h = await createHarness(t);
  const first = (await h.call({ url: '/api/v1/sessions?limit=2', token: h.viewer })).json<SessionsView>();
  assert.equal(first.sessions.length, 2);
  assert.equal(first.total, 3);
  const second = (await h.call({ url: `/api/v1/sessions?limit=2&cursor=${first.next}`, token: h.viewer })).json<SessionsView>();
  assert.equal(second.sessions.length, 1);
  assert.equal(second.next, null);
  const purged = await h.call({ method: 'POST', url: '/api/v1/sessions/purge', token: h.admin, body: { client: '127.0.0.1' } });
  assert.deepEqual(purged.json(), { purged: 3 });
  assert.deepEqual(h.control.calls, ['purge token:a {"client":"127.0.0.1"}']);
  for (const body of [{}, undefined, { all: false }, { all: true, client: '127.0.0.1' }]) {
    const refused = await h.call({ method: 'POST', url: '/api/v1/sessions/purge', token: h.admin, ...(body === undefined ? {} : { body }) });
    assert.equal(refused.statusCode, 400, 'ending every session must be said');
  }
  await h.call({ method: 'POST', url: '/api/v1/sessions/purge', token: h.admin, body: { all: true } });
  assert.equal(h.control.calls.at(-1), 'purge token:a {}');
});

test('samples come for one director, and only the newest when asked; an unknown director names the nearest', async (t) => {
  const h = await createHarness(t);
  const one = { packetsInPerS: 1, bytesInPerS: 2, packetsOutPerS: 0, bytesOutPerS: 0, sessions: 2, newSessionsPerS: 0, dropsPerS: 0, drops: {}, responses: null };
  for (let atMs = 1; atMs <= 5; atMs++) h.control.sample({ atMs, directors: [{ name: 'dns', ...one }, { name: 'web', ...one }] });
  const asked = (query: string) => h.call({ url: `/api/v1/series${query}`, token: h.viewer });
  assert.deepEqual((await asked('?last=2')).json<SampleView[]>().map(({ atMs, directors }) => [atMs, directors.length]), [[4, 2], [5, 2]]);
  assert.deepEqual((await asked('?last=2&director=web')).json<SampleView[]>().map(({ atMs, directors }) => [atMs, directors.map(({ name }) => name)]), [[4, ['web']], [5, ['web']]]);
  const refused = await asked('?director=wbe');
  assert.deepEqual([refused.statusCode, refused.json<ErrorView>().cure], [404, 'did you mean web?']);
  assert.equal((await asked('?last=0')).statusCode, 400);
});

test('events come for one service; an unknown one names the nearest', async (t) => {
  const h = await createHarness(t);
  h.control.emit({ kind: 'engine-fault', text: 'a worker died', service: 'lvs' });
  h.control.emit({ kind: 'server-down', text: 'd1/s1', service: 'health' });
  h.control.emit({ kind: 'save', text: 'revision 1' });
  const asked = (query: string) => h.call({ url: `/api/v1/events${query}`, token: h.viewer });
  assert.deepEqual((await asked('?service=health')).json<EventView[]>().map(({ kind, service }) => [kind, service]), [['server-down', 'health']]);
  assert.equal((await asked('')).json<EventView[]>().length, 3);
  assert.deepEqual((await asked('?last=2')).json<EventView[]>().map(({ kind }) => kind), ['server-down', 'save']);
  const refused = await asked('?service=helth');
  assert.deepEqual([refused.statusCode, refused.json<ErrorView>().cure], [404, 'did you mean health?']);
});

test('a session is pinned by admins, to servers there are', async (t) => {
  const h = await createHarness(t);
  const pin = (body: object, token = h.admin) => h.call({ method: 'POST', url: '/api/v1/sessions/pin', token, body });
  assert.deepEqual((await pin({ client: '127.0.0.1:4000', director: 'd1', server: 's2' })).json(), { pinned: 2 });
  assert.deepEqual(h.control.calls, ['pin token:a 127.0.0.1:4000 d1 s2']);
  assert.deepEqual((await pin({ client: '127.0.0.1:4000', director: 'd1', server: 's2' }, h.viewer)).statusCode, 403);
  assert.equal((await pin({ client: '127.0.0.1:4000', director: 'd1', server: 's3' })).json<ErrorView>().cure, 'did you mean s1?');
  assert.equal((await pin({ client: '127.0.0.1:4000', director: 'd1' })).statusCode, 400);
});

test('a server is drained and set back, and services act, with 404 for what does not exist', async (t) => {
  const h = await createHarness(t);
  const override = (body: object) => h.call({ method: 'POST', url: '/api/v1/override', token: h.admin, body });
  assert.equal((await override({ director: 'd1', server: 's1', action: 'drain' })).json<ServerView>().state, 'drain');
  assert.equal((await override({ director: 'd1', server: 's1', action: 'reset' })).json<ServerView>().override, null);
  assert.equal((await override({ director: 'd1', server: '../s1', action: 'drain' })).statusCode, 404);
  const act = (body: object) => h.call({ method: 'POST', url: '/api/v1/services/action', token: h.admin, body });
  assert.equal((await act({ name: 'lvs', instance: null, action: 'restart' })).statusCode, 200);
  assert.equal((await act({ name: 'nothing', action: 'restart' })).statusCode, 404);
});

test('each refusal of the daemon has its status, code and cure; a fault of ours tells nothing of itself', async (t) => {
  const h = await createHarness(t);
  const expected: readonly (readonly [unknown, number, string])[] = [
    [new Refusal('BAD_REQUEST', 'm'), 400, 'BAD_REQUEST'],
    [new Refusal('CONFIG_INVALID', 'm'), 422, 'CONFIG_INVALID'],
    [new Refusal('NOT_FOUND', 'm'), 404, 'NOT_FOUND'],
    [new Refusal('NOT_USABLE', 'm'), 409, 'NOT_USABLE'],
    [new Refusal('EDITED_BY_ANOTHER', 'm'), 412, 'EDITED_BY_ANOTHER'],
    [new Refusal('CONFIRM_PENDING', 'm'), 409, 'CONFIRM_PENDING'],
    [new Refusal('NOTHING_TO_CONFIRM', 'm'), 409, 'NOTHING_TO_CONFIRM'],
    [new Refusal('UNSUPPORTED', 'm'), 422, 'UNSUPPORTED'],
    [new Refusal('APPLY_FAILED', 'm', { cure: 'c' }), 500, 'APPLY_FAILED'],
    [new Refusal('STORE_FAILED', 'm'), 500, 'STORE_FAILED'],
    [new Unsupported('userspace', 'mode gateway'), 422, 'UNSUPPORTED'],
    [new EngineError('m', { cure: 'c', landed: ['step'] }), 500, 'APPLY_FAILED'],
    [new Error('hidden detail /etc/passwd'), 500, 'INTERNAL'],
    ['hidden detail thrown as text', 500, 'INTERNAL'],
  ];
  for (const [thrown, status, code] of expected) {
    h.control.save = () => Promise.reject(thrown as Error);
    const answer = await h.call({ method: 'POST', url: '/api/v1/save', token: h.admin });
    assert.equal(answer.statusCode, status, code);
    assert.equal(answer.json<ErrorView>().code, code);
    assert.doesNotMatch(answer.body, /hidden detail/);
  }
});

test('/metrics is the Prometheus text with the counters of the daemon, its health and the API', async (t) => {
  const h = await createHarness(t);
  const answer = await h.call({ url: '/metrics', token: h.viewer });
  assert.equal(answer.headers['content-type'], 'text/plain; version=0.0.4; charset=utf-8');
  assert.match(answer.body, /^weir_director_packets_total\{director="d1",direction="in"\} 6$/m);
  assert.match(answer.body, /^weir_health_checks_total 10$/m);
  assert.match(answer.body, /^weir_api_streams 0$/m);
  assert.ok(answer.body.endsWith('\n'));
});
