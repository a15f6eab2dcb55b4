import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { gunzipSync } from 'node:zlib';
import { createHarness } from './harness.ts';
import { NONCE_PLACE, readWebFiles } from './web.ts';

function built(t: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), 'weir-web-'));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  mkdirSync(join(directory, 'assets'));
  writeFileSync(join(directory, 'index.html'), `<meta name="weir-nonce" content="${NONCE_PLACE}">`);
  writeFileSync(join(directory, 'assets/a-1.js'), 'let a = 1;\n'.repeat(100));
  writeFileSync(join(directory, 'assets/notes.txt'), 'not for anybody');
  return directory;
}

test('the page comes to anybody, with a strict policy and another nonce each time', async (t) => {
  const h = await createHarness(t, { web: readWebFiles(built(t)) });
  const [first, second] = [await h.call({ url: '/' }), await h.call({ url: '/' })];
  const nonce = /nonce" content="([^"]+)"/.exec(first.body)?.[1] ?? '';
  assert.ok(nonce.length >= 22 && first.body !== second.body);
  const policy = String(first.headers['content-security-policy']);
  assert.ok(policy.includes(`'nonce-${nonce}'`) && policy.includes("default-src 'none'") && !policy.includes('unsafe'));
  assert.equal(first.headers['cache-control'], 'no-store');
  assert.match(String((await h.call({ url: '/healthz' })).headers['content-security-policy']), /^default-src 'none';base-uri/);
});

test('an asset is compressed for who takes it and kept for ever; nothing else of the disk is served', async (t) => {
  const h = await createHarness(t, { web: readWebFiles(built(t)) });
  const plain = await h.call({ url: '/assets/a-1.js' });
  assert.deepEqual([plain.statusCode, plain.headers['content-type'], plain.headers['content-encoding']], [200, 'text/javascript; charset=utf-8', undefined]);
  assert.match(String(plain.headers['cache-control']), /immutable/);
  const packed = await h.call({ url: '/assets/a-1.js', headers: { 'accept-encoding': 'br, gzip' } });
  assert.deepEqual([packed.headers['content-encoding'], packed.headers['vary'], gunzipSync(packed.rawPayload).toString()], ['gzip', 'accept-encoding', plain.body]);
  assert.equal((await h.call({ url: '/assets/a-1.js', headers: { 'accept-encoding': 'gzip;q=0' } })).headers['content-encoding'], undefined);
  for (const url of ['/assets/notes.txt', '/assets/..%2findex.html', '/assets/a-2.js', '/index.html']) assert.equal((await h.call({ url })).statusCode, 404, url);
});

test('without built pages / says how to build them', async (t) => {
  const h = await createHarness(t, { web: readWebFiles('/nowhere') });
  const answer = await h.call({ url: '/' });
  assert.deepEqual([answer.statusCode, /npm run build/.test(answer.body)], [200, true]);
});
