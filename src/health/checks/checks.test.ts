/** Each check against a real little server on loopback. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { createServer as createHttpServer } from 'node:http';
import { createServer as createTcpServer, type AddressInfo, type Server } from 'node:net';
import { after, describe, test } from 'node:test';
import { decode, encode, type Packet } from 'dns-packet';
import type { CheckKind } from '../../config/model.ts';
import { parseIp, type Ip } from '../../net/ip.ts';
import type { CheckResult, Target } from '../health.ts';
import { createIcmpSockets, type IcmpSockets } from '../icmp-socket.ts';
import { loadLibc } from '../libc.ts';
import { createNeighbours, type Neighbour, type Neighbours, type Reach } from '../neighbours.ts';
import type { CheckEnv } from './attempt.ts';
import { checkFor, runCheck } from './check-for.ts';

const V4 = ip('127.0.0.1');
const V6 = ip('::1');
const hasV6 = await canBind('::1');
const hasDiscard = await canBind('127.0.0.99', 9);
const closers: (() => unknown)[] = [];
after(async () => {
  for (const close of closers) await close();
});

function ip(text: string): Ip {
  const parsed = parseIp(text);
  assert.ok(parsed);
  return parsed;
}

async function canBind(address: string, port = 0): Promise<boolean> {
  const socket = createSocket(address.includes(':') ? 'udp6' : 'udp4');
  try {
    socket.bind(port, address);
    await once(socket, 'listening');
    return true;
  } catch {
    return false;
  } finally {
    socket.close();
  }
}

const realTimer: CheckEnv['setTimer'] = (fn, ms) => {
  const timer = setTimeout(fn, ms);
  return () => clearTimeout(timer);
};
const nowMs = (): number => performance.now();
const noIcmp: IcmpSockets = { echo: () => assert.fail('not an ICMP check'), close: () => undefined };
const noPaths: CheckEnv['paths'] = { ask: () => assert.fail('not by way of a server'), close: () => undefined };

function environment(more: Partial<CheckEnv> = {}): CheckEnv {
  return { nowMs, setTimer: realTimer, random: Math.random, neighbours: createNeighbours({ nowMs, setTimer: realTimer }), icmp: noIcmp, paths: noPaths, programs: { directory: '/nonexistent', running: 0 }, cancels: new Set(), ...more };
}

async function run(probe: CheckKind, to: { ip?: Ip; port: number; timeoutMs?: number; source?: Ip }, env = environment()): Promise<CheckResult> {
  const target: Target = {
    key: 'd|s|x|1', director: 'd', server: 's', ip: to.ip ?? V4, port: to.port, probe,
    intervalMs: 1000, timeoutMs: to.timeoutMs ?? 2000, rise: 1, fall: 1, source: to.source ?? null, via: null, slowStartMs: 0, damping: null,
  };
  const result = await runCheck(target, env);
  assert.equal(env.cancels.size, 0, 'the try is cleaned up');
  assert.equal(typeof result.latencyMs, 'number');
  return result;
}

/** A UDP server that answers each datagram with what `answer` makes of it; null: silence. */
async function udpServer(answer: (request: Buffer, from: { address: string; port: number }) => Buffer | readonly Buffer[] | null, address = '127.0.0.1'): Promise<{ port: number; socket: Socket }> {
  const socket = createSocket(address.includes(':') ? 'udp6' : 'udp4');
  socket.on('message', (request, from) => {
    for (const reply of [answer(request, from) ?? []].flat()) socket.send(reply, from.port, from.address);
  });
  socket.bind(0, address);
  await once(socket, 'listening');
  closers.push(() => socket.close());
  return { port: socket.address().port, socket };
}

async function closedUdpPort(): Promise<number> {
  const socket = createSocket('udp4').bind(0, '127.0.0.1');
  await once(socket, 'listening');
  const { port } = socket.address();
  await new Promise<void>((resolve) => socket.close(() => resolve()));
  return port;
}

async function listening(server: Server, address = '127.0.0.1'): Promise<number> {
  server.listen(0, address);
  await once(server, 'listening');
  closers.push(() => server.close());
  return (server.address() as AddressInfo).port;
}

