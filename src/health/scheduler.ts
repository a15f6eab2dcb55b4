/**
 * When each target is checked. Owns the due times and the checks under way; knows nothing of what a result means.
 *
 * - A target's checks fall on a grid of its own: every `intervalMs`, at a phase that is the hash of its key, so 10,000 targets spread
 *   evenly and stay where they are across applies. A jitter of at most 2 % of the interval keeps several balancers out of step.
 * - The first check of a new target comes soon: within 1 s, plus 1 ms for each target added with it, and never later than its interval.
 * - A target whose state is not decided and whose check failed is tried again after at most 1 s, so that a start is decided quickly.
 * - A check never overlaps the one before it of the same target. At most `maxInFlight` run at once; the rest wait in order of due time.
 */
import { createAgenda, type SetTimer } from './agenda.ts';
import type { CheckResult, Target } from './health.ts';

export const MAX_IN_FLIGHT = 4096;
/** A check that starts this long after it was due counts as late. */
export const LATE_MS = 250;
const JITTER = 0.02;
const FIRST_WITHIN_MS = 1000;
const RETRY_MS = 1000;
/** A target asking for less gets this: an interval of 0 would be a busy loop. */
const MIN_INTERVAL_MS = 20;

export interface SchedulerOptions {
  readonly nowMs: () => number;
  readonly setTimer: SetTimer;
  /** 0..1. */
  readonly random: () => number;
  /** Runs one check; must not throw, must settle within the target's timeout. */
  readonly run: (target: Target) => Promise<CheckResult>;
  /** Takes a result; returns 'soon' when the target should be tried again at once instead of at its next turn. */
  readonly onResult: (target: Target, result: CheckResult, startedMs: number) => 'soon' | 'usual';
  readonly maxInFlight?: number;
}

export interface Scheduler {
  /** Adds a target or replaces the one of the same key; a check of the old one under way is forgotten. `batch` counts the targets added with it. */
  set(target: Target, batch: number): void;
  delete(key: string): void;
  start(): void;
  /** Stops starting checks and resolves when none is under way. */
  stop(): Promise<void>;
  counters(): { readonly done: number; readonly failed: number; readonly cannot: number; readonly late: number; readonly inFlight: number };
}

interface Watch {
  readonly target: Target;
  readonly intervalMs: number;
  /** 0..intervalMs. */
  readonly phaseMs: number;
  dueMs: number;
  state: 'idle' | 'waiting' | 'running' | 'gone';
}

/** Returns a scheduler without targets, not started. */
export function createScheduler(options: SchedulerOptions): Scheduler {
  const { nowMs, setTimer, random, run, onResult, maxInFlight = MAX_IN_FLIGHT } = options;
  const watches = new Map<string, Watch>();
  const agenda = createAgenda<Watch>({ nowMs, setTimer, onDue: due });
  /** Due, but held back by the cap; a queue with a read position, so taking the first is cheap. */
  let waiting: Watch[] = [];
  let waitingFrom = 0;
  const inFlight = new Set<Promise<void>>();
  let running = false;
  let done = 0;
  let failed = 0;
  let cannot = 0;
  let late = 0;

  function due(watch: Watch): void {
    if (!running || watch.state === 'gone') return;
    if (inFlight.size >= maxInFlight) {
      watch.state = 'waiting';
      waiting.push(watch);
      return;
    }
    check(watch);
  }

  function check(watch: Watch): void {
    const startedMs = nowMs();
    if (startedMs - watch.dueMs >= LATE_MS) late++;
    watch.state = 'running';
    const one = run(watch.target).then((result) => finished(watch, result, startedMs), (cause: unknown) => finished(watch, broken(cause), startedMs));
    inFlight.add(one);
    void one.then(() => {
      inFlight.delete(one);
      refill();
    });
  }

  function finished(watch: Watch, result: CheckResult, startedMs: number): void {
    done++;
    if (result.finding === 'cannot') cannot++;
    else if (!result.ok) failed++;
    if (watch.state === 'gone') return;
    watch.state = 'idle';
    if (!running) return;
    const when = onResult(watch.target, result, startedMs);
    // onResult may have replaced or removed the target.
    if (watches.get(watch.target.key) !== watch) return;
    const usual = turnAfter(watch, startedMs);
    plan(watch, when === 'soon' ? Math.min(usual, nowMs() + RETRY_MS) : usual);
  }

  function refill(): void {
    while (running && waitingFrom < waiting.length && inFlight.size < maxInFlight) {
      const watch = waiting[waitingFrom++];
      if (watch?.state === 'waiting') check(watch);
    }
    if (waitingFrom > 1024 || waitingFrom === waiting.length) {
      waiting = waiting.slice(waitingFrom);
      waitingFrom = 0;
    }
  }

  function plan(watch: Watch, dueMs: number): void {
    watch.dueMs = dueMs;
    agenda.set(watch, dueMs);
  }

  /** The next turn of the grid at least half an interval after `startedMs` and not in the past, with its jitter. */
  function turnAfter(watch: Watch, startedMs: number): number {
    const { intervalMs, phaseMs } = watch;
    const earliest = Math.max(startedMs + intervalMs / 2, nowMs());
    const turn = Math.ceil((earliest - phaseMs) / intervalMs) * intervalMs + phaseMs;
    return turn + random() * JITTER * intervalMs;
  }

  function first(watch: Watch, batch: number): void {
    const within = Math.min(watch.intervalMs, FIRST_WITHIN_MS + batch);
    plan(watch, nowMs() + (watch.phaseMs / watch.intervalMs) * within);
  }

  function forget(watch: Watch): void {
    watch.state = 'gone';
    agenda.delete(watch);
  }

  return {
    set(target, batch) {
      const old = watches.get(target.key);
      if (old !== undefined) forget(old);
      const intervalMs = Math.max(MIN_INTERVAL_MS, target.intervalMs);
      const watch: Watch = { target, intervalMs, phaseMs: hash01(target.key) * intervalMs, dueMs: 0, state: 'idle' };
      watches.set(target.key, watch);
      if (running) first(watch, batch);
    },
    delete(key) {
      const old = watches.get(key);
      if (old !== undefined) forget(old);
      watches.delete(key);
    },
    start() {
      if (running) return;
      running = true;
      for (const watch of watches.values()) if (watch.state !== 'running') first(watch, watches.size);
    },
    async stop() {
      running = false;
      agenda.clear();
      waiting = [];
      waitingFrom = 0;
      for (const watch of watches.values()) if (watch.state === 'waiting') watch.state = 'idle';
      while (inFlight.size > 0) await Promise.all(inFlight);
    },
    counters: () => ({ done, failed, cannot, late, inFlight: inFlight.size }),
  };
}

function broken(cause: unknown): CheckResult {
  const text = cause instanceof Error ? cause.message : String(cause);
  return { ok: false, detail: `the check broke: ${text}`, latencyMs: 0, finding: 'cannot' };
}

/** Returns a number in 0..1 that depends on `key` alone: FNV-1a with a final mix, for keys differ in their last characters only. */
export function hash01(key: string): number {
  let h = 0x811c9dc5;
  for (let i = 0; i < key.length; i++) h = Math.imul(h ^ key.charCodeAt(i), 0x01000193);
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return ((h ^ (h >>> 16)) >>> 0) / 2 ** 32;
}
