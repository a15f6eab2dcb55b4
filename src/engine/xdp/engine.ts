/**
 * The xdp engine as the daemon sees it. The data plane lives in the kernel: what this class holds is the record, the maps in memory and
 * one timer. Level-triggered: an apply computes all that the maps shall hold and writes what differs.
 */
import { randomUUID } from 'node:crypto';
import { serverKey, type Desired } from '../../plan/desired.ts';
import type { Plan } from '../../plan/plan.ts';
import {
  EngineError, type Engine, type EngineEvent, type ExplainQuery, type Explanation, type PageRequest, type PinRequest, type Probe, type Reading, type SessionFilter, type SessionPage, type Unsupported,
} from '../engine.ts';
import { pinTarget } from '../pin-target.ts';
import { become, linksOf, stageOf, type Applied, type ApplyWorld } from './application.ts';
import { BpfError } from './bpf-error.ts';
import type { ChangeWatch } from './changes.ts';
import { endSessions, pinSessions } from './commands.ts';
import { Evidence } from './evidence.ts';
import { explain } from './explain.ts';
import { readHost, type HostFacts } from './host.ts';
import type { Kernel } from './kernel.ts';
import { namesOf, type Names } from './names.ts';
import { keepResolved, letGo } from './neighbours.ts';
import type { XdpRecord } from './record.ts';
import { readingOf } from './reading.ts';
import { matchOf, scan, sessionPage, tableOf } from './sessions.ts';
import { slotOf } from './slots.ts';
import { Sweeper } from './sweeper.ts';
import { nowTick, ticksOf } from './ticks.ts';
import { xdpUnsupported } from './unsupported.ts';
import { agrees } from './writer.ts';

/** The world outside: what tests replace. */
export interface XdpDependencies extends ApplyWorld {
  /** Loads the program upon the pinned maps, or makes new ones. Throws BpfError. */
  openKernel(): Kernel;
  /** True when maps of an earlier run are pinned. */
  pinned(): boolean;
  /** Takes away what is pinned, without loading anything. */
  unpinAll(): void;
  /** Loads and runs the real thing as a trial. Throws BpfError. */
  tryKernel(): void;
  /** Tries to run natively on a device that would be used; null when it did, else why not. */
  tryNative(devices: readonly { readonly device: string; readonly ifindex: number }[]): string | null;
  watch(): ChangeWatch;
  readonly onEvent: (event: EngineEvent) => void;
  nowMs(): number;
  /** Calls back every `ms`; returns what stops it. Keeps no event loop alive. */
  every(ms: number, callback: () => void): () => void;
}

const TICK_MS = 50;
const TICKS_A_SECOND = 1000 / TICK_MS;
/** How often neighbours are asked for where the kernel does not keep them by itself. */
const RESOLVE_EVERY_S = 20;
/** As the userspace engine's: src/engine/userspace/forwarder.ts. */
const TIMES_MS = { linger: 5_000, rest: 30_000, rest_answered: 1_000, answered_idle: 1_000, block: 10_000, hop: 1_000 };
const FIRST_LIMIT = 4096;
const NOTHING: Desired = { directors: [] };

interface Running {
  readonly kernel: Kernel;
  readonly names: Names;
  record: XdpRecord;
}

export class XdpEngine implements Engine {
  readonly name = 'xdp';
  readonly #deps: XdpDependencies;
  readonly #epoch = randomUUID();
  readonly #evidence = new Evidence();
  readonly #sweeper = new Sweeper();
  #running: Running | null = null;
  #watch: ChangeWatch | null = null;
  #facts: HostFacts | null = null;
  #stop: () => void = () => undefined;
  #managed = true;
  #ticks = 0;
  #faulty = false;
  /** The end of what runs now: our own timer must not run into a call. */
  #tail: Promise<unknown> = Promise.resolve();

  constructor(deps: XdpDependencies) {
    this.#deps = deps;
  }