const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);
const udp = (send: string, expect: string | RegExp | { bytes: number[]; mask: number[] } | null, dynamic = false): CheckKind => ({
  kind: 'udp',
  dynamic,
  send: utf8(send),
  expect:
    expect === null ? null
    : typeof expect === 'string' ? { kind: 'bytes', bytes: utf8(expect), mask: new Uint8Array(expect.length).fill(255), text: `"${expect}"` }
    : expect instanceof RegExp ? { kind: 'regex', source: expect.source, flags: expect.flags }
    : { kind: 'bytes', bytes: Uint8Array.from(expect.bytes), mask: Uint8Array.from(expect.mask), text: 'hex' },
});

describe('udpcheck', () => {
  test('is up when the reply holds the expected bytes anywhere', async () => {
    const { port } = await udpServer((request) => Buffer.concat([Buffer.from('re: '), request, Buffer.from(' PONG!')]));
    const result = await run(udp('ping', 'PONG'), { port });
    assert.equal(result.ok, true);
    assert.match(result.detail, /^expected reply in [\d.]+ ms$/);
  });
  test('lets masked bits be any', async () => {
    const { port } = await udpServer(() => Buffer.from([9, 0x12, 0x7f, 0x34, 9]));
    assert.equal((await run(udp('', { bytes: [0x12, 0, 0x30], mask: [255, 0, 0xf0] }), { port })).ok, true);
    assert.equal((await run(udp('', { bytes: [0x12, 0, 0x40], mask: [255, 0, 0xf0] }), { port })).ok, false);
  });
  test('matches a regular expression on the latin1 text, the same each time', async () => {
    const { port } = await udpServer(() => Buffer.from([0xe9, ...utf8(' STATUS 42')]));
    const probe = udp('x', /^\xe9 status \d+$/gi);
    for (let i = 0; i < 3; i++) assert.equal((await run(probe, { port })).ok, true);
  });
  test('is down at the first reply that is another, and shows it', async () => {
    const { port } = await udpServer(() => [Buffer.from('busy'), Buffer.from('PONG')]);
    const result = await run(udp('ping', 'PONG'), { port });
    assert.deepEqual([result.ok, result.finding], [false, undefined]);
    assert.equal(result.detail, 'reply of 4 bytes does not hold "PONG": "busy"');
  });
  test('is down at once when the port is closed: ICMP port unreachable', async () => {
    const result = await run(udp('ping', 'PONG'), { port: await closedUdpPort() });
    assert.deepEqual([result.ok, result.finding, result.detail], [false, 'refused', 'ICMP port unreachable']);
    assert.ok(result.latencyMs < 1000);
  });
  test('is down when nothing comes in time', async () => {
    const { port } = await udpServer(() => null);
    const result = await run(udp('ping', 'PONG'), { port, timeoutMs: 60 });
    assert.deepEqual([result.ok, result.detail], [false, 'no answer within 60 ms']);
  });
  test('without expect, silence is up and the detail says how little that means', async () => {
    const { port } = await udpServer(() => null);
    const result = await run(udp('ping', null), { port, timeoutMs: 60 });
    assert.equal(result.ok, true);
    assert.match(result.detail, /no ICMP error within 60 ms, no reply required/);
    assert.equal((await run(udp('ping', null), { port: await closedUdpPort() })).finding, 'refused');
  });
  test('dynamic: the number in the first brackets of the expression is the weight, or the one the reply names', async () => {
    const { port } = await udpServer(() => Buffer.from('ok load=35 of 80%'));
    const inBrackets = await run(udp('x', /load=(\d+)/, true), { port });
    assert.deepEqual([inBrackets.weightPercent, inBrackets.detail.endsWith(', 35 % of its weight')], [35, true]);
    assert.equal((await run(udp('x', 'ok', true), { port })).weightPercent, 80);
    assert.equal((await run(udp('x', 'ok'), { port })).weightPercent, undefined);
  });
  test('hears nobody but the target', async () => {
    const stranger = createSocket('udp4');
    closers.push(() => stranger.close());
    const { port } = await udpServer((_request, from) => {
      stranger.send('PONG', from.port, from.address);
      return null;
    });
    assert.equal((await run(udp('ping', 'PONG'), { port, timeoutMs: 100 })).ok, false);
  });
  test('sends from the source address, and a source that is not here says nothing of the server', async () => {
    const { port } = await udpServer((_request, from) => Buffer.from(from.address));
    assert.equal((await run(udp('who', '127.0.0.7'), { port, source: ip('127.0.0.7') })).ok, true);
    const result = await run(udp('who', 'x'), { port, source: ip('192.0.2.253') });
    assert.equal(result.finding, 'cannot');
    assert.match(result.detail, /source address is not on this host/);
  });
  test('cannot come from a source address of the other family, and says so', async () => {
    const result = await run(udp('x', null), { port: 9, source: V6 });
    assert.deepEqual([result.finding, result.detail], ['cannot', '`check source` is IPv6, the server IPv4: give servers of each family a director of their own, or leave `source` out']);
  });
  test('works over IPv6', { skip: !hasV6 && 'no IPv6 on loopback' }, async () => {
    const { port } = await udpServer(() => Buffer.from('PONG'), '::1');
    assert.equal((await run(udp('ping', 'PONG'), { ip: V6, port })).ok, true);
  });
  test('cannot run without a port', async () => {
    assert.equal((await run(udp('ping', null), { port: 0 })).finding, 'cannot');
  });
  test('ends at once when cancelled, as it is when the service stops', async () => {
    const { port } = await udpServer(() => null);
    const env = environment();
    const probe = udp('ping', 'PONG');
    const pending = run(probe, { port }, env);
    for (const cancel of env.cancels) cancel();
    assert.equal((await pending).finding, 'cannot');
  });
});

