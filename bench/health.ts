/**
 * What 10,000 servers checked every 10 s cost: CPU of the checking process alone, the servers run in a child.
 * Usage: node dist/bench/health.js [--targets 10000] [--interval 10000] [--seconds 15] [--kind dns|udp|ntp|stun|sip|all|default|mixed] [--json]
 */
import { fork } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import type { CheckKind } from '../src/config/model.ts';
import { createHealthService } from '../src/health/health-service.ts';
import type { Target } from '../src/health/health.ts';
import { parseIp, type Ip } from '../src/net/ip.ts';

const SERVER_SOCKETS = 100;
const LOOPBACK = parseIp('127.0.0.1') as Ip;

if (process.argv[2] === 'servers') await serve();
else await measure();

/** In the child: sockets that answer each protocol well, and what they do not know with `pong`; an empty datagram gets no answer. */
async function serve(): Promise<void> {
  const ports: number[] = [];
  for (let i = 0; i < SERVER_SOCKETS; i++) {
    const socket = createSocket('udp4');
    socket.on('message', (request, from) => {
      if (request.length > 0) socket.send(answerTo(request), from.port, from.address);
    });
    socket.bind(0, '127.0.0.1');
    await once(socket, 'listening');
    ports.push(socket.address().port);
  }
  process.send?.(ports);
  process.on('disconnect', () => process.exit(0));
}

function answerTo(request: Buffer): Buffer | string {
  if (request[0] === 0x23 && request.length === 48) {
    const reply = Buffer.alloc(48);
    reply.set([0x24, 2]);
    request.copy(reply, 24, 40);
    reply[40] = 1;
    return reply;
  }
  if (request.length === 20 && request.readUInt32BE(4) === 0x2112_a442) return Buffer.concat([Buffer.from([1, 1, 0, 12]), request.subarray(4), Buffer.from([0, 0x20, 0, 8, 0, 1, 0, 0, 0, 0, 0, 0])]);
  if (request.subarray(0, 8).toString('latin1') === 'OPTIONS ') return request.toString('latin1').replace(/^.*$/m, 'SIP/2.0 200 OK\r');
  if (request.length <= 12) return 'pong';
  request[2] = (request[2] ?? 0) | 0x80;
  return request;
}

async function measure(): Promise<void> {
  const { values } = parseArgs({
    options: {
      targets: { type: 'string', default: '10000' },
      interval: { type: 'string', default: '10000' },
      seconds: { type: 'string', default: '15' },
      kind: { type: 'string', default: 'mixed' },
      json: { type: 'boolean', default: false },
    },
  });
  const count = Number(values.targets);
  const intervalMs = Number(values.interval);
  const child = fork(fileURLToPath(import.meta.url), ['servers']);
  const [ports] = (await once(child, 'message')) as [number[]];
  const dns: CheckKind = { kind: 'dns', name: 'example.test', type: 'A', rcodes: ['NOERROR'] };
  const udp: CheckKind = { kind: 'udp', send: Buffer.from('ping'), expect: { kind: 'bytes', bytes: Buffer.from('pong'), mask: Buffer.alloc(4, 255), text: '"pong"' }, dynamic: false };
  const [ntp, stun, sip] = [{ kind: 'ntp', maxStratum: 15 }, { kind: 'stun' }, { kind: 'sip', uri: null, statuses: [] }] as const;
  const all: CheckKind = { kind: 'all', parts: [{ probe: ntp, port: null }, { probe: stun, port: null }] };
  const kinds: Record<string, CheckKind[]> = { dns: [dns], udp: [udp], ntp: [ntp], stun: [stun], sip: [sip], all: [all], default: [{ kind: 'default' }], mixed: [dns, udp, ntp, stun, sip] };
  const probes = kinds[values.kind] ?? [dns];
  const targets = Array.from({ length: count }, (_, i): Target => ({
    key: `bench|s${i}|127.0.0.1|${ports[i % ports.length] ?? 0}`,
    director: 'bench',
    server: `s${i}`,
    ip: LOOPBACK,
    port: ports[i % ports.length] ?? 0,
    probe: probes[i % probes.length] ?? dns,
    intervalMs,
    timeoutMs: intervalMs / 2,
    rise: 2,
    fall: 3,
    source: null,
    via: null, slowStartMs: 0,
    damping: null,
  }));
  const health = createHealthService();
  health.setTargets(targets);
  health.start();
  process.stderr.write(`first round of ${count} checks (${intervalMs / 1000} s), then ${values.seconds} s measured …\n`);
  await pause(intervalMs * 1.2);
  const before = { cpu: process.cpuUsage(), at: performance.now(), ...health.counters() };
  await pause(Number(values.seconds) * 1000);
  const cpu = process.cpuUsage(before.cpu);
  const seconds = (performance.now() - before.at) / 1000;
  const after = health.counters();
  const done = after.done - before.done;
  const figures = {
    kind: values.kind,
    targets: count,
    intervalMs,
    seconds: round(seconds),
    checksPerS: round(done / seconds),
    cpuPercent: round((cpu.user + cpu.system) / seconds / 10_000),
    usPerCheck: round((cpu.user + cpu.system) / done),
    up: targets.filter((t) => health.health(t.key).state === 'up').length,
    failed: after.failed - before.failed,
    late: after.late - before.late,
    rssMb: round(process.memoryUsage.rss() / 2 ** 20),
    node: process.version,
  };
  process.stdout.write(values.json ? `${JSON.stringify(figures)}\n` : `${Object.entries(figures).map(([k, v]) => `${k.padEnd(12)} ${v}`).join('\n')}\n`);
  await health.stop();
  child.disconnect();
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}