  probe(): Promise<Probe> {
    return this.#alone(async () => {
      try {
        this.#deps.tryKernel();
        const { defaults, links } = await readHost(this.#deps.run, []);
        const devices = this.#deps.interfaces ?? defaults;
        const why = this.#deps.mode === 'generic' ? null : this.#deps.tryNative(links.filter((l) => l.ethernet && devices.includes(l.name)).map((l) => ({ device: l.name, ifindex: l.vlan?.parent ?? l.ifindex })));
        if (why !== null && this.#deps.mode === 'native') return { ok: false, refusals: [{ what: why, cure: 'generic mode works with every driver, at a third of the rate' }] };
        const where = devices.length === 0 ? 'where its drivers can' : `on ${devices.join(', ')}`;
        const mode = this.#deps.mode === 'generic' || why !== null ? `generic mode, ${why ?? 'as asked for'}` : `native ${where}`;
        const veths = links.filter((l) => l.kind === 'veth' && devices.includes(l.name));
        return { ok: true, notes: [mode, ...veths.map((l) => `${l.name} is a veth: its far end must compute checksums (ethtool -K … tx off gro on)`)] };
      } catch (error) {
        return { ok: false, refusals: [refusalOf(error)] };
      }
    });
  }

  unsupported(desired: Desired): readonly Unsupported[] {
    return xdpUnsupported(desired);
  }

  observe(): Promise<Desired> {
    return this.#alone(async () => {
      const running = await this.#ready();
      if (running === null || running.record.desired.directors.length === 0) return NOTHING;
      const { kernel, record } = running;
      const facts = await this.#hostFacts(record.desired);
      const { target, vips } = stageOf(record.desired, record.slots, facts);
      const attached = new Set(kernel.attached().map((a) => a.ifindex));
      if (!linksOf(kernel, record.desired, facts, this.#deps).attach.every((l) => attached.has(l.ifindex))) return NOTHING;
      const present = kernel.vips.entries();
      const missing = new Set([...vips].filter(([key, slot]) => present.get(key) !== slot).map(([, slot]) => slot));
      const bySlot = new Map(target.directors.map((d) => [d.name, d]));
      return { directors: record.desired.directors.filter((d) => {
        const row = bySlot.get(d.name);
        return row !== undefined && !missing.has(row.slot) && agrees(kernel, row);
      }) };
    });
  }