describe('dnscheck', () => {
  const dns = (name: string, type = 'A', rcodes: string[] = []): CheckKind => ({ kind: 'dns', name, type, rcodes });
  const answer = (request: Buffer, flags: number): Buffer => {
    const query = decode(request);
    return encode({ type: 'response', id: query.id ?? 0, flags, questions: query.questions ?? [] } as Packet);
  };
  test('is up on an accepted rcode and down on another', async () => {
    const { port } = await udpServer((request) => answer(request, 3));
    const bad = await run(dns('a.example.test'), { port });
    assert.deepEqual([bad.ok, bad.detail], [false, 'rcode NXDOMAIN, expected NOERROR']);
    assert.equal((await run(dns('a.example.test', 'A', ['noerror', 'nxdomain']), { port })).ok, true);
  });
  test('asks what it was told to, recursion desired', async () => {
    let seen: Packet | undefined;
    const { port } = await udpServer((request) => {
      seen = decode(request);
      return answer(request, 0);
    });
    assert.equal((await run(dns('Example.Test.', 'mx'), { port })).ok, true);
    assert.deepEqual(seen?.questions?.map((q) => [q.name, q.type]), [['Example.Test', 'MX']]);
    assert.equal((seen?.flags ?? 0) & 0x100, 0x100);
    assert.equal((await run(dns('.', 'ns'), { port })).ok, true);
  });
  test('passes over replies with another id or question and takes the right one', async () => {
    const { port } = await udpServer((request) => {
      const otherId = answer(request, 0);
      otherId.writeUInt16BE((otherId.readUInt16BE(0) + 1) & 0xffff, 0);
      const query = decode(request);
      const otherName = encode({ type: 'response', id: query.id ?? 0, questions: [{ name: 'evil.test', type: 'A' }] });
      return [otherId, otherName, request, Buffer.alloc(3), answer(request, 2)];
    });
    assert.equal((await run(dns('example.test'), { port })).detail, 'rcode SERVFAIL, expected NOERROR');
  });
  test('is down when refused by ICMP and when silent', async () => {
    assert.equal((await run(dns('example.test'), { port: await closedUdpPort() })).finding, 'refused');
    const { port } = await udpServer(() => null);
    assert.equal((await run(dns('example.test'), { port, timeoutMs: 50 })).detail, 'no answer within 50 ms');
  });
  test('cannot ask for what is no name or type', async () => {
    for (const type of ['HTTPS', 'SVCB', 'CAA', 'ANY']) assert.equal((await run(dns('a.test', type), { port: await closedUdpPort() })).finding, 'refused', type);
    for (const probe of [dns('a..b'), dns(`${'x'.repeat(64)}.test`), dns('a.test', 'NONSENSE')]) assert.equal((await run(probe, { port: 53 })).finding, 'cannot');
  });
  test('is up against dnsmasq and down when it is gone', { skip: !existsSync('/usr/sbin/dnsmasq') && '/usr/sbin/dnsmasq is missing: install the Debian package dnsmasq-base' }, async () => {
    const port = await closedUdpPort();
    const args = ['--no-daemon', '--conf-file=/dev/null', '--no-resolv', '--no-hosts', '--address=/example.test/192.0.2.1', '--port', String(port), '--listen-address', '127.0.0.1', '--bind-interfaces', '--pid-file='];
    const dnsmasq = spawn('/usr/sbin/dnsmasq', args, { stdio: ['ignore', 'ignore', 'pipe'] });
    const gone = once(dnsmasq, 'exit');
    try {
      // It says `started` when it listens.
      for await (const chunk of dnsmasq.stderr) if (String(chunk).includes('started')) break;
      const good = await run(dns('example.test'), { port });
      assert.equal(good.ok, true, good.detail);
      assert.match(good.detail, /^rcode NOERROR in [\d.]+ ms$/);
      const refused = await run(dns('elsewhere.invalid'), { port });
      assert.match(refused.detail, /^rcode (REFUSED|NXDOMAIN|SERVFAIL), expected NOERROR$/);
    } finally {
      dnsmasq.kill('SIGKILL');
      await gone;
    }
    assert.equal((await run(dns('example.test'), { port })).finding, 'refused');
  });
});

