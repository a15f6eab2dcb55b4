/** What this host is, for the checks of src/config/host.ts: read from os and /proc, at most a few hundred microseconds, never failing. */
import { readdirSync, readFileSync } from 'node:fs';
import { endianness, networkInterfaces } from 'node:os';
import { join } from 'node:path';
import { hostIssues, type HostFacts } from '../config/host.ts';
import type { Issue } from '../config/issue.ts';
import type { Config } from '../config/model.ts';
import { networkOf, type Cidr } from '../net/cidr.ts';
import { ipFromBytes, parseIp } from '../net/ip.ts';

/** Beyond this many a full BGP table is not looked through: routes then count as unknown. */
const MAX_ROUTES = 20_000;
const RTF_UP = 1;
const RTF_GATEWAY = 2;

/** Returns the facts of this network namespace; what the system does not tell is left out. Null when it tells nothing (no file descriptor left): then nothing is known to be wrong. */
export function hostFacts(proc = '/proc', interfaces = networkInterfaces): HostFacts | null {
  const all = listed(interfaces);
  if (all === null) return null;
  const onLink = Object.entries(all).flatMap(([iface, list]) => (list ?? []).flatMap(({ cidr }) => {
    const [host = '', prefix = ''] = (cidr ?? '').split('/');
    const ip = parseIp(host);
    return ip ? [{ iface, network: { ip: networkOf(ip, Number(prefix)), prefix: Number(prefix) } }] : [];
  }));
  const forwarding4 = read(join(proc, 'sys/net/ipv4/ip_forward'));
  const forwarding6 = read(join(proc, 'sys/net/ipv6/conf/all/forwarding'));
  const routes = routesOf(proc);
  const strict = strictInterfaces(join(proc, 'sys/net/ipv4/conf'));
  return {
    addresses: Object.values(all).flatMap((list) => (list ?? []).map(({ address }) => address)),
    interfaces: [...new Set([...Object.keys(all), ...namesIn('/sys/class/net')])],
    onLink,
    ...(forwarding4 === null ? {} : { forwarding: { 4: forwarding4 === '1', 6: forwarding6 === null || forwarding6 === '1' } }),
    ...(strict === null ? {} : { rpFilterStrict: strict }),
    ...(routes === null ? {} : { routes: [...routes, ...localRoutes(Object.values(all).flatMap((list) => (list ?? []).map(({ address }) => address)))] }),
  };
}

/** Returns what this host lacks for a configuration with an engine (undefined: the one the configuration names); `answered` as in HostFacts. */
export function issuesHere(config: Config, engine: string | undefined, answered: ReadonlySet<string> = new Set()): readonly Issue[] {
  const facts = hostFacts();
  return facts === null ? [] : hostIssues(config, { ...facts, answered, ...(engine === 'lvs' || engine === 'xdp' || engine === 'userspace' ? { engine } : {}) });
}

function listed(interfaces: typeof networkInterfaces): ReturnType<typeof networkInterfaces> | null {
  try {
    return interfaces();
  } catch {
    return null;
  }
}

/** The higher of an interface's own value and that of `all` counts (ip-sysctl); 2 is loose. */
function strictInterfaces(folder: string): readonly string[] | null {
  const all = read(join(folder, 'all/rp_filter'));
  if (all === null) return null;
  return namesIn(folder).filter((name) => name !== 'all' && name !== 'default' && Math.max(Number(all), Number(read(join(folder, name, 'rp_filter')) ?? 0)) === 1);
}

function routesOf(proc: string): NonNullable<HostFacts['routes']> | null {
  const four = read(join(proc, 'net/route'));
  if (four === null) return null;
  const lines = [...four.split('\n').slice(1), ...(read(join(proc, 'net/ipv6_route')) ?? '').split('\n')];
  if (lines.length > MAX_ROUTES) return null;
  return lines.flatMap((line) => {
    const fields = line.trim().split(/\s+/);
    const route = fields.length >= 11 ? fourOf(fields) : fields.length === 10 ? sixOf(fields) : null;
    return route ? [route] : [];
  });
}

/** The table `local`, which the kernel looks into first and /proc does not show: what is of this host is reached by lo. */
function localRoutes(addresses: readonly string[]): NonNullable<HostFacts['routes']> {
  const own = addresses.flatMap((address) => parseIp(address) ?? []);
  const networks: readonly Cidr[] = [{ ip: ipFromBytes(Uint8Array.of(127, 0, 0, 0)), prefix: 8 }, ...own.map((ip) => ({ ip, prefix: ip.family === 4 ? 32 : 128 }))];
  return networks.map((network) => ({ iface: 'lo', network, gateway: false }));
}

/** Iface Destination Gateway Flags … Mask (7): words in host byte order. */
function fourOf(fields: readonly string[]): NonNullable<HostFacts['routes']>[number] | null {
  const [iface = '', destination = '', , flags = ''] = fields;
  const bits = Number.parseInt(flags, 16);
  if ((bits & RTF_UP) === 0) return null;
  const mask = word(fields[7] ?? '');
  const prefix = mask.reduce((sum, byte) => sum + byte.toString(2).replaceAll('0', '').length, 0);
  return { iface, network: { ip: ipFromBytes(word(destination)), prefix }, gateway: (bits & RTF_GATEWAY) !== 0 };
}

/** Destination prefix source prefix gateway metric … flags iface: bytes in network order. */
function sixOf(fields: readonly string[]): NonNullable<HostFacts['routes']>[number] | null {
  const [destination = '', prefix = ''] = fields;
  const bits = Number.parseInt(fields[8] ?? '', 16);
  const iface = fields[9] ?? '';
  // Local and multicast routes say nothing of the way to a server.
  if ((bits & RTF_UP) === 0 || iface === 'lo' || destination.startsWith('ff')) return null;
  const network: Cidr = { ip: ipFromBytes(Uint8Array.from(destination.match(/../g) ?? [], (hex) => Number.parseInt(hex, 16)), 16), prefix: Number.parseInt(prefix, 16) };
  return { iface, network, gateway: (bits & RTF_GATEWAY) !== 0 };
}

function word(hex: string): Uint8Array {
  const bytes = Uint8Array.from(hex.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
  return endianness() === 'LE' ? bytes.reverse() : bytes;
}

function read(path: string): string | null {
  try {
    return readFileSync(path, 'utf8').trimEnd();
  } catch {
    return null;
  }
}

function namesIn(folder: string): readonly string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}
