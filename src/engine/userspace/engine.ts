/**
 * The userspace engine as the daemon sees it: keeps the workers, hands them desired states in two phases (open, then switch),
 * and reads their shared counters. It never touches a datagram.
 */
import { randomUUID } from 'node:crypto';
import type { Desired } from '../../plan/desired.ts';
import type { Plan } from '../../plan/plan.ts';
import {
  EngineError, type Engine, type EngineEvent, type EngineHandover, type ExplainQuery, type Explanation, type PageRequest, type PinRequest, type Probe, type Reading, type SessionFilter,
  type SessionPage, type SessionView, type Unsupported,
} from '../engine.ts';
import { pinTarget } from '../pin-target.ts';
import type { FromWorker, SlottedDirector } from './protocol.ts';
import { sumReading } from './reading.ts';
import { disownWorker } from './counts.ts';
import { HANDOVER_FORMAT, HANDOVER_LAYOUT, decodeHandover, encodeHandover, encodeTerms } from './handover.ts';
import { adoptShared, clockOffset, handOverShared, sharedViews, type SharedBuffers, type SharedViews } from './shared.ts';
import { SlotKeeper } from './slots.ts';
import { userspaceUnsupported } from './unsupported.ts';
import type { Question, WorkerHandle } from './workers.ts';

/** What differs between the fast and the portable path, and what tests replace. */
export interface Platform {
  readonly io: 'linux' | 'portable';
  readonly notes: readonly string[];
  readonly workers: number;
  startWorker(index: number, on: { refused(serverSlot: number, detail: string): void; death(detail: string): void }): Promise<WorkerHandle>;
  /** Throws with a `cure` when one of the listeners cannot be had because of others on this host. */
  probeListeners(wanted: readonly SlottedDirector[], current: readonly SlottedDirector[]): void;
  readonly limits: Limits;
  /** No worker takes the place of this one for now, which died: what it left is closed. */
  abandon(index: number): void;
  /** Calls back after so long; nothing that keeps the process. */
  later(work: () => void, ms: number): void;
  close(): void;
}

/** Caps over all workers together. */
export interface Limits {
  readonly max_sessions: number;
  readonly max_upstream_sockets: number;
}

/** The engine of another process whose work this one takes over. */
export interface Predecessor {
  /** Its terms(). */
  readonly terms: string;
  /** Has it stop moving datagrams; returns what it left, with its sockets as they are called in this process. Rejects when it will not. */
  freeze(): Promise<EngineHandover>;
}

/** A worker that died is started again at most this often a minute; then its listeners are closed, so that others have their share, and it is tried after so long. */
const RESTARTS_PER_MINUTE = 5;
const TRY_AGAIN_MS = 30_000;

export class UserspaceEngine implements Engine {
  readonly name = 'userspace';
  readonly #platform: Platform;
  readonly #onEvent: (event: EngineEvent) => void;
  readonly #shared: SharedViews;
  readonly #slots: SlotKeeper;
  #epoch: string = randomUUID();
  readonly #workers: (WorkerHandle | null)[] = [];
  readonly #restarts: number[] = [];
  readonly #starting = new Set<number>();
  #slotted: readonly SlottedDirector[] = [];
  #current: Desired = { directors: [] };
  #closed = false;

  private constructor(platform: Platform, buffers: SharedBuffers, onEvent: (event: EngineEvent) => void) {
    this.#platform = platform;
    this.#onEvent = onEvent;
    this.#shared = sharedViews(buffers);
    this.#slots = new SlotKeeper(this.#shared);
  }

  /** Returns an engine whose workers are up; with `predecessor` they have its sockets and sessions, and its traffic. */
  static async start(platform: Platform, buffers: SharedBuffers, onEvent: (event: EngineEvent) => void, predecessor?: Predecessor): Promise<UserspaceEngine> {
    const engine = new UserspaceEngine(platform, buffers, onEvent);
    try {
      for (let i = 0; i < platform.workers; i++) engine.#workers.push(await engine.#startWorker(i));
      if (predecessor) await engine.#adopt(await predecessor.freeze());
    } catch (error) {
      await engine.close('remove');
      throw error;
    }
    return engine;
  }

