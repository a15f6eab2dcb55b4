/** What happens during a soak, and when: a list that a seed repeats. Pure. */
import { Random } from '../xdp/random.ts';
import { BACKENDS, firstConfiguration, type Backend, type Configuration, type DirectorSpec, type Family, type ServerSpec } from './model.ts';

export type SoakEvent = { readonly atMs: number } & (
  | { readonly kind: 'apply' | 'reload'; readonly what: string; readonly configuration: Configuration }
  | { readonly kind: 'save' }
  | { readonly kind: 'override'; readonly director: string; readonly server: Backend; readonly action: 'drain' | 'disable' | 'reset' }
  | { readonly kind: 'purge'; readonly director: string }
  /** ICMP port unreachable answers for it, or nobody does. */
  | { readonly kind: 'server-killed' | 'server-stopped' | 'server-back'; readonly server: Backend }
  /** It serves and does not answer its checks. */
  | { readonly kind: 'checks-muted'; readonly server: Backend; readonly forMs: number }
  | { readonly kind: 'flood'; readonly director: string; readonly clients: number }
  | { readonly kind: 'readers-hang'; readonly readers: number; readonly forMs: number }
  | { readonly kind: 'read-all' }
  | { readonly kind: 'worker-killed' }
  | { readonly kind: 'daemon-killed' }
  | { readonly kind: 'takeover'; readonly by: 'run' | 'signal' }
);

export type EventKind = SoakEvent['kind'];

export interface PlanOptions {
  readonly seed: number;
  readonly durationMs: number;
  /** What the engine can: packet threads that die, a takeover, NAT rules by family. */
  readonly ownsTraffic: boolean;
  readonly natFamilies: readonly Family[];
}

/** Nothing happens before this, so that all is warm, nor in the last of it, so that what happened shows. */
const LEAD_MS = 5_000;
const TAIL_MS = 8_000;
/** Between two events, at random. */
const GAP_MS = { least: 300, most: 2_700 };
/** A process of weir lives through the middle of a soak: growth shows in a long life alone. Its process ends in the first part and in the last one. */
export const LONG_LIFE = { from: 0.25, to: 0.9 };
/** The engine starts a packet worker five times a minute at most. */
const WORKER_REST_MS = 15_000;
const DEAD_MOST = 2;
const FLOOD = 200;
/** `session max` of a director that is to refuse some: its steady clients have their sessions by then. */
const MAX = 60;
const BALANCES = ['leastconn', 'roundrobin', 'source', 'srcdst', 'maglev', 'random', 'shortestexpected', 'neverqueue', 'failover'] as const;

/** Returns the events of a soak, in order of time. The same options give the same events. */
export function planEvents(options: PlanOptions): readonly SoakEvent[] {
  const planner = new Planner(options);
  const events = planner.all();
  return events.toSorted((a, b) => a.atMs - b.atMs);
}

class Planner {
  readonly #random: Random;
  readonly #options: PlanOptions;
  readonly #events: SoakEvent[] = [];
  #running = firstConfiguration();
  #saved = this.#running;
  readonly #overridden = new Map<string, number>();
  /** When each dead server is back. */
  readonly #dead = new Map<Backend, number>();
  /** What is to be put right later: a director that was deleted, servers of one that are all out. */
  readonly #due: { readonly atMs: number; act(atMs: number): void }[] = [];
  #workerFrom = 0;

  constructor(options: PlanOptions) {
    this.#options = options;
    this.#random = new Random(options.seed);
  }

  all(): SoakEvent[] {
    const { durationMs } = this.#options;
    let at = LEAD_MS;
    for (;;) {
      at += GAP_MS.least + this.#random.below(GAP_MS.most - GAP_MS.least);
      if (at > durationMs - TAIL_MS) break;
      this.#settle(at);
      this.#one(at);
    }
    this.#settle(Infinity);
    return this.#events;
  }

