/**
 * Passive health: a server is judged by the traffic itself, against the other servers of its director. Pure.
 *
 * - Direction first. Silence is held against a server only where replies are expected: others of the director answer, and either it has
 *   answered before or two or more others do. A director none of whose servers answers is one-way, and silence means nothing there.
 * - A server is an outlier when it answers less than half (request-reply; a tenth with two-way sessions, whose ratio is the application's)
 *   of what the others' median answers, when over a tenth of its datagrams meet ICMP errors and the others' do not, or when its median
 *   response time is `slower` times the others' and 10 ms above it. What is judged is the last 3 to 10 seconds with at least 20 requests.
 * - An outlier is put out for the hold; then it is let back with 10, 30 and 60 % of its weight, and all of it. Each step must be earned by 10
 *   requests and 3 s without being an outlier, or 30 s without traffic. One that fails on the way is out for twice as long, 32 times the hold at most.
 * - At most `sharePercent` of the servers that take traffic are out or on the way back at once (one is always allowed where two are), the
 *   worst first, and never the last one.
 */
import type { SessionPolicy } from '../balance/terms.ts';
import type { PassiveSettings } from '../config/model.ts';
import { responsePercentile } from '../engine/response-times.ts';
import type { PassiveVerdict } from './health.ts';
import type { Window } from './windows.ts';

export const MIN_REQUESTS = 20;
export const MIN_MS = 3000;
export const BACK_STEPS = [10, 30, 60] as const;
/** A step that was not tried by traffic is taken after so long. */
export const STEP_IDLE_MS = 30_000;
const STEP_REQUESTS = 10;
const MAX_DOUBLINGS = 5;
/** A server that was in for so many holds begins with the first hold again. */
const FORGIVEN_HOLDS = 10;
/** Fewer replies than this for a request is what noise of a one-way service may be. */
export const MIN_EXPECTED = 0.2;
const LIMIT: Readonly<Record<SessionPolicy['kind'], number>> = { 'request-reply': 0.5, 'two-way': 0.1, 'one-way': 0 };
const ICMP = { share: 0.1, others: 0.02, least: 5 };
const SLOWER_BY_MS = 10;

export type Phase =
  | { readonly kind: 'in' }
  | { readonly kind: 'out'; readonly untilMs: number; readonly reason: string }
  | { readonly kind: 'back'; readonly step: number; readonly sinceMs: number; readonly reason: string };

/** What is remembered of one server. `holdMs`: for how long it goes out next time. */
export interface PassiveServer {
  readonly phase: Phase;
  readonly holdMs: number;
  readonly inSinceMs: number;
  /** It has answered at some time: its silence is news. */
  readonly answered: boolean;
}
export type PassiveStates = ReadonlyMap<string, PassiveServer>;

/** One tick of one director. Times are of one clock, in ms. */
export interface PassiveInput {
  readonly nowMs: number;
  readonly session: SessionPolicy['kind'];
  readonly settings: PassiveSettings;
  /** The servers that take traffic, or would if passive health had not put them out. */
  readonly keys: readonly string[];
  /** Returns the shortest window of at least `minMs` with `requests` that begins at `fromMs` or later; null: there is none. */
  readonly look: (key: string, want: { readonly requests: number; readonly minMs: number; readonly fromMs?: number }) => Window | null;
}

interface Outlier {
  readonly key: string;
  readonly score: number;
  readonly reason: string;
}

/** Returns the states after a tick; servers that are not in `keys` are forgotten. */
export function passiveStep(before: PassiveStates, input: PassiveInput): PassiveStates {
  const { nowMs, keys, settings } = input;
  const after = new Map<string, PassiveServer>(keys.map((key) => [key, before.get(key) ?? { phase: { kind: 'in' }, holdMs: settings.holdMs, inSinceMs: nowMs, answered: false }]));
  const windows = new Map(keys.map((key) => [key, windowOf(key, after.get(key), input)]));
  const usual = keys.filter((key) => after.get(key)?.phase.kind === 'in');
  for (const key of keys) {
    const server = after.get(key);
    const window = windows.get(key) ?? null;
    if (server && !server.answered && window !== null && window.packetsIn >= MIN_REQUESTS && ratio(window) >= MIN_EXPECTED) after.set(key, { ...server, answered: true });
  }
  const outliers: Outlier[] = [];
  for (const key of keys) {
    const server = after.get(key);
    if (!server) continue;
    const others = usual.flatMap((other) => (other === key ? [] : windows.get(other) ?? []));
    const outlier = judge(key, windows.get(key) ?? null, others, server.answered, input);
    const moved = onTheWay(server, outlier, windows.get(key) ?? null, input);
    if (moved !== server) after.set(key, moved);
    else if (server.phase.kind === 'in' && outlier !== null) outliers.push(outlier);
  }
  const away = keys.filter((key) => after.get(key)?.phase.kind !== 'in').length;
  const room = mostAway(keys.length, settings.sharePercent) - away;
  // Equal scores go by name, so that the same input gives the same answer.
  outliers.sort((a, b) => b.score - a.score || (a.key < b.key ? -1 : 1));
  for (const { key, reason } of outliers.slice(0, Math.max(0, room))) {
    const server = after.get(key);
    if (server) after.set(key, putOut(server, reason, nowMs, settings.holdMs));
  }
  return after;
}