  async probe(): Promise<Probe> {
    return { ok: true, notes: this.#platform.notes };
  }

  unsupported(desired: Desired): readonly Unsupported[] {
    return userspaceUnsupported(desired, this.#platform.io);
  }

  async observe(): Promise<Desired> {
    return this.#current;
  }

  async apply(plan: Plan): Promise<void> {
    const refused = this.unsupported(plan.next);
    if (refused.length > 0) throw new EngineError(refused.map((u) => u.message).join('; '), { cure: 'take it out of the configuration, or choose another engine' });
    this.#slots.release(this.#current);
    const slotted = this.#slots.assign(plan.next);
    if ('tooMany' in slotted) throw new EngineError(`too many ${slotted.tooMany}`, { cure: 'split the configuration over several balancers' });
    try {
      this.#platform.probeListeners(slotted, this.#slotted);
    } catch (error) {
      throw asEngineError(error);
    }
    await this.#switch(slotted);
    this.#slotted = slotted;
    this.#current = plan.next;
    for (const step of plan.steps) if (step.op === 'change-server' && step.to.state === 'up') this.#unblock(step.director, step.to.name);
  }

  async read(): Promise<Reading> {
    await this.#askAll({ type: 'refresh' });
    return sumReading(this.#shared, this.#slotted, this.#epoch, Date.now(), { ...this.#platform.limits });
  }

  async sessions(filter: SessionFilter, page: PageRequest): Promise<SessionPage> {
    const total = this.#slotted.reduce((sum, d) => sum + Math.max(0, Atomics.load(this.#shared.directorSessions, d.slot)), 0);
    const [startWorker, startRecord] = (page.cursor ?? '0.0').split('.').map(Number) as [number, number];
    const sessions: SessionView[] = [];
    let from = startRecord;
    for (let w = startWorker; w < this.#workers.length; w++) {
      while (from >= 0) {
        const answer = await this.#workers[w]?.ask({ type: 'sessions', filter, from, limit: page.limit - sessions.length });
        if (answer?.type !== 'sessions') break;
        sessions.push(...answer.sessions);
        from = answer.next;
        if (sessions.length >= page.limit) {
          const next = from >= 0 ? `${w}.${from}` : w + 1 < this.#workers.length ? `${w + 1}.0` : null;
          return { sessions, next, total };
        }
      }
      from = 0;
    }
    return { sessions, next: null, total };
  }

  async purge(filter: SessionFilter): Promise<number> {
    const answers = await this.#askAll({ type: 'purge', filter });
    return answers.reduce((sum, a) => sum + (a.type === 'purged' ? a.count : 0), 0);
  }

  async pin({ director, client, server }: PinRequest): Promise<number> {
    const { index } = pinTarget(this.#current.directors, { director, server });
    const serverSlot = this.#slotted.find((s) => s.director.name === director)!.serverSlots[index];
    if (this.#shared.blockedUntil[serverSlot] > (performance.now() + clockOffset(this.#shared.epochNs)) / 100) {
      throw new EngineError(`server '${server}' refused a datagram lately: a session there would be moved away at once`, { cure: 'wait for its check, or pin to another server' });
    }
    const answers = await this.#askAll({ type: 'pin', director, client, serverSlot });
    let [count, stayed] = [0, 0];
    for (const a of answers) {
      if (a.type === 'failed') throw new EngineError(a.message, { cure: a.cure });
      if (a.type !== 'pinned') continue;
      count += a.count;
      stayed += a.stayed;
    }
    if (stayed > 0) {
      throw new EngineError(`${stayed} of ${count + stayed} sessions stayed where they were: no source port towards '${server}' has rested, or the table is full`, {
        cure: 'try again in half a minute', landed: count > 0 ? [`${count} sessions are on '${server}'`] : [],
      });
    }
    return count;
  }

  async explain(query: ExplainQuery): Promise<Explanation> {
    if (query.protocol !== 'udp') return { director: null, server: null, why: 'the userspace engine balances UDP only', candidates: [] };
    const answers = await this.#askAll({ type: 'explain', client: query.client, vip: query.vip });
    const explained = answers.flatMap((a) => (a.type === 'explained' ? [a.explanation] : []));
    const best = explained.find((e) => e.session !== null) ?? explained[0];
    if (!best) return { director: null, server: null, why: 'no packet worker is running', candidates: [] };
    const { director, server, why, candidates } = best;
    return { director, server, why, candidates };
  }

  // Userspace cannot leave traffic flowing: its sockets end with the process.
  async close(_how: 'leave' | 'remove'): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await Promise.all(this.#workers.flatMap((w) => (w ? [w.stop().catch(() => undefined)] : [])));
    this.#platform.close();
  }

  get succession(): Engine['succession'] {
    if (this.#platform.io !== 'linux') return undefined;
    return { terms: async () => encodeTerms({ workers: this.#platform.workers, epochNs: this.#shared.epochNs }), handOver: (give) => this.#handOver(give) };
  }

  async #handOver(give: (handover: EngineHandover) => Promise<void>): Promise<void> {
    try {
      const answers = await this.#askAll({ type: 'freeze' });
      const workers = answers.flatMap((a) => (a.type === 'frozen' ? [{ state: a.state, descriptors: a.descriptors }] : []));
      if (workers.length < this.#platform.workers) throw new EngineError('a packet worker is down or could not stop', { cure: 'try again when all packet workers run (weir status)' });
      const { limits, epochNs } = this.#shared;
      const { servers, directors } = this.#slots.high;
      await give({
        parts: [encodeHandover({
          format: HANDOVER_FORMAT, layout: HANDOVER_LAYOUT, epoch: this.#epoch, epochNs, limits,
          workers: workers.map((w) => w.descriptors.length),
          shared: handOverShared(this.#shared, servers, directors),
          slots: this.#slots.handover(),
          slotted: this.#slotted.map((s) => ({ ...s, locality: null })),
          desired: this.#current,
        }), ...workers.map((w) => w.state)],
        descriptors: workers.flatMap((w) => [...w.descriptors]),
      });
    } catch (error) {
      await this.#askAll({ type: 'thaw' });
      throw error;
    }
  }

  // Everything is taken over before anything moves, so that a failure leaves the predecessor's sockets as they were.
  async #adopt({ parts: [first, ...states], descriptors }: EngineHandover): Promise<void> {
    const handover = decodeHandover(first);
    if (handover.workers.length !== this.#platform.workers || states.length !== this.#platform.workers) throw new EngineError(`${handover.workers.length} packet workers hand over to ${this.#platform.workers}`, { cure: 'report this as a fault of weir' });
    adoptShared(this.#shared, handover.shared);
    this.#slots.adopt(handover.slots);
    this.#epoch = handover.epoch;
    const slotted = this.#slots.assign(handover.desired);
    if ('tooMany' in slotted) throw new EngineError(`too many ${slotted.tooMany}`, { cure: 'report this as a fault of weir' });
    this.#slotted = slotted;
    this.#current = handover.desired;
    let from = 0;
    const adopted = await this.#askEach((i) => {
      const fds = descriptors.slice(from, (from += handover.workers[i]!));
      return { type: 'adopt', directors: slotted, state: states[i]!, fds };
    });
    for (const a of [...adopted, ...(adopted.every((x) => x.type === 'done') ? await this.#askAll({ type: 'join' }) : [])]) {
      if (a.type === 'failed') throw new EngineError(`a packet worker could not take over: ${a.message}`, { cure: a.cure });
    }
  }

  async #switch(slotted: readonly SlottedDirector[]): Promise<void> {
    const prepared = await this.#askAll({ type: 'prepare', directors: slotted });
    const failed = prepared.find((a) => a.type === 'failed');
    if (failed?.type === 'failed') {
      await this.#askAll({ type: 'abort' });
      throw new EngineError(failed.message, { cure: failed.cure });
    }
    const committed = await this.#askAll({ type: 'commit' });
    const broken = committed.find((a) => a.type === 'failed');
    if (broken?.type === 'failed') throw new EngineError(`a worker could not switch over: ${broken.message}`, { cure: broken.cure, landed: ['the other workers run the new state'] });
  }

  // Evidence is spent once the daemon, which was told of it, says the server is up again.
  #unblock(director: string, server: string): void {
    const d = this.#slotted.find((s) => s.director.name === director);
    d?.director.servers.forEach((s, i) => {
      if (s.name === server) Atomics.store(this.#shared.blockedUntil, d.serverSlots[i], 0);
    });
  }

  #askAll(question: Question): Promise<FromWorker[]> {
    return this.#askEach(() => question);
  }

  #askEach(question: (worker: number) => Question): Promise<FromWorker[]> {
    const living = this.#workers.filter((w) => w !== null);
    return Promise.all(living.map((w) => w.ask(question(w.index)).catch((error: unknown): FromWorker => ({
      type: 'failed', id: 0, message: error instanceof Error ? error.message : String(error), cure: 'the worker is being started again: try once more',
    }))));
  }

  #startWorker(index: number): Promise<WorkerHandle> {
    return this.#platform.startWorker(index, {
      refused: (slot, detail) => this.#refused(slot, detail),
      death: (detail) => void this.#revive(index, detail),
    });
  }

  async #revive(index: number, detail: string): Promise<void> {
    if (this.#closed) return;
    this.#workers[index] = null;
    disownWorker(this.#shared, index);
    const minuteAgo = performance.now() - 60_000;
    while (this.#restarts[0] !== undefined && this.#restarts[0] < minuteAgo) this.#restarts.shift();
    if (this.#restarts.length >= RESTARTS_PER_MINUTE) return this.#giveWay(index, `${detail}; it died ${RESTARTS_PER_MINUTE} times within a minute`);
    this.#restarts.push(performance.now());
    await this.#startAgain(index, detail);
  }

  async #startAgain(index: number, detail: string): Promise<void> {
    if (this.#closed || this.#workers[index] !== null || this.#starting.has(index)) return;
    this.#starting.add(index);
    try {
      const worker = await this.#startWorker(index);
      for (const question of [{ type: 'prepare', directors: this.#slotted }, { type: 'commit' }] as const) {
        const answer = await worker.ask(question);
        if (answer.type !== 'failed') continue;
        await worker.stop();
        throw new Error(answer.message);
      }
      this.#workers[index] = worker;
      this.#onEvent({ kind: 'fault', detail: `${detail}; started again, its sessions were lost`, recovered: true });
    } catch (error) {
      this.#giveWay(index, `${detail}; starting it again failed: ${String(error)}`);
    } finally {
      this.#starting.delete(index);
    }
  }

  // A listener that nobody reads would go on to take its share of the clients.
  #giveWay(index: number, detail: string): void {
    this.#platform.abandon(index);
    this.#onEvent({ kind: 'fault', detail: `${detail}; tried again in ${TRY_AGAIN_MS / 1000} s`, recovered: false });
    this.#platform.later(() => void this.#startAgain(index, `packet worker ${index} was down`), TRY_AGAIN_MS);
  }

  #refused(slot: number, detail: string): void {
    for (const { director, serverSlots } of this.#slotted) {
      const i = serverSlots.indexOf(slot);
      if (i >= 0) this.#onEvent({ kind: 'refused', director: director.name, server: director.servers[i].name, atMs: Date.now(), detail });
    }
  }
}

function asEngineError(error: unknown): EngineError {
  const e = error instanceof Error ? error : new Error(String(error));
  return new EngineError(e.message, { cure: 'cure' in e && typeof e.cure === 'string' ? e.cure : 'see the log', cause: error });
}