  /** Carries out what has become due, in its order. */
  #settle(until: number): void {
    for (;;) {
      const next = this.#due.toSorted((a, b) => a.atMs - b.atMs)[0];
      if (next === undefined || next.atMs > until) return;
      this.#due.splice(this.#due.indexOf(next), 1);
      next.act(next.atMs);
    }
  }

  #later(atMs: number, act: (atMs: number) => void): void {
    this.#due.push({ atMs: Math.min(atMs, this.#options.durationMs - TAIL_MS / 2), act });
  }

  #one(atMs: number): void {
    const random = this.#random;
    const share = atMs / this.#options.durationMs;
    const processMayEnd = share < LONG_LIFE.from || share > LONG_LIFE.to;
    if (processMayEnd && random.oneIn(6)) return this.#processEnds(atMs);
    const pick = random.below(100);
    if (pick < 40) return this.#change(atMs);
    if (pick < 58) return this.#serverDies(atMs);
    if (pick < 66) return this.#override(atMs);
    if (pick < 72) return this.#flood(atMs);
    if (pick < 78) {
      this.#saved = this.#running;
      return void this.#events.push({ atMs, kind: 'save' });
    }
    if (pick < 84) return void this.#events.push({ atMs, kind: 'checks-muted', server: random.of(BACKENDS), forMs: 400 + random.below(2500) });
    if (pick < 88) return void this.#events.push({ atMs, kind: 'purge', director: random.of(this.#running.directors).name });
    if (pick < 92) return void this.#events.push({ atMs, kind: 'readers-hang', readers: 2 + random.below(6), forMs: 2_000 + random.below(6_000) });
    if (pick < 95) return void this.#events.push({ atMs, kind: 'read-all' });
    if (this.#options.ownsTraffic && atMs >= this.#workerFrom) {
      this.#workerFrom = atMs + WORKER_REST_MS;
      return void this.#events.push({ atMs, kind: 'worker-killed' });
    }
    return this.#change(atMs);
  }

  #processEnds(atMs: number): void {
    const { ownsTraffic } = this.#options;
    if (ownsTraffic && !this.#random.oneIn(3)) return void this.#events.push({ atMs, kind: 'takeover', by: this.#random.oneIn(2) ? 'run' : 'signal' });
    this.#events.push({ atMs, kind: 'daemon-killed' });
    // A restart runs what was saved.
    this.#running = this.#saved;
  }

  #serverDies(atMs: number): void {
    for (const [server, backAtMs] of this.#dead) if (backAtMs <= atMs) this.#dead.delete(server);
    const alive = BACKENDS.filter((server) => !this.#dead.has(server));
    if (this.#dead.size >= DEAD_MOST) return this.#change(atMs);
    const server = this.#random.of(alive);
    const backAtMs = Math.min(atMs + 700 + this.#random.below(4_500), this.#options.durationMs - TAIL_MS / 2);
    this.#dead.set(server, backAtMs + 500);
    this.#events.push({ atMs, kind: this.#random.oneIn(2) ? 'server-killed' : 'server-stopped', server }, { atMs: backAtMs, kind: 'server-back', server });
  }

  #override(atMs: number): void {
    const director = this.#random.of(this.#running.directors);
    const free = director.servers.filter(({ name }) => !this.#overridden.has(`${director.name}/${name}`));
    if (free.length < 3) return this.#change(atMs);
    const server = this.#random.of(free).name;
    const key = `${director.name}/${server}`;
    this.#overridden.set(key, atMs);
    this.#events.push({ atMs, kind: 'override', director: director.name, server, action: this.#random.oneIn(2) ? 'drain' : 'disable' });
    this.#later(atMs + 1_500 + this.#random.below(4_000), (at) => {
      this.#overridden.delete(key);
      this.#events.push({ atMs: at, kind: 'override', director: director.name, server, action: 'reset' });
    });
  }

  #flood(atMs: number): void {
    this.#events.push({ atMs, kind: 'flood', director: this.#random.of(this.#running.directors).name, clients: FLOOD });
  }

  /** One change of the configuration, applied or loaded by SIGHUP (which also saves). */
  #change(atMs: number): void {
    const director = this.#random.of(this.#running.directors);
    const [what, next] = this.#changed(director, atMs);
    this.#apply(atMs, `${director.name}: ${what}`, next === null ? without(this.#running, director.name) : replaced(this.#running, next));
  }

  #apply(atMs: number, what: string, configuration: Configuration): void {
    const reload = this.#random.oneIn(6);
    this.#running = configuration;
    if (reload) this.#saved = configuration;
    this.#events.push({ atMs, kind: reload ? 'reload' : 'apply', what, configuration });
  }

  // null: it is deleted, and comes back a moment later.
  #changed(d: DirectorSpec, atMs: number): readonly [string, DirectorSpec | null] {
    const random = this.#random;
    const server = random.of(d.servers);
    const missing = BACKENDS.filter((name) => !d.servers.some((s) => s.name === name));
    const set = (change: Partial<ServerSpec>): DirectorSpec => ({ ...d, servers: d.servers.map((s) => (s === server ? { ...s, ...change } : s)) });
    const away = d.servers.filter((s) => s.mode !== 'in').length + missing.length;
    switch (random.below(12)) {
      case 0:
      case 1:
        if (missing.length > 0) return [`add ${missing[0]}`, { ...d, servers: [...d.servers, { name: missing[0], weight: 1 + random.below(20), mode: 'in' }] }];
        return [`remove ${server.name}`, { ...d, servers: d.servers.filter((s) => s !== server) }];
      case 2:
        if (away < 2 && d.servers.length > 2) return [`remove ${server.name}`, { ...d, servers: d.servers.filter((s) => s !== server) }];
        return ['all servers in', { ...d, servers: BACKENDS.map((name) => ({ name, weight: 10, mode: 'in' })) }];
      case 3:
        return [`weight of ${server.name}`, set({ weight: random.oneIn(6) ? 0 : 1 + random.below(50) })];
      case 4:
        return server.mode === 'in' && away < 2 ? [`drain ${server.name}`, set({ mode: 'drain' })] : [`${server.name} in`, set({ mode: 'in' })];
      case 5:
        return server.mode === 'in' && away < 2 ? [`disable ${server.name}`, set({ mode: 'disabled' })] : [`${server.name} in`, set({ mode: 'in' })];
      case 6:
      case 7: {
        const balance = random.of(BALANCES);
        return [`balance ${balance}`, { ...d, balance }];
      }
      case 8: {
        const next = { ...d, onDown: random.of(['move', 'move', 'drop'] as const), onDrain: random.of(['move', 'keep'] as const), onRemove: random.of(['move', 'move', 'drop'] as const) };
        return [`on down ${next.onDown} drain ${next.onDrain} remove ${next.onRemove}`, next];
      }
      case 9:
        if (d.kind === 'one-way') return ['sorry server', { ...d, sorry: !d.sorry }];
        return d.max === null ? [`session max ${MAX}`, { ...d, max: MAX }] : ['no session max', { ...d, max: null }];
      case 10:
        if (!this.#options.natFamilies.includes(d.family)) return ['sorry server', { ...d, sorry: !d.sorry }];
        return [d.nat ? 'no NAT rule' : 'NAT rule', { ...d, nat: !d.nat }];
      default:
        if (random.oneIn(3)) {
          this.#later(atMs + 1_000 + random.below(2_000), (at) => this.#apply(at, `${d.name}: all servers in`, replaced(this.#running, { ...d, servers: BACKENDS.map((name) => ({ name, weight: 10, mode: 'in' })) })));
          return ['disable all servers', { ...d, servers: d.servers.map((s) => ({ ...s, mode: 'disabled' })) }];
        }
        this.#later(atMs + 200 + random.below(1_500), (at) => this.#apply(at, `${d.name}: added again`, replaced(this.#running, d)));
        return ['deleted', null];
    }
  }
}

function without({ directors }: Configuration, name: string): Configuration {
  return { directors: directors.filter((d) => d.name !== name) };
}

function replaced({ directors }: Configuration, next: DirectorSpec): Configuration {
  return { directors: [...directors.filter((d) => d.name !== next.name), next].toSorted((a, b) => (a.name < b.name ? -1 : 1)) };
}
