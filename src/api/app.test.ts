import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createHarness } from './harness.ts';

test('status answers', async (t) => {
  const h = await createHarness(t);
  const r = await h.call({ url: '/api/v1/status', token: h.viewer });
  console.log(r.statusCode, r.body.slice(0, 300), r.headers);
  for (const url of ['/metrics', '/healthz', '/api/v1/openapi.json', '/api/v1/nope', '/api/v1/documents/edited', '/api/v1/explain?client=1.2.3.4', '/api/v1/sessions?limit=5x&foo=1', '/api/v1/documents/edit']) {
    const x = await h.call({ url, token: h.viewer });
    console.log(url, x.statusCode, x.body.slice(0, 600));
  }
  assert.equal((await h.call({ url: '/api/v1/status' })).statusCode, 401);
  console.log(h.logged.join(''));
});
