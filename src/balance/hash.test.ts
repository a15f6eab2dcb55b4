import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import fc from 'fast-check';
import { ipBytes, parseIp } from '../net/ip.ts';
import { hashFlow, hashFlow4, hashFlow6, hashIp, hashIp4, hashIp6, hashPair, hashText, hashWords, mix32 } from './hash.ts';

interface Vectors {
  words: { words: number[]; seed: number; hash: number }[];
  ips: { ip: string; hash: number }[];
  flows: { ip: string; port: number; hash: number }[];
  pairs: { first: number; second: number; hash: number }[];
  texts: { text: string; seed: number; hash: number }[];
}
const vectors = JSON.parse(readFileSync(new URL('../../../test/vectors/hash.json', import.meta.url), 'utf8')) as Vectors;
const bytesOf = (text: string): Uint8Array => ipBytes(parseIp(text)!);

test('hashWords is MurmurHash3_x86_32, by its published vectors', () => {
  assert.equal(hashWords([], 0), 0);
  assert.equal(hashWords([], 1), 0x514e28b7);
  assert.equal(hashWords([], 0xffffffff), 0x81f16f39);
  assert.equal(hashWords([0xffffffff], 0), 0x76293b50);
  assert.equal(hashWords([0x87654321], 0), 0xf55b516b);
  assert.equal(hashWords([0x87654321], 0x5082edee), 0x2362f9de);
  assert.equal(hashWords([0], 0), 0x2362f9de);
  // "test" and "aaaa" as little-endian words.
  assert.equal(hashWords([0x74736574], 0), 0xba6bd213);
  assert.equal(hashWords([0x61616161], 0x9747b28c), 0x5a97808a);
});

test('every saved vector still holds', () => {
  for (const v of vectors.words) assert.equal(hashWords(v.words, v.seed), v.hash);
  for (const v of vectors.ips) assert.equal(hashIp(bytesOf(v.ip)), v.hash, v.ip);
  for (const v of vectors.flows) assert.equal(hashFlow(bytesOf(v.ip), v.port), v.hash, `${v.ip}:${v.port}`);
  for (const v of vectors.pairs) assert.equal(hashPair(v.first, v.second), v.hash);
  for (const v of vectors.texts) assert.equal(hashText(v.text, v.seed), v.hash, v.text);
});

test('the byte forms and the word forms agree, at any offset', () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 16, maxLength: 16 }), fc.nat(65535), fc.nat(9), (bytes, port, offset) => {
      const words = [0, 4, 8, 12].map((i) => new DataView(bytes.buffer, bytes.byteOffset).getUint32(i)) as [number, number, number, number];
      const framed = new Uint8Array(offset + 16);
      framed.set(bytes, offset);
      assert.equal(hashIp(framed, offset, 4), hashIp4(words[0]));
      assert.equal(hashFlow(framed, port, offset, 4), hashFlow4(words[0], port));
      assert.equal(hashIp(framed, offset, 16), hashIp6(...words));
      assert.equal(hashFlow(framed, port, offset, 16), hashFlow6(...words, port));
    }),
    { seed: 1, examples: [] },
  );
});

test('a v4-mapped address hashes as its IPv4 address', () => {
  assert.equal(hashIp(bytesOf('::ffff:192.0.2.7')), hashIp(bytesOf('192.0.2.7')));
  assert.equal(hashFlow(bytesOf('::ffff:192.0.2.7'), 53), hashFlow(bytesOf('192.0.2.7'), 53));
});

test('an address of another length is refused', () => {
  assert.throws(() => hashIp(new Uint8Array(5)), RangeError);
  assert.throws(() => hashFlow(new Uint8Array(15), 1), RangeError);
});

test('results are 32-bit unsigned and neighbouring clients spread evenly', () => {
  const buckets = new Uint32Array(16);
  for (let port = 1024; port < 1024 + 16_000; port++) {
    const h = hashFlow4(0x7f000001, port);
    assert.ok(Number.isInteger(h) && h >= 0 && h <= 0xffffffff);
    buckets[h % 16]++;
  }
  for (const n of buckets) assert.ok(n > 850 && n < 1150, buckets.join());
});

test('mix32 is a permutation', () => {
  const seen = new Set<number>();
  for (let i = 0; i < 100_000; i++) seen.add(mix32(i));
  assert.equal(seen.size, 100_000);
});
