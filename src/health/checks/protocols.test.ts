/** What each protocol's answers mean: published vectors, answers cut off anywhere, and bytes of chance. The real servers are in test/netns/checks.test.ts. */
import assert from 'node:assert/strict';
import { createHash, createHmac } from 'node:crypto';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { challengeOf, judgeA2s } from './a2s.ts';
import type { Finding } from './attempt.ts';
import { ber, BER, berInteger, berOid, integerOf, readAll, readBer } from './ber.ts';
import { clientHello, judgeDtls } from './dtls.ts';
import { judgeNtp } from './ntp.ts';
import { judgeQuic, quicPacket } from './quic.ts';
import { provesSecret, radiusRequest } from './radius.ts';
import { sipOptions, sipStatus } from './sip.ts';
import { judgeSnmp, snmpGet } from './snmp.ts';
import { judgeStun } from './stun.ts';
import { judgeTftp, tftpRead } from './tftp.ts';
import { percentIn } from './weight.ts';

const took = (): string => '1.0 ms';
const hex = (text: string): Buffer => Buffer.from(text.replaceAll(/\s/g, ''), 'hex');
const NONCE = hex('0102030405060708');
const STUN_REQUEST = hex('00010000 2112a442 b7e7a701bc34d686fa87dfae');
const [ID_A, ID_B] = [hex('a1a2a3a4a5a6a7a8'), hex('b1b2b3b4b5b6b7b8')];
const ASKED = { community: 'public', oid: '1.3.6.1.2.1.1.3.0', id: 77 };
const DIALOG = { branch: 'z9hG4bKabc', callId: 'call@weir' };
const KEY = Buffer.from('s3cret');
const RADIUS = radiusRequest(KEY, null, { id: 9, authenticator: Buffer.alloc(16, 3) });

/** A good answer of each protocol and what judges it. */
const GOOD: Readonly<Record<string, { readonly reply: Buffer; readonly judge: (reply: Buffer) => Finding | null }>> = {
  ntp: { reply: ntp({ first: 0x24, stratum: 2 }), judge: (reply) => judgeNtp(reply, NONCE, 15, took) },
  stun: { reply: hex('01010048 2112a442 b7e7a701bc34d686fa87dfae 00200008 0001a147e112a643'), judge: (reply) => judgeStun(reply, STUN_REQUEST, took) },
  quic: { reply: Buffer.concat([hex('80 00000000 08'), ID_B, hex('08'), ID_A, hex('1a2a3a4a 00000001 6b3343cf')]), judge: (reply) => judgeQuic(reply, ID_A, ID_B, took) },
  snmp: { reply: snmpReply({}), judge: (reply) => judgeSnmp(reply, ASKED, took) },
  dtls: { reply: hex('16feff 0000000000000000 0007 03000004 000000'), judge: (reply) => judgeDtls(reply, took) },
  a2s: { reply: Buffer.from('\xff\xff\xff\xffI\x11name\0map\0dir\0game\0\x0a\0\x07\x18\0dl', 'latin1'), judge: (reply) => judgeA2s(reply, took) },
  tftp: { reply: hex('0003 0001 41'), judge: (reply) => judgeTftp(reply, 'boot', took) },
};

function ntp({ first, stratum, nonce = NONCE, refid = 'GPS\0' }: { first: number; stratum: number; nonce?: Buffer; refid?: string }): Buffer {
  const reply = Buffer.alloc(48);
  reply[0] = first;
  reply[1] = stratum;
  reply.write(refid, 12, 'latin1');
  nonce.copy(reply, 24);
  reply.writeUInt32BE(0xe000_0000, 40);
  return reply;
}

function snmpReply({ tag = 0xa2, id = 77, error = 0, community = 'public', value = ber(0x43, Buffer.from([1, 2])), oid = ASKED.oid }: { tag?: number; id?: number; error?: number; community?: string; value?: Buffer; oid?: string }): Buffer {
  const pdu = ber(tag, berInteger(id), berInteger(error), berInteger(0), ber(BER.sequence, ber(BER.sequence, berOid(oid), value)));
  return ber(BER.sequence, berInteger(1), ber(BER.octets, Buffer.from(community)), pdu);
}

describe('an answer', () => {
  for (const [name, { reply, judge }] of Object.entries(GOOD)) {
    test(`of ${name} that is good is up, and no part of it but a whole one is`, () => {
      assert.equal(judge(reply)?.ok, true);
      const whole = ['dtls', 'tftp', 'a2s', 'stun', 'quic'].includes(name);
      for (let length = 0; length < reply.length; length++) {
        const finding = judge(reply.subarray(0, length));
        // What follows the part that decides may be missing: versions, the map's name, the block's data.
        if (!whole) assert.notEqual(finding?.ok, true, `${length} of ${reply.length} bytes`);
      }
    });
    test(`of ${name} made of chance bytes is never up`, () => {
      fc.assert(fc.property(fc.uint8Array({ maxLength: 80 }), (bytes) => {
        const finding = judge(Buffer.from(bytes));
        // Two protocols have no secret of the request in their answers: only their first bytes tell.
        if (name !== 'a2s' && name !== 'tftp' && name !== 'dtls') assert.notEqual(finding?.ok, true);
      }), { numRuns: 2000 });
      fc.assert(fc.property(fc.nat(reply.length - 1), fc.nat(255), (at, byte) => {
        const changed = Buffer.from(reply);
        changed[at] = byte;
        judge(changed);
      }), { numRuns: 2000 });
    });
  }
});

