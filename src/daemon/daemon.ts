/**
 * The daemon: owner of edited, running and saved, of health and of the engine; what the API asks for, it does, one change at a time.
 * Level-triggered: an apply, a health change, evidence and an override all end in the same pass — desire, observe, diff, apply.
 */
import type { Documents, EventView, PrivilegesView, SampleView } from '../client/types.ts';
import type { Clock } from '../clock/clock.ts';
import type { Issue } from '../config/issue.ts';
import type { Config, Director, Server } from '../config/model.ts';
import type { Engine, EngineEvent, EngineName, Reading } from '../engine/engine.ts';
import type { AutoContext } from '../engine/select.ts';
import type { Health, HealthMemory, HealthService } from '../health/health.ts';
import type { NatTable } from '../nat/nft.ts';
import { createServiceRegistry, type Lifecycle, type ServiceRegistry } from '../services/registry.ts';
import { createSharedReading } from '../stats/reading.ts';
import { createSampler } from '../stats/sampler.ts';
import { etagOf } from '../store/documents.ts';
import type { Store } from '../store/store.ts';
import { completeDocuments, createStages, stateOf } from './apply.ts';
import type { Control } from './control.ts';
import { desiredFor, follow, healthKey, overrideKey, overrideOf, readingOrNull, stored, type Core, type Parsed } from './core.ts';
import { createAnswers } from './answers.ts';
import { createEventLog } from './events.ts';
import { handOver, type Estate, type Inheritance } from './handover.ts';
import { createLossEvents } from './losses.ts';
import { engineWantedBy, lvsPart, type EngineWanted } from './lvs.ts';
import { createNetworkServices, type HostTools } from './network.ts';
import { createNatCounts } from './nat-counts.ts';
import { findServer, notFound, setOverride } from './overrides.ts';
import { parseCache } from './parse-cache.ts';
import { createQueue } from './queue.ts';
import { restartIssues } from './restarts.ts';
import { createRunner } from './runner.ts';
import { serialEngine } from './serial-engine.ts';
import { actOnService, healthPart } from './services.ts';
import { checksAtStart, startUp } from './start.ts';
import { createStatus } from './status.ts';
import { overriddenTargets } from './targets.ts';
import { createTracker } from './tracker.ts';
import { createTraffic } from './traffic.ts';
import { directorViews } from './views.ts';
import { createWatch } from './watch.ts';

export interface DaemonOptions {
  readonly store: Store;
  /** Makes the engine that is wanted, probed; selectEngine with its candidates. */
  readonly createEngine: (options: {
    readonly wanted: EngineWanted;
    /** What the running configuration asks of an engine: `auto` takes one that can do it. */
    readonly context: AutoContext;
    readonly onEvent: (event: EngineEvent) => void;
  }) => Promise<{ readonly engine: Engine; readonly why: string }>;
  /** The engine named on the command line; it beats the configuration's. */
  readonly engineWanted?: EngineWanted | null;
  readonly health: HealthService;
  /** The table of NAT rules; without it a configuration with rules for it is refused. */
  readonly nat?: NatTable;
  readonly parse: (documents: Documents) => Parsed;
  /** What this host lacks for a configuration. */
  readonly hostIssues?: (config: Config, here: Here) => readonly Issue[];
  /** What the services `network` and `lvs` act with; without it network sections are kept as written and no switch is set. */
  readonly host?: HostTools;
  /**
   * The FILE weir was started with. It becomes edited, running and saved at the first start and whenever it has changed since the last;
   * an unchanged one leaves what was saved. Null: start from saved, or empty.
   */
  readonly initial?: Documents | null;
  /** What a predecessor left: the running configuration goes on as it is, and neither `initial` nor what is saved is looked at. */
  readonly inheritance?: Inheritance | null;
  /** Who was down when the last weir was here; an inheritance knows better. */
  readonly remembered?: readonly HealthMemory[];
  readonly clock: Clock;
  readonly version: string;
  /** What the process may do, for status. */
  readonly privileges?: PrivilegesView | null;
}

/** What the daemon knows of the host beyond the host itself. `engine` null: none runs yet. */
export interface Here {
  readonly engine: EngineName | null;
  /** Directors whose servers' answers came back through this host. */
  readonly answered: ReadonlySet<string>;
}

