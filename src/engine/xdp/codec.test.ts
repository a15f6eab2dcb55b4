import assert from 'node:assert/strict';
import { test } from 'node:test';
import { place } from './abi/layout.ts';
import { STRUCTS } from './abi/spec.ts';
import { encode, structs, wordOf } from './codec.ts';
import { ipOfWords, mappedWords, swap16, wordsOf } from './addresses.ts';
import { parseIp } from '../../net/ip.ts';
import { msBetween, tickAfter, ticksOf } from './ticks.ts';

test('every field of every struct is written where the program reads it, and nothing else', () => {
  for (const spec of STRUCTS) {
    for (const field of place(spec)) {
      for (let at = 0; at < (field.count ?? 1); at++) {
        const memory = new ArrayBuffer(3 * spec.size + (8 - (3 * spec.size) % 8));
        const view = structs(spec, memory, { count: 3 });
        const bytes = new Uint8Array(memory);
        const width = { u8: 1, u16: 2, u32: 4, u64: 8 }[field.type];
        if (width === 8) {
          if (spec.size % 8 !== 0) continue;
          assert.equal(view.set64(1, field.name, 2n ** 64n - 1n, at), true);
          assert.equal(view.get64(1, field.name, at), 2n ** 64n - 1n);
        } else {
          const all = 2 ** (8 * width) - 1;
          assert.deepEqual([view.set(1, field.name, all, at), view.set(1, field.name, all, at), view.get(1, field.name, at)], [true, false, all]);
        }
        const start = spec.size + field.offset + at * width;
        bytes.forEach((byte, i) => assert.equal(byte, i >= start && i < start + width ? 255 : 0, `${spec.name}.${field.name}[${at}] byte ${i}`));
      }
    }
  }
});

test('fields, elements and rows that are not there are refused', () => {
  const [spec] = STRUCTS;
  const view = structs(spec, new ArrayBuffer(2 * spec.size));
  for (const wrong of [() => view.get(0, 'nothing'), () => view.get(2, 'state'), () => view.get(0, 'state', 1), () => view.get(0, 'hop'), () => view.get64(0, 'state'), () => wordOf(spec, 'client_port_be') + wordOf(spec, 'vip_port_be')]) assert.throws(wrong, RangeError);
  assert.equal(encode(spec, { state: 7 }).readUInt32LE(0), 7);
});

test('addresses are words of network bytes, ports swapped, IPv4 in the last word', () => {
  for (const text of ['192.0.2.1', '2001:db8::ff:1']) {
    const ip = parseIp(text) ?? assert.fail(text);
    assert.equal(ipOfWords(wordsOf(ip), ip.family).text, text);
  }
  const four = parseIp('192.0.2.1') ?? assert.fail();
  assert.equal(Buffer.from(Uint32Array.from(mappedWords(four)).buffer).toString('hex'), '00000000000000000000ffffc0000201');
  assert.equal(swap16(0x1234), 0x3412);
});

test('ticks wrap, are never 0 where that means none, and are cut to what a signed difference holds', () => {
  assert.equal(Math.round(msBetween(0xffff_fff0, 0x10)), Math.round(32 * 1.048576));
  assert.ok(msBetween(0x10, 0xffff_fff0) < 0);
  assert.equal(tickAfter(0xffff_ffff, 1), 1);
  assert.deepEqual([ticksOf(0), ticksOf(0.1), ticksOf(1e12)], [0, 1, 0x7fff_ffff]);
});
