/**
 * The steps that make the maps hold a target, in an order that is safe under traffic: what is new before what leads to it, what is gone
 * after nothing leads to it any more. Each step may be done again: it compares first, and writes what differs. So a crash between any
 * two is repaired by doing them all, and taking back is doing those of the state before.
 */
import type { OnAction } from '../../balance/terms.ts';
import { CONSTANTS, ENUMS } from './abi/spec.ts';
import { swap16 } from './addresses.ts';
import type { Structs } from './codec.ts';
import type { Kernel, NumberMap } from './kernel.ts';
import type { LinkTarget } from './links.ts';
import type { DirectorTarget, PoolTarget, Row, Target } from './target.ts';
import { nowTick, tickAfter, ticksOf } from './ticks.ts';
import type { VipEntries } from './vip-keys.ts';

export interface Step {
  readonly text: string;
  run(): void;
}

/** What the steps changed that asks for more: sessions to look at. */
export interface Outcome {
  /** A policy ends or moves sessions now. */
  policies: boolean;
  /** Entries of `vips` went or lead elsewhere: sessions may have lost their director. */
  vips: boolean;
}

/** Returns the steps up to where all new traffic goes where `target` says. */
export function writeSteps(kernel: Kernel, target: Target, vips: VipEntries, outcome: Outcome): readonly Step[] {
  const pools = target.directors.map((d) => ({ director: d, pool: freePool(kernel, d) }));
  return [
    ...target.directors.map((d): Step => ({ text: `rows of director ${d.name}`, run: () => writeRows(kernel, d) })),
    { text: 'tables', run: () => kernel.setTables(pools.flatMap(({ director, pool }) => (pool === null || director.pool.tableLength === 0 ? [] : [{ pool, entries: director.pool.table() }]))) },
    ...pools.map(({ director, pool }): Step => ({ text: `pool of director ${director.name}`, run: () => writePool(kernel, director, pool) })),
    ...target.directors.map((d): Step => ({ text: `policies of director ${d.name}`, run: () => void (outcome.policies = restrict(kernel, d) || outcome.policies) })),
    { text: 'endpoints of servers', run: () => void writeNumbers(kernel.serverIds, target.endpoints) },
    { text: 'addresses', run: () => void (outcome.vips = writeNumbers(kernel.vips, vips) || outcome.vips) },
  ];
}

/** Returns the steps that make links usable: before anything leads to them. */
export function linkSteps(kernel: Kernel, links: readonly LinkTarget[]): readonly Step[] {
  return links.map((link): Step => ({
    text: `link ${link.own}`,
    run() {
      writeRow(kernel.links, link.id, { mac: link.mac, vlan_be: swap16(link.vlan), mtu: link.mtu, ifindex: link.ifindex, own_ifindex: link.own });
      setNumber(kernel.ports, key32(link.id), link.ifindex);
      setNumber(kernel.linkIds, key32(link.own), link.id);
      if (link.vlan !== 0) setNumber(kernel.vlanLinks, key32(link.ifindex) + key32(link.vlan), link.id);
    },
  }));
}

/** Returns the steps that take links away that are not among `links`. A row keeps the name of its interface: the number is that one's if it comes back. */
export function unlinkSteps(kernel: Kernel, links: readonly LinkTarget[]): readonly Step[] {
  const ids = new Set(links.map((l) => l.id));
  return [{
    text: 'links that are gone',
    run() {
      for (const map of [kernel.linkIds, kernel.vlanLinks]) for (const [key, id] of map.entries()) if (!ids.has(id)) map.remove(key);
      for (const key of kernel.ports.entries().keys()) if (!ids.has(Buffer.from(key, 'hex').readUInt32LE(0))) kernel.ports.remove(key);
      for (let id = 0; id < CONSTANTS.MAX_LINKS; id++) if (!ids.has(id)) kernel.links.set(id, 'ifindex', 0);
      // Ways over them are looked up anew at once.
      for (let slot = 0; slot < CONSTANTS.MAX_SERVERS; slot++) {
        const hop = kernel.servers.get64(slot, 'hop');
        if (hop !== 0n && !ids.has(Number(hop & 0xffffn))) kernel.servers.set64(slot, 'hop', 0n);
      }
    },
  }];
}