  apply(plan: Plan): Promise<void> {
    return this.#alone(async () => {
      const refused = this.unsupported(plan.next);
      if (refused.length > 0) throw new EngineError(refused.map((u) => u.message).join('; '), { cure: 'take it out of the configuration, or choose another engine' });
      const running = await this.#ready();
      if (running === null && plan.next.directors.length === 0) return;
      await this.#become(running ?? this.#open(this.#emptyRecord()), plan.next);
      for (const step of plan.steps) if (step.op === 'change-server' && step.to.state === 'up') this.#unblock(step.director, serverKey(step.to));
    });
  }

  read(): Promise<Reading> {
    return this.#alone(async () => {
      const running = await this.#ready();
      if (running === null) return { epoch: this.#epoch, atMs: this.#deps.nowMs(), directors: [], gauges: {}, drops: {} };
      return readingOf(running.kernel, running.record, this.#deps.nowMs());
    });
  }

  sessions(filter: SessionFilter, page: PageRequest): Promise<SessionPage> {
    return this.#alone(async () => {
      const running = await this.#ready();
      if (running === null) return { sessions: [], next: null, total: 0 };
      return sessionPage(running.kernel, running.names, { filter, page, now: nowTick(), turn: this.#deps.turn });
    });
  }

  purge(filter: SessionFilter): Promise<number> {
    return this.#alone(async () => {
      const running = await this.#ready();
      return running === null ? 0 : endSessions(running.kernel, await this.#records(running, filter), this.#deps.turn);
    });
  }

  pin({ director, client, server }: PinRequest): Promise<number> {
    return this.#alone(async () => {
      const running = await this.#ready();
      const target = pinTarget(running?.record.desired.directors ?? [], { director, server });
      if (running === null) return 0;
      const slot = slotOf(running.record.slots, target.director)?.servers[serverKey(target.director.servers[target.index])] ?? 0;
      return pinSessions(running.kernel, await this.#records(running, { director, client }), slot, this.#deps.turn);
    });
  }

  explain(query: ExplainQuery): Promise<Explanation> {
    return this.#alone(async () => {
      const running = await this.#ready();
      if (running === null) return { director: null, server: null, why: `no director has ${query.vip}`, candidates: [] };
      const { kernel, record } = running;
      return explain(query, { kernel, desired: record.desired, slots: record.slots, now: nowTick(), turn: this.#deps.turn });
    });
  }

  close(how: 'leave' | 'remove'): Promise<void> {
    return this.#alone(async () => {
      this.#stop();
      this.#watch?.close();
      this.#watch = null;
      const { kernel = null, record = this.#deps.record.load() } = this.#running ?? {};
      this.#running = null;
      // What balances nothing is not left behind; but a successor may have made something of it meanwhile.
      const empty = record?.desired.directors.length === 0 && this.#deps.record.load()?.desired.directors.length === 0;
      if (how === 'leave' && !empty) return kernel?.close();
      if (kernel === null) this.#deps.unpinAll();
      else kernel.remove();
      await letGo(this.#deps.run, record?.neighbours ?? []);
      this.#deps.record.remove();
    });
  }

  /** What runs in this namespace, loaded at the first call and brought to an end if an apply was cut off; null when there is nothing of ours. */
  async #ready(): Promise<Running | null> {
    if (this.#running !== null) return this.#running;
    const record = this.#deps.record.load();
    if (record === null) {
      // Maps whose names are lost, or of another version: nobody can say what they balance.
      if (this.#deps.pinned()) this.#deps.unpinAll();
      return null;
    }
    const running = this.#open(record);
    if (running.record.phase !== 'applying') return running;
    try {
      await this.#become(running, running.record.desired, true);
    } catch (error) {
      this.#deps.onEvent({ kind: 'fault', detail: `an apply that was cut off could not be brought to its end: ${error instanceof Error ? error.message : String(error)}`, recovered: false });
      running.record = { ...running.record, desired: NOTHING };
    }
    return running;
  }

  #open(record: XdpRecord): Running {
    let kernel: Kernel;
    try {
      kernel = this.#deps.openKernel();
    } catch (error) {
      const { what, cure } = refusalOf(error);
      throw new EngineError(what, { cure, cause: error });
    }
    configure(kernel, this.#deps.random);
    // New maps hold nothing of what the record speaks of.
    const held: XdpRecord = kernel.fresh ? { ...this.#emptyRecord(), neighbours: record.neighbours } : record;
    const running: Running = { kernel, record: held, names: { ownerOf: (slot) => names().ownerOf(slot), atEndpointOf: (slot) => names().atEndpointOf(slot), serverSlots: (d, s) => names().serverSlots(d, s) } };
    let known: { readonly of: XdpRecord['slots']; readonly names: Names } | null = null;
    const names = (): Names => (known?.of === running.record.slots ? known : (known = { of: running.record.slots, names: namesOf(running.record.slots) })).names;
    this.#running = running;
    this.#evidence.begin(kernel, held.slots);
    this.#watch = this.#deps.watch();
    this.#stop = this.#deps.every(TICK_MS, () => this.#tick());
    return running;
  }

  async #become(running: Running, next: Desired, repair = false): Promise<void> {
    const applied: Applied = await become(running.kernel, running.record, next, this.#deps, repair);
    running.record = applied.record;
    this.#evidence.forget(applied.released);
    this.#facts = applied.facts;
    this.#managed = applied.managed;
    if (applied.modeNote !== null) this.#deps.onEvent({ kind: 'fault', detail: `generic mode: ${applied.modeNote}`, recovered: true });
  }

  #emptyRecord(): XdpRecord {
    return { desired: NOTHING, phase: 'settled', slots: [], bases: {}, epoch: this.#epoch, neighbours: [] };
  }

  /** Facts as they were at the last look, unless something changed or other servers are asked for. */
  async #hostFacts(desired: Desired): Promise<HostFacts> {
    const ips = desired.directors.flatMap((d) => d.servers.map((s) => s.ip));
    if (this.#facts !== null && this.#watch?.changed() === false && ips.every((ip) => this.#facts?.ways.has(ip.text))) return this.#facts;
    return (this.#facts = await readHost(this.#deps.run, ips));
  }

  async #records({ kernel, names }: Running, filter: SessionFilter): Promise<readonly number[]> {
    const match = matchOf(filter, names);
    const records: number[] = [];
    if (match !== null) await scan(tableOf(kernel), { match, now: nowTick(), turn: this.#deps.turn }, (record) => records.push(record) > 0);
    return records;
  }

  // Evidence is spent once the daemon, which was told of it, says the server is up again.
  #unblock(director: string, key: string): void {
    const running = this.#running;
    if (running === null) return;
    for (const row of running.record.slots) if (row.name === director && row.servers[key] !== undefined) running.kernel.servers.set(row.servers[key], 'blocked_until', 0);
  }

  #tick(): void {
    const running = this.#running;
    if (running === null) return;
    try {
      for (const event of this.#evidence.look(running.kernel, running.record.slots, running.names, this.#deps.nowMs())) this.#deps.onEvent(event);
      this.#sweeper.turn(running.kernel, TICKS_A_SECOND);
      if (++this.#ticks % TICKS_A_SECOND === 0) this.#second(running);
      if (this.#faulty) this.#deps.onEvent({ kind: 'fault', detail: 'the session table is swept again', recovered: true });
      this.#faulty = false;
    } catch (error) {
      if (!this.#faulty) this.#deps.onEvent({ kind: 'fault', detail: `the session table cannot be swept: ${error instanceof Error ? error.message : String(error)}`, recovered: false });
      this.#faulty = true;
    }
  }

  #second(running: Running): void {
    if (!this.#managed && this.#ticks % (RESOLVE_EVERY_S * TICKS_A_SECOND) === 0) void keepResolved(this.#deps.run, running.record.neighbours).catch(() => undefined);
    if (this.#watch?.changed() !== true) return;
    this.#facts = null;
    void this.#alone(async () => {
      if (this.#running === running) await this.#become(running, running.record.desired);
    }).catch((error: unknown) => this.#deps.onEvent({ kind: 'fault', detail: `the host changed and the data plane could not follow: ${error instanceof Error ? error.message : String(error)}`, recovered: false }));
  }

  #alone<T>(work: () => Promise<T>): Promise<T> {
    const run = this.#tail.then(work, work);
    this.#tail = run.catch(() => undefined);
    return run;
  }
}

/** Sets what the program needs to know of the whole engine; what it counts itself only where it was never set. */
function configure({ globals, capacity }: Kernel, random: () => number): void {
  for (const [name, ms] of Object.entries(TIMES_MS)) globals.set(0, `${name}_ticks`, ticksOf(ms));
  globals.set(0, 'capacity', capacity);
  globals.set(0, 'bucket_mask', capacity / 2 - 1);
  if (globals.get(0, 'seed') === 0) globals.set(0, 'seed', random() || 1);
  if (globals.get(0, 'fragment_id') === 0) globals.set(0, 'fragment_id', random() || 1);
  if (globals.get(0, 'limit') === 0) globals.set(0, 'limit', Math.min(FIRST_LIMIT, capacity));
}

function refusalOf(error: unknown): { readonly what: string; readonly cure: string } {
  if (error instanceof BpfError || error instanceof EngineError) return { what: error.message.split('\n')[0] ?? '', cure: error.cure };
  return { what: error instanceof Error ? error.message : String(error), cure: 'see the message' };
}
