/**
 * What happens next, by a seed: datagrams of clients and of servers, errors, fragments in any order, all of these damaged, bytes of no sense;
 * and in between what a control plane does, and time.
 */
import { LINKS, type Device } from '../packets/bed.ts';
import { address, fragments, frame, icmp, udp, type Check, type End, type Ethernet } from '../packets/frame.ts';
import type { Random } from '../random.ts';
import type { Model } from './model.ts';
import type { Director, Policy, Server } from './parties.ts';
import type { Session } from './table.ts';
import type { World } from './world.ts';

export type Event =
  | { readonly kind: 'frame'; readonly frame: Buffer; readonly device: Device }
  | { readonly kind: 'later'; readonly steps: number }
  | { readonly kind: 'sweep' }
  | { readonly kind: 'end'; readonly records: readonly number[]; readonly linger: boolean }
  | { readonly kind: 'pin'; readonly records: readonly number[]; readonly server: Server }
  | { readonly kind: 'policy'; readonly server: Server; readonly policy: Policy; readonly forATime: boolean }
  | { readonly kind: 'up'; readonly server: Server }
  | { readonly kind: 'pool'; readonly director: Director; readonly weights: readonly number[] }
  | { readonly kind: 'sorry'; readonly director: Director; readonly inUse: boolean };

const ROUTERS = ['02:00:5e:00:53:01', '02:00:5e:00:53:02'];
const CLIENTS4 = [1, 41, 81, 121, 161, 201].map((last) => address(`192.0.2.${last}`));
const CLIENTS6 = ['0::1', '0::2', '0::3', '10::1', '10::2', '20::1'].map((rest) => address(`2001:db8:2:${rest}`));
const [ROUTER4, ROUTER6, OWN4, OWN6] = [address('10.9.9.1'), address('2001:db8:99::1'), address('10.0.0.1'), address('2001:db8:10::1')];
const PORTS = [1, 53, 123, 1024, 7000, 30_000, 40_000, 65_535];
const CHECKS: readonly Check[] = ['whole', 'whole', 'whole', 'whole', 'none', 'partial', 'wrong'];
const DEVICES: readonly Device[] = ['clients', 'servers', 'second', 'elsewhere'];
/** Fragments wait here for their turn; more than this and the oldest goes. */
const HELD = 24;

export class Traffic {
  readonly #random: Random;
  readonly #world: World;
  readonly #model: Model;
  readonly #held: { readonly frame: Buffer; readonly device: Device }[] = [];

  constructor(random: Random, world: World) {
    this.#random = random;
    this.#world = world;
    this.#model = world.model;
  }

  /** Returns what happens next. */
  next(): Event {
    const random = this.#random;
    if (random.oneIn(40)) return this.#control();
    if (this.#held.length > 0 && (this.#held.length > HELD || random.oneIn(6))) return { kind: 'frame', ...this.#held.splice(random.below(this.#held.length), 1)[0] };
    const kind = random.below(100);
    if (kind < 50) return this.#sent(this.#fromClient());
    if (kind < 85) return this.#sent(this.#fromServer());
    if (kind < 95) return this.#sent(this.#error());
    return { kind: 'frame', frame: random.bytes(14 + random.below(200)), device: random.of(DEVICES) };
  }

  /** One in seven is damaged. */
  #sent({ packet, device, ethernet }: Built): Event {
    const random = this.#random;
    let bytes = frame(ethernet, packet);
    if (random.oneIn(7)) bytes = damaged(random, bytes);
    // A datagram on Ethernet has trailing bytes when it is short.
    else if (bytes.length < 60 && random.oneIn(3)) bytes = Buffer.concat([bytes, Buffer.alloc(60 - bytes.length)]);
    return { kind: 'frame', frame: bytes, device };
  }

  #fromClient(): Built {
    const random = this.#random;
    const to = random.of(this.#world.targets);
    const dst = { bytes: to.ip, port: to.port ?? random.of(PORTS) };
    const src = { bytes: random.of(to.ip.length === 16 ? CLIENTS6 : CLIENTS4), port: random.of(PORTS) };
    return this.#maybeCut(this.#datagram(src, dst), this.#fromClients());
  }

