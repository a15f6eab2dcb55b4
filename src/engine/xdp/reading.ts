/** The counters as the contract wants them: rows of owners that left and the base count towards their director. */
import { hostPortText } from '../../net/endpoint.ts';
import { serverKey, type Desired, type DesiredDirector } from '../../plan/desired.ts';
import { DROP_REASONS, type DropReason } from '../drops.ts';
import type { DirectorReading, Reading, ServerReading } from '../engine.ts';
import { CONSTANTS } from './abi/spec.ts';
import { NO_BASE, withDrops, withServer, type BaseCounters, type ServerCounts } from './counters.ts';
import type { Kernel } from './kernel.ts';
import type { Slots } from './slots.ts';

/** Returns the readings of all directors of `desired`. */
export function readingOf(kernel: Kernel, state: { readonly desired: Desired; readonly slots: Slots; readonly bases: Readonly<Record<string, BaseCounters>>; readonly epoch: string }, atMs: number): Reading {
  const nobody = kernel.dropCounts(CONSTANTS.MAX_DIRECTORS);
  const global = (name: string): number => kernel.globals.get(0, name);
  const directors = state.desired.directors.map((d) => directorReading(kernel, d, state.slots.filter((s) => s.name === d.name), state.bases[d.name] ?? NO_BASE));
  return {
    epoch: state.epoch, atMs, directors: directors.map(({ reading }) => reading),
    gauges: {
      session_records: global('records'), session_table_capacity: kernel.capacity, session_limit: global('limit'), interfaces: kernel.attached().length,
      interfaces_native: kernel.attached().filter((a) => a.mode === 'native').length,
      stateless_datagrams: directors.reduce((sum, d) => sum + d.stateless, nobody.stateless), limited_sessions: directors.reduce((sum, d) => sum + d.limited, nobody.limited),
      icmp_translated: directors.reduce((sum, d) => sum + d.icmpTranslated, nobody.icmpTranslated), fragments_followed: directors.reduce((sum, d) => sum + d.fragments, nobody.fragments),
      frames_passed: nobody.passed,
    },
    drops: dropsOf(nobody.drops),
  };
}

interface Read {
  readonly reading: DirectorReading;
  readonly stateless: number;
  readonly limited: number;
  readonly icmpTranslated: number;
  readonly fragments: number;
}

function directorReading(kernel: Kernel, d: DesiredDirector, rows: Slots, base: BaseCounters): Read {
  const counts = new Map<string, { readonly counts: ServerCounts; readonly slot: number }[]>();
  let sum = base;
  let live = 0;
  const own = rows.map((r) => kernel.dropCounts(r.slot));
  for (const row of rows) {
    for (const [key, slot] of Object.entries(row.servers)) {
      const one = kernel.serverCounts(slot);
      sum = withServer(sum, one);
      live += Math.max(0, kernel.servers.get(slot, 'live') | 0);
      counts.set(key, [...(counts.get(key) ?? []), { counts: one, slot }]);
    }
  }
  for (const drops of own) sum = withDrops(sum, drops);
  const total = (name: 'stateless' | 'limited' | 'icmpTranslated' | 'fragments'): number => own.reduce((n, drops) => n + drops[name], 0);
  return {
    reading: {
      name: d.name, packetsIn: sum.packetsIn, bytesIn: sum.bytesIn, packetsOut: sum.packetsOut, bytesOut: sum.bytesOut, sessions: live, sessionsCreated: sum.created, drops: dropsOf(sum.drops),
      servers: d.servers.map((server) => serverReading(kernel, server.name, hostPortText(server.ip, server.port), counts.get(serverKey(server)) ?? [], d.mode === 'nat')),
    },
    stateless: total('stateless'), limited: total('limited'), icmpTranslated: total('icmpTranslated'), fragments: total('fragments'),
  };
}

function serverReading(kernel: Kernel, name: string, address: string, rows: readonly { readonly counts: ServerCounts; readonly slot: number }[], seesReplies: boolean): ServerReading {
  const sum = (of: (counts: ServerCounts) => number): number => rows.reduce((n, row) => n + of(row.counts), 0);
  const word = (field: string): number => rows.reduce((n, row) => n + Math.max(0, kernel.servers.get(row.slot, field) | 0), 0);
  return {
    name, address,
    packetsIn: sum((c) => c.packetsIn), bytesIn: sum((c) => c.bytesIn), packetsOut: sum((c) => c.packetsOut), bytesOut: sum((c) => c.bytesOut),
    sessions: word('live'), sessionsCreated: sum((c) => c.created), sessionsMoved: sum((c) => c.moved), unanswered: sum((c) => c.unanswered), icmpErrors: word('icmp_errors'),
    responseTimes: seesReplies ? Array.from({ length: CONSTANTS.RESPONSE_BUCKETS }, (_, i) => sum((c) => c.responses[i] ?? 0)) : null,
  };
}

function dropsOf(drops: readonly number[]): Partial<Record<DropReason, number>> {
  return Object.fromEntries(DROP_REASONS.map(({ name, id }) => [name, drops[id] ?? 0]));
}
