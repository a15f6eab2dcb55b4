/** Datagrams and ICMP errors that are cut short, too long, garbled or lies: nothing dies, nobody is taken for dead, and traffic goes on; the truth is still believed. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { until } from '../contract/mailbox.ts';
import { testNamespaces } from '../fixtures/network.ts';
import { needs } from '../fixtures/needs.ts';
import { openPackets } from '../fixtures/packets.ts';
import { withScope } from '../fixtures/scope.ts';
import { more } from '../fixtures/steady-load.ts';
import { BALANCER, CLIENT, makeSite, SERVER_PORT, serverLines, SERVERS, STRANGER, VIP } from '../fixtures/two-arms.ts';
import { address, fragments, icmp, udp, withHeaderSum } from '../xdp/packets/frame.ts';
import { Random } from '../xdp/random.ts';

const CONF = `director echo ${VIP.ip}:${VIP.port} UDP
    balance roundrobin
    check interval 500ms timeout 400ms rise 1 fall 2
    option udpcheck send "ping" expect "ping"
${serverLines(' check')}`;
const VIP_TEXT = `${VIP.ip}:${VIP.port}`;
/** Fixed, so that a failure repeats. */
const SEED = 20_261_127;
const MOST_UDP = 65_507;
const ICMP_UNREACHABLE = 3;
const CODES = { net: 0, host: 1, protocol: 2, port: 3, tooBig: 4, filtered: 13 };
/** A header of UDP over IPv4 with `length` in the place of its own. */
function withUdpLength(packet: Buffer, length: number): Buffer {
  packet.writeUInt16BE(length, 24);
  return packet;
}

/** Datagrams to the VIP that are not whole, and some that are and look odd. */
function datagrams(random: Random): Buffer[] {
  const from = (port: number): string => `${STRANGER}:${port}`;
  const good = (port: number, payload: Buffer): Buffer => udp({ src: from(port), dst: VIP_TEXT, payload });
  const some = Buffer.from('x'.repeat(100));
  return [
    ...[0, 1, 7, 8, 107, 109, 2000, 65_535].map((length, i) => withUdpLength(good(7000 + i, some), length)),
    udp({ src: from(7100), dst: VIP_TEXT, payload: some, check: 'wrong' }),
    udp({ src: from(7101), dst: VIP_TEXT, payload: some, check: 'none' }),
    good(7102, Buffer.alloc(0)),
    udp({ src: { bytes: address(STRANGER), port: 0 }, dst: VIP_TEXT, payload: some }),
    udp({ src: from(7103), dst: VIP_TEXT, payload: some, options: 10 }),
    // The longest there is, in pieces; and pieces that overlap, repeat or never come.
    ...fragments(good(7104, Buffer.alloc(MOST_UDP, 'y')), 7104, ...Array.from({ length: 44 }, () => 1480)),
    ...fragments(good(7105, Buffer.alloc(4000)), 7105, 1480, 1480).slice(1),
    ...[0, 0, 1].map((part) => fragments(good(7106, Buffer.alloc(3000)), 7106, 1480)[part]!),
    // The header of UDP itself in two pieces cannot be: eight bytes is the least. A first piece of eight bytes can.
    ...fragments(good(7107, some), 7107, 8),
    ...Array.from({ length: 200 }, (_, i) => {
      const packet = good(8000 + i, Buffer.from(Array.from({ length: random.below(64) }, () => random.below(256))));
      // A UDP header and payload of noise; the IP header is right, or the kernel would not send it.
      for (let n = 1 + random.below(6); n > 0; n--) packet[20 + random.below(packet.length - 20)] = random.below(256);
      return packet;
    }),
  ];
}

