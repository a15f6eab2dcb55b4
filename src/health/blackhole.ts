/**
 * Sessions whose datagrams go nowhere, in two ways. `not-in-set`: they are pinned to a server that is down, disabled or no longer configured, and their clients
 * still send. `one-way`: a server that is in the set gets requests and answers none, where replies are expected. Pure.
 */
import type { Window } from './windows.ts';

/** A server that left the set has so long to lose its sessions by the `on` policy before they are an alarm. */
export const GRACE_MS = 10_000;
/** Requests in a window, not one of them answered, that are no chance. */
const MIN_UNANSWERED = 20;

export interface Blackhole {
  readonly director: string;
  readonly server: string;
  readonly address: string;
  readonly cause: 'not-in-set' | 'one-way';
  readonly sessions: number;
  /** When it began; the alarm is raised GRACE_MS later at most. */
  readonly sinceMs: number;
}

/** A server with sessions, and what it did of late. */
export interface Suspect {
  readonly director: string;
  readonly server: string;
  readonly address: string;
  /** It takes new sessions, or is drained. */
  readonly inSet: boolean;
  readonly sessions: number;
  /** Replies are expected of it. */
  readonly expected: boolean;
  /** null: too little is known yet. */
  readonly window: Window | null;
}

/** Returns what is suspected now, by key; `before` gives how long each has been. Raised are those that `raised` returns. */
export function suspects(before: ReadonlyMap<string, Blackhole>, nowMs: number, servers: Iterable<Suspect>): ReadonlyMap<string, Blackhole> {
  const found = new Map<string, Blackhole>();
  for (const suspect of servers) {
    const cause = causeOf(suspect);
    if (cause === null) continue;
    const { director, server, address, sessions } = suspect;
    const key = `${director}|${server}|${address}|${cause}`;
    // A window of silence is over by the time it is seen.
    const begunMs = cause === 'one-way' ? nowMs - (suspect.window?.ms ?? 0) : nowMs;
    found.set(key, { director, server, address, cause, sessions, sinceMs: before.get(key)?.sinceMs ?? begunMs });
  }
  return found;
}

/** Returns those that last long enough to be an alarm. */
export function raised(found: ReadonlyMap<string, Blackhole>, nowMs: number): readonly Blackhole[] {
  return [...found.values()].filter((one) => nowMs - one.sinceMs >= (one.cause === 'one-way' ? 0 : GRACE_MS));
}

/** Returns one sentence for people. */
export function blackholeText({ director, server, address, cause, sessions }: Blackhole): string {
  const count = sessions === 1 ? '1 session' : `${sessions} sessions`;
  if (cause === 'one-way') return `server ${director}/${server} (${address}) gets requests and answers none, the others do: ${count} on it`;
  return `${count} of director ${director} ${sessions === 1 ? 'is' : 'are'} pinned to server ${server} (${address}), which is not in the set, and the clients still send`;
}

function causeOf({ inSet, sessions, expected, window }: Suspect): Blackhole['cause'] | null {
  if (sessions === 0 || window === null) return null;
  if (!inSet) return window.packetsIn > 0 ? 'not-in-set' : null;
  return expected && window.packetsIn >= MIN_UNANSWERED && window.packetsOut === 0 ? 'one-way' : null;
}