  #fromServer(): Built {
    const s = this.#someSession();
    if (s === null) return this.#fromClient();
    const server = this.#serverOf(s);
    const built = this.#datagram(place(server.address, s.serverPort), place(s.source, s.sourcePort || s.clientPort));
    return this.#maybeCut(built, { device: 'servers', ethernet: { dst: LINKS.servers.mac, src: '02:00:0a:00:00:0b', ...this.#tag(20) } });
  }

  /** About what a session sent, or what was sent to its client; some about nobody's, a one-way datagram among them. */
  #error(): Built {
    const random = this.#random;
    const s = this.#someSession();
    if (s === null || random.oneIn(8)) return this.#errorAboutNobody();
    const server = this.#serverOf(s);
    const six = s.family === 6;
    const fromServers = random.oneIn(2);
    const [from, to] = fromServers ? [place(s.source, s.sourcePort || s.clientPort), place(server.address, s.serverPort)] : [place(s.vip, s.vipPort), place(s.client, s.clientPort)];
    const [receiver, end] = fromServers ? [s.source, server.address] : [s.vip, s.client];
    const carried = udp({ src: from, dst: to, ttl: 1 + random.below(64), check: random.of(CHECKS), payload: random.bytes(random.below(40)) });
    const error = icmp({
      src: random.oneIn(2) ? raw(end) : six ? ROUTER6 : ROUTER4, dst: raw(receiver), ...kindOf(random, six), rest: random.below(1500), carries: random.oneIn(3) ? carried.subarray(0, six ? 48 : 28) : carried, ttl: this.#ttl(),
    });
    return { packet: error, ...(fromServers ? { device: 'servers' as const, ethernet: { dst: LINKS.servers.mac, src: '02:00:0a:00:00:0b', ...this.#tag(20) } } : this.#fromClients()) };
  }

  #errorAboutNobody(): Built {
    const random = this.#random;
    const server = random.of([...this.#model.servers.values()]);
    const six = server.family === 6;
    const source = six ? OWN6 : OWN4;
    const carries = udp({ src: { bytes: source, port: 1 + random.below(60_000) }, dst: place(server.address, server.port || 514) });
    return { packet: icmp({ src: raw(server.address), dst: source, ...kindOf(random, six), carries }), device: 'servers', ethernet: { dst: LINKS.servers.mac, src: '02:00:0a:00:00:0b' } };
  }

  /** A datagram as it is, or its first fragment, the others held back, or one of the others before it. */
  #maybeCut(packet: Buffer, ways: Pick<Built, 'device' | 'ethernet'>): Built {
    const random = this.#random;
    if (!random.oneIn(12)) return { packet, ...ways };
    const parts = fragments(packet, random.below(4), 8 * (1 + random.below(20)), 8 * (1 + random.below(20)));
    const first = random.oneIn(8) ? random.below(parts.length) : 0;
    parts.forEach((part, i) => {
      if (i !== first) this.#held.push({ frame: frame(ways.ethernet, part), device: ways.device });
    });
    return { packet: parts[first], ...ways };
  }

  #datagram(src: End, dst: End): Buffer {
    const random = this.#random;
    return udp({
      src, dst, ttl: this.#ttl(), id: random.below(0x10000), tos: random.of([0, 0, 0xb8]), whole: random.oneIn(2), options: random.oneIn(10) ? random.below(11) : 0, check: random.of(CHECKS),
      payload: random.bytes(random.oneIn(20) ? 600 + random.below(900) : random.below(48)),
    });
  }

  #ttl(): number {
    return this.#random.oneIn(20) ? this.#random.below(3) : 2 + this.#random.below(254);
  }

  #fromClients(): Pick<Built, 'device' | 'ethernet'> {
    const random = this.#random;
    const device = random.oneIn(6) ? random.of(DEVICES) : 'clients';
    const own = device === 'elsewhere' ? '02:57:45:49:52:0f' : LINKS[device].mac;
    return { device, ethernet: { dst: own, src: random.of(ROUTERS), ...this.#tag(device === 'second' ? 10 : device === 'servers' ? 20 : null) } };
  }

  /** The tag that belongs there, mostly. */
  #tag(usual: number | null): { readonly tag?: number } {
    const random = this.#random;
    if (random.oneIn(12)) return random.oneIn(2) ? {} : { tag: random.of([0, 0xa000, 10, 20, 0x6014, 99]) };
    return usual === null ? {} : { tag: usual };
  }

  #control(): Event {
    const random = this.#random;
    const model = this.#model;
    const servers = [...model.servers.values()];
    switch (random.below(13)) {
      case 0:
      case 11: {
        const steps = random.of([1, 1, 1, 2, 7]);
        this.#held.length = 0;
        return { kind: 'later', steps };
      }
      case 1:
      case 2:
        return { kind: 'sweep' };
      case 3:
        return { kind: 'end', records: this.#someRecords(), linger: random.oneIn(2) };
      case 4: {
        const s = this.#someSession();
        if (s === null || s.kind !== 'two_way') return { kind: 'sweep' };
        const others = servers.filter((server) => server.director === s.director && server.family === s.family);
        return { kind: 'pin', records: this.#someRecords().filter((record) => model.table.records[record].director === s.director), server: random.of(others) };
      }
      case 5:
      case 6:
        return { kind: 'policy', server: random.of(servers), policy: random.of(['none', 'keep', 'move', 'drop']), forATime: random.oneIn(2) };
      case 7:
      case 8:
      case 9: {
        const restricted = servers.filter((server) => server.policy !== 'none' || server.blockedUntil !== 0);
        return restricted.length === 0 ? { kind: 'sweep' } : { kind: 'up', server: random.of(restricted) };
      }
      case 10: {
        const director = random.of([...model.directors.values()]);
        // A hash table has 65,537 entries: less often.
        if (['source', 'srcdst', 'dest', 'maglev'].includes(director.settings.balance) && !random.oneIn(6)) return { kind: 'sweep' };
        return { kind: 'pool', director, weights: servers.filter((s) => s.director === director.settings.slot && s !== director.sorry).map(() => random.of([0, 1, 1, 2, 256])) };
      }
      default: {
        const spare = [...model.directors.values()].find((director) => director.sorry !== null);
        return spare === undefined ? { kind: 'sweep' } : { kind: 'sorry', director: spare, inUse: random.oneIn(2) };
      }
    }
  }

  #someSession(): Session | null {
    const { records, limit } = this.#model.table;
    for (let tries = 0; tries < 4; tries++) {
      const s = records[this.#random.below(limit)];
      if (s.state !== 'free') return s;
    }
    return null;
  }

  #someRecords(): number[] {
    return [...new Set(Array.from({ length: 1 + this.#random.below(4) }, () => this.#random.below(this.#model.table.limit)))];
  }

  #serverOf(s: Session): Server {
    const server = this.#model.servers.get(s.server);
    if (server === undefined) throw new RangeError(`no server ${s.server}`);
    return server;
  }
}

interface Built {
  readonly packet: Buffer;
  readonly device: Device;
  readonly ethernet: Ethernet;
}

/** Some bits wrong, cut short, too long, or a field that says something else. */
function damaged(random: Random, bytes: Buffer): Buffer {
  const copy = Buffer.from(bytes);
  switch (random.below(5)) {
    case 0:
      copy[random.below(copy.length)] ^= 1 << random.below(8);
      return copy;
    case 1:
      for (let n = random.below(4); n >= 0; n--) copy[12 + random.below(Math.min(60, copy.length - 12))] = random.below(256);
      return copy;
    case 2:
      return copy.subarray(0, 14 + random.below(copy.length - 13));
    case 3:
      return Buffer.concat([copy, random.bytes(random.below(64))]);
    default: {
      // Lengths are where a parser trips: of the IP packet, of its header, of the datagram.
      const l3 = copy.readUInt16BE(12) === 0x8100 ? 18 : 14;
      const at = l3 + random.of(copy[l3] >> 4 === 6 ? [4, 5, 6, 44, 45] : [0, 2, 3, 6, 7, 24, 25]);
      if (at < copy.length) copy[at] = random.of([0, 1, 7, 8, 20, 0x45, 0x4f, 255, copy[at] + 1, copy[at] - 1]);
      return copy;
    }
  }
}

function kindOf(random: Random, six: boolean): { readonly type: number; readonly code: number } {
  if (six) return { type: random.of([1, 2, 3, 3, 4, 128]), code: random.below(5) };
  return { type: random.of([3, 3, 11, 11, 12, 8]), code: random.below(6) };
}

function raw(address: string): Buffer {
  return Buffer.from(address, 'latin1');
}

function place(address: string, port: number): End {
  return { bytes: raw(address), port: port || 1 };
}
