/**
 * What each server did in the last seconds: differences of the engine's counters, read about once a second. Pure but for its memory,
 * which is WINDOW_MS of readings and no more.
 */
import type { Reading, ServerReading } from '../engine/engine.ts';

/** How far back anything is looked at. */
export const WINDOW_MS = 10_000;

/** Counters over a while; `responseTimes` as in ServerReading, null where the engine sees no replies. */
export interface Window {
  readonly ms: number;
  readonly packetsIn: number;
  readonly packetsOut: number;
  readonly icmpErrors: number;
  readonly responseTimes: readonly number[] | null;
}

export interface Windows {
  /** Takes a reading; one of another epoch, or of a clock that went back, begins anew. */
  add(reading: Reading): void;
  /** Returns the shortest window up to now of at least `minMs` that holds `requests` datagrams in, and begins no earlier than `fromMs`; null when there is none. */
  shortest(key: string, want: { readonly requests: number; readonly minMs: number; readonly fromMs?: number }): Window | null;
  /** Returns all that is known, WINDOW_MS or a reading's distance more; null when that is shorter than `minMs`. */
  all(key: string, minMs: number): Window | null;
}

interface Sample {
  readonly atMs: number;
  readonly server: ServerReading;
}

/** Returns the key of a server in windows. `address` as engines write it. */
export function windowKey(director: string, server: string, address: string): string {
  return `${director}|${server}|${address}`;
}

/** Returns windows without readings. */
export function createWindows(): Windows {
  let tracks = new Map<string, Sample[]>();
  let epoch: string | null = null;
  let lastMs = -Infinity;

  function between(from: Sample, to: Sample): Window {
    const [a, b] = [from.server, to.server];
    return {
      ms: to.atMs - from.atMs,
      packetsIn: b.packetsIn - a.packetsIn,
      packetsOut: b.packetsOut - a.packetsOut,
      icmpErrors: b.icmpErrors - a.icmpErrors,
      responseTimes: a.responseTimes === null || b.responseTimes === null ? null : b.responseTimes.map((count, i) => count - (a.responseTimes?.[i] ?? 0)),
    };
  }

  return {
    add(reading) {
      const { atMs } = reading;
      if (reading.epoch !== epoch || atMs < lastMs) tracks = new Map();
      // A reading may be shared by several who ask: the same one again tells nothing.
      if (reading.epoch === epoch && atMs === lastMs) return;
      epoch = reading.epoch;
      lastMs = atMs;
      const next = new Map<string, Sample[]>();
      for (const director of reading.directors) {
        for (const server of director.servers) {
          const key = windowKey(director.name, server.name, server.address);
          const track = tracks.get(key) ?? [];
          // Counters that went back are another server's under an old name.
          if ((track.at(-1)?.server.packetsIn ?? 0) > server.packetsIn) track.length = 0;
          track.push({ atMs, server });
          while (track.length > 2 && (track[1]?.atMs ?? atMs) <= atMs - WINDOW_MS) track.shift();
          next.set(key, track);
        }
      }
      tracks = next;
    },
    shortest(key, { requests, minMs, fromMs = -Infinity }) {
      const track = tracks.get(key);
      const to = track?.at(-1);
      if (track === undefined || to === undefined) return null;
      for (let i = track.length - 2; i >= 0; i--) {
        const from = track[i];
        if (from === undefined || from.atMs < fromMs) return null;
        if (to.atMs - from.atMs >= minMs && to.server.packetsIn - from.server.packetsIn >= requests) return between(from, to);
      }
      return null;
    },
    all(key, minMs) {
      const track = tracks.get(key);
      const [from, to] = [track?.[0], track?.at(-1)];
      return from === undefined || to === undefined || to.atMs - from.atMs < minMs ? null : between(from, to);
    },
  };
}
