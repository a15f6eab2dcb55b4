import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { ipFromBytes, parseIp, type Ip } from '../../net/ip.ts';
import { filterOf, PORTS } from './filter.ts';
import { packetOf, seen } from './packet.ts';

const ip = (text: string): Ip => parseIp(text) ?? assert.fail(text);
const addresses = (family: 4 | 6) => fc.uint8Array({ minLength: family === 4 ? 4 : 16, maxLength: family === 4 ? 4 : 16 }).map((bytes) => ipFromBytes(bytes));
const ports = fc.integer({ min: 1, max: 65_535 });

describe('packets', () => {
  it('have the checksums of RFC 791 and RFC 768', () => {
    const packet = packetOf({ from: ip('192.0.2.2'), fromPort: 61_000, to: ip('192.0.2.3'), toPort: 53, payload: Buffer.from('weir?') });
    for (const begin of [0, 12]) assert.equal(onesSum(packet.subarray(begin, begin === 0 ? 20 : packet.length), begin === 0 ? 0 : 17 + packet.length - 20), 0xffff);
    const v6 = packetOf({ from: ip('2001:db8::2'), fromPort: 61_000, to: ip('2001:db8::3'), toPort: 53, payload: Buffer.from('odd') });
    assert.equal(onesSum(v6.subarray(8), 17 + v6.length - 40), 0xffff);
  });

  it('come back as they were made, and in no bytes is there more than what was asked for', () => {
    for (const family of [4, 6] as const) {
      fc.assert(fc.property(addresses(family), addresses(family), ports, ports, fc.uint8Array({ maxLength: 80 }), (from, to, fromPort, toPort, payload) => {
        const back = seen(packetOf({ from, fromPort, to, toPort, payload }), family);
        assert.ok(back?.kind === 'datagram');
        assert.deepEqual({ ...back, payload: [...back.payload] }, { kind: 'datagram', from, fromPort, to, toPort, payload: [...payload] });
      }));
      fc.assert(fc.property(fc.uint8Array({ maxLength: 120 }), (bytes) => void seen(Buffer.from(bytes), family)));
    }
  });

  it('an ICMP error names the datagram it is about', () => {
    for (const [family, from, to, error] of [[4, '192.0.2.2', '192.0.2.3', [3, 3]], [6, '2001:db8::2', '2001:db8::3', [1, 4]]] as const) {
      const about = packetOf({ from: ip(from), fromPort: 61_007, to: ip(to), toPort: 53, payload: Buffer.from('weir?') });
      const outer = packetOf({ from: ip(to), fromPort: 1, to: ip(from), toPort: 1, payload: Buffer.concat([about]) });
      const header = family === 4 ? 20 : 40;
      outer[family === 4 ? 9 : 6] = family === 4 ? 1 : 58;
      outer.set([...error, 0, 0, 0, 0, 0, 0], header);
      assert.deepEqual(seen(outer, family), { kind: 'unreachable', from: ip(from), to: ip(to), fromPort: 61_007, toPort: 53, port: true });
      outer[header + 1] = 1;
      assert.equal((seen(outer, family) as { port: boolean }).port, false, 'another code is not the port');
    }
  });
});

it('the filter lets through what seen() reads for our ports, and no fragment', () => {
  for (const family of [4, 6] as const) {
    const [a, b] = family === 4 ? [ip('192.0.2.2'), ip('192.0.2.3')] : [ip('2001:db8::2'), ip('2001:db8::3')];
    const to = (port: number): Buffer => packetOf({ from: b, fromPort: 53, to: a, toPort: port, payload: Buffer.alloc(3) });
    assert.deepEqual([PORTS.first - 1, PORTS.first, PORTS.first + PORTS.count - 1, PORTS.first + PORTS.count].map((port) => passes(family, to(port))), [false, true, true, false]);
    const error = to(PORTS.first);
    error[family === 4 ? 9 : 6] = family === 4 ? 1 : 58;
    error[family === 4 ? 20 : 40] = family === 4 ? 3 : 1;
    assert.ok(passes(family, error));
    error[family === 4 ? 20 : 40] = 8;
    assert.ok(!passes(family, error), 'an echo is nobody\'s word on a datagram');
    const tcp = to(PORTS.first);
    tcp[family === 4 ? 9 : 6] = 6;
    assert.ok(!passes(family, tcp));
  }
  const fragment = packetOf({ from: ip('192.0.2.3'), fromPort: 53, to: ip('192.0.2.2'), toPort: PORTS.first, payload: Buffer.alloc(8) });
  fragment.writeUInt16BE(1, 6);
  assert.ok(!passes(4, fragment));
});

function onesSum(bytes: Uint8Array, begin: number): number {
  let sum = begin;
  for (let i = 0; i < bytes.length; i += 2) sum += ((bytes[i] ?? 0) << 8) | (bytes[i + 1] ?? 0);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return sum;
}

/** Runs the program as net/core/filter.c does. */
function passes(family: 4 | 6, packet: Buffer): boolean {
  const { code, steps } = filterOf(family);
  let [a, x] = [0, 0];
  for (let at = 0; at < steps; at++) {
    const [op, jt, jf, k] = [code.readUInt16LE(at * 8), code[at * 8 + 2] ?? 0, code[at * 8 + 3] ?? 0, code.readUInt32LE(at * 8 + 4)];
    const jump = (yes: boolean): void => { at += yes ? jt : jf; };
    if (op === 0x30) a = packet[k] ?? 0;
    else if (op === 0x28) a = packet.readUInt16BE(k);
    else if (op === 0x50) a = packet[x + k] ?? 0;
    else if (op === 0x48) a = packet.readUInt16BE(x + k);
    else if (op === 0xb1) x = ((packet[k] ?? 0) & 15) * 4;
    else if (op === 0x15) jump(a === k);
    else if (op === 0x35) jump(a >= k);
    else if (op === 0x25) jump(a > k);
    else if (op === 0x45) jump((a & k) !== 0);
    else return op === 0x06 ? k > 0 : assert.fail(`operation ${op}`);
  }
  return assert.fail('ran off its end');
}
