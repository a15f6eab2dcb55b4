/**
 * The owner of every server's health: puts scheduler, checks and state machine together, takes the data plane's evidence,
 * and tells of each change. Changes are told from a microtask: never inside a call to this service, never one inside another.
 */
import { createAgenda, type SetTimer } from './agenda.ts';
import type { CheckEnv } from './checks/attempt.ts';
import { runCheck as runOne } from './checks/check-for.ts';
import type { CheckResult, Health, HealthMemory, HealthService, PassiveVerdict, Target } from './health.ts';
import { createIcmpSockets, type IcmpSockets } from './icmp-socket.ts';
import { createNeighbours, type Neighbours } from './neighbours.ts';
import { createVipPaths } from './vip-path/vip-paths.ts';
import { nextRampMs, overlay, rampPercent } from './overlay.ts';
import { createScheduler } from './scheduler.ts';
import { initialHealth, lapseAtMs, shifted, step, type HealthEvent, type ServerHealth, type Thresholds } from './state.ts';
import { namesOfKey } from './targets.ts';

export interface HealthDeps {
  /** Monotonic, in ms with fractions: measures. */
  readonly nowMs?: () => number;
  /** Date.now() time: shown. */
  readonly wallMs?: () => number;
  readonly setTimer?: SetTimer;
  readonly random?: () => number;
  readonly neighbours?: Neighbours;
  readonly icmp?: IcmpSockets;
  /** Runs one check, in place of the checks of checks/. */
  readonly runCheck?: (target: Target, env: CheckEnv) => Promise<CheckResult>;
  readonly maxInFlight?: number;
  /** Where the programs of execcheck lie. Default DEFAULT_PROGRAMS. */
  readonly programsDirectory?: string;
  /** Takes one line for the operator: a check that cannot run, a listener that threw. */
  readonly log?: (text: string) => void;
}

/** What `counters()` gives beside the contract's: checks that could not run, checks under way, evidence refused because its table was full. */
export interface HealthCounters {
  readonly done: number;
  readonly failed: number;
  readonly late: number;
  readonly targets: number;
  readonly cannot: number;
  readonly inFlight: number;
  readonly evidenceDropped: number;
}

/** The service with all its counters. */
export interface RunningHealthService extends HealthService {
  counters(): HealthCounters;
}

/** Unchecked servers with evidence against them that are remembered at once. Beyond it evidence is dropped and counted: traffic goes on as before. */
export const MAX_EVIDENCE = 65_536;

/** Where the programs of execcheck lie unless weir was told otherwise. */
export const DEFAULT_PROGRAMS = '/etc/weir/checks';

const COMPLAIN_EVERY_MS = 60_000;
const MAX_COMPLAINTS = 1000;

type Change = { readonly key: string; readonly director: string; readonly server: string; readonly from: Health; readonly to: Health };

interface Entry {
  /** null: not checked, remembered for what the traffic says against it. */
  target: Target | null;
  of: ServerHealth;
  /** What the daemon is told: `of` under what follows. */
  shown: Health;
  passive: PassiveVerdict | null;
  /** Date.now() time of the verdict. */
  passiveSinceMs: number;
  /** When it came back (monotonic); null: its slow start is over. */
  rampFromMs: number | null;
}

function newEntry(target: Target | null, of: ServerHealth): Entry {
  return { target, of, shown: of.health, passive: null, passiveSinceMs: 0, rampFromMs: null };
}

