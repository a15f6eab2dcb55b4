/** Servers as Debian packages them, on a host of a site, and what their clients say: DNS and TFTP by dnsmasq, SIP by sipp, iperf3. */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { until } from '../contract/mailbox.ts';
import { start, succeed, temporaryDirectory, type Running } from '../fixtures/process.ts';
import type { Scope } from '../fixtures/scope.ts';
import { written } from './site.ts';

const PATH = `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin`;

/** A TXT record of 3 kB: its answer goes in three fragments. */
export const LONG = 'long.test';
export const LONG_STRINGS = 12;
const LONG_STRING_CHARACTERS = 250;

/** Where to run a program and on which addresses it listens. */
export interface Place {
  readonly prefix: readonly string[];
  readonly addresses: readonly string[];
}

/** The file that TFTP serves: 20 blocks of 16 kB that differ, and some bytes more. */
export const BOOT_IMAGE = Buffer.from(Array.from({ length: 20 * 16_384 + 321 }, (_, i) => (i * 31 + (i >> 8)) & 0xff));

/**
 * dnsmasq that answers `who.test` with `name`, `long.test` with more than a frame, and serves `boot.img` by TFTP from port 69 alone
 * (tftp-single-port): answers from another port would be of no session. Not with --bind-interfaces: by IPv4 it then cannot send them (2.90).
 */
export async function startDnsAndTftp(scope: Scope, name: string, { prefix, addresses }: Place): Promise<Running> {
  const root = await temporaryDirectory(scope);
  await writeFile(join(root, 'boot.img'), BOOT_IMAGE);
  const dnsmasq = await start(scope, [
    ...prefix, 'dnsmasq', '--no-daemon', '--conf-file=/dev/null', '--no-resolv', '--no-hosts', '--cache-size=0', '--local=/test/', '--pid-file=', '--user=root',
    ...addresses.map((address) => `--listen-address=${address}`), `--txt-record=who.test,${name}`,
    `--txt-record=${[LONG, ...Array.from({ length: LONG_STRINGS }, (_, i) => String.fromCharCode(97 + i).repeat(LONG_STRING_CHARACTERS))].join(',')}`,
    '--edns-packet-max=20000', '--enable-tftp', '--tftp-single-port', `--tftp-root=${root}`,
  ], { env: { PATH } });
  await dnsmasq.match(/dnsmasq-tftp: TFTP root/);
  return dnsmasq;
}

/** Asks for a TXT record once; no retry and no TCP. Returns the strings of the answer. Throws when there is none within two seconds. */
export async function dig(scope: Scope, prefix: readonly string[], server: string, name: string): Promise<string[]> {
  const text = await succeed(scope, [...prefix, 'dig', '+short', '+tries=1', '+time=2', '+notcp', '+ignore', '+bufsize=8192', 'TXT', name, `@${server}`]);
  return [...text.matchAll(/"([^"]*)"/g)].map(([, one = '']) => one);
}

/** iperf3 until the scope ends, one for each address: it serves one client at a time. */
export async function startIperf(scope: Scope, { prefix, addresses }: Place): Promise<void> {
  await Promise.all(addresses.map(async (address) => (await start(scope, [...prefix, 'iperf3', '-s', '-B', address, '--forceflush'])).match(/Server listening/)));
}

/** Datagrams of a run: sent, and lost of those, by direction. */
export interface IperfFlow {
  readonly packets: number;
  readonly lost: number;
}

interface IperfReport {
  readonly error?: string;
  readonly end: { readonly sum_received: IperfSum; readonly sum_received_bidir_reverse: IperfSum };
}
interface IperfSum {
  readonly packets: number;
  readonly lost_packets: number;
}

/** Datagrams of 8000 bytes both ways at once, for a second. Throws when iperf3 says that it failed; before its report it warns of fragments. */
export async function iperfBothWays(scope: Scope, prefix: readonly string[], server: string): Promise<{ readonly there: IperfFlow; readonly back: IperfFlow }> {
  const text = await succeed(scope, [...prefix, 'iperf3', '-c', server, '-u', '-b', '8M', '-w', '200K', '-l', '8000', '-t', '1', '--bidir', '-J', '--connect-timeout', '3000']);
  const { error, end } = JSON.parse(text.slice(text.indexOf('{'))) as IperfReport;
  if (error !== undefined) throw new Error(`iperf3: ${error}`);
  return { there: flowOf(end.sum_received), back: flowOf(end.sum_received_bidir_reverse) };
}

function flowOf({ packets, lost_packets }: IperfSum): IperfFlow {
  return { packets, lost: lost_packets };
}

/** sipp as the callee of its own scenario: 100 and 180, 200, ACK, BYE. */
export async function startCallee(scope: Scope, { prefix, addresses }: Place): Promise<void> {
  const directory = await temporaryDirectory(scope);
  await Promise.all(addresses.map((address) => start(scope, [...prefix, 'sipp', '-sn', 'uas', '-i', written(address), '-p', '5060', '-nostdin'], { cwd: directory })));
  await listening(scope, prefix, 5060, addresses.length);
}

/** Waits until so many UDP sockets of a host are bound to the port: for programs that do not say when they are ready. */
export async function listening(scope: Scope, prefix: readonly string[], port: number, sockets: number): Promise<void> {
  const bound = new RegExp(`:${port.toString(16).toUpperCase().padStart(4, '0')} [0-9A-F]+:0000 07`, 'g');
  await until(`${sockets} sockets at port ${port}`, () => succeed(scope, [...prefix, 'cat', '/proc/net/udp', '/proc/net/udp6']), (text) => [...text.matchAll(bound)].length >= sockets);
}

/** Makes calls, each from a port of its own, and repeats nothing: a lost datagram is a failed call, for which this throws. */
export async function call(scope: Scope, prefix: readonly string[], from: string, server: string, calls: number): Promise<void> {
  const directory = await temporaryDirectory(scope);
  await succeed(scope, [...prefix, 'sipp', '-sn', 'uac', written(server, 5060), '-i', written(from), '-m', String(calls), '-r', '100', '-d', '50', '-t', 'un', '-max_socket', '200', '-nr', '-nostdin', '-timeout', '10s', '-timeout_error'], { cwd: directory });
}

/** Fetches `file` by TFTP in blocks of `block` bytes. Throws unless it comes whole. */
export async function tftpGet(scope: Scope, prefix: readonly string[], server: string, file: string, block: number): Promise<Buffer> {
  const target = join(await temporaryDirectory(scope), 'got');
  await succeed(scope, [...prefix, 'curl', '-gsS', '--max-time', '10', '--tftp-blksize', String(block), '-o', target, `tftp://${written(server)}/${file}`]);
  return readFile(target);
}