describe('tcpcheck', () => {
  const tcp: CheckKind = { kind: 'tcp' };
  test('is up when the port accepts, and leaves by a reset', async () => {
    const server = createTcpServer();
    const port = await listening(server);
    const closed = once(server, 'connection').then(async ([socket]) => {
      const [error] = (await once(socket.resume(), 'error').catch(() => [null])) as [NodeJS.ErrnoException | null];
      return error?.code ?? 'closed';
    });
    assert.equal((await run(tcp, { port })).ok, true);
    assert.equal(await closed, 'ECONNRESET');
  });
  test('is refused by a closed port', async () => {
    const server = createTcpServer();
    const port = await listening(server);
    server.close();
    await once(server, 'close');
    const result = await run(tcp, { port });
    assert.deepEqual([result.ok, result.finding, result.detail], [false, 'refused', 'connection refused']);
  });
  test('comes from the source address, over IPv6 too', { skip: !hasV6 && 'no IPv6 on loopback' }, async () => {
    const server = createTcpServer();
    const port = await listening(server);
    const from = once(server, 'connection').then(([socket]) => socket.on('error', () => undefined).remoteAddress as string);
    assert.equal((await run(tcp, { port, source: ip('127.0.0.8') })).ok, true);
    assert.equal(await from, '127.0.0.8');
    const six = createTcpServer((socket) => socket.on('error', () => undefined));
    assert.equal((await run(tcp, { ip: V6, port: await listening(six, '::1') })).ok, true);
  });
});

