import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseIp } from '../../src/net/ip.ts';
import type { TrafficPlace } from '../traffic/layout.ts';
import { replyHeader, requestHeader, STRIDE } from './flows.ts';

const ip = (text: string) => parseIp(text) ?? assert.fail(text);
const PLACE: TrafficPlace = {
  clientIp: ip('203.0.113.1'),
  clientAddresses: 250,
  serverIp: ip('198.51.100.11'),
  servers: 3,
  serverPort: 7000,
  clientMac: '02:00:00:00:00:01',
  balancerMac: '02:00:00:00:00:02',
};
const VIP = { ip: ip('192.0.2.1'), port: 5000 };

/** The one's complement sum of a header with its checksum is 0xffff when the checksum is right. */
function sum(bytes: Buffer): number {
  let total = 0;
  for (let at = 0; at < bytes.length; at += 2) total += bytes.readUInt16BE(at);
  return (total & 0xffff) + (total >>> 16);
}

test('a request is what the generator sends: client 251 is the second address, and the second port of it', () => {
  const request = requestHeader(PLACE, 251, VIP);
  assert.equal(request.length, STRIDE);
  assert.equal(request.subarray(0, 14).toString('hex'), '0200000000020200000000010800');
  assert.equal(request.subarray(26, 34).toString('hex'), 'cb007102c0000201');
  assert.deepEqual([34, 36, 38, 40].map((at) => request.readUInt16BE(at)), [1025, 5000, 30, 0]);
  assert.equal(sum(request.subarray(14, 34)), 0xffff);
});

test('a reply goes back the way the datagram was sent on, with a fresh TTL', () => {
  const sent = Buffer.concat([requestHeader(PLACE, 7, VIP).subarray(0, 42), Buffer.alloc(22)]);
  sent[22] = 63;
  sent.writeUInt16BE(40_001, 34);
  const reply = replyHeader(sent);
  assert.equal(reply.subarray(0, 12).toString('hex'), '020000000001020000000002');
  assert.equal(reply.subarray(26, 34).toString('hex'), 'c0000201cb007108');
  assert.deepEqual([34, 36].map((at) => reply.readUInt16BE(at)), [5000, 40_001]);
  assert.equal(reply[22], 64);
  assert.equal(sum(reply.subarray(14, 34)), 0xffff);
});

test('what no reply can be made to is refused, and shown', () => {
  assert.throws(() => replyHeader(Buffer.alloc(20)), /expected a UDP datagram over IPv4/);
  const tunnelled = requestHeader(PLACE, 0, VIP);
  tunnelled[23] = 4;
  assert.throws(() => replyHeader(tunnelled), /got 0200/);
});
