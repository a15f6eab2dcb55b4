/** The model's servers and directors: what is configured, what counts, and who is chosen (by src/balance/picker.ts). */
import { hashFlow, hashIp } from '../../../src/balance/hash.ts';
import { createPicker, failoverOrder, type Candidate, type Picker, type PickerState } from '../../../src/balance/picker.ts';
import { spread } from '../../../src/balance/spread.ts';
import type { Balance } from '../../../src/balance/terms.ts';
import type { Way } from './headers.ts';
import type { Kind } from './table.ts';

export type Mode = 'nat' | 'gateway' | 'tunnel';
export type Policy = 'none' | 'keep' | 'move' | 'drop';
export type Counters = Record<string, number>;

export class Server {
  readonly name: string;
  readonly slot: number;
  readonly director: number;
  readonly family: 4 | 6;
  readonly mode: Mode;
  /** latin1 of its address. */
  readonly address: string;
  /** 0: the port the client used. */
  readonly port: number;
  /** First address of the pool servers see; null: the client's. */
  readonly source: string | null;
  readonly sourceCount: number;
  readonly ports: readonly [number, number];
  readonly encap: string;
  /** null: nobody knows it. */
  readonly way: Way | null;
  weight: number;
  policy: Policy = 'none';
  /** 0: never. */
  policyUntil = 0;
  blockedUntil = 0;
  active = 0;
  live = 0;
  refs = 0;
  icmpErrors = 0;
  portNext = 0;
  readonly counters: Counters = {};

  constructor(of: Pick<Server, 'name' | 'slot' | 'director' | 'family' | 'mode' | 'address' | 'port' | 'source' | 'sourceCount' | 'ports' | 'encap' | 'way' | 'weight'>) {
    this.name = of.name;
    this.slot = of.slot;
    this.director = of.director;
    this.family = of.family;
    this.mode = of.mode;
    this.address = of.address;
    this.port = of.port;
    this.source = of.source;
    this.sourceCount = of.sourceCount;
    this.ports = of.ports;
    this.encap = of.encap;
    this.way = of.way;
    this.weight = of.weight;
  }

  /** True while evidence speaks against it. */
  blocked(now: number): boolean {
    return this.blockedUntil > now;
  }
}

export interface DirectorSettings {
  readonly name: string;
  readonly slot: number;
  readonly kind: Kind;
  readonly mode: Mode;
  readonly balance: Balance;
  readonly downAction: Policy;
  readonly unreplied: number;
  readonly replied: number;
  readonly max: number;
  readonly replies: number;
  /** 0: no bound. */
  readonly amplification: number;
  /** 0: none. */
  readonly persistence: number;
  readonly prefix: number;
  readonly destHash: number;
}

/** Algorithms that choose by what every datagram of a flow has. */
const FLOW_KEEPS: ReadonlySet<Balance> = new Set(['failover', 'source', 'dest', 'srcdst', 'maglev']);

/** Who is asked while a choice is made: the state that picker.ts wants. */
export class Director implements PickerState {
  readonly settings: DirectorSettings;
  readonly counters: Counters = {};
  /** In the pool's order, with the weights the pool has. */
  pool: readonly { readonly server: Server; readonly weight: number }[] = [];
  sorry: Server | null = null;
  sorryInUse = false;
  sessions = 0;
  position = 0;
  #picker: Picker | null = null;
  #candidates: readonly { readonly server: Server; readonly weight: number }[] = [];
  #now = 0;

  constructor(settings: DirectorSettings) {
    this.settings = settings;
  }

  /** Gives the director another pool; `candidates` in configuration order. */
  setPool(candidates: readonly { readonly server: Server; readonly weight: number }[]): void {
    const plain: readonly Candidate[] = candidates.map(({ server, weight }) => ({ key: server.name, weight }));
    this.#candidates = candidates;
    this.pool = this.settings.balance === 'failover' ? failoverOrder(plain).map((i) => candidates[i]) : candidates;
    this.#picker = createPicker(this.settings.balance, plain, this);
  }

  /** Returns who takes one new session of this client, persistence aside; null: nobody. */
  choose(client: string, port: number, now: number): Server | null {
    this.#now = now;
    if (!this.sorryInUse && this.#picker !== null) {
      const bytes = Buffer.from(client, 'latin1');
      const i = this.#picker.pick({ source: hashIp(bytes), flow: hashFlow(bytes, port), dest: this.settings.destHash });
      if (i >= 0) return this.#candidates[i].server;
    }
    return this.sorry ?? this.pool.find(({ weight }) => weight > 0)?.server ?? null;
  }

  /** Returns who takes a flow that can have no session: the one chosen, where that is the same for each of its datagrams, else by its hash. */
  byFlow(chosen: Server, client: string, port: number, now: number): Server {
    if (FLOW_KEEPS.has(this.settings.balance)) return chosen;
    const weights = Uint32Array.from(this.pool, ({ weight }) => weight);
    const able = Uint8Array.from(this.pool, ({ server, weight }) => (weight > 0 && !server.blocked(now) ? 1 : 0));
    const i = spread(weights, able, hashFlow(Buffer.from(client, 'latin1'), port));
    return i < 0 ? chosen : this.pool[i].server;
  }

  /** True when a new session would not come to this blocked server again. */
  hasElsewhere(server: Server, now: number): boolean {
    return (this.sorry !== null && this.sorry !== server) || this.pool.some((c) => c.weight > 0 && !c.server.blocked(now));
  }

  active(i: number): number {
    return this.#candidates[i].server.active;
  }

  blocked(i: number): boolean {
    return this.#candidates[i].server.blocked(this.#now);
  }

  next(): number {
    const position = this.position;
    this.position = (position + 1) >>> 0;
    return position;
  }

  random(): number {
    throw new Error('the model cannot know what the kernel rolls');
  }
}

/** Counts `by` of a name. */
export function count(counters: Counters, name: string, by = 1): void {
  counters[name] = (counters[name] ?? 0) + by;
}