describe('httpcheck', () => {
  const http = (uri: string, statusCode: number | null = null, vhost: string | null = null, dynamic = false): CheckKind => ({ kind: 'http', uri, statusCode, vhost, dynamic });
  test('takes any 2xx or 3xx, or the status asked for', async () => {
    const port = await listening(createHttpServer((request, response) => response.writeHead(Number(request.url?.slice(1) ?? 0)).end('x'.repeat(100_000))));
    assert.equal((await run(http('/204'), { port })).ok, true);
    assert.equal((await run(http('/302'), { port })).ok, true);
    assert.equal((await run(http('/200', null, null, true), { port })).weightPercent, undefined, 'a body without a number');
    assert.equal((await run(http('/404'), { port })).detail, 'status 404, expected 200 to 399');
    assert.equal((await run(http('/404', 404), { port })).ok, true);
    assert.equal((await run(http('/200', 204), { port })).detail, 'status 200, expected 204');
  });
  test('dynamic: the first bytes of the body are the weight', async () => {
    const port = await listening(createHttpServer((_request, response) => response.end('60%\n')));
    assert.deepEqual([(await run(http('/', null, null, true), { port })).weightPercent, (await run(http('/'), { port })).weightPercent], [60, undefined]);
  });
  test('names the vhost, or the address when there is none', async () => {
    const hosts: (string | undefined)[] = [];
    const port = await listening(createHttpServer((request, response) => {
      hosts.push(`${request.method} ${request.headers.host}`);
      response.end();
    }));
    await run(http('/', null, 'www.example.test'), { port });
    await run(http(''), { port });
    assert.deepEqual(hosts, ['GET www.example.test', `GET 127.0.0.1:${port}`]);
  });
  test('does not wait for a body that never ends, nor take what is not HTTP', async () => {
    const port = await listening(createHttpServer((_request, response) => void response.writeHead(200).write('…')));
    assert.equal((await run(http('/'), { port })).ok, true);
    const other = await listening(createTcpServer((socket) => socket.on('error', () => undefined).end('220 mail.example.test ESMTP\r\n')));
    const result = await run(http('/'), { port: other });
    assert.deepEqual([result.ok, result.finding], [false, undefined]);
    assert.match(result.detail, /not an HTTP answer/);
  });
  test('is down when the connection closes without an answer, or nothing comes', async () => {
    const closing = await listening(createTcpServer((socket) => socket.resume().end()));
    const result = await run(http('/'), { port: closing });
    assert.deepEqual([result.ok, result.finding, result.detail], [false, undefined, 'connection reset']);
    const silent = await listening(createTcpServer((socket) => socket.on('error', () => undefined).resume()));
    assert.equal((await run(http('/'), { port: silent, timeoutMs: 60 })).detail, 'no answer within 60 ms');
  });
  test('cannot ask for a URI that is none', async () => {
    assert.equal((await run(http('/a b'), { port: 80 })).finding, 'cannot');
  });
});

/** Neighbours that say what they are told, one answer a look, the last for ever. */
function neighbours(reach: Reach, looks: readonly (Neighbour | undefined)[]): Neighbours {
  let n = 0;
  return {
    reach: () => reach,
    look: async () => {
      await new Promise((resolve) => setImmediate(resolve));
      return looks[Math.min(n++, looks.length - 1)];
    },
  };
}
const ON_LINK: Reach = { kind: 'on-link', iface: 'eth0' };
const COMPLETE: Neighbour = { iface: 'eth0', state: 'complete', lladdr: '02:00:00:00:00:01' };
const FAILED: Neighbour = { iface: 'eth0', state: 'failed', lladdr: null };

describe('a check without an option', () => {
  const plain: CheckKind = { kind: 'default' };
  test('is up when nothing refuses it, and says what it cannot see', async () => {
    const { port } = await udpServer(() => null);
    const result = await run(plain, { port, timeoutMs: 80 });
    assert.equal(result.ok, true);
    assert.match(result.detail, /no ICMP error within 60 ms, no reply required; an address of this host: a service that reads nothing looks the same/);
  });
  test('sends one empty datagram, and any reply is up at once', async () => {
    const lengths: number[] = [];
    const { port } = await udpServer((request) => {
      lengths.push(request.length);
      return Buffer.from('?');
    });
    assert.equal((await run(plain, { port })).detail, 'answered an empty datagram');
    assert.deepEqual(lengths, [0]);
  });
  test('is down when ICMP refuses it', async () => {
    assert.equal((await run(plain, { port: await closedUdpPort() })).finding, 'refused');
  });
  test('is up when an on-link host answers ARP, at the second look too', async () => {
    const { port } = await udpServer(() => null);
    const result = await run(plain, { port, timeoutMs: 200 }, environment({ neighbours: neighbours(ON_LINK, [FAILED, COMPLETE]) }));
    assert.equal(result.ok, true);
    assert.match(result.detail, /host answers ARP on eth0/);
  });
  test('is down when an on-link host does not answer ARP', async () => {
    const { port } = await udpServer(() => null);
    const result = await run(plain, { port, timeoutMs: 80 }, environment({ neighbours: neighbours(ON_LINK, [FAILED]) }));
    assert.deepEqual([result.ok, result.detail], [false, 'the host does not answer ARP on eth0']);
  });
  test('claims nothing of ARP on a link without it or beyond a router', async () => {
    const { port } = await udpServer(() => null);
    assert.match((await run(plain, { port, timeoutMs: 400 }, environment({ neighbours: neighbours(ON_LINK, [undefined]) }))).detail, /no ARP on this link/);
    assert.match((await run(plain, { port, timeoutMs: 400 }, environment({ neighbours: neighbours({ kind: 'routed' }, []) }))).detail, /beyond a router/);
  });
});