/** Returns a health service without targets, not started. Every dep has a real default. */
export function createHealthService(deps: HealthDeps = {}): RunningHealthService {
  const nowMs = deps.nowMs ?? (() => performance.now());
  const wallMs = deps.wallMs ?? (() => Date.now());
  const setTimer = deps.setTimer ?? realTimer;
  const setIdleTimer = deps.setTimer ?? idleTimer;
  const random = deps.random ?? Math.random;
  const log = deps.log ?? (() => undefined);
  const icmp = deps.icmp ?? createIcmpSockets();
  const neighbours = deps.neighbours ?? createNeighbours({ nowMs, setTimer });
  const env: CheckEnv = {
    nowMs,
    setTimer,
    random,
    icmp,
    neighbours,
    paths: createVipPaths({ neighbours, nowMs }),
    programs: { directory: deps.programsDirectory ?? DEFAULT_PROGRAMS, running: 0 },
    cancels: new Set(),
  };
  const runCheck = deps.runCheck ?? runOne;

  const entries = new Map<string, Entry>();
  const listeners: ((change: Change) => void)[] = [];
  const lapses = createAgenda<string>({ nowMs, setTimer: setIdleTimer, onDue: (key) => feed(key, { kind: 'lapse', nowMs: nowMs(), atMs: wallMs() }) });
  const ramps = createAgenda<string>({ nowMs, setTimer: setIdleTimer, onDue: (key) => refresh(key) });
  const scheduler = createScheduler({
    nowMs,
    setTimer: setIdleTimer,
    random,
    ...(deps.maxInFlight === undefined ? {} : { maxInFlight: deps.maxInFlight }),
    run: async (target) => runCheck(target, env),
    onResult: (target, result, startedMs) => {
      const after = feed(target.key, { kind: 'result', result, startedMs, nowMs: nowMs(), atMs: wallMs() });
      return after !== null && !after.decided && after.bad > 0 ? 'soon' : 'usual';
    },
  });
  const remembered = new Map<string, ServerHealth>();
  const complained = new Map<string, number>();
  let changes: Change[] = [];
  let targets = 0;
  let unchecked = 0;
  let evidenceDropped = 0;

  function feed(key: string, event: HealthEvent): ServerHealth | null {
    const entry = entries.get(key);
    if (entry === undefined) return null;
    const before = entry.of;
    const after = (entry.of = step(before, event, thresholds(entry)));
    if (event.kind === 'result' && event.result.finding === 'cannot' && before.cannot === 0) complain(key, event.result.detail);
    const lapse = lapseAtMs(after);
    if (lapse !== lapseAtMs(before)) {
      if (lapse === null) lapses.delete(key);
      else lapses.set(key, lapse);
    }
    if (after.health.state !== before.health.state) {
      const comesBack = before.health.state === 'down' && after.health.state === 'up' && (entry.target?.slowStartMs ?? 0) > 0;
      entry.rampFromMs = comesBack ? nowMs() : null;
    }
    refresh(key);
    return after;
  }

  /** Puts together what is shown of a server, and tells when its state or its weight is another. */
  function refresh(key: string): void {
    const entry = entries.get(key);
    if (entry === undefined) return;
    const before = entry.shown;
    const slowStartMs = entry.target?.slowStartMs ?? 0;
    const elapsedMs = entry.rampFromMs === null ? Infinity : nowMs() - entry.rampFromMs;
    const next = entry.rampFromMs === null ? null : nextRampMs(elapsedMs, slowStartMs);
    if (next === null) {
      if (entry.rampFromMs !== null) ramps.delete(key);
      entry.rampFromMs = null;
    } else {
      ramps.set(key, nowMs() + next - elapsedMs);
    }
    const { of, passive, passiveSinceMs } = entry;
    const after = overlay(of.health, { answeredPercent: of.answeredPercent, rampPercent: rampPercent(elapsedMs, slowStartMs), passive, passiveSinceMs });
    entry.shown = after;
    if (entry.target === null && of.evidence === null && passive === null) forget(key);
    if (after.state !== before.state || after.weightPercent !== before.weightPercent) tell({ key, ...namesOf(key, entry), from: before, to: after });
  }

  /** Thousands of servers may share one trouble of this host: it is told once a minute, not once a server. */
  function complain(key: string, detail: string): void {
    const now = nowMs();
    if (now - (complained.get(detail) ?? -Infinity) < COMPLAIN_EVERY_MS) return;
    if (complained.size >= MAX_COMPLAINTS) complained.clear();
    complained.set(detail, now);
    log(`check of ${key} cannot run: ${detail}`);
  }

  function forget(key: string): void {
    const entry = entries.get(key);
    if (entry === undefined) return;
    if (entry.target === null) unchecked--;
    entries.delete(key);
    lapses.delete(key);
    ramps.delete(key);
  }

  function tell(change: Change): void {
    changes.push(change);
    if (changes.length === 1) queueMicrotask(deliver);
  }

  function deliver(): void {
    const now = changes;
    changes = [];
    for (const change of now) {
      for (const listener of listeners) {
        try {
          listener(change);
        } catch (cause) {
          log(`a listener of health changes threw: ${cause instanceof Error ? (cause.stack ?? cause.message) : String(cause)}`);
        }
      }
    }
  }

  function enter(key: string, target: Target | null, of: ServerHealth): void {
    entries.set(key, newEntry(target, of));
    const lapse = lapseAtMs(of);
    if (lapse !== null) lapses.set(key, lapse);
  }

  function watch(target: Target, batch: number): void {
    const entry = entries.get(target.key);
    const at = { nowMs: nowMs(), atMs: wallMs() };
    if (entry === undefined) {
      enter(target.key, target, remembered.get(target.key) ?? initialHealth(at.atMs, true));
    } else if (entry.target === null) {
      // What the data plane saw stands; from here on checks must prove the server.
      entry.target = target;
      entry.of = { ...entry.of, decided: entry.of.evidence?.standing === true };
      if (entry.of.evidence === null) entry.of = initialHealth(at.atMs, true);
      refresh(target.key);
      unchecked--;
    } else {
      const change = changeOf(entry.target, target);
      entry.target = target;
      if (change === null) return refresh(target.key);
      feed(target.key, { kind: change, ...at });
    }
    scheduler.set(target, batch);
  }

  return {
    setTargets(next) {
      const wanted = new Set<string>();
      for (const { key } of next) wanted.add(key);
      for (const [key, entry] of entries) {
        if (entry.target === null || wanted.has(key)) continue;
        scheduler.delete(key);
        forget(key);
      }
      const batch = next.reduce((n, target) => n + (entries.has(target.key) ? 0 : 1), 0);
      for (const target of next) watch(target, batch);
      remembered.clear();
      targets = wanted.size;
    },
    health(key) {
      return entries.get(key)?.shown ?? NOT_CHECKED;
    },
    evidence(key, detail, atMs) {
      if (!entries.has(key)) {
        if (unchecked >= MAX_EVIDENCE) {
          evidenceDropped++;
          return;
        }
        unchecked++;
        entries.set(key, newEntry(null, initialHealth(atMs, false)));
      }
      feed(key, { kind: 'evidence', detail, nowMs: nowMs(), atMs });
    },
    passive(key, verdict) {
      let entry = entries.get(key);
      if (entry === undefined) {
        if (verdict === null) return;
        if (unchecked >= MAX_EVIDENCE) {
          evidenceDropped++;
          return;
        }
        unchecked++;
        entries.set(key, (entry = newEntry(null, { ...initialHealth(0, false), health: NOT_CHECKED })));
      }
      if (entry.passive === verdict || (verdict !== null && entry.passive?.out === verdict.out && entry.passive.percent === verdict.percent && entry.passive.reason === verdict.reason)) return;
      if (entry.passive?.out !== verdict?.out) entry.passiveSinceMs = wallMs();
      entry.passive = verdict;
      refresh(key);
    },
    onChange(listener) {
      listeners.push(listener);
    },
    counters: () => ({ ...scheduler.counters(), targets, evidenceDropped }),
    // Processes share the wall clock and nothing else: evidence is told by it.
    memory: (): readonly HealthMemory[] => [...entries].map(([key, { target, of }]) => ({ key, checked: target !== null, known: shifted(of, wallMs() - nowMs()) })),
    remember(memory) {
      for (const { key, checked, known } of memory) {
        const of = shifted(known as ServerHealth, nowMs() - wallMs());
        if (checked) remembered.set(key, of);
        else if (unchecked < MAX_EVIDENCE) {
          unchecked++;
          enter(key, null, of);
        }
      }
    },
    start: () => scheduler.start(),
    async stop() {
      const stopped = scheduler.stop();
      for (const cancel of env.cancels) cancel();
      await stopped;
      icmp.close();
      env.paths.close();
    },
  };
}

