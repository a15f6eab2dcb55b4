/** What frame.ts builds, read by somebody else: tcpdump judges every checksum and every length. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';
import { needs } from '../../fixtures/needs.ts';
import { encapsulated, fragments, frame, icmp, onesSum, udp } from './frame.ts';

const ether = { dst: '02:57:45:49:52:01', src: '02:00:5e:00:53:01' };
const four = { src: '192.0.2.7:40000', dst: '198.51.100.1:9' };
const six = { src: '[2001:db8:2::7]:40000', dst: '[2001:db8:51::1]:9' };

/** Returns what tcpdump says of each frame, a line each. */
function read(...frames: readonly Buffer[]): string[] {
  const header = Buffer.alloc(24);
  header.writeUInt32LE(0xa1b2c3d4, 0);
  header.writeUInt16LE(2, 4);
  header.writeUInt16LE(4, 6);
  header.writeUInt32LE(0xffff, 16);
  header.writeUInt32LE(1, 20);
  const records = frames.map((bytes) => {
    const record = Buffer.alloc(16);
    record.writeUInt32LE(bytes.length, 8);
    record.writeUInt32LE(bytes.length, 12);
    return Buffer.concat([record, bytes]);
  });
  const output = execFileSync('tcpdump', ['-nvvtr', '-'], { input: Buffer.concat([header, ...records]), encoding: 'utf8', stdio: ['pipe', 'pipe', 'pipe'] });
  // What belongs to the line before is indented.
  return output.replace(/\n\s+/g, ' ').trimEnd().split('\n');
}

test('datagrams of both families have the checksums tcpdump wants, with and without options, a tag and an odd length', needs('tcpdump'), () => {
  for (const line of read(frame(ether, udp(four)), frame({ ...ether, tag: 10 }, udp({ ...four, payload: 'odd', options: 3 })), frame(ether, udp(six)), frame(ether, udp({ ...six, payload: 'odd' })))) {
    assert.match(line, /udp sum ok/);
    assert.doesNotMatch(line, /bad|truncated/);
  }
});

test('a checksum is none, wrong or partial where that is asked for', needs('tcpdump'), () => {
  const [none, wrong, partial] = read(...(['none', 'wrong', 'partial'] as const).map((check) => frame(ether, udp({ ...four, check }))));
  assert.match(none, /no cksum/);
  assert.match(wrong, /bad udp cksum/);
  assert.match(partial, /bad udp cksum/);
});

test('errors, fragments and tunnels are what they claim to be', needs('tcpdump'), () => {
  const [unreachable, exceeded6, tunnel, tunnel6, ...pieces] = read(
    frame(ether, icmp({ src: '198.51.100.1', dst: '192.0.2.7', type: 3, code: 3, carries: udp(four) })),
    frame(ether, icmp({ src: '2001:db8:51::1', dst: '2001:db8:2::7', type: 3, code: 0, carries: udp(six) })),
    frame(ether, encapsulated('10.0.0.3', '10.0.0.11', udp(four))), frame(ether, encapsulated('2001:db8:10::3', '2001:db8:10::a', udp(six))),
    ...fragments(udp({ ...four, payload: Buffer.alloc(100) }), 7, 64).map((piece) => frame(ether, piece)), ...fragments(udp({ ...six, payload: Buffer.alloc(100) }), 7, 64).map((piece) => frame(ether, piece)),
  );
  assert.match(unreachable, /ICMP 198\.51\.100\.1 udp port 9 unreachable, length 40 .*udp sum ok/);
  assert.match(exceeded6, /\[icmp6 sum ok\] ICMP6, time exceeded in-transit/);
  assert.match(tunnel, /proto IPIP .*udp sum ok/);
  assert.match(tunnel6, /next-header IPv6 .*udp sum ok/);
  assert.match(pieces[0], /id 7, offset 0, flags \[\+\], proto UDP \(17\), length 84/);
  assert.match(pieces[1], /id 7, offset 64, flags \[none\], proto UDP \(17\), length 64/);
  assert.match(pieces[2], /frag \(0x00000007:0\|64\)/);
  assert.match(pieces[3], /frag \(0x00000007:64\|44\)/);
  for (const line of [unreachable, exceeded6, tunnel, tunnel6, ...pieces]) assert.doesNotMatch(line, /bad|truncated|wrong/);
});

test('the sum of RFC 1071\'s example', () => {
  assert.equal(onesSum(Buffer.from('0001f203f4f5f6f7', 'hex')), 0xddf2);
});
