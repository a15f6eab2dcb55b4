/**
 * Every kind of check against the server it is for: up; down when the host is gone without a word (its link is down); down when the server
 * is stopped; down when it answers wrongly. The text of each row goes through the parser; tables below say what each server is.
 *
 *   balancer 198.51.100.2   server 198.51.100.21, all servers on ports of their own, ICMP unlimited
 */
import assert from 'node:assert/strict';
import { chmod, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { run } from '../../bench/command.ts';
import {
  COMMUNITY, RADIUS, startChrony, startCoturn, startDns, startDtls, startLiar, startNginx, startNginxUdp, startQuic, startRadius, startSipp, startSnmpd, startSyslogTcp, startTftpd, startWireguard, type Place,
} from '../fixtures/check-peers.ts';
import { startCheckRunner } from '../fixtures/check-runs.ts';
import { needs } from '../fixtures/needs.ts';
import { makeNetwork, testNamespaces, type HostPlan, type Network } from '../fixtures/network.ts';
import { start, temporaryDirectory, type Running } from '../fixtures/process.ts';
import { withScope, type Scope } from '../fixtures/scope.ts';
import type { CheckResult } from '../../src/health/health.ts';

const HOSTS: readonly HostPlan[] = [
  { name: 'balancer', ports: [{ device: 'eth0', lan: 'back', addresses: ['198.51.100.2/24'] }] },
  { name: 'server', ports: [{ device: 'eth0', lan: 'back', addresses: ['198.51.100.21/24'] }] },
];
const SERVER = '198.51.100.21';
const TIMEOUT_MS = 800;
/** A server has this long to start, and the kernel to forget a neighbour. */
const PATIENCE_MS = 10_000;

type Start = (scope: Scope, place: Place) => Promise<Running>;

interface Row {
  readonly name: string;
  /** Lines of the director. */
  readonly text: string;
  readonly port: number;
  readonly right: Start | null;
  /** What answers wrongly; null: nothing can, and `note` says why. */
  readonly wrong: Start | null;
  readonly note?: string;
  /** What the result of the wrong answer must say. */
  readonly says?: RegExp;
  /** What the result of the right answer must say. */
  readonly good?: RegExp;
  readonly tcp?: true;
  /** Not of the service: it stays up when that stops. */
  readonly hostOnly?: true;
}

const wrongly = (begin: (scope: Scope, place: Place, options: { wrong: boolean }) => Promise<Running>): Start => (scope, place) => begin(scope, place, { wrong: true });
const liar = (what: string): Start => (scope, place) => startLiar(scope, place, what);

const ROWS: readonly Row[] = [
  { name: 'no option', text: '', port: 7001, right: liar('echo'), wrong: null, note: 'it asks for no answer' },
  { name: 'arp', text: 'option arpcheck', port: 7002, right: null, wrong: null, hostOnly: true, note: 'it asks the host' },
  { name: 'icmp', text: 'option icmpcheck', port: 7003, right: null, wrong: null, hostOnly: true, note: 'it asks the host' },
  { name: 'tcp', text: 'option tcpcheck', port: 7004, right: startNginx, wrong: null, tcp: true, note: 'the kernel answers, not the program' },
  { name: 'http', text: 'option httpcheck uri /', port: 7005, right: startNginx, wrong: wrongly(startNginx), tcp: true, says: /^status 500, expected 200 to 399$/ },
  { name: 'udp text', text: 'option udpcheck send "PING\\r\\n" expect ~/^PONG \\d+$/', port: 7006, right: startNginxUdp, wrong: wrongly(startNginxUdp), says: /^reply of 4 bytes does not hold .*"busy"$/ },
  // The DNS question for a.test; the answer has the same id, QR set, rcode 0 in the low nibble, one answer.
  { name: 'udp hex with masks', text: 'option udpcheck send 0xbeef01000001000000000000016104746573740000010001 expect 0xbeef8??000010001', port: 7007, right: startDns, wrong: wrongly(startDns), says: /does not hold 0xbeef8/ },
  { name: 'dns', text: 'option dnscheck name a.test type A rcode NOERROR', port: 7008, right: startDns, wrong: wrongly(startDns), says: /^rcode NXDOMAIN, expected NOERROR$/ },
  { name: 'ntp', text: 'option ntpcheck stratum 4', port: 7009, right: startChrony, wrong: wrongly(startChrony), says: /not synchronised/, good: /^stratum 3 in / },
  { name: 'radius Status-Server', text: `option radiuscheck secret ${RADIUS.secret}`, port: 7010, right: startRadius, wrong: liar('radius'), says: /does not prove the secret/, good: /^Access-Accept in / },
  { name: 'radius login', text: `option radiuscheck secret ${RADIUS.secret} user ${RADIUS.user} password ${RADIUS.password}`, port: 7011, right: startRadius, wrong: wrongly(startRadius), says: /^Access-Reject/ },
  { name: 'sip OPTIONS', text: 'option sipcheck', port: 7012, right: startSipp, wrong: wrongly(startSipp), says: /^status 503, expected 200 to 299$/ },
  { name: 'snmp', text: `option snmpcheck community ${COMMUNITY}`, port: 7013, right: startSnmpd, wrong: wrongly(startSnmpd), says: /^noSuchObject for 1\.3\.6\.1\.2\.1\.1\.3\.0$/ },
  { name: 'tftp', text: 'option tftpcheck file boot.img', port: 7014, right: startTftpd, wrong: wrongly(startTftpd), says: /^error 1 \(file not found\)$/, good: /^data in / },
  { name: 'syslog over TCP', text: 'option syslogcheck message "weir looks"', port: 7015, right: startSyslogTcp, wrong: stopped(startSyslogTcp), tcp: true, says: /nobody read the connection to its end/ },
  { name: 'stun', text: 'option stuncheck', port: 7016, right: startCoturn, wrong: liar('stun'), says: /^error 500 to a binding request$/ },
  { name: 'dtls', text: 'option dtlscheck sni weir.test', port: 7017, right: startDtls, wrong: liar('dtls'), says: /^alert handshake_failure/, good: /^HelloVerifyRequest in / },
  { name: 'quic', text: 'option quiccheck', port: 7018, right: startQuic, wrong: liar('quic'), says: /^no answer within/, good: /^QUIC v1/ },
  { name: 'a2s', text: 'option a2scheck', port: 7019, right: liar('a2s'), wrong: liar('a2s-loop'), says: /^3 challenges and no answer$/, good: /^info, 7 of 24 players in / },
  { name: 'wireguard with companion', text: 'option wireguardcheck companion 7004', port: 7020, right: startWireguard, wrong: liar('chatty'), says: /which WireGuard never does/, good: /^wireguard: .*companion: connected|^companion: connected.*wireguard: / },
  { name: 'exec', text: 'option execcheck run resolves arg a.test arg 192.0.2.1', port: 7021, right: startDns, wrong: wrongly(startDns), says: /^exit code 1/ },
  { name: 'all of icmp and dns', text: 'check all\n  option icmpcheck\n  option dnscheck name a.test type A rcode NOERROR', port: 7022, right: startDns, wrong: wrongly(startDns), says: /^dns: rcode NXDOMAIN/ },
  { name: 'any of tcp and dns', text: 'check any\n  option tcpcheck port 7999\n  option dnscheck name a.test type A rcode NOERROR', port: 7023, right: startDns, wrong: wrongly(startDns), says: /dns: rcode NXDOMAIN/, good: /^dns: rcode NOERROR/ },
];

/** A process that the scheduler never runs again: the kernel accepts for it, and nobody reads. */
function stopped(begin: Start): Start {
  return async (scope, place) => {
    const running = await begin(scope, place);
    await bound(place, true);
    running.signal('SIGSTOP');
    scope.defer(() => running.signal('SIGCONT'));
    return running;
  };
}

const PROGRAMS = ['ip', 'ss', 'dnsmasq', 'dig', 'chronyd', 'freeradius', 'sipp', 'snmpd', 'in.tftpd', 'rsyslogd', 'turnserver', 'openssl', 'gtlsserver', 'wireguard-go', 'wg', 'nginx'];

test('each kind of check, against the server it is for', { ...needs(...PROGRAMS), timeout: 120_000 }, (t) => withScope(async (scope) => {
  const network = makeNetwork(scope, HOSTS);
  prepare(network);
  const check = await startRunner(scope, network);
  const place = (row: Row): Place => ({ ip: SERVER, port: row.port, prefix: network.on('server') });
  const table = new Map(ROWS.map((row) => [row, { up: '', gone: '', stopped: '', wrong: '' }]));
  const column = (name: 'up' | 'gone' | 'stopped' | 'wrong', one: (row: Row) => Promise<string>): Promise<void> =>
    t.test(name, { concurrency: true }, async (inner) => {
      await Promise.all(ROWS.map((row) => inner.test(row.name, async () => {
        (table.get(row) ?? assert.fail())[name] = await one(row);
      })));
    });

  const servers = new Map<Row, Running>();
  const others: Running[] = [];
  const killAll = async (): Promise<void> => {
    // Their children too: nginx's workers and tftpd's transfers would keep ports and pipes.
    for (const pid of pidsOf(network)) process.kill(pid, 'SIGKILL');
    await Promise.all([...servers.values(), ...others].map((server) => server.exit));
  };
  await Promise.all(ROWS.map(async (row) => {
    if (row.right !== null) servers.set(row, await row.right(scope, place(row)));
  }));
  await column('up', async (row) => {
    const result = await until(() => check(row), (r) => r.ok);
    assert.ok(result.ok, result.detail);
    if (row.good) assert.match(result.detail, row.good);
    return 'up';
  });

  network.run('server', 'ip', 'link', 'set', 'eth0', 'down');
  await column('gone', async (row) => {
    const result = await until(() => check(row), (r) => !r.ok);
    assert.deepEqual([result.ok, result.finding], [false, undefined], result.detail);
    return 'down';
  });
  network.run('server', 'ip', 'link', 'set', 'eth0', 'up');
  await t.test('all are up again when the link is', async () => {
    await Promise.all(ROWS.map(async (row) => assert.ok((await until(() => check(row), (r) => r.ok)).ok, row.name)));
  });

  await killAll();
  await column('stopped', async (row) => {
    const result = await check(row);
    if (row.hostOnly) {
      assert.ok(result.ok, result.detail);
      return 'up (asks the host)';
    }
    assert.equal(result.ok, false, result.detail);
    // A program that asks by itself has its own words; the others are told by ICMP or a reset.
    if (row.name !== 'exec') assert.equal(result.finding, 'refused', result.detail);
    return 'down';
  });

  await Promise.all(ROWS.map(async (row) => {
    if (row.wrong === null) return;
    others.push(await row.wrong(scope, place(row)));
    await bound(place(row), row.tcp === true);
  }));
  // The companion of wireguard is wanted again.
  others.push(await startNginx(scope, { ip: SERVER, port: 7004, prefix: network.on('server') }));
  await bound({ ip: SERVER, port: 7004, prefix: network.on('server') }, true);
  await column('wrong', async (row) => {
    if (row.wrong === null) return `- (${row.note ?? ''})`;
    const result = await check(row);
    assert.deepEqual([result.ok, result.finding], [false, undefined], result.detail);
    assert.match(result.detail, row.says ?? /$/);
    return 'down';
  });
  report(t, table);
  await killAll();
}));

test('no namespace is left', needs('ip'), () => assert.deepEqual(testNamespaces(), []));

/** The kernel trusts a neighbour for up to 45 s and then asks for 8 s; here it does both in a second. */
function prepare(network: Network): void {
  const neighbour = ['delay_first_probe_time=0', 'retrans_time_ms=100', 'base_reachable_time_ms=100', 'ucast_solicit=1', 'mcast_solicit=2'].map((s) => `net.ipv4.neigh.eth0.${s}`);
  network.run('balancer', 'sysctl', '-qw', ...neighbour, 'net.ipv4.ping_group_range=0 2147483647');
  network.run('server', 'sysctl', '-qw', 'net.ipv4.icmp_ratelimit=0', 'net.ipv4.icmp_msgs_per_sec=100000', 'net.ipv4.icmp_msgs_burst=10000');
}

/** Returns the processes on the server: all of them this test's. */
function pidsOf(network: Network): readonly number[] {
  const namespace = network.on('server').at(-1) ?? '';
  return run('ip', ['netns', 'pids', namespace]).split('\n').filter((line) => line !== '').map(Number);
}

/** Starts the process that runs the rows' checks on the balancer; returns what runs one. */
async function startRunner(scope: Scope, network: Network): Promise<(row: Row) => Promise<CheckResult>> {
  const programs = await temporaryDirectory(scope);
  await writeFile(join(programs, 'resolves'), '#!/bin/sh\n[ "$(dig +short +time=1 +tries=1 -p "$WEIR_PORT" "@$WEIR_ADDRESS" "$1" A)" = "$2" ]\n');
  await chmod(join(programs, 'resolves'), 0o755);
  const check = await startCheckRunner(scope, network.on('balancer'), programs);
  return (row) => {
    const text = `director row 192.0.2.3:${row.port} UDP\n  check timeout ${TIMEOUT_MS}ms interval 1s\n  ${row.text.replace(/^check (all|any)\n/, '')}\n  server s ${SERVER}:${row.port} check\n`;
    const combine = /^check (all|any)\n/.exec(row.text)?.[1] ?? '';
    return check(text.replace('check timeout', `check ${combine} timeout`), PATIENCE_MS);
  };
}

/** Checks until the result is the one waited for, as a scheduler would; returns the last one. */
async function until(check: () => Promise<CheckResult>, done: (result: CheckResult) => boolean): Promise<CheckResult> {
  const deadline = Date.now() + PATIENCE_MS;
  for (;;) {
    const result = await check();
    if (done(result) || Date.now() > deadline) return result;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** Resolves when something listens at `place`. */
async function bound({ ip, port, prefix }: Place, tcp: boolean): Promise<void> {
  await withScope(async (scope) => {
    for (let tries = 0; tries < 200; tries++) {
      const ss = await start(scope, [...prefix, 'ss', tcp ? '-Hlnt' : '-Hlnu', `sport = :${port}`]);
      await ss.exit;
      if (ss.output().trim() !== '') return;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    assert.fail(`nothing listens on ${ip}:${port}`);
  });
}

function report(t: TestContext, table: ReadonlyMap<Row, { readonly up: string; readonly gone: string; readonly stopped: string; readonly wrong: string }>): void {
  t.diagnostic('check                     | right | host gone | stopped              | answers wrongly');
  for (const [row, cells] of table) t.diagnostic(`${row.name.padEnd(25)} | ${cells.up.padEnd(5)} | ${cells.gone.padEnd(9)} | ${cells.stopped.padEnd(20)} | ${cells.wrong}`);
}
