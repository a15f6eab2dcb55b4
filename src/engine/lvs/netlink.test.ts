import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { parseIp } from '../../net/ip.ts';
import { decodeDest, decodeService, encodeDest, encodeService, type IpvsService } from './ipvs.ts';
import {
  attribute, AttributeTable, decodeAttributes, decodeMessages, encodeRequest, errorOf, nested, NetlinkFormatError, replyAttributes, text, u32,
} from './netlink.ts';

const FIXED = { seed: 3, numRuns: 500 };
const ip = (t: string) => parseIp(t) ?? assert.fail(t);

describe('netlink messages', () => {
  it('are what linux/netlink.h says, to the byte', () => {
    const message = encodeRequest({ family: 0x10, command: 3, version: 1, flags: 4, seq: 7, attributes: [text(2, 'IPVS')] });
    assert.equal(message.toString('hex'), '20000000100005000700000000000000030100000900020049505653000000' + '00');
  });

  it('come back as they were sent', () => {
    fc.assert(fc.property(fc.array(fc.tuple(fc.nat(0x3fff), fc.uint8Array({ maxLength: 40 })), { maxLength: 8 }), (list) => {
      const bytes = encodeRequest({ family: 31, command: 5, version: 1, flags: 0, seq: 9, attributes: list.map(([type, data]) => attribute(type, data)) });
      const [message] = decodeMessages(bytes);
      assert.deepEqual(replyAttributes(message!).map((a) => [a.type, Uint8Array.from(a.data)]), list);
    }), FIXED);
  });

  it('end in NetlinkFormatError wherever they are cut or bent, never in another error and never in a read beyond the end', () => {
    const whole = encodeRequest({ family: 31, command: 5, version: 1, flags: 0, seq: 9, attributes: [nested(1, [u32(2, 5), text(3, 'wlc')]), u32(4, 1)] });
    fc.assert(fc.property(fc.nat(whole.length), fc.array(fc.tuple(fc.nat(whole.length - 1), fc.nat(255)), { maxLength: 4 }), (length, bends) => {
      const bytes = Buffer.from(whole.subarray(0, length));
      for (const [at, value] of bends) if (at < bytes.length) bytes[at] = value;
      try {
        for (const message of decodeMessages(bytes)) for (const a of replyAttributes(message)) decodeAttributes(a.data);
      } catch (error) {
        assert.ok(error instanceof NetlinkFormatError, String(error));
      }
    }), { ...FIXED, numRuns: 3000 });
  });

  it('tell errors and acknowledgements apart', () => {
    const message = (code: number) => {
      const payload = Buffer.alloc(4);
      payload.writeInt32LE(code);
      return { type: 2, seq: 1, interrupted: false, payload };
    };
    assert.deepEqual([errorOf(message(0)), errorOf(message(-17))], [0, 17]);
  });
});

describe('ip_vs services and servers', () => {
  const services: IpvsService[] = [
    { id: { kind: 'address', protocol: 'udp', ip: ip('10.0.0.3'), port: 8000 }, scheduler: 'wlc', flags: 0, timeoutS: 0, prefix: 32 },
    { id: { kind: 'address', protocol: 'tcp', ip: ip('2001:db8::3'), port: 443 }, scheduler: 'mh', flags: 0x19, timeoutS: 300, prefix: 64 },
    { id: { kind: 'mark', family: 4, mark: 0x77abcdef }, scheduler: 'sh', flags: 9, timeoutS: 60, prefix: 24 },
    { id: { kind: 'mark', family: 6, mark: 1 }, scheduler: 'wrr', flags: 4, timeoutS: 0, prefix: 128 },
  ];
  const within = (bytes: Buffer) => new AttributeTable(decodeAttributes(new AttributeTable(decodeAttributes(bytes)).bytes(bytes.readUInt16LE(2) & 0x3fff)!));

  it('come back as they were sent', () => {
    for (const service of services) {
      const { stats, ...read } = decodeService(within(encodeService(service)))!;
      assert.deepEqual(read, service);
      assert.equal(stats.packetsIn, 0);
    }
    const dest = { ip: ip('192.0.2.1'), port: 53, forward: 'tunnel', weight: 256 } as const;
    const { active, inactive, stats, ...read } = decodeDest(within(encodeDest(dest)), services[0]!.id);
    assert.deepEqual([read, active, inactive, stats.bytesIn], [dest, 0, 0, 0]);
  });

  it('of protocols weir has no word for are left out', () => {
    const sctp = encodeService(services[0]!);
    // The protocol attribute: its number is 2, its value two bytes.
    const at = sctp.indexOf(Buffer.from([6, 0, 2, 0, 17, 0]));
    sctp[at + 4] = 132;
    assert.equal(decodeService(within(sctp)), null);
  });
});
