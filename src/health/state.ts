/**
 * The state machine of one server's health: pure, driven by results of checks, evidence of the data plane and the lapse of it.
 *
 * - A server starts `unknown` and *undecided*: it takes traffic, and the first word counts: one good check puts it up, one refusal
 *   (ICMP port unreachable, TCP reset) puts it down; silence and wrong answers need `fall` in a row, as they do later.
 * - Decided, only `fall` consecutive bad checks lead from up to down and only `rise` consecutive good ones back.
 * - A changed check (another kind, port, source) keeps the state and makes it undecided again, so a repaired check lets servers
 *   back at its first good answer; changed timers keep the state and start the counts anew.
 * - Damping: a server that went down `count` times or more within `withinMs` needs twice `rise` good checks, doubled each time it goes down
 *   again, and never more than fit into `withinMs`: however it flaps, it is let back after so long a time without a bad check.
 * - A check that cannot run counts neither way. `fall` of them in a row make an up server unknown; a down server stays down.
 * - Evidence (ICMP seen by the data plane) is down at once. A checked server comes back by `rise` good checks that began after it.
 *   An unchecked one, or one whose check cannot run, is tried again (unknown) when the hold lapses: 10 s, doubled each time the
 *   evidence repeats within 60 s of being let back, at most 60 s. Evidence while it is held changes nothing: the hold is bounded.
 */
import type { CheckResult, Health } from './health.ts';

export const HOLD_FIRST_MS = 10_000;
export const HOLD_MAX_MS = 60_000;
/** Evidence later than this after a lapse is news, not a repeat. */
export const REPEAT_WITHIN_MS = 60_000;

export interface ServerHealth {
  readonly health: Health;
  readonly decided: boolean;
  /** Consecutive results, each reset by the others; at most one is above zero. */
  readonly good: number;
  readonly bad: number;
  readonly cannot: number;
  readonly evidence: Evidence | null;
  /** When it went down, latest last, as far back as damping looks; monotonic. */
  readonly downsMs: readonly number[];
  /** The share of its weight that the last answer asked for; 100 until one does. */
  readonly answeredPercent: number;
}

/** Times are of the monotonic clock. `standing`: it still keeps the server down. */
export interface Evidence {
  readonly standing: boolean;
  readonly seenMs: number;
  readonly holdMs: number;
  readonly untilMs: number;
}

/** `rise` and `fall` are at least 1; `checked` is false for a server no check watches. */
export interface Thresholds {
  readonly rise: number;
  readonly fall: number;
  readonly checked: boolean;
  readonly damping: { readonly count: number; readonly withinMs: number; readonly intervalMs: number } | null;
}

/** More than these make no difference: the bound is reached before. */
const MAX_DOWNS = 200;

/** `nowMs` is monotonic and measures; `atMs` is Date.now() time and is shown. */
export type HealthEvent = { readonly nowMs: number; readonly atMs: number } & (
  | { readonly kind: 'result'; readonly result: CheckResult; readonly startedMs: number }
  | { readonly kind: 'evidence'; readonly detail: string }
  | { readonly kind: 'lapse' }
  | { readonly kind: 'check-changed' }
  | { readonly kind: 'timing-changed' }
);

/** Returns the health of a server nothing is known of yet. */
export function initialHealth(atMs: number, checked: boolean): ServerHealth {
  const reason = checked ? 'not checked yet' : 'not checked';
  return { health: { state: 'unknown', reason, sinceMs: atMs, last: null, weightPercent: 100 }, decided: false, good: 0, bad: 0, cannot: 0, evidence: null, downsMs: [], answeredPercent: 100 };
}

/** Returns the server's health after `event`; the same object when nothing changed. */
export function step(from: ServerHealth, event: HealthEvent, thresholds: Thresholds): ServerHealth {
  switch (event.kind) {
    case 'result':
      return afterResult(from, event, thresholds);
    case 'evidence':
      return afterEvidence(from, event, thresholds);
    case 'lapse':
      return afterLapse(from, event, thresholds);
    case 'check-changed':
      return { ...from, decided: false, good: 0, bad: 0, cannot: 0, answeredPercent: 100 };
    case 'timing-changed':
      return { ...from, good: 0, bad: 0, cannot: 0 };
    default:
      return event satisfies never;
  }
}

/** Returns the same health on a clock that reads `byMs` more. */
export function shifted(of: ServerHealth, byMs: number): ServerHealth {
  const { evidence } = of;
  return evidence === null ? of : { ...of, evidence: { ...evidence, seenMs: evidence.seenMs + byMs, untilMs: evidence.untilMs + byMs } };
}

/** Returns when (monotonic ms) a `lapse` is due, or null when nothing waits for time to pass. */
export function lapseAtMs(of: ServerHealth): number | null {
  return of.evidence === null ? null : of.evidence.standing ? of.evidence.untilMs : of.evidence.untilMs + REPEAT_WITHIN_MS;
}

