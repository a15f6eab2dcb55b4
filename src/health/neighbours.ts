/**
 * What the kernel knows of on-link neighbours (ARP, ND), and which addresses are on-link at all. Needs no privilege.
 * IPv4 comes from /proc/net/arp, IPv6 from `ip -6 -j neigh`. Looks are shared: however many checks ask, the table is read at
 * most ten times a second (IPv4) or once a second (IPv6, a process each).
 */
import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { networkInterfaces } from 'node:os';
import { cidrContains, networkOf, type Cidr } from '../net/cidr.ts';
import { parseIp, type Ip } from '../net/ip.ts';
import type { SetTimer } from './agenda.ts';

/** `complete`: the host answered, some time ago; `failed`: it is being asked or did not answer. */
export interface Neighbour {
  readonly iface: string;
  readonly state: 'complete' | 'failed';
  readonly lladdr: string | null;
}

/** How an address is reached. `routed`: no own network holds it. */
export type Reach = { readonly kind: 'local' } | { readonly kind: 'on-link'; readonly iface: string } | { readonly kind: 'routed' };

export interface Neighbours {
  /** Returns how this host reaches `ip`, by the addresses of its interfaces. */
  reach(ip: Ip): Reach;
  /** Resolves to the neighbour entry of `ip` read at or after `sinceMs` (monotonic), undefined when there is none. Rejects when the table cannot be read. */
  look(ip: Ip, sinceMs: number): Promise<Neighbour | undefined>;
}

/** The files, processes and interfaces read, replaceable in tests. */
export interface NeighbourSources {
  arpTable(): Promise<string>;
  ndTable(): Promise<string>;
  interfaces(): ReturnType<typeof networkInterfaces>;
}

const GAP4_MS = 100;
const GAP6_MS = 1000;
const INTERFACES_FOR_MS = 1000;
const OUTPUT_CAP = 64 << 20;

type Table = ReadonlyMap<string, Neighbour>;

/** Returns a reader of the neighbour tables. */
export function createNeighbours(deps: { readonly nowMs: () => number; readonly setTimer: SetTimer; sources?: NeighbourSources }): Neighbours {
  const sources = deps.sources ?? systemSources;
  const v4 = shared(deps, GAP4_MS, async () => parseArpTable(await sources.arpTable()));
  const v6 = shared(deps, GAP6_MS, async () => parseNdTable(await sources.ndTable()));
  let own: readonly OwnAddress[] = [];
  const reached = new Map<string, Reach>();
  let ownAtMs = -Infinity;
  return {
    reach(ip) {
      if (deps.nowMs() - ownAtMs >= INTERFACES_FOR_MS) {
        own = ownAddresses(sources.interfaces());
        ownAtMs = deps.nowMs();
        reached.clear();
      }
      let reach = reached.get(ip.text);
      if (reach === undefined) reached.set(ip.text, (reach = reachOf(ip, own)));
      return reach;
    },
    look: async (ip, sinceMs) => (await (ip.family === 4 ? v4 : v6)(sinceMs)).get(ip.text),
  };
}

/** Returns the entries of /proc/net/arp by address. */
export function parseArpTable(text: string): Table {
  const table = new Map<string, Neighbour>();
  for (const line of text.split('\n').slice(1)) {
    const [ip, , flags, lladdr, , iface] = line.trim().split(/\s+/);
    if (ip === undefined || flags === undefined || iface === undefined) continue;
    // ATF_COM 0x2: complete, also ATF_PERM 0x4 of a static entry.
    add(table, ip, { iface, state: (Number(flags) & 0x2) !== 0 ? 'complete' : 'failed', lladdr: lladdr ?? null });
  }
  return table;
}

/** Returns the entries of `ip -6 -j neigh` by address. */
export function parseNdTable(json: string): Table {
  const table = new Map<string, Neighbour>();
  const rows: unknown = JSON.parse(json === '' ? '[]' : json);
  if (!Array.isArray(rows)) throw new TypeError('expected a JSON array of neighbours');
  for (const row of rows as { dst?: string; dev?: string; lladdr?: string; state?: string[] }[]) {
    const ip = parseIp(row.dst ?? '');
    if (ip === undefined || row.dev === undefined) continue;
    const failed = row.lladdr === undefined || (row.state ?? []).some((s) => s === 'FAILED' || s === 'INCOMPLETE');
    add(table, ip.text, { iface: row.dev, state: failed ? 'failed' : 'complete', lladdr: row.lladdr ?? null });
  }
  return table;
}

/** One address may have entries on several interfaces; one that answers is enough. */
function add(table: Map<string, Neighbour>, ip: string, entry: Neighbour): void {
  if (entry.state === 'complete' || !table.has(ip)) table.set(ip, entry);
}

interface OwnAddress {
  readonly iface: string;
  readonly ip: Ip;
  readonly network: Cidr;
}

function ownAddresses(interfaces: ReturnType<typeof networkInterfaces>): readonly OwnAddress[] {
  return Object.entries(interfaces).flatMap(([iface, addresses]) =>
    (addresses ?? []).flatMap((a) => {
      const [text = '', prefix] = (a.cidr ?? '').split('/');
      const ip = parseIp(text);
      return ip === undefined ? [] : [{ iface, ip, network: { ip: networkOf(ip, Number(prefix)), prefix: Number(prefix) } }];
    }),
  );
}

function reachOf(ip: Ip, own: readonly OwnAddress[]): Reach {
  if (own.some((o) => o.ip.text === ip.text) || (ip.family === 4 && ip.text.startsWith('127.')) || ip.text === '::1') return { kind: 'local' };
  const holder = own.find((o) => cidrContains(o.network, ip));
  return holder === undefined ? { kind: 'routed' } : { kind: 'on-link', iface: holder.iface };
}

/** Returns a reader whose readings are shared by all who ask between two of them, which are `gapMs` apart at least. */
function shared(deps: { readonly nowMs: () => number; readonly setTimer: SetTimer }, gapMs: number, read: () => Promise<Table>): (sinceMs: number) => Promise<Table> {
  let last: { readonly startedMs: number; readonly table: Table } | null = null;
  let lastTryMs = -Infinity;
  let next: Promise<Table> | null = null;
  return (sinceMs) => {
    if (last !== null && last.startedMs >= sinceMs) return Promise.resolve(last.table);
    next ??= new Promise<void>((resolve) => {
      deps.setTimer(resolve, Math.max(0, Math.ceil(lastTryMs + gapMs - deps.nowMs())));
    }).then(async () => {
      next = null;
      const startedMs = (lastTryMs = deps.nowMs());
      const table = await read();
      last = { startedMs, table };
      return table;
    });
    return next;
  };
}

const systemSources: NeighbourSources = {
  arpTable: () => readFile('/proc/net/arp', 'utf8'),
  ndTable: () =>
    new Promise((resolve, reject) => {
      execFile('ip', ['-6', '-j', 'neigh', 'show'], { timeout: 2000, maxBuffer: OUTPUT_CAP, env: { ...process.env, LC_ALL: 'C' } }, (cause, stdout) => {
        if (cause) reject(new Error(`ip -6 -j neigh show: ${cause.message.trim()}`, { cause }));
        else resolve(stdout);
      });
    }),
  interfaces: networkInterfaces,
};
