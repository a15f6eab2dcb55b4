/**
 * The upstream sockets of one worker, in pools: one per address family and source-NAT rule. Numbers them for the whole worker,
 * so that (socket, endpoint) names a session whichever pool the socket is of.
 */
import type { SourceNat } from '../../plan/desired.ts';
import { ipBytes, ipFromBytes, type Ip } from '../../net/ip.ts';
import { PortPool, type PortsHandover } from './ports.ts';

/** What the loop must bind a new upstream socket to; address null: any of the family; port 0: the kernel chooses. */
export interface BindSpec {
  readonly family: 4 | 6;
  readonly address: Ip | null;
  readonly port: number;
}

/** All pools of a worker; sockets are known by their worker-wide numbers. */
export interface PoolsHandover {
  readonly sockets: number;
  readonly pools: readonly {
    readonly nat: SourceNat | null;
    readonly family: 4 | 6;
    readonly numbers: readonly number[];
    readonly oneWay: readonly (readonly [key: number, number: number])[];
    readonly ports: PortsHandover;
  }[];
}

interface Pool {
  readonly nat: SourceNat | null;
  readonly family: 4 | 6;
  readonly ports: PortPool;
  /** Worker-wide number of the pool's i-th socket. */
  readonly numbers: number[];
  /** Sockets for one-way datagrams, by endpoint where sockets are exclusive. */
  readonly oneWay: Map<number, number>;
}

export class UpstreamPools {
  /** Sockets opened by this worker, all pools together. */
  sockets = 0;
  readonly #maxSockets: number;
  readonly #exclusive: boolean;
  readonly #open: (number: number, spec: BindSpec) => boolean;
  readonly #pools = new Map<string, Pool>();
  readonly #poolOf: Pool[] = [];
  readonly #indexOf: number[] = [];

  /** `open` binds socket `number`; it returns false when the kernel refuses. With `exclusive` a socket serves one session, whatever its endpoint. */
  constructor(options: { readonly maxSockets: number; readonly exclusive?: boolean; readonly open: (number: number, spec: BindSpec) => boolean }) {
    this.#maxSockets = options.maxSockets;
    this.#exclusive = options.exclusive ?? false;
    this.#open = options.open;
  }

  /** Returns the number of a socket that is free and rested towards `endpoint`, or -1. */
  take(nat: SourceNat | null, family: 4 | 6, endpoint: number, now: number): number {
    const pool = this.#pool(nat, family);
    const index = pool.ports.take(this.#exclusive ? 0 : endpoint, now);
    return index < 0 ? -1 : pool.numbers[index];
  }

  /** Gives a socket back towards an endpoint. */
  release(number: number, endpoint: number, now: number, restMs: number): void {
    this.#poolOf[number].ports.release(this.#exclusive ? 0 : endpoint, this.#indexOf[number], now, restMs);
  }

  /** Returns the pool's socket for one-way datagrams (with `exclusive`: to this endpoint), opening it if need be, or -1. */
  oneWay(nat: SourceNat | null, family: 4 | 6, endpoint: number): number {
    const pool = this.#pool(nat, family);
    const key = this.#exclusive ? endpoint : 0;
    const known = pool.oneWay.get(key);
    if (known !== undefined) return known;
    if (this.sockets >= this.#maxSockets || !this.#open(this.sockets, bindSpec(nat, family, 0))) return -1;
    this.#poolOf[this.sockets] = pool;
    this.#indexOf[this.sockets] = -1;
    pool.oneWay.set(key, this.sockets);
    return this.sockets++;
  }

  /** Returns whether a socket is one of those for one-way datagrams, which no session names. */
  isOneWay(number: number): boolean {
    return this.#indexOf[number] === -1;
  }

  /** Returns a copy of all pools. */
  handover(): PoolsHandover {
    return {
      sockets: this.sockets,
      pools: [...this.#pools.values()].map(({ nat, family, numbers, oneWay, ports }) => ({ nat, family, numbers, oneWay: [...oneWay], ports: ports.handover() })),
    };
  }

  /** Takes over another worker's pools; this one must have none. Its sockets are open already. */
  adopt(handover: PoolsHandover): void {
    this.sockets = handover.sockets;
    for (const { nat, family, numbers, oneWay, ports } of handover.pools) {
      const pool = this.#pool(nat, family);
      pool.ports.adopt(ports);
      numbers.forEach((number, index) => {
        pool.numbers[index] = number;
        this.#poolOf[number] = pool;
        this.#indexOf[number] = index;
      });
      for (const [key, number] of oneWay) {
        pool.oneWay.set(key, number);
        this.#poolOf[number] = pool;
        this.#indexOf[number] = -1;
      }
    }
  }

  /** Times the kernel refused another socket. */
  get refused(): number {
    let sum = 0;
    for (const pool of this.#pools.values()) sum += pool.ports.refused;
    return sum;
  }

  #pool(nat: SourceNat | null, family: 4 | 6): Pool {
    const key = poolKey(nat, family);
    const known = this.#pools.get(key);
    if (known) return known;
    const numbers: number[] = [];
    const pool: Pool = {
      nat,
      family,
      numbers,
      oneWay: new Map(),
      ports: new PortPool({
        maxSockets: Math.min(this.#maxSockets, natCapacity(nat)),
        open: (index) => {
          const number = this.sockets;
          if (number >= this.#maxSockets || !this.#open(number, bindSpec(nat, family, index))) return false;
          this.sockets++;
          numbers[index] = number;
          this.#poolOf[number] = pool;
          this.#indexOf[number] = index;
          return true;
        },
      }),
    };
    this.#pools.set(key, pool);
    return pool;
  }
}

function poolKey(nat: SourceNat | null, family: 4 | 6): string {
  if (nat === null || (nat.addresses === null && nat.ports === null)) return String(family);
  const { addresses, ports } = nat;
  return `${family}|${addresses?.first.text ?? ''}-${addresses?.last.text ?? ''}|${ports?.first ?? 0}-${ports?.last ?? 0}`;
}

// How many sockets a rule has room for: addresses times ports.
function natCapacity(nat: SourceNat | null): number {
  if (nat === null) return Infinity;
  const ports = nat.ports === null ? 64_512 : nat.ports.last - nat.ports.first + 1;
  return ports * (nat.addresses === null ? 1 : addressCount(nat.addresses.first, nat.addresses.last));
}

function bindSpec(nat: SourceNat | null, family: 4 | 6, index: number): BindSpec {
  if (nat === null) return { family, address: null, port: 0 };
  const count = nat.addresses === null ? 1 : addressCount(nat.addresses.first, nat.addresses.last);
  const address = nat.addresses === null ? null : addressAt(nat.addresses.first, index % count);
  return { family, address, port: nat.ports === null ? 0 : nat.ports.first + Math.floor(index / count) };
}

function addressCount(first: Ip, last: Ip): number {
  return Math.min(65_536, Number(asBigInt(last) - asBigInt(first)) + 1);
}

function addressAt(first: Ip, offset: number): Ip {
  const size = first.family === 4 ? 4 : 16;
  const bytes = new Uint8Array(size);
  let value = asBigInt(first) + BigInt(offset);
  for (let i = size - 1; i >= 0; i--, value >>= 8n) bytes[i] = Number(value & 255n);
  return ipFromBytes(bytes);
}

function asBigInt(ip: Ip): bigint {
  return ipBytes(ip).reduce((sum, byte) => (sum << 8n) | BigInt(byte), 0n);
}