/** Returns how many of `servers` may be away at once. */
export function mostAway(servers: number, sharePercent: number): number {
  return Math.min(Math.max(1, Math.floor((servers * sharePercent) / 100)), Math.max(0, servers - 1));
}

/** Returns what health is told of a server; null: nothing stands against it. */
export function verdictOf(server: PassiveServer): PassiveVerdict | null {
  const { phase } = server;
  switch (phase.kind) {
    case 'in':
      return null;
    case 'out':
      return { out: true, percent: 0, reason: `passive: ${phase.reason}` };
    case 'back': {
      const percent = BACK_STEPS[phase.step] ?? 100;
      return { out: false, percent, reason: `passive: tried with ${percent} % of its weight after it ${phase.reason}` };
    }
    default:
      return phase satisfies never;
  }
}

/** Returns replies for a request, 1 at most: what more there are says nothing. */
export function ratio({ packetsIn, packetsOut }: Pick<Window, 'packetsIn' | 'packetsOut'>): number {
  return packetsIn === 0 ? 0 : Math.min(1, packetsOut / packetsIn);
}

/** A server on its way back is judged by what it did since, and sooner: it gets little traffic. */
function windowOf(key: string, server: PassiveServer | undefined, { look }: PassiveInput): Window | null {
  if (server?.phase.kind === 'out') return null;
  if (server?.phase.kind === 'back') return look(key, { requests: STEP_REQUESTS, minMs: MIN_MS, fromMs: server.phase.sinceMs });
  return look(key, { requests: MIN_REQUESTS, minMs: MIN_MS, ...(server === undefined ? {} : { fromMs: server.inSinceMs }) });
}

function onTheWay(server: PassiveServer, outlier: Outlier | null, window: Window | null, { nowMs, settings }: PassiveInput): PassiveServer {
  const { phase } = server;
  switch (phase.kind) {
    case 'out':
      return nowMs < phase.untilMs ? server : { ...server, phase: { kind: 'back', step: 0, sinceMs: nowMs, reason: phase.reason } };
    case 'back': {
      if (outlier !== null) return putOut(server, outlier.reason, nowMs, settings.holdMs);
      if (window === null && nowMs - phase.sinceMs < STEP_IDLE_MS) return server;
      const step = phase.step + 1;
      if (step < BACK_STEPS.length) return { ...server, phase: { ...phase, step, sinceMs: nowMs } };
      return { ...server, phase: { kind: 'in' }, inSinceMs: nowMs };
    }
    case 'in':
      return server;
    default:
      return phase satisfies never;
  }
}

function putOut(server: PassiveServer, reason: string, nowMs: number, firstHoldMs: number): PassiveServer {
  const forgiven = server.phase.kind === 'in' && nowMs - server.inSinceMs >= FORGIVEN_HOLDS * server.holdMs;
  const holdMs = forgiven ? firstHoldMs : server.holdMs;
  return { ...server, phase: { kind: 'out', untilMs: nowMs + holdMs, reason }, holdMs: Math.min(holdMs * 2, firstHoldMs * 2 ** MAX_DOUBLINGS) };
}

function judge(key: string, window: Window | null, others: readonly Window[], answered: boolean, { session, settings }: PassiveInput): Outlier | null {
  if (window === null || others.length === 0) return null;
  const mine = ratio(window);
  const theirs = median(others.map(ratio));
  const expected = theirs >= MIN_EXPECTED && (answered || others.filter((other) => ratio(other) >= MIN_EXPECTED).length >= 2);
  if (expected && mine < LIMIT[session] * theirs) {
    return { key, score: 2 + 1 - mine / theirs, reason: `answered ${percent(mine)} of its requests, the others ${percent(theirs)}` };
  }
  const refused = window.icmpErrors / window.packetsIn;
  const theirRefused = median(others.map((other) => other.icmpErrors / Math.max(1, other.packetsIn)));
  if (window.icmpErrors >= ICMP.least && refused > ICMP.share && theirRefused < ICMP.others) {
    return { key, score: 2 + Math.min(1, refused), reason: `met ICMP errors with ${percent(Math.min(1, refused))} of its datagrams, the others with ${percent(theirRefused)}` };
  }
  return settings.slower === null ? null : judgeTime(key, window, others, settings.slower);
}

function judgeTime(key: string, window: Window, others: readonly Window[], slower: number): Outlier | null {
  const mine = medianTime(window);
  const theirs = others.flatMap((other) => medianTime(other) ?? []);
  if (mine === null || theirs.length === 0) return null;
  const usual = median(theirs);
  if (mine < usual * slower || mine - usual < SLOWER_BY_MS) return null;
  return { key, score: 1 - usual / mine, reason: `took ${mine.toFixed(0)} ms for half of its answers, the others ${usual.toFixed(usual < 10 ? 1 : 0)} ms` };
}

/** Median response time in ms; null where too few replies were seen to say. */
function medianTime({ responseTimes }: Window): number | null {
  if (responseTimes === null || responseTimes.reduce((sum, n) => sum + n, 0) < STEP_REQUESTS) return null;
  return responsePercentile(responseTimes, 0.5);
}

/** Of an even number the lower middle one: two servers that disagree must not make a third one's measure. */
function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor((values.length - 1) / 2)] ?? 0;
}

function percent(share: number): string {
  return `${Math.round(share * 100)} %`;
}