describe('ntp', () => {
  const judge = (reply: Buffer, max = 15): string => GOOD['ntp'] && (judgeNtp(reply, NONCE, max, took)?.detail ?? 'no answer');
  test('an unsynchronised server is down by what it says of itself', () => {
    assert.match(judge(ntp({ first: 0xe4, stratum: 0 })), /its own clock is not synchronised/);
    assert.equal(judge(ntp({ first: 0x24, stratum: 0, refid: 'RATE' })), "kiss-o'-death RATE");
    assert.match(judge(ntp({ first: 0x24, stratum: 16 })), /stratum 16/);
    assert.equal(judge(ntp({ first: 0x24, stratum: 5 }), 4), 'stratum 5, expected 4 at most');
  });
  test('the request itself, a broadcast and another answer are none', () => {
    for (const first of [0x23, 0x25, 0x21]) assert.equal(judge(ntp({ first, stratum: 2 })), 'no answer');
    assert.equal(judge(ntp({ first: 0x24, stratum: 2, nonce: hex('0102030405060709') })), 'no answer');
  });
});

describe('radius', () => {
  test('hides the password and knows the answer as RFC 2865 section 7.1 has them', () => {
    const key = Buffer.from('xyzzy5461');
    const request = radiusRequest(key, { user: 'nemo', password: 'arctangent' }, { id: 0, authenticator: hex('0f403f9473978057bd83d5cb98f4227a') });
    assert.ok(request.includes(hex('0212 0dbe708d93d413ce3196e43f782a0aee')));
    const accept = hex('02000026 86fe220e7624ba2a1005f6bf9b55e0b2 06060000 00010f06 00000000 0e06c0a80103');
    assert.equal(provesSecret(accept, request, key), true);
    assert.equal(provesSecret(accept, request, Buffer.from('xyzzy5462')), false);
  });
  test('signs the request with Message-Authenticator over a blank one, first of its attributes', () => {
    const blank = Buffer.from(RADIUS);
    blank.fill(0, 22, 38);
    assert.deepEqual([RADIUS[0], RADIUS[20], RADIUS[21]], [12, 80, 18]);
    assert.deepEqual(RADIUS.subarray(22, 38), createHmac('md5', KEY).update(blank).digest());
  });
  test('takes no answer whose Message-Authenticator is wrong, whatever the other authenticator says', () => {
    const reply = Buffer.concat([hex('02090026'), Buffer.alloc(16), hex('5012'), Buffer.alloc(16)]);
    const sign = (): void => {
      createHash('md5').update(reply.subarray(0, 4)).update(RADIUS.subarray(4, 20)).update(reply.subarray(20)).update(KEY).digest().copy(reply, 4);
    };
    sign();
    assert.equal(provesSecret(reply, RADIUS, KEY), false);
    const blank = Buffer.from(reply);
    RADIUS.copy(blank, 4, 4, 20);
    createHmac('md5', KEY).update(blank).digest().copy(reply, 22);
    sign();
    assert.equal(provesSecret(reply, RADIUS, KEY), true);
    for (let length = 0; length < reply.length; length++) assert.equal(provesSecret(reply.subarray(0, length), RADIUS, KEY), false);
  });
});

describe('snmp', () => {
  const judge = (options: Parameters<typeof snmpReply>[0]): string => judgeSnmp(snmpReply(options), ASKED, took)?.detail ?? 'no answer';
  test('asks as net-snmp does', () => {
    assert.deepEqual(snmpGet('public', '1.3.6.1.2.1.1.3.0', 1), hex('3026 020101 04067075626c6963 a019 020101 020100 020100 300e300c 06082b06010201010300 0500'));
  });
  test('is down on an error, a value that is not there, and another object', () => {
    assert.equal(judge({ error: 5 }), 'error genErr');
    assert.equal(judge({ value: Buffer.from([0x81, 0]) }), 'noSuchInstance for 1.3.6.1.2.1.1.3.0');
    assert.equal(judge({ oid: '1.3.6.1.2.1.1.4.0' }), 'a response about another object');
  });
  test('passes over the request itself, another id and another community', () => {
    for (const other of [{ tag: 0xa0 }, { id: 78 }, { community: 'private' }]) assert.equal(judge(other), 'no answer');
  });
  test('integers and object identifiers come back as they went', () => {
    fc.assert(fc.property(fc.integer({ min: 0, max: 0x7fff_ffff }), (value) => {
      const element = readBer(berInteger(value), 0);
      assert.equal(element && integerOf(element), value);
    }));
    assert.deepEqual(berOid('2.999.4294967295'), hex('0607 8837 8fffffff7f'));
    assert.equal(readAll(hex('020101 02'), 9), null);
  });
});

