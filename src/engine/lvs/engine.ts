/**
 * The lvs engine: the kernel's ip_vs does what `desired` says. Level-triggered: each apply reads the kernel, works out what differs
 * from the target, and takes those steps; one that fails takes the earlier ones back. Services of others are never touched.
 */
import { randomUUID } from 'node:crypto';
import type { Desired } from '../../plan/desired.ts';
import type { Plan } from '../../plan/plan.ts';
import {
  EngineError, Unsupported, type Engine, type EngineEvent, type ExplainQuery, type Explanation, type PageRequest, type PinRequest, type Probe, type Reading, type SessionFilter, type SessionPage,
} from '../engine.ts';
import { changesTo, destName, refuseForeign, type Change } from './changes.ts';
import { connectionPage, findConnection, type ConnectionLines } from './connections.ts';
import { Counters } from './counters.ts';
import { explanationOf, questionOf } from './explain.ts';
import { holdsFor, nextLook, stillHeld } from './holds.ts';
import { destKey, serviceKey, type Ipvs, type ReadDest, type ReadService } from './ipvs.ts';
import { fingerprint, tableFingerprint, tableScript, TABLE, type RunNft } from './marks.ts';
import { observed } from './observed.ts';
import { counterKeys, directorReadings } from './reading.ts';
import { EMPTY_RECORD, type LvsRecord, type RecordFile } from './record.ts';
import { refusalOf, stepRefusal } from './refusal.ts';
import { missingSchedulers } from './schedulers.ts';
import { remembered, setSwitches, type Sysctls } from './switches.ts';
import { isMarked, MARK_BASE, targetOf, type Hold, type Target, type TargetService } from './target.ts';
import { lvsUnsupported } from './unsupported.ts';
import { EEXIST, NetlinkError } from './socket.ts';

/** The world outside: what tests replace. */
export interface LvsDependencies {
  openIpvs(): Ipvs;
  readonly sysctls: Sysctls;
  readonly record: RecordFile;
  readonly nft: RunNft;
  readonly connections: ConnectionLines;
  readonly onEvent: (event: EngineEvent) => void;
  nowMs(): number;
  /** Resolves after `ms`. */
  wait(ms: number): Promise<void>;
  /** Calls back after `ms`; returns what forgets it. Keeps no event loop alive. */
  after(ms: number, callback: () => void): () => void;
}

/** The kernel ends the sessions of a removed server one tick (4 ms) after; made anew before that, it would find them again. */
const SETTLE_MS = 50;
/** How often removed servers whose sessions are kept are looked at. */
const HOLD_POLL_MS = 2000;

export class LvsEngine implements Engine {
  readonly name = 'lvs';
  readonly #deps: LvsDependencies;
  readonly #counters = new Counters();
  readonly #moved = new Map<string, number>();
  readonly #removedAt = new Map<string, number>();
  readonly #epoch = randomUUID();
  #missing: ReadonlySet<string> = new Set();
  #noNft = false;
  #ipvs: Ipvs | null = null;
  #record: LvsRecord | null = null;
  #forget: () => void = () => undefined;
  /** The end of what runs now: our own timer must not run into a call. */
  #tail: Promise<unknown> = Promise.resolve();

  constructor(deps: LvsDependencies) {
    this.#deps = deps;
  }

