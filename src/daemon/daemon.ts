/**
 * The daemon: owner of edited, running and saved, of health and of the engine; what the API asks for, it does, one change at a time.
 * Level-triggered: an apply, a health change, evidence and an override all end in the same pass — desire, observe, diff, apply.
 */
import type { Documents, EventView, SampleView } from '../client/types.ts';
import type { Clock } from '../clock/clock.ts';
import type { Issue } from '../config/issue.ts';
import type { Config, Director, Server } from '../config/model.ts';
import type { Engine, EngineEvent, EngineName } from '../engine/engine.ts';
import type { Health, HealthService } from '../health/health.ts';
import type { NatTable } from '../nat/nft.ts';
import { createServiceRegistry, type Lifecycle, type ServiceRegistry } from '../services/registry.ts';
import { createSharedReading } from '../stats/reading.ts';
import { createSampler } from '../stats/sampler.ts';
import { etagOf } from '../store/documents.ts';
import type { StateChange, Store } from '../store/store.ts';
import { completeDocuments, createStages, refuseUnsupported, requireConfig, stateOf } from './apply.ts';
import { Refusal, type Control } from './control.ts';
import { carryOut, desiredFor, healthKey, overrideKey, overrideOf, planTo, readingOrNull, stored, type Core, type Parsed, type Running } from './core.ts';
import { createEventLog } from './events.ts';
import { engineWantedBy, lvsPart, makeEngine, type EngineWanted } from './lvs.ts';
import { findServer, notFound, overridesOf, setOverride } from './overrides.ts';
import { createQueue } from './queue.ts';
import { endpointQuery, sessionFilter, sessionLimit } from './queries.ts';
import { createNetworkServices, type HostTools } from './network.ts';
import { healthPart, indexOf, notStarted, parseCache } from './pieces.ts';
import { createRunner } from './runner.ts';
import { serialEngine } from './serial-engine.ts';
import { createStatus } from './status.ts';
import { overriddenTargets } from './targets.ts';
import { createTracker } from './tracker.ts';
import { directorViews } from './views.ts';

export interface DaemonOptions {
  readonly store: Store;
  /** Makes the engine that is wanted, probed; selectEngine with its candidates. */
  readonly createEngine: (options: {
    readonly wanted: EngineWanted;
    readonly onEvent: (event: EngineEvent) => void;
  }) => Promise<{ readonly engine: Engine; readonly why: string }>;
  /** The engine named on the command line; it beats the configuration's. */
  readonly engineWanted?: EngineWanted | null;
  readonly health: HealthService;
  /** The table of NAT rules; without it a configuration with rules for it is refused. */
  readonly nat?: NatTable;
  readonly parse: (documents: Documents) => Parsed;
  /** What this host lacks for a configuration. */
  readonly hostIssues?: (config: Config, engine: EngineName | null) => readonly Issue[];
  /** What the services `network` and `lvs` act with; without it network sections are kept as written and no switch is set. */
  readonly host?: HostTools;
  /**
   * The FILE weir was started with. It becomes edited, running and saved at the first start and whenever it has changed since the last;
   * an unchanged one leaves what was saved. Null: start from saved, or empty.
   */
  readonly initial?: Documents | null;
  readonly clock: Clock;
  readonly version: string;
}

