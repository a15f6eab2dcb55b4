/**
 * Source ports towards the servers. One upstream socket serves one session per server endpoint, so sockets grow with sessions / servers.
 * A port freed towards an endpoint rests before that endpoint may meet it again, so that no late reply reaches a new session.
 * Cap: `maxSockets`; at the cap with nothing rested `take` returns -1 and the caller drops with `no_port`.
 */

/** Opens the upstream socket with this index; returns false when the kernel refuses (no port, no descriptor). */
export type OpenSocket = (index: number) => boolean;

/** A pool's ports: how many sockets, and for each endpoint those freed with the time at which they have rested, oldest first. */
export interface PortsHandover {
  readonly sockets: number;
  readonly refused: number;
  readonly endpoints: readonly { readonly endpoint: number; readonly fresh: number; readonly freed: Int32Array; readonly restedAt: Float64Array }[];
}

interface EndpointPorts {
  /** Sockets 0..fresh-1 have been used towards this endpoint; the others never. */
  fresh: number;
  /** Ring of freed sockets, oldest first. */
  readonly freed: FreedRing;
}

export class PortPool {
  readonly maxSockets: number;
  sockets = 0;
  /** Times the kernel refused another socket. */
  refused = 0;
  readonly #open: OpenSocket;
  readonly #endpoints = new Map<number, EndpointPorts>();
  #retryOpenAt = 0;

  constructor(options: { readonly maxSockets: number; readonly open: OpenSocket }) {
    this.maxSockets = options.maxSockets;
    this.#open = options.open;
  }

  /** Returns a socket index that is free and rested towards `endpoint`, opening one if need be, or -1. */
  take(endpoint: number, now: number): number {
    let ports = this.#endpoints.get(endpoint);
    if (!ports) this.#endpoints.set(endpoint, (ports = { fresh: 0, freed: new FreedRing() }));
    const rested = ports.freed.shiftRested(now);
    if (rested >= 0) return rested;
    if (ports.fresh < this.sockets) return ports.fresh++;
    if (this.sockets >= this.maxSockets || now < this.#retryOpenAt) return -1;
    if (!this.#open(this.sockets)) {
      this.refused++;
      // A refusal (ports or descriptors are used up) is not asked again for each datagram.
      this.#retryOpenAt = now + 100;
      return -1;
    }
    this.sockets++;
    return ports.fresh++;
  }

  /** Gives the socket back; towards this endpoint it is taken again only after `restMs`. */
  release(endpoint: number, socket: number, now: number, restMs: number): void {
    this.#endpoints.get(endpoint)?.freed.push(socket, now + restMs);
  }

  /** Returns a copy of what is known of every endpoint's ports. */
  handover(): PortsHandover {
    return { sockets: this.sockets, refused: this.refused, endpoints: [...this.#endpoints].map(([endpoint, { fresh, freed }]) => ({ endpoint, fresh, ...freed.contents() })) };
  }

  /** Takes over another pool's ports; this pool must be unused. Its sockets are open already. */
  adopt({ sockets, refused, endpoints }: PortsHandover): void {
    this.sockets = sockets;
    this.refused = refused;
    for (const { endpoint, fresh, freed, restedAt } of endpoints) {
      const ring = new FreedRing();
      freed.forEach((socket, i) => ring.push(socket, restedAt[i]!));
      this.#endpoints.set(endpoint, { fresh, freed: ring });
    }
  }

  /** Forgets an endpoint that no server names any more and no session uses. */
  forget(endpoint: number): void {
    this.#endpoints.delete(endpoint);
  }
}

/** First in, first out of (socket, rested at). Entries with different rests may wait behind a longer one: later than need be, never earlier. */
class FreedRing {
  #sockets = new Int32Array(16);
  #restedAt = new Float64Array(16);
  #first = 0;
  #count = 0;

  push(socket: number, restedAt: number): void {
    if (this.#count === this.#sockets.length) this.#double();
    const at = (this.#first + this.#count++) & (this.#sockets.length - 1);
    this.#sockets[at] = socket;
    this.#restedAt[at] = restedAt;
  }

  contents(): { freed: Int32Array; restedAt: Float64Array } {
    const at = Array.from({ length: this.#count }, (_, i) => (this.#first + i) & (this.#sockets.length - 1));
    return { freed: Int32Array.from(at, (i) => this.#sockets[i]!), restedAt: Float64Array.from(at, (i) => this.#restedAt[i]!) };
  }

  shiftRested(now: number): number {
    if (this.#count === 0 || this.#restedAt[this.#first] > now) return -1;
    const socket = this.#sockets[this.#first];
    this.#first = (this.#first + 1) & (this.#sockets.length - 1);
    this.#count--;
    return socket;
  }

  #double(): void {
    const size = this.#sockets.length;
    const sockets = new Int32Array(size * 2);
    const restedAt = new Float64Array(size * 2);
    for (let i = 0; i < size; i++) {
      const from = (this.#first + i) & (size - 1);
      sockets[i] = this.#sockets[from]!;
      restedAt[i] = this.#restedAt[from]!;
    }
    this.#sockets = sockets;
    this.#restedAt = restedAt;
    this.#first = 0;
  }
}