describe('sip', () => {
  const reply = (status: string, more = {}): Buffer => Buffer.from(`SIP/2.0 ${status}\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=${{ ...DIALOG, ...more }.branch};rport=5\r\nCall-ID: ${{ ...DIALOG, ...more }.callId}\r\n\r\n`);
  test('reads the status of an answer in its own dialog alone', () => {
    assert.equal(sipStatus(reply('200 OK'), DIALOG), 200);
    assert.equal(sipStatus(Buffer.from(reply('200 OK').toString().replace('Call-ID', 'i')), DIALOG), 200);
    assert.equal(sipStatus(reply('200 OK', { callId: 'x' }), DIALOG), null);
    assert.equal(sipStatus(reply('200 OK', { branch: 'z9hG4bKx' }), DIALOG), null);
    assert.equal(sipStatus(Buffer.from(sipOptions({ ...DIALOG, uri: 'sip:x', tag: 't' }, { address: '192.0.2.1', port: 5, family: 'IPv4' })), DIALOG), null);
  });
  test('names its own address, IPv6 in brackets', () => {
    assert.match(sipOptions({ ...DIALOG, uri: 'sip:x', tag: 't' }, { address: '2001:db8::1', port: 5, family: 'IPv6' }), /^Via: SIP\/2\.0\/UDP \[2001:db8::1\]:5;branch=z9hG4bKabc;rport$/m);
  });
});

test('quic: 1,200 bytes of a reserved version; versions that everybody reserves are not named', () => {
  const packet = quicPacket(ID_A, ID_B);
  assert.deepEqual([packet.length, (packet[0] ?? 0) & 0xc0, packet.readUInt32BE(1) & 0x0f0f_0f0f], [1200, 0xc0, 0x0a0a_0a0a]);
  assert.equal(GOOD['quic']?.judge(GOOD['quic'].reply)?.detail, 'QUIC v1, v2 in 1.0 ms');
  assert.equal(judgeQuic(packet, ID_A, ID_B, took), null);
  for (const [destination, source] of [[ID_B, ID_B], [ID_A, ID_A], [ID_B, ID_A]] as const) assert.equal(judgeQuic(GOOD['quic']?.reply ?? packet, destination, source, took), null, 'for other ids');
});

test('stun: the request echoed and an answer to another request are none, an answer without an address is a failure', () => {
  assert.equal(judgeStun(STUN_REQUEST, STUN_REQUEST, took), null);
  assert.equal(judgeStun(hex('01010048 2112a442 b7e7a701bc34d686fa87dfaf 00200008 0001a147e112a643'), STUN_REQUEST, took), null);
  assert.equal(judgeStun(hex('01010000 2112a442 b7e7a701bc34d686fa87dfae'), STUN_REQUEST, took)?.ok, false);
});

test('dtls: an alert is a refusal by name, the hello itself no answer', () => {
  assert.equal(judgeDtls(hex('15feff 0000000000000000 0002 0228'), took)?.detail, 'alert handshake_failure to a ClientHello');
  assert.equal(judgeDtls(clientHello('a.example'), took)?.ok, false);
  assert.ok(clientHello('a.example').includes('a.example'));
});

test('tftp: without a file, "file not found" is a sign of life; with one it is not', () => {
  const notFound = hex('0005 0001 6e6f 00');
  assert.deepEqual([judgeTftp(notFound, null, took)?.ok, judgeTftp(notFound, 'boot', took)?.ok, judgeTftp(hex('0005 0004 00'), null, took)?.ok], [true, false, false]);
  assert.equal(judgeTftp(tftpRead('boot'), 'boot', took), null);
});

test('a2s: a challenge is told from an answer, the request echoed is none', () => {
  assert.deepEqual(challengeOf(hex('ffffffff 41 01020304')), hex('01020304'));
  assert.equal(challengeOf(hex('ffffffff 49 01020304')), null);
  assert.equal(judgeA2s(Buffer.from('\xff\xff\xff\xffTSource Engine Query\0', 'latin1'), took), null);
  assert.equal(judgeA2s(hex('ffffffff 44 00'), took)?.ok, false);
});

test('a weight is the number before a percent sign, or the one the text begins with', () => {
  const rows = [['75%', 75], ['up 40 %', 40], ['load 12.5% of', 12], ['  30\n', 30], ['250%', 100], ['0', 0], ['up', null], ['', null], ['version 3', null], ['7 servers, 20% busy', 20]] as const;
  for (const [text, percent] of rows) assert.equal(percentIn(text), percent, text);
});
