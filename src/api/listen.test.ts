import assert from 'node:assert/strict';
import { get } from 'node:https';
import { createServer, type AddressInfo } from 'node:net';
import { test } from 'node:test';
import { createHarness } from './harness.ts';
import { DEFAULT_LISTEN, listen, ListenError, parseListen, refuseOpen } from './listen.ts';

test('an address to listen on is ADDRESS:PORT with brackets round IPv6, and port 0 is any', () => {
  for (const [text, ip, port] of [[DEFAULT_LISTEN, '127.0.0.1', 8440], ['localhost:0', '127.0.0.1', 0], ['[::1]:8440', '::1', 8440], ['0.0.0.0:443', '0.0.0.0', 443], ['[2001:DB8::1]:1', '2001:db8::1', 1]] as const) {
    const address = parseListen(text);
    assert.deepEqual([address.ip.text, address.port], [ip, port]);
  }
  for (const text of ['', '8440', ':8440', '127.0.0.1', '127.0.0.1:', '127.0.0.1:65536', '127.0.0.1:08', '::1:8440', '[127.0.0.1]:1', 'example.org:1', '*:8440', '127.1:1', '127.0.0.1:1\n']) {
    assert.throws(() => parseListen(text), (error) => error instanceof ListenError && error.cure.includes(DEFAULT_LISTEN), JSON.stringify(text));
  }
});

test('an address beyond loopback needs TLS or the explicit word', () => {
  const open = { tls: false, insecure: false };
  for (const text of ['0.0.0.0:1', '[::]:1', '192.0.2.1:1', '[2001:db8::1]:1']) {
    const address = parseListen(text);
    assert.throws(() => refuseOpen(address, open), /without TLS/);
    refuseOpen(address, { tls: true, insecure: false });
    refuseOpen(address, { tls: false, insecure: true });
  }
  for (const text of ['127.0.0.1:1', '127.9.9.9:1', '[::1]:1']) refuseOpen(parseListen(text), open);
});

test('an occupied port names the cure, and so does an address of another host', async (t) => {
  const h = await createHarness(t);
  const other = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => other.once('listening', resolve));
  t.after(() => other.close());
  const { port } = other.address() as AddressInfo;
  await assert.rejects(listen(h.app, { address: parseListen(`127.0.0.1:${port}`), tls: false, insecure: false }), (error) => error instanceof ListenError && /another process/.test(error.message) && /--api/.test(error.cure));
  await assert.rejects(listen(h.app, { address: parseListen('192.0.2.1:0'), tls: false, insecure: true }), (error) => error instanceof ListenError && /does not own/.test(error.message));
  await assert.rejects(listen(h.app, { address: parseListen('0.0.0.0:0'), tls: false, insecure: false }), ListenError);
});

test('port 0 takes a free port and the URL says which', async (t) => {
  const h = await createHarness(t);
  const url = await listen(h.app, { address: parseListen('127.0.0.1:0'), tls: false, insecure: false });
  assert.match(url, /^http:\/\/127\.0\.0\.1:[1-9]\d+$/);
  assert.equal((await fetch(`${url}/healthz`)).status, 200);
});

test('with a certificate it speaks TLS, not below 1.2, and nothing else', async (t) => {
  const { cert, key } = await import('./test-certificate.ts');
  const h = await createHarness(t, { tls: { cert, key } });
  const url = await listen(h.app, { address: parseListen('127.0.0.1:0'), tls: true, insecure: false });
  assert.match(url, /^https:/);
  const status = await new Promise((resolve, reject) => {
    get(`${url}/healthz`, { ca: cert, agent: false }, (response) => resolve(response.resume().statusCode)).on('error', reject);
  });
  assert.equal(status, 200);
  await assert.rejects(new Promise((_resolve, reject) => {
    get(`${url}/healthz`, { ca: cert, agent: false, minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' }).on('error', reject);
  }), /alert|protocol|version/i);
  await assert.rejects(fetch(url.replace('https', 'http')));
});
