/** A daemon on fakes, for the tests of daemon, API and CLI: memory files, fake clock, fake engine, health set by hand. The parser is the real one. */
import { createFakeClock, type FakeClock } from '../clock/fake.ts';
import type { Documents } from '../client/types.ts';
import { parseConfig } from '../config/parse.ts';
import { createFakeEngine, type FakeEngine } from '../engine/fake.ts';
import type { Health, HealthService, Target } from '../health/health.ts';
import { createMemoryFiles, type MemoryFiles } from '../store/memory.ts';
import { openStore, type Store } from '../store/store.ts';
import type { StoreError } from '../store/error.ts';
import { createDaemon, type Daemon, type DaemonOptions } from './daemon.ts';
import type { Parsed } from './core.ts';

export interface FakeHealth extends HealthService {
  readonly targets: readonly Target[];
  readonly evidences: readonly { readonly key: string; readonly detail: string }[];
  readonly running: boolean;
  /** Changes a server's health as checks would, and tells the listeners. */
  set(director: string, server: string, state: Health['state'], reason?: string): void;
}

export interface Harness {
  readonly daemon: Daemon;
  readonly engine: FakeEngine;
  readonly engines: readonly FakeEngine[];
  readonly health: FakeHealth;
  readonly clock: FakeClock;
  readonly files: MemoryFiles;
  readonly store: Store;
  readonly warnings: readonly StoreError[];
}

/** Returns a started daemon (unless `start` is false) that runs `layer4` (and more documents when given). `files` carries a state over from an earlier one. */
export async function createHarness(
  options: Partial<Omit<DaemonOptions, 'store' | 'clock' | 'health'>> & {
    readonly layer4?: string;
    readonly files?: MemoryFiles;
    readonly clock?: FakeClock;
    readonly start?: boolean;
    /** Other living processes, by their ids. */
    readonly lives?: Readonly<Record<number, string>>;
    readonly engineOptions?: Parameters<typeof createFakeEngine>[0];
  } = {},
): Promise<Harness> {
  const { layer4, start = true, engineOptions, lives = {}, ...rest } = options;
  const clock = options.clock ?? createFakeClock();
  const files = options.files ?? createMemoryFiles();
  const warnings: StoreError[] = [];
  const store = await openStore({ dir: '/state', files, processes: { pid: 1, lifeOf: (pid) => (pid === 1 ? 'now' : (lives[pid] ?? null)) }, now: () => clock.now(), onWarning: (w) => warnings.push(w) });
  const health = createFakeHealth(clock);
  const engines: FakeEngine[] = [];
  const daemon = createDaemon({
    parse: parseDocuments,
    createEngine: async ({ wanted, onEvent }) => {
      const engine = createFakeEngine({ now: () => clock.now(), onEvent, ...(wanted === 'auto' ? {} : { name: wanted }), ...engineOptions });
      engines.push(engine);
      return { engine, why: `${wanted} took the fake` };
    },
    initial: layer4 === undefined ? null : { layer4, nat: '', services: '' },
    version: '0.0.0-test',
    ...rest,
    store,
    health,
    clock,
  });
  if (start) await daemon.start();
  return {
    daemon, engines, health, clock, files, store, warnings,
    get engine() {
      const engine = engines.at(-1);
      if (!engine) throw new Error('no engine was made yet');
      return engine;
    },
  };
}

/** Parses the three documents under the names people see. */
export function parseDocuments(documents: Documents): Parsed {
  return parseConfig([
    { file: 'layer4.conf', document: 'layer4', text: documents.layer4 },
    { file: 'nat.conf', document: 'nat', text: documents.nat },
    { file: 'services.conf', document: 'services', text: documents.services },
  ]);
}

/** Returns a health service whose states a test sets. */
export function createFakeHealth(clock: { now(): number }): FakeHealth {
  let targets: readonly Target[] = [];
  let running = false;
  const states = new Map<string, Health>();
  const listeners: Parameters<HealthService['onChange']>[0][] = [];
  const evidences: { key: string; detail: string }[] = [];
  const verdicts = new Map<string, string>();
  const health: FakeHealth = {
    get targets() {
      return targets;
    },
    get running() {
      return running;
    },
    evidences,
    setTargets(next) {
      targets = next;
    },
    health: (key) => states.get(key) ?? { state: 'unknown', reason: 'not checked', sinceMs: 0, last: null, weightPercent: 100 },
    evidence(key, detail) {
      evidences.push({ key, detail });
      change(key, 'down', detail);
    },
    passive(key, verdict) {
      if ((verdict ?? null) === null ? !verdicts.delete(key) : verdicts.get(key) === verdict?.reason) return;
      if (verdict !== null) verdicts.set(key, verdict.reason);
      if (verdict === null || !verdict.out) return change(key, 'up', verdict?.reason ?? 'back', verdict?.percent ?? 100);
      change(key, 'down', verdict.reason);
    },
    onChange: (listener) => void listeners.push(listener),
    counters: () => ({ done: 0, failed: 0, late: 0, targets: targets.length }),
    memory: () => [...states].map(([key, known]) => ({ key, checked: true, known })),
    remember(memory) {
      for (const { key, known } of memory) states.set(key, known as Health);
    },
    start() {
      running = true;
    },
    async stop() {
      running = false;
    },
    set(director, server, state, reason = `told ${state}`) {
      const target = targets.find((t) => t.director === director && t.server === server);
      if (!target) throw new Error(`${director}/${server} is not checked; targets: ${targets.map((t) => t.key).join(', ')}`);
      change(target.key, state, reason);
    },
  };

  function change(key: string, state: Health['state'], reason: string, weightPercent = 100): void {
    const from = health.health(key);
    const to: Health = { state, reason, weightPercent, sinceMs: clock.now(), last: { ok: state === 'up', detail: reason, latencyMs: 1, atMs: clock.now() } };
    states.set(key, to);
    const [director = '', server = ''] = key.split('|');
    if (from.state !== state || from.weightPercent !== weightPercent) for (const listener of listeners) listener({ key, director, server, from, to });
  }

  return health;
}