  probe(): Promise<Probe> {
    return this.#alone(async () => {
      try {
        const kernel = this.#kernel();
        kernel.services();
        const { version, tableSize } = kernel.info();
        this.#missing = missingSchedulers(kernel);
        this.#noNft = await this.#deps.nft(['--version'], null).then(() => false, () => true);
        const lacks = this.#missing.size === 0 ? [] : [`this kernel has no scheduler ${[...this.#missing].join(', ')}`];
        const nft = this.#noNft ? ['nft is not installed: no port ranges, no directors on all ports or addresses'] : [];
        return { ok: true, notes: [`ip_vs ${version}, a connection table of ${tableSize} slots`, ...lacks, ...nft] };
      } catch (error) {
        const cause = error instanceof EngineError && error.cause !== undefined ? error.cause : error;
        return { ok: false, refusals: [refusalOf(cause)] };
      }
    });
  }

  unsupported(desired: Desired): readonly Unsupported[] {
    const marks = this.#noNft ? desired.directors.filter((d) => isMarked(d) && d.vip !== null).map((d) => new Unsupported('lvs', 'port ranges, all ports or all addresses without nft (apt-get install nftables)', d.name)) : [];
    return [...lvsUnsupported(desired, this.#missing), ...marks];
  }

  observe(): Promise<Desired> {
    return this.#alone(async () => {
      const record = this.#load();
      if (record.desired.directors.length === 0) return { directors: [] };
      const kernel = this.#kernel();
      const marks = targetOf(record.desired, record.holds).marks;
      return observed(record, kernel.services(), { marksIntact: await this.#marksAre(marks), timeouts: kernel.timeouts() });
    });
  }

  apply(plan: Plan): Promise<void> {
    return this.#alone(async () => {
      const refused = this.unsupported(plan.next);
      if (refused.length > 0) throw new EngineError(refused.map((u) => u.message).join('; '), { cure: 'take it out of the configuration, or choose another engine' });
      const record = this.#load();
      await this.#become(plan.next, holdsFor(plan.next, record, this.#deps.nowMs()));
    });
  }

  read(): Promise<Reading> {
    return this.#alone(async () => {
      const record = this.#load();
      const empty = record.desired.directors.length === 0;
      const services = empty ? [] : this.#kernel().services();
      const directors = this.#readings(record, services);
      return {
        epoch: this.#epoch, atMs: this.#deps.nowMs(), directors, drops: {},
        gauges: { services: services.length, held_servers: record.holds.length, ...(empty ? {} : { connection_table_slots: this.#kernel().info().tableSize }) },
      };
    });
  }

  sessions(filter: SessionFilter, page: PageRequest): Promise<SessionPage> {
    return this.#alone(async () => {
      const record = this.#load();
      if (record.desired.directors.length === 0) return { sessions: [], next: null, total: 0 };
      const own = this.#owned(this.#kernel().services(), record);
      const total = own.reduce((sum, s) => sum + sessionsOf(s.dests), 0);
      return connectionPage(this.#deps.connections, record.desired, { filter, page, total, timeoutS: this.#kernel().timeouts().udp });
    });
  }

  pin({ director }: PinRequest): Promise<number> {
    return Promise.reject(new Unsupported('lvs', 'pinning sessions (ip_vs chooses the server of a connection once)', director));
  }

  /** Ends sessions of whole servers, by taking each away and bringing it back: ip_vs cannot end a single one. */
  purge(filter: SessionFilter): Promise<number> {
    if (filter.client !== undefined) return Promise.reject(new Unsupported('lvs', "ending one client's sessions (ip_vs ends sessions only with their server; give a director or a server instead)", filter.director));
    return this.#alone(async () => {
      const record = this.#load();
      const kernel = this.#kernel();
      const services = kernel.services();
      this.#readings(record, services);
      const chosen = targetOf(record.desired, record.holds).services.flatMap((t) => this.#chosen(t, services, filter));
      try {
        for (const { service, dest } of chosen) kernel.removeDest(service, dest);
        if (chosen.length > 0) await this.#deps.wait(SETTLE_MS);
      } finally {
        // In reverse: each is put first in the kernel's list.
        for (const { service, dest } of chosen.toReversed()) ignoreExisting(() => kernel.addDest(service, dest));
      }
      this.#readings(record, kernel.services());
      return sessionsOf(chosen.map((c) => c.dest));
    });
  }

  explain(query: ExplainQuery): Promise<Explanation> {
    return this.#alone(async () => {
      const { desired, holds } = this.#load();
      const question = questionOf(query, desired);
      if (question === null) return { director: null, server: null, why: 'no director has this address', candidates: [] };
      const target = targetOf(desired, holds).services.find((t) => t.director === question.director.name) as TargetService;
      const service = this.#kernel().services().find((s) => serviceKey(s.id) === serviceKey(target.service.id));
      const live = await findConnection(this.#deps.connections, query.protocol, query.client, query.vip);
      return explanationOf(question, target, service?.dests ?? [], live);
    });
  }

  close(how: 'leave' | 'remove'): Promise<void> {
    return this.#alone(async () => {
      this.#forget();
      try {
        if (how === 'remove') await this.#takeDown();
      } finally {
        this.#ipvs?.close();
        this.#ipvs = null;
      }
    });
  }

  async #takeDown(): Promise<void> {
    const record = this.#load();
    if (record === EMPTY_RECORD) return;
    const kernel = this.#kernel();
    if (await this.#tableNow() !== null) await this.#deps.nft(['-f', '-'], tableScript([]));
    for (const service of this.#owned(kernel.services(), record)) kernel.removeService(service.id);
    if (record.before.timeouts !== null) kernel.setTimeouts(record.before.timeouts);
    for (const [name, value] of Object.entries(record.before.sysctls)) this.#deps.sysctls.set(name, value);
    this.#deps.record.remove();
    this.#record = null;
  }

  /** The one way the kernel is changed. Throws EngineError; then all is as it was, but for what `landed` names. */
  async #become(next: Desired, holds: readonly Hold[]): Promise<void> {
    const record = this.#load();
    const kernel = this.#kernel();
    const target = targetOf(next, holds);
    const all = kernel.services();
    const owned = this.#owned(all, record);
    refuseForeign(target, all, owned);
    const changes = changesTo(target.services, owned);
    this.#readings(record, all);
    await this.#settled(changes);
    const switches = { kernel, sysctls: this.#deps.sysctls, target };
    const before = remembered(switches, record.before);
    const keys = [...new Set([...owned.map((s) => serviceKey(s.id)), ...target.services.map((t) => serviceKey(t.service.id))])];
    // First what may be ours from now on: a crash in the middle must leave nothing that nobody owns.
    this.#save({ ...record, owned: keys, before });
    const done: (() => void)[] = [];
    const landed: string[] = [];
    try {
      setSwitches(switches, before, done);
      for (const change of changes) {
        change.run(kernel);
        done.push(() => {
          try {
            change.undo(kernel);
          } catch {
            landed.push(change.text);
          }
        });
      }
      await this.#putMarks(target);
    } catch (error) {
      for (const undo of done.toReversed()) undo();
      this.#save(landed.length === 0 ? record : { ...record, owned: keys, before });
      throw stepRefusal(error, landed);
    }
    this.#save({ desired: next, holds, owned: target.services.map((t) => serviceKey(t.service.id)), before });
    this.#note(changes, record, next, owned);
    this.#schedule();
  }

  #chosen(target: TargetService, services: readonly ReadService[], filter: SessionFilter): { service: TargetService['service']['id']; dest: ReadDest }[] {
    if (filter.director !== undefined && filter.director !== target.director) return [];
    const now = services.find((s) => serviceKey(s.id) === serviceKey(target.service.id));
    return target.dests.flatMap((wanted) => {
      if (filter.server !== undefined && wanted.key.split('|')[0] !== filter.server) return [];
      const dest = now?.dests.find((d) => destKey(d) === destKey(wanted));
      return dest === undefined || sessionsOf([dest]) === 0 ? [] : [{ service: target.service.id, dest }];
    });
  }

  #readings(record: LvsRecord, services: readonly ReadService[]): ReturnType<typeof directorReadings> {
    return directorReadings(record.desired, targetOf(record.desired, record.holds), services, this.#counters, this.#moved);
  }

  /** Waits until no server that comes back could still find its old sessions. */
  async #settled(changes: readonly Change[]): Promise<void> {
    const now = this.#deps.nowMs();
    const rest = Math.max(0, ...changes.map((c) => (c.adds === undefined ? 0 : (this.#removedAt.get(c.adds) ?? 0) + SETTLE_MS - now)));
    if (rest > 0) await this.#deps.wait(rest);
  }

  #note(changes: readonly Change[], before: LvsRecord, next: Desired, owned: readonly ReadService[]): void {
    const now = this.#deps.nowMs();
    for (const [key, at] of this.#removedAt) if (now - at > SETTLE_MS) this.#removedAt.delete(key);
    for (const name of changes.flatMap((c) => c.removes ?? [])) this.#removedAt.set(name, now);
    const gone = new Set(changes.flatMap((c) => c.removes ?? []));
    const names = new Set(next.directors.map((d) => d.name));
    for (const { director, service, dests } of targetOf(before.desired, before.holds).services) {
      const was = owned.find((s) => serviceKey(s.id) === serviceKey(service.id));
      for (const dest of dests) {
        const sessions = sessionsOf(was?.dests.filter((d) => destKey(d) === destKey(dest)) ?? []);
        if (sessions === 0 || !names.has(director) || !gone.has(destName(service.id, dest))) continue;
        this.#moved.set(`${director}|${dest.key}`, (this.#moved.get(`${director}|${dest.key}`) ?? 0) + sessions);
      }
    }
    const keys = counterKeys(next);
    this.#counters.keep(keys);
    for (const key of this.#moved.keys()) if (!keys.has(key)) this.#moved.delete(key);
    this.#readings(this.#load(), this.#kernel().services());
  }

  /** Holds end by themselves: at their time, or with the last session of a removed server. */
  #schedule(): void {
    this.#forget();
    const now = this.#deps.nowMs();
    const at = nextLook(this.#load(), now, HOLD_POLL_MS);
    if (at === null) return;
    this.#forget = this.#deps.after(Math.max(0, at - now) + 1, () => {
      this.#alone(async () => {
        const record = this.#load();
        const services = this.#kernel().services();
        const ids = new Map(targetOf(record.desired, record.holds).services.map((t) => [t.director, serviceKey(t.service.id)]));
        const left = stillHeld(record, this.#deps.nowMs(), (hold) => sessionsOf(services.find((s) => serviceKey(s.id) === ids.get(hold.director))?.dests.filter((d) => destKey(d) === destKey(hold.server)) ?? []));
        if (left.length < record.holds.length) await this.#become(record.desired, left);
        else this.#schedule();
      }).catch((error: unknown) => {
        this.#deps.onEvent({ kind: 'fault', detail: `ending kept sessions failed and is tried again: ${error instanceof Error ? error.message : String(error)}`, recovered: false });
        this.#schedule();
      });
    });
  }

  async #putMarks(target: Target): Promise<void> {
    if (await this.#marksAre(target.marks)) return;
    await this.#deps.nft(['-f', '-'], tableScript(target.marks));
  }

  /** True when the table in the kernel is that of these rules. Without any rule nft is asked only if there was one. */
  async #marksAre(rules: Target['marks']): Promise<boolean> {
    const had = targetOf(this.#load().desired, []).marks.length > 0;
    if (rules.length === 0 && !had) return true;
    const now = await this.#tableNow();
    if (now === null) return rules.length === 0;
    // Each rule stands in both chains.
    return now.fingerprint === fingerprint(rules) && now.rules === 2 * rules.length;
  }

  async #tableNow(): Promise<ReturnType<typeof tableFingerprint> | null> {
    try {
      return tableFingerprint(await this.#deps.nft(['list', 'table', 'inet', TABLE], null));
    } catch {
      return null;
    }
  }

  #owned(all: readonly ReadService[], record: LvsRecord): ReadService[] {
    const keys = new Set(record.owned);
    return all.filter((s) => keys.has(serviceKey(s.id)) || (s.id.kind === 'mark' && s.id.mark >>> 24 === MARK_BASE >>> 24));
  }

  #load(): LvsRecord {
    if (this.#record === null) {
      try {
        this.#record = this.#deps.record.load();
      } catch (error) {
        throw new EngineError(`the record of what weir set in ip_vs cannot be read: ${error instanceof Error ? error.message : String(error)}`, { cure: 'see ipvsadm -Ln, remove weir\'s services there and the file below /run/weir', cause: error });
      }
      if (this.#record.holds.length > 0) this.#schedule();
    }
    return this.#record;
  }

  #save(record: LvsRecord): void {
    try {
      this.#deps.record.save(record);
    } catch (error) {
      throw new EngineError(`the record of what weir sets in ip_vs cannot be written: ${error instanceof Error ? error.message : String(error)}`, { cure: 'run as root, and see that /run/weir can be written', cause: error });
    }
    this.#record = record;
  }

  #kernel(): Ipvs {
    try {
      return (this.#ipvs ??= this.#deps.openIpvs());
    } catch (error) {
      const { what, cure } = refusalOf(error);
      throw new EngineError(what, { cure, cause: error });
    }
  }

  #alone<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#tail.then(work);
    this.#tail = result.catch(() => undefined);
    return result;
  }
}

function ignoreExisting(run: () => void): void {
  try {
    run();
  } catch (error) {
    if (!(error instanceof NetlinkError) || error.errno !== EEXIST) throw error;
  }
}

function sessionsOf(dests: readonly ReadDest[]): number {
  return dests.reduce((sum, d) => sum + d.active + d.inactive, 0);
}