describe('arpcheck', () => {
  const arp = (iface: string | null = null): CheckKind => ({ kind: 'arp', iface });
  // Port 9 of 127.0.0.99 must not answer; bound here when it is free, so that no ICMP comes back.
  const quiet = ip('127.0.0.99');
  test('takes its own addresses for alive', async () => {
    assert.match((await run(arp(), { port: 0 })).detail, /an address of this host/);
  });
  test('takes an ICMP refusal of the discard port for the sign of life it is', async () => {
    const result = await run(arp(), { ip: quiet, port: 0 }, environment({ neighbours: neighbours(ON_LINK, [FAILED]) }));
    assert.equal(result.ok, true);
    assert.match(result.detail, /the host answers \(ICMP/);
  });
  test('goes by the neighbour table otherwise', { skip: !hasDiscard && 'port 9 on loopback cannot be bound (needs root)' }, async () => {
    const discard = createSocket('udp4').bind(9, quiet.text);
    await once(discard, 'listening');
    try {
      const with_ = (reach: Reach, ...looks: (Neighbour | undefined)[]) => environment({ neighbours: neighbours(reach, looks) });
      assert.equal((await run(arp(), { ip: quiet, port: 0 }, with_(ON_LINK, FAILED, COMPLETE))).detail, 'ARP entry 02:00:00:00:00:01 on eth0');
      assert.equal((await run(arp(), { ip: quiet, port: 0, timeoutMs: 60 }, with_(ON_LINK, FAILED))).detail, 'no ARP answer on eth0 within 60 ms');
      assert.equal((await run(arp('eth1'), { ip: quiet, port: 0 }, with_(ON_LINK, COMPLETE))).detail, 'the host is a neighbour on eth0, not on eth1');
      const routed = await run(arp(), { ip: quiet, port: 0 }, with_({ kind: 'routed' }, undefined));
      assert.equal(routed.ok, false);
      assert.match(routed.detail, /not on-link/);
      const broken = await run(arp(), { ip: quiet, port: 0 }, environment({ neighbours: { reach: () => ON_LINK, look: () => Promise.reject(new Error('no ip command')) } }));
      assert.equal(broken.finding, 'cannot');
    } finally {
      discard.close();
    }
  });
});

describe('icmpcheck', () => {
  const icmp: CheckKind = { kind: 'icmp' };
  test('is up when loopback answers, cannot run where sockets are refused', async () => {
    const sockets = createIcmpSockets();
    try {
      for (const to of hasV6 ? [V4, V6] : [V4]) {
        const result = await run(icmp, { ip: to, port: 0 }, environment({ icmp: sockets }));
        if (result.finding === 'cannot') assert.match(result.detail, /ping_group_range|koffi/);
        else assert.match(result.detail, /^echo reply in [\d.]+ ms$/);
      }
    } finally {
      sockets.close();
    }
  });
  test('is down, not broken, when no reply comes', async () => {
    const result = await run(icmp, { port: 0, timeoutMs: 30 }, environment({ icmp: { echo: () => () => undefined, close: () => undefined } }));
    assert.deepEqual([result.ok, result.finding, result.detail], [false, undefined, 'no answer within 30 ms']);
  });
  test('answers each of many at once, each its own', { skip: pingRefused() }, async () => {
    const sockets = createIcmpSockets();
    try {
      const env = environment({ icmp: sockets });
      const results = await Promise.all(Array.from({ length: 100 }, (_, i) => checkFor(icmp)(
        { key: String(i), director: 'd', server: 's', ip: ip(`127.0.0.${i + 1}`), port: 0, probe: icmp, intervalMs: 1000, timeoutMs: 2000, rise: 1, fall: 1, source: null, via: null, slowStartMs: 0, damping: null }, env)));
      assert.equal(results.filter((r) => r.ok).length, 100);
    } finally {
      sockets.close();
    }
  });
});

function pingRefused(): string | false {
  if (loadLibc() instanceof Error) return 'koffi cannot be loaded';
  const sockets = createIcmpSockets();
  let refused: string | false = false;
  sockets.echo({ ip: V4, source: null, answer: (finding) => (refused = finding.finding === 'cannot' && finding.detail) })();
  sockets.close();
  return refused;
}