const NOT_CHECKED: Health = Object.freeze({ state: 'unknown', reason: 'not checked', sinceMs: 0, last: null, weightPercent: 100 });

function thresholds({ target }: Entry): Thresholds {
  if (target === null) return { rise: 1, fall: 1, checked: false, damping: null };
  const { rise, fall, damping, intervalMs } = target;
  return { rise: Math.max(1, rise), fall: Math.max(1, fall), checked: true, damping: damping === null ? null : { ...damping, intervalMs: Math.max(1, intervalMs) } };
}

function namesOf(key: string, { target }: Entry): { readonly director: string; readonly server: string } {
  return target ?? namesOfKey(key);
}

/** What changed between two targets of one key: what is asked, how often, or nothing. */
function changeOf(a: Target, b: Target): 'check-changed' | 'timing-changed' | null {
  if (a.ip.text !== b.ip.text || a.port !== b.port || a.source?.text !== b.source?.text || a.via?.vip.text !== b.via?.vip.text || a.via?.mode !== b.via?.mode || !sameProbe(a.probe, b.probe)) return 'check-changed';
  return a.intervalMs !== b.intervalMs || a.timeoutMs !== b.timeoutMs || a.rise !== b.rise || a.fall !== b.fall || a.damping?.count !== b.damping?.count || a.damping?.withinMs !== b.damping?.withinMs ? 'timing-changed' : null;
}

function sameProbe(a: Target['probe'], b: Target['probe']): boolean {
  return a === b || JSON.stringify(a, bytesAsList) === JSON.stringify(b, bytesAsList);
}

function bytesAsList(_key: string, value: unknown): unknown {
  return value instanceof Uint8Array ? [...value] : value;
}

/**
 * What came in before the timer was due is read before it runs: libuv looks at timers first, so that after a second without the processor each
 * check would time out with its answer in the socket, and a balancer short of time would put its servers out for it.
 */
export const realTimer: SetTimer = (fn, ms) => {
  let turn: NodeJS.Immediate | null = null;
  const timer = setTimeout(() => {
    turn = setImmediate(fn);
  }, ms);
  return () => {
    clearTimeout(timer);
    if (turn !== null) clearImmediate(turn);
  };
};

/** Between checks nothing here keeps the process alive. */
const idleTimer: SetTimer = (fn, ms) => {
  const timer = setTimeout(fn, ms).unref();
  return () => clearTimeout(timer);
};
