/** What servers did lately: differences of the engine's cumulative counts, response times made into percentiles. Pure but for the window's two readings. */
import type { ResponseView } from '../client/types.ts';
import type { DirectorReading, Reading, ServerReading } from '../engine/engine.ts';
import { RESPONSE_BUCKETS, responsePercentile } from '../engine/response-times.ts';

/** What a view calls recent is the last one to two of these. */
export const RECENT_MS = 10_000;

/** Returns the counts that came since `before`; all of them when there was nothing before; null when the engine does not see replies. Counts that started again give none. */
export function responsesSince(before: ServerReading | undefined, now: ServerReading): readonly number[] | null {
  if (now.responseTimes === null) return null;
  const was = before?.responseTimes ?? null;
  if (was === null) return now.responseTimes;
  const counts = now.responseTimes.map((count, i) => count - (was[i] ?? 0));
  return counts.some((count) => count < 0) ? NONE : counts;
}

/** Returns the sum, bucket by bucket, of what servers' replies count; null when none of them is seen. */
export function sumOfResponses(list: readonly (readonly number[] | null)[]): readonly number[] | null {
  let sum: number[] | null = null;
  for (const counts of list) {
    if (counts === null) continue;
    sum ??= [...NONE];
    for (let i = 0; i < RESPONSE_BUCKETS; i++) sum[i] = (sum[i] ?? 0) + (counts[i] ?? 0);
  }
  return sum;
}

/** Returns how many replies were counted and the times in ms below which half, 90 % and 99 % of them came, to the microsecond. */
export function responseView(counts: readonly number[] | null): ResponseView | null {
  if (counts === null) return null;
  const at = (share: number): number | null => {
    const ms = responsePercentile(counts, share);
    return ms === null ? null : Math.round(ms * 1000) / 1000;
  };
  return { replies: counts.reduce((sum, count) => sum + count, 0), p50Ms: at(0.5), p90Ms: at(0.9), p99Ms: at(0.99) };
}

/** What one server did since an earlier reading. */
export interface Recent {
  readonly sessions: number;
  readonly packetsIn: number;
  readonly responses: readonly number[] | null;
}

/** Returns what each server of a director did since `before`, by the server's name and address. */
export function directorRecent(before: DirectorReading | undefined, now: DirectorReading | undefined): ReadonlyMap<string, Recent> {
  const old = new Map((before?.servers ?? []).map((server) => [recentKey(server), server]));
  return new Map((now?.servers ?? []).map((server) => {
    const was = old.get(recentKey(server));
    const since = (pick: (one: ServerReading) => number): number => Math.max(0, pick(server) - (was === undefined ? 0 : pick(was)));
    return [recentKey(server), { sessions: since((one) => one.sessionsCreated), packetsIn: since((one) => one.packetsIn), responses: responsesSince(was, server) }];
  }));
}

/** Returns what a server is known by in directorRecent. */
export function recentKey(server: Pick<ServerReading, 'name' | 'address'>): string {
  return `${server.name}|${server.address}`;
}

/** Keeps the reading that what is recent is measured from. */
export interface RecentWindow {
  /** Takes in a reading as it is made. */
  push(reading: Reading): void;
  /** Returns the reading to measure `now` from: one to two windows old, younger only right after the start or when counters started again; null before the first. */
  base(now: Reading): Reading | null;
}

/** Returns a window that has seen nothing. It holds two readings, whatever passes through. */
export function createRecentWindow(windowMs = RECENT_MS): RecentWindow {
  let older: Reading | null = null;
  let newer: Reading | null = null;
  return {
    push(reading) {
      if (newer === null || newer.epoch !== reading.epoch) {
        older = null;
        newer = reading;
      } else if (reading.atMs - newer.atMs >= windowMs) {
        older = newer;
        newer = reading;
      }
    },
    base(now) {
      const base = older ?? newer;
      return base !== null && base.epoch === now.epoch ? base : null;
    },
  };
}

const NONE: readonly number[] = Object.freeze(Array.from({ length: RESPONSE_BUCKETS }, () => 0));