export interface Daemon extends Control {
  /** Starts from saved (or `initial`). Throws Refusal with all issues, or StoreError; then nothing runs and the daemon cannot be started again. */
  start(): Promise<void>;
  /** Ends everything; `leave` (default) leaves traffic flowing where the engine can. Safe to call twice. */
  stop(how?: 'leave' | 'remove'): Promise<void>;
  /**
   * Gives all work to process `pid` (handover.ts). After it has resolved this daemon does nothing more; stop it with 'leave'. When it rejects
   * the daemon goes on.
   */
  handOver(pid: number, give: (estate: Estate) => Promise<void>): Promise<void>;
  /** Notes that the FILE was loaded and saved while weir runs (SIGHUP), so that the next start does not take it for changed. */
  imported(documents: Documents): Promise<void>;
  /** Adds a part to the Services tab: the API and whatever else the program runs beside the daemon. */
  register(part: Lifecycle, state: 'running' | 'stopped'): void;
}

const EMPTY: Documents = { layer4: '', nat: '', services: '' };
const HOST_ISSUES_MS = 5000;
const MAX_NOTE = 2000;

/** Returns a daemon that is not started. */
export function createDaemon(options: DaemonOptions): Daemon {
  const { store, health, clock } = options;
  const events = createEventLog({ clock, audit: (entry) => store.audit(entry) });
  const parseText = parseCache(options.parse);
  const parse = (documents: Documents): Parsed => {
    const parsed = parseText(documents);
    if (!parsed.config || !options.hostIssues) return parsed;
    return { config: parsed.config, issues: [...parsed.issues, ...options.hostIssues(parsed.config, { engine: life === 'started' ? core.engine.name : null, answered: answers.seen() })] };
  };
  const reading = createSharedReading({ clock, read: async () => seen(await core.engine.read()) });
  const runner = createRunner({ clock, pass, onOutcome: tellOutcome });
  const services: ServiceRegistry = createServiceRegistry({ now: () => clock.now() });
  const dirty = new Set<Director>();
  let index = new Map<string, { readonly director: Director; readonly server: Server }>();
  let startedAtMs = 0;
  let life: 'new' | 'started' | 'stopped' = 'new';
  const answers = createAnswers();

  const core: Core = {
    store, clock, health, events, reading, parse, parseText,
    queue: createQueue(),
    plane: createQueue(),
    nat: options.nat ?? null,
    natOwed: false,
    engine: notStarted(),
    engineWhy: '',
    engineWanted: 'auto',
    running: { documents: EMPTY, etag: etagOf(EMPTY), revision: 0, config: { directors: [], natRules: [], services: [] }, issues: [] },
    overrides: new Map(),
    acting: null,
    given: false,
    lvs: 'running',
    pending: null,
    trigger: () => runner.trigger(),
    restarts: () => restartIssues(core, { wanted: wanted(), behind: [...networks.behind(), ...lvs.behind()] }),
    settled: () => runner.succeeded(),
    changed() {
      index = indexOf(core.running.config);
      dirty.clear();
      health.setTargets(overriddenTargets(core.running.config, core.overrides));
      tracker.refresh();
      networks.follow();
      natCounts.follow();
      // Targets that came or went have another health: the next pass tells the engine.
      runner.trigger();
    },
  };
  const tracker = createTracker(core, (director, from, to) => {
    events.add({ kind: `director-${to}`, who: 'weir', service: 'health', text: `director ${director.name} ${from} -> ${to}`, director: director.name });
  });
  const stages = createStages(core);
  const networks = createNetworkServices({ core, services, tools: options.host ?? null });
  const wanted = (): EngineWanted => options.engineWanted ?? engineWantedBy(core.running.config);
  const lvs = lvsPart(core, { wanted, make, sysctls: options.host?.sysctls ?? null });
  const source = {
    directorState: (director: Director) => tracker.director(director),
    status: (director: Director, server: Server) => tracker.server(director, server),
    health: (director: Director, server: Server): Health => health.health(healthKey(director, server)),
    override: (director: Director, server: Server) => overrideOf(core.overrides, director.name, server.name),
  };
  const watch = createWatch(core, tracker);
  const status = createStatus(core, { version: options.version, privileges: options.privileges ?? null, startedAtMs: () => startedAtMs, source, runner: () => runner.state(), hostIssues: hostIssues(), blackholes: () => watch.blackholes(), recentFrom: (now) => sampler.recentFrom(now) });
  const tellLosses = createLossEvents(events);
  const natCounts = createNatCounts(core);
  const sampler = createSampler({ clock, read: watchedReading, onSample: (sample) => events.sample(sample) });

  async function make(engineWanted: EngineWanted): Promise<{ engine: Engine; why: string }> {
    let mine: Engine | null = null;
    const { config } = core.running;
    const made = await options.createEngine({
      wanted: engineWanted,
      context: { desired: desiredFor(core, config), conntrack: config.services.some((s) => s.name === 'lvs' && s.conntrack) },
      // An engine that was replaced, or never came into use, has no say.
      onEvent: (event) => {
        if (mine !== null && core.engine === mine && life !== 'stopped') engineEvent(event);
      },
    });
    mine = serialEngine(made.engine);
    return { engine: mine, why: made.why };
  }

  /** The reading that the sampler takes once a second is also what passive health and the alarms go by. */
  async function watchedReading(): ReturnType<Engine['read']> {
    const now = await reading.get();
    if (life === 'started') {
      watch.take(now);
      tellLosses(sampler.recentFrom(now), now);
    }
    return now;
  }

  function engineEvent(event: EngineEvent): void {
    if (event.kind === 'fault') {
      events.add({ kind: event.recovered ? 'engine-recovered' : 'engine-fault', who: 'weir', service: 'lvs', text: event.detail });
      runner.trigger();
      return;
    }
    const found = index.get(overrideKey(event.director, event.server));
    if (found) health.evidence(healthKey(found.director, found.server), event.detail, event.atMs);
  }

  async function pass(): Promise<void> {
    if (core.given) return;
    for (const director of dirty) tracker.refreshDirector(director);
    dirty.clear();
    await follow(core, 'nat when owed');
  }

  function tellOutcome(outcome: { readonly failures: number; readonly error: Error | null }): void {
    if (outcome.error === null) return events.add({ kind: 'apply-recovered', who: 'weir', service: 'lvs', text: 'the data plane follows the running configuration again' });
    if (outcome.failures === 1) events.add({ kind: 'apply-failed', who: 'weir', service: 'lvs', text: `${outcome.error.message}; tried again until it succeeds` });
  }

  function watchHealth(): void {
    health.onChange((change) => {
      if (life === 'stopped') return;
      const found = index.get(change.key);
      const where = found ? `${change.director}/${found.server.name}` : change.key;
      // A step of a slow start is no news to people.
      if (change.from.state !== change.to.state) events.add({ kind: `server-${change.to.state}`, who: 'weir', service: 'health', text: `server ${where} ${change.from.state} -> ${change.to.state}: ${change.to.reason}`, director: change.director, server: found?.server.name ?? change.server });
      if (found) {
        tracker.refreshServer(found.director, found.server);
        dirty.add(found.director);
      }
      runner.trigger();
    });
  }

  /** 'remove' takes switches, NAT table and addresses away too, whatever becomes of the engine. */
  async function closeAll(how: 'leave' | 'remove'): Promise<void> {
    try {
      await core.engine.close(how);
    } finally {
      if (how === 'remove') {
        lvs.undoSwitches();
        if (core.nat !== null && (await core.nat.probe()).length === 0) await core.nat.remove();
        await networks.remove();
      }
    }
  }

  function hostIssues(): () => readonly Issue[] {
    let kept: { readonly atMs: number; readonly config: Config; readonly issues: readonly Issue[] } | null = null;
    return () => {
      const { config } = core.running;
      if (kept?.config !== config || clock.steady() - kept.atMs > HOST_ISSUES_MS) kept = { atMs: clock.steady(), config, issues: options.hostIssues?.(config, { engine: core.engine.name, answered: answers.seen() }) ?? [] };
      return kept.issues;
    };
  }

  function seen(now: Reading): Reading {
    answers.note(now, lvs.natActs());
    return now;
  }

  async function views(): ReturnType<Control['directors']> {
    const now = await readingOrNull(core);
    return directorViews(core.running.config.directors, now.reading, now.reading === null ? null : sampler.recentFrom(now.reading), source);
  }

  return {
    async start() {
      if (life !== 'new') throw new Error('a daemon starts once');
      life = 'started';
      startedAtMs = clock.now();
      try {
        await core.queue.run(() => startUp(core, { initial: options.initial ?? null, inheritance: options.inheritance ?? null, remembered: options.remembered ?? [], wanted, make, networks, lvs }));
      } catch (error) {
        life = 'stopped';
        await core.engine.close('leave').catch(() => undefined);
        await store.close();
        throw error;
      }
      services.register(lvs.part, core.lvs);
      const checks = checksAtStart(core.running.config);
      services.register(healthPart(health), checks ? 'running' : 'stopped');
      watchHealth();
      runner.start();
      core.changed();
      if (checks) health.start();
      sampler.start();
      events.add({ kind: 'start', who: 'weir', service: 'lvs', text: `weir ${options.version} started: revision ${core.running.revision}, engine ${core.engine.name} (${core.engineWhy})`, audit: true });
    },
    async stop(how = 'leave') {
      if (life !== 'started') return;
      life = 'stopped';
      sampler.stop();
      core.pending?.cancel();
      await runner.stop();
      await health.stop();
      events.add({ kind: 'stop', who: 'weir', service: 'lvs', text: 'weir stops', audit: true });
      try {
        await core.queue.run(() => core.plane.run(() => closeAll(how)));
      } finally {
        await events.flush();
        await store.close();
      }
    },
    handOver: (pid, give) => core.queue.run(() => handOver(core, pid, give)),
    imported: (documents) => core.queue.run(async () => void (await stored(store.commit({ imported: etagOf(documents) })))),
    register: (part, state) => services.register(part, state),
    status,
    documents(stage) {
      const { documents, etag } = stateOf(core)[stage];
      return { stage, etag, documents };
    },
    edit: (documents, o) => stages.edit(documents, o),
    check: (documents) => parse(completeDocuments(core, documents)).issues,
    plan: () => stages.plan(),
    apply: (o) => stages.apply(o),
    confirm: (who) => stages.confirm(who),
    save: (who) => stages.save(who),
    revisions: () => store.revisions().map(({ revision, atMs, who, what, etag, note }) => ({ revision, atMs, who, what, etag, note })),
    async revision(number) {
      const view = store.revisions().find((r) => r.revision === number);
      const documents = await stored(store.revisionDocuments(number));
      if (!view || !documents) throw notFound('revision', String(number), store.revisions().map((r) => String(r.revision)).reverse());
      return { stage: 'saved', etag: view.etag, documents };
    },
    rollback: (revision, who) => stages.rollback(revision, who),
    directors: views,
    servers: async () => (await views()).flatMap((d) => d.servers),
    async override(director, server, action, who) {
      await setOverride(core, { director, server, action, who });
      findServer(core, director, server);
      const view = (await views()).find((d) => d.name === director)?.servers.find((s) => s.name === server);
      if (!view) throw notFound('server', server, []);
      return view;
    },
    ...createTraffic(core, tracker, watch),
    services: () => services.views(core.running.config.services),
    service: (name, instance, action, who) => actOnService(core, services, { name, instance, action, who }),
    healthCounters: () => health.counters(),
    traffic: () => ({ blackholes: watch.blackholes(), expects: (director) => watch.expects(director) }),
    natRules: () => natCounts.views(),
    series: () => sampler.series(),
    events: (sinceSeq): readonly EventView[] => events.since(sinceSeq),
    // Only the API has callers to tell of.
    note: ({ kind, who, text }) => events.add({ kind, who, service: 'api', text: text.slice(0, MAX_NOTE), audit: true }),
    subscribe: (listener: { event?(event: EventView): void; sample?(sample: SampleView): void }) => events.subscribe(listener),
  };
}

function indexOf(config: Config): Map<string, { readonly director: Director; readonly server: Server }> {
  const index = new Map<string, { readonly director: Director; readonly server: Server }>();
  for (const director of config.directors) {
    for (const server of director.servers) {
      const entry = { director, server };
      index.set(overrideKey(director.name, server.name), entry);
      index.set(healthKey(director, server), entry);
    }
  }
  return index;
}

/** Stands in before start: a call is a fault of the caller. */
function notStarted(): Engine {
  const refuse = async (): Promise<never> => {
    throw new Error('the daemon has not started');
  };
  return {
    name: 'userspace', probe: refuse, observe: refuse, apply: refuse, read: refuse, sessions: refuse, purge: refuse, pin: refuse, explain: refuse,
    unsupported: () => [],
    close: async () => undefined,
  };
}
