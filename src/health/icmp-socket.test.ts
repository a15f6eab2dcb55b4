import assert from 'node:assert/strict';
import { constants } from 'node:os';
import { test } from 'node:test';
import { parseIp, type Ip } from '../net/ip.ts';
import type { Finding } from './checks/attempt.ts';
import { createIcmpSockets, echoRequest } from './icmp-socket.ts';
import type { Libc } from './libc.ts';

const SERVER = parseIp('192.0.2.1') as Ip;
const OTHER = Buffer.from([2, 0, 0, 0, 192, 0, 2, 9]);

/** A C library whose sockets are of the raw kind and give back what `inbox` holds: [sender, ICMP message]. */
function fakeLibc(options: { dgram?: number; raw?: number; send?: number } = {}) {
  const inbox: [Buffer, Buffer][] = [];
  const sent: { readonly message: Buffer; readonly to: Buffer }[] = [];
  const closed: number[] = [];
  let errno = 0;
  let readable = (): void => undefined;
  const refuse = (code: number | undefined, value: number): number => (code === undefined ? value : ((errno = code), -1));
  const libc: Libc = {
    socket: (_family, type) => ((type & 15) === 2 ? refuse(options.dgram ?? constants.errno.EACCES, 8) : refuse(options.raw, 7)),
    bind: () => 0,
    setsockopt: () => 0,
    sendto(_fd, data, length, _flags, to) {
      sent.push({ message: Buffer.from(data.subarray(0, length)), to: Buffer.from(to) });
      return refuse(options.send, length);
    },
    recvfrom(_fd, data, _length, _flags, from) {
      const next = inbox.shift();
      if (next === undefined) return refuse(constants.errno.EAGAIN, 0);
      const packet = Buffer.concat([Buffer.alloc(20, 0x45), next[1]]);
      from.set(next[0].subarray(0, 8));
      data.set(packet);
      return packet.length;
    },
    close: (fd) => (closed.push(fd), 0),
    address: () => 0n,
    errno: () => errno,
    poll(_fd, onReadable) {
      readable = onReadable;
      return () => (readable = () => undefined);
    },
  };
  return { libc, inbox, sent, closed, wake: () => readable() };
}

function replyTo(message: Buffer, change: (reply: Buffer) => void = () => undefined): Buffer {
  const reply = Buffer.from(message);
  reply[0] = 0;
  change(reply);
  return reply;
}

test('an echo request is eight bytes, the token, and a checksum that makes the sum come out', () => {
  const message = echoRequest({ family: 4, id: 0x1234, seq: 7, token: Buffer.from('0123456789abcdef') });
  assert.deepEqual([message[0], message[1], message.readUInt16BE(4), message.readUInt16BE(6)], [8, 0, 0x1234, 7]);
  let sum = 0;
  for (let i = 0; i < message.length; i += 2) sum += message.readUInt16BE(i);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  assert.equal(sum, 0xffff);
  assert.equal(echoRequest({ family: 6, id: 1, seq: 1, token: Buffer.alloc(16) })[0], 128);
});

test('only the reply with the sequence number, the token and the sender asked is taken, once', () => {
  const fake = fakeLibc();
  const sockets = createIcmpSockets(() => fake.libc);
  const findings: Finding[] = [];
  sockets.echo({ ip: SERVER, source: null, answer: (f) => findings.push(f) });
  const { message, to } = fake.sent[0] ?? assert.fail('nothing was sent');
  fake.inbox.push(
    [to, replyTo(message, (r) => r.writeUInt16BE(99, 6))],
    [to, replyTo(message, (r) => r.writeUInt8((r.readUInt8(9) + 1) & 255, 9))],
    [OTHER, replyTo(message)],
    [to, message],
    [to, Buffer.from([0, 0])],
  );
  fake.wake();
  assert.equal(findings.length, 0);
  fake.inbox.push([to, replyTo(message)], [to, replyTo(message)]);
  fake.wake();
  assert.deepEqual(findings, [{ ok: true, detail: 'echo reply' }]);
  sockets.close();
  assert.deepEqual(fake.closed, [7]);
});

test('a request that is forgotten is not answered', () => {
  const fake = fakeLibc();
  const sockets = createIcmpSockets(() => fake.libc);
  const forget = sockets.echo({ ip: SERVER, source: null, answer: () => assert.fail('answered') });
  forget();
  const { message, to } = fake.sent[0] ?? assert.fail('nothing was sent');
  fake.inbox.push([to, replyTo(message)]);
  fake.wake();
});

test('one socket serves all targets of a family', () => {
  const fake = fakeLibc();
  const sockets = createIcmpSockets(() => fake.libc);
  for (let i = 0; i < 10; i++) sockets.echo({ ip: SERVER, source: null, answer: () => undefined });
  sockets.close();
  assert.equal(fake.closed.length, 1);
  assert.equal(new Set(fake.sent.map(({ message }) => message.readUInt16BE(6))).size, 10);
});

test('refusals say what is missing and the cure, and decide nothing', () => {
  const found = (libc: Libc | Error): Finding => {
    let finding: Finding | undefined;
    createIcmpSockets(() => libc).echo({ ip: SERVER, source: null, answer: (f) => (finding = f) });
    return finding ?? assert.fail('no answer');
  };
  const refused = found(fakeLibc({ raw: constants.errno.EPERM }).libc);
  assert.equal(refused.finding, 'cannot');
  assert.match(refused.detail, /datagram socket EACCES, raw socket EPERM.*ping_group_range.*CAP_NET_RAW/);
  const missing = found(new Error("Cannot find module 'koffi'"));
  assert.equal(missing.finding, 'cannot');
  assert.match(missing.detail, /koffi/);
  const unreachable = found(fakeLibc({ send: constants.errno.ENETUNREACH }).libc);
  assert.deepEqual([unreachable.ok, unreachable.finding], [false, undefined]);
});