export interface Daemon extends Control {
  /** Starts from saved (or `initial`). Throws Refusal with all issues, or StoreError; then nothing runs and the daemon cannot be started again. */
  start(): Promise<void>;
  /** Ends everything; `leave` (default) leaves traffic flowing where the engine can. Safe to call twice. */
  stop(how?: 'leave' | 'remove'): Promise<void>;
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
    return { config: parsed.config, issues: [...parsed.issues, ...options.hostIssues(parsed.config, life === 'started' ? core.engine.name : null)] };
  };
  const reading = createSharedReading({ clock, read: () => core.engine.read() });
  const runner = createRunner({ clock, pass, onOutcome: tellOutcome });
  const services: ServiceRegistry = createServiceRegistry({ now: () => clock.now() });
  const dirty = new Set<Director>();
  let index = new Map<string, { readonly director: Director; readonly server: Server }>();
  let startedAtMs = 0;
  let life: 'new' | 'started' | 'stopped' = 'new';
  let engineNumber = 0;

  const core: Core = {
    store, clock, health, events, reading, parse, parseText,
    queue: createQueue(),
    nat: options.nat ?? null,
    natOwed: false,
    engine: notStarted(),
    engineWhy: '',
    engineWanted: 'auto',
    running: { documents: EMPTY, etag: etagOf(EMPTY), revision: 0, config: { directors: [], natRules: [], services: [] }, issues: [] },
    overrides: new Map(),
    lvs: 'running',
    pending: null,
    trigger: () => runner.trigger(),
    settled: () => runner.succeeded(),
    changed() {
      index = indexOf(core.running.config);
      dirty.clear();
      health.setTargets(overriddenTargets(core.running.config, core.overrides));
      tracker.refresh();
      networks.follow();
      // Targets that came or went have another health: the next pass tells the engine.
      runner.trigger();
    },
  };
  const tracker = createTracker(core, (director, from, to) => {
    events.add({ kind: `director-${to}`, who: 'weir', text: `director ${director.name} ${from} -> ${to}`, director: director.name });
  });
  const stages = createStages(core);
  const networks = createNetworkServices({ core, services, tools: options.host ?? null });
  const lvs = lvsPart(core, { wanted: () => wanted(), make, sysctls: options.host?.sysctls ?? null });
  const source = {
    directorState: (director: Director) => tracker.director(director),
    status: (director: Director, server: Server) => tracker.server(director, server),
    health: (director: Director, server: Server): Health => health.health(healthKey(director, server)),
    override: (director: Director, server: Server) => overrideOf(core.overrides, director.name, server.name),
  };
  const wanted = (): EngineWanted => options.engineWanted ?? engineWantedBy(core.running.config);
  const status = createStatus(core, { version: options.version, startedAtMs: () => startedAtMs, source, runner: () => runner.state(), engineWanted: wanted, hostIssues: hostIssues(), behind: () => [...networks.behind(), ...lvs.behind()] });
  const sampler = createSampler({ clock, read: () => reading.get(), onSample: (sample) => events.sample(sample) });

  async function make(engineWanted: EngineWanted): Promise<{ engine: Engine; why: string }> {
    const number = ++engineNumber;
    const made = await options.createEngine({
      wanted: engineWanted,
      // An engine that was replaced has no say any more.
      onEvent: (event) => {
        if (number === engineNumber && life !== 'stopped') engineEvent(event);
      },
    });
    return { engine: serialEngine(made.engine), why: made.why };
  }

  function engineEvent(event: EngineEvent): void {
    if (event.kind === 'fault') {
      events.add({ kind: event.recovered ? 'engine-recovered' : 'engine-fault', who: 'weir', text: event.detail });
      runner.trigger();
      return;
    }
    const found = index.get(overrideKey(event.director, event.server));
    if (found) health.evidence(healthKey(found.director, found.server), event.detail, event.atMs);
  }

  async function pass(): Promise<void> {
    await core.queue.run(async () => {
      for (const director of dirty) tracker.refreshDirector(director);
      dirty.clear();
      const { config } = core.running;
      await carryOut(core, await planTo(core, desiredFor(core, config), core.natOwed ? config : null));
    });
  }

  function tellOutcome(outcome: { readonly failures: number; readonly error: Error | null }): void {
    if (outcome.error === null) return events.add({ kind: 'apply-recovered', who: 'weir', text: 'the data plane follows the running configuration again' });
    if (outcome.failures === 1) events.add({ kind: 'apply-failed', who: 'weir', text: `${outcome.error.message}; tried again until it succeeds` });
  }

  function watchHealth(): void {
    health.onChange((change) => {
      if (life === 'stopped') return;
      const found = index.get(change.key);
      const where = found ? `${change.director}/${found.server.name}` : change.key;
      const kind = `server-${change.to.state}`;
      events.add({ kind, who: 'weir', text: `server ${where} ${change.from.state} -> ${change.to.state}: ${change.to.reason}`, director: change.director, server: found?.server.name ?? change.server });
      if (found) {
        tracker.refreshServer(found.director, found.server);
        dirty.add(found.director);
      }
      runner.trigger();
    });
  }

  /** What the start makes of state and FILE: the documents to run and what the store must learn of it. */
  function startingPoint(): { readonly documents: Documents; readonly change: StateChange | null; readonly revision: number } {
    const state = store.state();
    const initial = options.initial ?? null;
    const revision = (note: string): StateChange['revision'] => ({ who: 'weir', what: 'start', note });
    if (!state || (initial && etagOf(initial) !== state.imported)) {
      const documents = initial ?? EMPTY;
      const note = !state ? 'first start' : 'the FILE weir was started with has changed; what was saved before is kept as a revision';
      const imported = initial ? etagOf(initial) : null;
      return { documents, change: { edited: documents, running: documents, saved: documents, imported, revision: revision(note) }, revision: 0 };
    }
    const { documents } = state.saved;
    if (state.running.etag === state.saved.etag) return { documents, change: null, revision: state.running.revision };
    return { documents, change: { running: documents, revision: revision(`saved revision ${state.saved.revision}; revision ${state.running.revision} ran unsaved before`) }, revision: 0 };
  }

  async function startUp(): Promise<void> {
    const point = startingPoint();
    const { config } = requireConfig(core, point.documents, 'the configuration to start with');
    core.overrides = overridesOf(store.state()?.overrides ?? []);
    core.lvs = config.services.find((s) => s.name === 'lvs')?.autostart === false ? 'stopped' : 'running';
    core.running = { documents: point.documents, etag: etagOf(point.documents), config, issues: parseText(point.documents).issues, revision: point.revision };
    // First, because a VIP must be on an interface before an engine can listen on it.
    await networks.start();
    const made = await makeEngine(make, wanted());
    core.engine = made.engine;
    core.engineWhy = made.why;
    core.engineWanted = wanted();
    if (core.lvs === 'running') lvs.setSwitches();
    const desired = desiredFor(core, config);
    await refuseUnsupported(core, config, desired);
    const prepared = point.change && (await stored(store.prepare(point.change)));
    try {
      await carryOut(core, await planTo(core, desired, config));
    } catch (error) {
      await prepared?.abort();
      throw error;
    }
    if (prepared) await stored(prepared.commit());
    core.running = { ...core.running, revision: prepared?.revision?.revision ?? point.revision } satisfies Running;
  }

  /** 'remove' takes the NAT table away too, whatever becomes of the engine. */
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
      if (kept?.config !== config || clock.now() - kept.atMs > HOST_ISSUES_MS) kept = { atMs: clock.now(), config, issues: options.hostIssues?.(config, core.engine.name) ?? [] };
      return kept.issues;
    };
  }

  async function service(name: string, instance: string | null, action: Parameters<Control['service']>[2], who: string): ReturnType<Control['service']> {
    const label = instance === null ? name : `${name} ${instance}`;
    if (!services.has(name, instance)) throw notFound('service of weir', label, services.names());
    if (!['start', 'stop', 'restart', 'reload'].includes(action)) throw new Refusal('BAD_REQUEST', `an action must be start, stop, restart or reload, found ${String(action)}`, { cure: 'use one of these' });
    await core.queue.run(async () => {
      try {
        await services.act(name, instance, action);
        events.add({ kind: 'service', who, text: `service ${label}: ${action}`, audit: true });
      } catch (error) {
        const message = error instanceof Error ? error.message : String(error);
        events.add({ kind: 'service', who, text: `service ${label}: ${action} failed: ${message}`, audit: true });
        throw error instanceof Refusal ? error : new Refusal('APPLY_FAILED', `service ${label}: ${message}`, { cure: 'see weir events', cause: error });
      }
    });
    const view = services.views(core.running.config.services).find((s) => s.name === name && s.instance === instance);
    if (!view) throw new Error(`service ${label} has gone`);
    return view;
  }

  async function views(): ReturnType<Control['directors']> {
    const now = await readingOrNull(core);
    return directorViews(core.running.config.directors, now.reading, source);
  }

  async function engineAsked<T>(work: Promise<T>): Promise<T> {
    try {
      return await work;
    } catch (error) {
      if (error instanceof Refusal) throw error;
      const cure = error instanceof Error && 'cure' in error && typeof error.cure === 'string' ? error.cure : 'try again; if it stays, restart the service lvs';
      throw new Refusal('APPLY_FAILED', `the engine refused: ${error instanceof Error ? error.message : String(error)}`, { cure, cause: error });
    }
  }

  return {
    async start() {
      if (life !== 'new') throw new Error('a daemon starts once');
      life = 'started';
      startedAtMs = clock.now();
      try {
        await core.queue.run(startUp);
      } catch (error) {
        life = 'stopped';
        await core.engine.close('leave').catch(() => undefined);
        await store.close();
        throw error;
      }
      services.register(lvs.part, core.lvs);
      const checks = core.running.config.services.find((s) => s.name === 'health')?.autostart !== false;
      services.register(healthPart(health), checks ? 'running' : 'stopped');
      watchHealth();
      runner.start();
      core.changed();
      if (checks) health.start();
      sampler.start();
      events.add({ kind: 'start', who: 'weir', text: `weir ${options.version} started: revision ${core.running.revision}, engine ${core.engine.name} (${core.engineWhy})`, audit: true });
    },
    async stop(how = 'leave') {
      if (life !== 'started') return;
      life = 'stopped';
      sampler.stop();
      core.pending?.cancel();
      await runner.stop();
      await health.stop();
      events.add({ kind: 'stop', who: 'weir', text: 'weir stops', audit: true });
      await core.queue.run(() => closeAll(how));
      await events.flush();
      await store.close();
    },
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
    sessions: (query) => engineAsked(Promise.resolve().then(() => core.engine.sessions(sessionFilter(query), { limit: sessionLimit(query.limit), ...(query.cursor === undefined ? {} : { cursor: query.cursor }) }))),
    async purge(query, who) {
      const filter = sessionFilter(query);
      const count = await engineAsked(core.engine.purge(filter));
      reading.forget();
      const what = Object.entries(filter).map(([key, value]) => `${key} ${value}`).join(', ');
      events.add({ kind: 'purge', who, text: `purged ${count} sessions (${what === '' ? 'all' : what})`, audit: true });
      return count;
    },
    async explain(query) {
      const { vip, client, assumed } = endpointQuery(query);
      const said = await engineAsked(core.engine.explain({ client, vip, protocol: query.protocol }));
      const director = core.running.config.directors.find((d) => d.name === said.director);
      return {
        ...said,
        why: assumed ? `${said.why} (no client port given: as if from port ${assumed})` : said.why,
        // The engine knows only whether a server takes sessions; health knows that nobody has checked it.
        candidates: said.candidates.map((c) => {
          const server = director?.servers.find((s) => s.name === c.server);
          return director && server ? { ...c, state: tracker.server(director, server).state } : c;
        }),
      };
    },
    services: () => services.views(core.running.config.services),
    service,
    reading: () => engineAsked(reading.get()),
    series: () => sampler.series(),
    events: (sinceSeq): readonly EventView[] => events.since(sinceSeq),
    note: ({ kind, who, text }) => events.add({ kind, who, text: text.slice(0, MAX_NOTE), audit: true }),
    subscribe: (listener: { event?(event: EventView): void; sample?(sample: SampleView): void }) => events.subscribe(listener),
  };
}