/** True when the rows, the pool and the policies of a director are as the target has them. */
export function agrees(kernel: Kernel, d: DirectorTarget): boolean {
  return sameRow(kernel.directors, d.slot, d.row) && currentPool(kernel, d) !== null
    && d.servers.every((s) => sameRow(kernel.servers, s.slot, s.row) && kernel.servers.get(s.slot, 'policy') === policyWord(s.policy));
}

/** True when the row holds these fields. */
export function sameRow(rows: Structs, index: number, row: Row): boolean {
  return Object.entries(row).every(([name, value]) => (typeof value === 'number' ? rows.get(index, name) === value >>> 0 : value.every((element, at) => rows.get(index, name, at) === element >>> 0)));
}

/** Writes the fields that differ, in the row's order. */
export function writeRow(rows: Structs, index: number, row: Row): void {
  for (const [name, value] of Object.entries(row)) {
    if (typeof value === 'number') rows.set(index, name, value);
    else value.forEach((element, at) => rows.set(index, name, element, at));
  }
}

/** Returns the hex of a 32-bit key. */
export function key32(value: number): string {
  const key = Buffer.alloc(4);
  key.writeUInt32LE(value >>> 0);
  return key.toString('hex');
}

/** The index of the pool a director uses when it is the wanted one, else null. */
function currentPool(kernel: Kernel, d: DirectorTarget): number | null {
  const pool = kernel.directors.get(d.slot, 'pool');
  return (pool === 2 * d.slot || pool === 2 * d.slot + 1) && samePool(kernel, pool, d.pool) ? pool : null;
}

/** The pool to write, or null when the one in use is as wanted. */
function freePool(kernel: Kernel, d: DirectorTarget): number | null {
  if (currentPool(kernel, d) !== null) return null;
  return kernel.directors.get(d.slot, 'pool') === 2 * d.slot ? 2 * d.slot + 1 : 2 * d.slot;
}

function samePool(kernel: Kernel, pool: number, wanted: PoolTarget): boolean {
  return sameRow(kernel.poolHeads, pool, headOf(wanted)) && wanted.candidates.every(({ server, weight }, i) => {
    const now = kernel.candidate(pool, i);
    return now.server === server && now.weight === weight;
  });
}

function headOf({ algorithm, candidates, tableLength }: PoolTarget): Row {
  return { algorithm, table_length: tableLength, count: candidates.length };
}

function writeRows(kernel: Kernel, d: DirectorTarget): void {
  for (const server of d.servers) {
    writeRow(kernel.servers, server.slot, server.row);
    // Back in use before the pool leads there, and evidence from before is spent.
    if (server.policy === null) kernel.servers.set(server.slot, 'policy', 0);
  }
  writeRow(kernel.directors, d.slot, d.row);
}

function writePool(kernel: Kernel, d: DirectorTarget, pool: number | null): void {
  if (pool === null) return;
  kernel.poolHeads.set(pool, 'count', 0);
  d.pool.candidates.forEach(({ server, weight }, i) => kernel.setCandidate(pool, i, server, weight));
  writeRow(kernel.poolHeads, pool, headOf(d.pool));
  kernel.directors.set(d.slot, 'pool', pool);
}

function policyWord(action: OnAction | null): number {
  return action === null ? 0 : ENUMS.policy.indexOf(action.kind);
}

/** A deadline runs from the change, not from each apply. Returns whether sessions have to be looked at. */
function restrict(kernel: Kernel, d: DirectorTarget): boolean {
  let look = false;
  for (const { slot, policy } of d.servers) {
    const word = policyWord(policy);
    if (policy === null || kernel.servers.get(slot, 'policy') === word) continue;
    kernel.servers.set(slot, 'policy_until', policy.kind === 'keep' && policy.forMs !== null ? tickAfter(nowTick(), ticksOf(policy.forMs)) : 0);
    kernel.servers.set(slot, 'policy', word);
    look ||= policy.kind === 'move';
  }
  return look;
}

/** New entries and those that lead elsewhere first, then those that are gone. Returns whether any of the latter two was there. */
function writeNumbers(map: NumberMap, wanted: ReadonlyMap<string, number>): boolean {
  const now = new Map(map.entries());
  let lost = false;
  for (const [key, slot] of wanted) {
    if (now.get(key) === slot) continue;
    lost ||= now.has(key);
    map.set(key, slot);
  }
  for (const key of now.keys()) {
    if (wanted.has(key)) continue;
    lost = true;
    map.remove(key);
  }
  return lost;
}

function setNumber(map: NumberMap, key: string, value: number): void {
  if (map.entries().get(key) !== value) map.set(key, value);
}
