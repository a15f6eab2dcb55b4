/** Counters of one row, summed over CPUs, and the base that takes over those of rows that were given away. */
import { CONSTANTS, DROP_COUNTERS, SERVER_COUNTERS, type StructSpec } from './abi/spec.ts';
import { place } from './abi/layout.ts';

export interface ServerCounts {
  readonly packetsIn: number;
  readonly bytesIn: number;
  readonly packetsOut: number;
  readonly bytesOut: number;
  readonly created: number;
  readonly moved: number;
  readonly unanswered: number;
  readonly icmp: number;
  readonly responses: readonly number[];
}

export interface DropCounts {
  /** By drop reason's id, DROP_SLOTS of them. */
  readonly drops: readonly number[];
  readonly bytes: number;
  readonly packets: number;
  readonly stateless: number;
  readonly limited: number;
  readonly icmpTranslated: number;
  readonly fragments: number;
  readonly passed: number;
}

/** Of a director: what rows counted that are no longer its own. */
export interface BaseCounters {
  readonly packetsIn: number;
  readonly bytesIn: number;
  readonly packetsOut: number;
  readonly bytesOut: number;
  readonly created: number;
  readonly drops: readonly number[];
}

export const NO_BASE: BaseCounters = { packetsIn: 0, bytesIn: 0, packetsOut: 0, bytesOut: 0, created: 0, drops: [] };

/** Returns the fields of a per-CPU value as sums by field; `stride` bytes apart. Each is exact up to 2^53. */
export function sumCpus(spec: StructSpec, value: Buffer, stride: number): ReadonlyMap<string, readonly number[]> {
  const cpus = Math.floor(value.length / stride);
  return new Map(place(spec).map((field) => {
    const sums = Array.from({ length: field.count ?? 1 }, (_, at) => {
      let sum = 0n;
      for (let cpu = 0; cpu < cpus; cpu++) sum += value.readBigUInt64LE(cpu * stride + field.offset + 8 * at);
      return Number(sum);
    });
    return [field.name, sums];
  }));
}

/** Returns what a row of `server_stats` says. */
export function serverCounts(value: Buffer, stride: number): ServerCounts {
  const sums = sumCpus(SERVER_COUNTERS, value, stride);
  const one = (name: string): number => sums.get(name)?.[0] ?? 0;
  return {
    packetsIn: one('packets_in'), bytesIn: one('bytes_in'), packetsOut: one('packets_out'), bytesOut: one('bytes_out'), created: one('created'), moved: one('moved'),
    unanswered: one('unanswered'), icmp: one('icmp'), responses: sums.get('responses') ?? [],
  };
}

/** Returns what a row of `drop_stats` says. */
export function dropCounts(value: Buffer, stride: number): DropCounts {
  const sums = sumCpus(DROP_COUNTERS, value, stride);
  const one = (name: string): number => sums.get(name)?.[0] ?? 0;
  return {
    drops: sums.get('drops') ?? Array.from({ length: CONSTANTS.DROP_SLOTS }, () => 0), bytes: one('bytes'), packets: one('packets'), stateless: one('stateless'), limited: one('limited'),
    icmpTranslated: one('icmp_translated'), fragments: one('fragments'), passed: one('passed'),
  };
}

/** Returns the base with a server's row added. */
export function withServer(base: BaseCounters, s: ServerCounts): BaseCounters {
  return { ...base, packetsIn: base.packetsIn + s.packetsIn, bytesIn: base.bytesIn + s.bytesIn, packetsOut: base.packetsOut + s.packetsOut, bytesOut: base.bytesOut + s.bytesOut, created: base.created + s.created };
}

/** Returns the base with a director's own row added. */
export function withDrops(base: BaseCounters, d: DropCounts): BaseCounters {
  return { ...base, packetsIn: base.packetsIn + d.packets, bytesIn: base.bytesIn + d.bytes, drops: d.drops.map((n, id) => n + (base.drops[id] ?? 0)) };
}