/** ICMP errors to the balancer that it must not believe: `port` is one of its own towards server one, where a session is; `used` are all of those. */
function errors(random: Random, port: number, used: ReadonlySet<number>): Buffer[] {
  const free = [20_001, 20_003, 20_005].find((candidate) => !used.has(candidate))!;
  const to = (carries: Buffer, code: number = CODES.port, type = ICMP_UNREACHABLE): Buffer => icmp({ src: SERVERS.one, dst: BALANCER.back, type, code, carries });
  const ours = (source: number, destination: string): Buffer => udp({ src: `${BALANCER.back}:${source}`, dst: destination });
  const inner = ours(port, `${SERVERS.one}:${SERVER_PORT}`);
  const wrongChecksum = to(inner);
  wrongChecksum[22]! ^= 1;
  return [
    // Cut short at every length that does not hold the ports.
    ...Array.from({ length: 24 }, (_, length) => to(inner.subarray(0, length))),
    to(Buffer.alloc(0)), to(Buffer.alloc(28)), to(Buffer.alloc(28, 0xff)),
    wrongChecksum,
    // Whole, but of something else: another port, another server's port, another address, another protocol, a length of header that is none.
    to(ours(free, `${SERVERS.one}:${SERVER_PORT}`)),
    to(ours(port, `${SERVERS.one}:${SERVER_PORT + 1}`)),
    to(ours(port, `203.0.113.7:${SERVER_PORT}`)),
    to(udp({ src: `${SERVERS.one}:${SERVER_PORT}`, dst: `${BALANCER.back}:${port}` })),
    to(withProtocol(inner, 6)), to(withProtocol(inner, 1)), to(withFirst(inner, 0x40)), to(withFirst(inner, 0x4f)),
    // A port of ours and a server of ours, but no session between the two.
    to(ours(port, `${SERVERS.two}:${SERVER_PORT}`)),
    // Of a session, but no word of a dead server: the kernel's own business, or nobody's.
    to(inner, CODES.tooBig), to(inner, CODES.filtered, 11), to(inner, 200), to(inner, 0, 12), to(inner, 0, 4), to(inner, 0, 255),
    ...Array.from({ length: 300 }, () => {
      const noise = Buffer.from(Array.from({ length: random.below(80) }, () => random.below(256)));
      return to(noise, random.below(16));
    }),
    // Of an answer to a client.
    to(ours(VIP.port, `${CLIENT}:6000`)),
    // One bit of what names the session is wrong, and it is no other session's name.
    ...Array.from({ length: 300 }, () => {
      const bent = Buffer.from(inner);
      bent[16 + random.below(8)]! ^= 1 << random.below(8);
      return bent;
    }).filter((bent) => !used.has(bent.readUInt16BE(20)) || bent.readUInt32BE(16) !== inner.readUInt32BE(16) || bent.readUInt16BE(22) !== SERVER_PORT).map((bent) => to(bent, random.below(16))),
  ];
}

function withProtocol(packet: Buffer, protocol: number): Buffer {
  const next = Buffer.from(packet);
  next[9] = protocol;
  return withHeaderSum(next);
}

function withFirst(packet: Buffer, first: number): Buffer {
  const next = Buffer.from(packet);
  next[0] = first;
  return next;
}

test('malformed datagrams and ICMP errors kill nothing and are no evidence; a true error is', needs('ip'), (t) => withScope(async (scope) => {
  const { network, weir, load: startLoad } = await makeSite(scope, CONF);
  await until('both servers are up', () => weir.client.servers(), (all) => all.every(({ state }) => state === 'up'));
  const attacker = await openPackets(scope, network.on('client'));
  const load = await startLoad();
  await more(load, 200);
  const random = new Random(SEED);

  const odd = datagrams(random);
  const taken = await attacker.send(odd);
  assert.ok(taken > odd.length * 0.9, `the kernel sent ${taken} of ${odd.length}`);
  await more(load, 200);
  // Ports serve a session to each server. Without those of the stranger to server two, some serve one alone.
  assert.ok(await weir.client.purge({ client: STRANGER, server: 'two' }) > 0);
  const { sessions } = await weir.client.sessions({ limit: 1000 });
  const portsTo = (name: string): readonly number[] => sessions.filter(({ server }) => server === name).map(({ sourcePort }) => sourcePort);
  const port = portsTo('one').find((candidate) => !portsTo('two').includes(candidate));
  assert.ok(port, JSON.stringify(sessions));
  const lies = errors(random, port, new Set(portsTo('one')));
  const told = await attacker.send(lies);
  assert.ok(told > lies.length * 0.9, `the kernel sent ${told} of ${lies.length}`);
  await more(load, 300);
  const after = await weir.client.servers();
  assert.deepEqual(after.map(({ name, state, icmpErrors }) => ({ name, state, icmpErrors })), [{ name: 'one', state: 'up', icmpErrors: 0 }, { name: 'two', state: 'up', icmpErrors: 0 }]);
  assert.deepEqual((await weir.client.events()).filter(({ kind }) => kind === 'server-down' || kind.startsWith('engine-')), []);
  const result = await load.stop();
  assert.deepEqual({ ...result, sent: 0 }, { sent: 0, lost: 0, twice: 0, moved: [] });
  const counted = (await weir.counted()).directors[0]!;
  assert.equal(counted.packetsIn, counted.servers.reduce((sum, { packetsIn }) => sum + packetsIn, 0), 'all that weir was given went on');
  assert.equal(counted.drops['send_error'], 1, 'nobody can be answered at port 0');
  t.diagnostic(`${odd.length} datagrams, ${lies.length} ICMP errors, ${JSON.stringify(counted.drops)}`);

  // The same error, of the session as it is: that one is believed, or the lies above would prove nothing.
  await attacker.send([icmp({ src: SERVERS.one, dst: BALANCER.back, type: ICMP_UNREACHABLE, code: CODES.port, carries: udp({ src: `${BALANCER.back}:${port}`, dst: `${SERVERS.one}:${SERVER_PORT}` }) })]);
  await until('the true one is evidence', () => weir.client.servers(), ([first]) => (first?.icmpErrors ?? 0) === 1);
}));

test('no namespace is left', needs('ip'), () => assert.deepEqual(testNamespaces(), []));