function afterResult(from: ServerHealth, event: HealthEvent & { kind: 'result' }, thresholds: Thresholds): ServerHealth {
  const { result, atMs, nowMs } = event;
  const { rise, fall } = thresholds;
  const seen = { ...from, health: { ...from.health, last: { ...result, atMs } } };
  if (result.finding === 'cannot') {
    const next = { ...seen, good: 0, bad: 0, cannot: count(from.cannot, fall) };
    const reason = `the check cannot run: ${result.detail}`;
    if (from.health.state === 'unknown') return { ...next, health: { ...next.health, reason } };
    return from.health.state === 'up' && next.cannot >= fall ? moved(next, 'unknown', reason, atMs) : next;
  }
  if (result.ok) {
    // A check that was under way when the evidence came says nothing of the time after it.
    if (from.evidence?.standing === true && event.startedMs < from.evidence.seenMs) return seen;
    const held = from.evidence?.standing === true;
    const usual = from.decided || held ? rise : 1;
    const need = from.health.state === 'down' ? Math.max(usual, dampedRise(from.downsMs, nowMs, thresholds)) : usual;
    const next = { ...seen, good: count(from.good, need), bad: 0, cannot: 0, answeredPercent: result.weightPercent ?? from.answeredPercent };
    if (next.good < need) return need === usual ? next : { ...next, health: { ...next.health, reason: `${result.detail}; it goes up and down: ${next.good} of ${need} good checks in a row` } };
    const evidence = held && from.evidence !== null ? { ...from.evidence, standing: false, untilMs: event.nowMs } : from.evidence;
    const up = { ...next, decided: true, evidence };
    return from.health.state === 'up' ? up : moved(up, 'up', result.detail, atMs);
  }
  const need = !from.decided && result.finding === 'refused' ? 1 : fall;
  const next = { ...seen, good: 0, bad: count(from.bad, fall), cannot: 0 };
  if (next.bad < need) return next;
  const down = { ...next, decided: true };
  return from.health.state === 'down' ? down : moved(wentDown(down, nowMs, thresholds), 'down', result.detail, atMs);
}

/** Returns how many good checks in a row a server needs that went down at `downsMs`; 0 when nothing is damped. */
export function dampedRise(downsMs: readonly number[], nowMs: number, { rise, damping }: Pick<Thresholds, 'rise' | 'damping'>): number {
  if (damping === null) return 0;
  const times = downsMs.filter((atMs) => nowMs - atMs < damping.withinMs).length;
  if (times < damping.count) return 0;
  // The exponent is capped, or a hundred downs would make Infinity of it.
  return Math.min(rise * 2 ** Math.min(times - damping.count + 1, 30), Math.max(rise, Math.floor(damping.withinMs / damping.intervalMs)));
}

function wentDown(of: ServerHealth, nowMs: number, { damping }: Thresholds): ServerHealth {
  if (damping === null) return of.downsMs.length === 0 ? of : { ...of, downsMs: [] };
  return { ...of, downsMs: [...of.downsMs.filter((atMs) => nowMs - atMs < damping.withinMs), nowMs].slice(-MAX_DOWNS) };
}

function afterEvidence(from: ServerHealth, event: HealthEvent & { kind: 'evidence' }, thresholds: Thresholds): ServerHealth {
  const { checked } = thresholds;
  const { nowMs, atMs, detail } = event;
  const old = from.evidence;
  if (old?.standing === true) {
    // Checks must prove the server from here on; the hold of an unchecked one is not stretched by datagrams still under way.
    return { ...from, good: 0, evidence: { ...old, seenMs: nowMs } };
  }
  const repeats = old !== null && nowMs - old.untilMs <= REPEAT_WITHIN_MS;
  const holdMs = repeats ? Math.min(old.holdMs * 2, HOLD_MAX_MS) : HOLD_FIRST_MS;
  const evidence: Evidence = { standing: true, seenMs: nowMs, holdMs, untilMs: nowMs + holdMs };
  const next = { ...from, decided: checked, good: 0, bad: 0, evidence };
  const reason = checked ? `${detail} (seen in traffic)` : `${detail} (seen in traffic; tried again after ${holdMs / 1000} s)`;
  return from.health.state === 'down' ? next : moved(wentDown(next, nowMs, thresholds), 'down', reason, atMs);
}

function afterLapse(from: ServerHealth, event: HealthEvent & { kind: 'lapse' }, { checked, fall }: Thresholds): ServerHealth {
  const old = from.evidence;
  const due = lapseAtMs(from);
  if (old === null || due === null || event.nowMs < due) return from;
  if (!old.standing) return { ...from, evidence: null };
  const undecidable = !checked || from.cannot >= fall;
  if (!undecidable) return { ...from, evidence: { ...old, untilMs: event.nowMs + old.holdMs } };
  const next = { ...from, decided: false, bad: 0, evidence: { ...old, standing: false, untilMs: event.nowMs } };
  return moved(next, 'unknown', `tried again ${old.holdMs / 1000} s after ICMP seen in traffic`, event.atMs);
}

/** One more, but never above what decides: a server down for a year counts no further. */
function count(value: number, limit: number): number {
  return Math.min(value + 1, limit);
}

function moved(of: ServerHealth, state: Health['state'], reason: string, atMs: number): ServerHealth {
  return { ...of, health: { ...of.health, state, reason, sinceMs: atMs } };
}
