/** The structs that bench/bpf/traffic.bpf.c and the bench share, byte by byte. Host byte order: little-endian machines only. */
import type { Ip } from '../../src/net/ip.ts';

/** What one run of the generator sends, and what the receiver takes as an answer. */
export interface TrafficRun {
  readonly run: number;
  readonly framesPerSecond: number;
  readonly seconds: number;
  readonly firstClient: number;
  /** Frames go round these clients in turn; more than will be sent: each frame comes from a new client. */
  readonly clients: number;
  /** Which of them begins, 0 for the first. */
  readonly turn: number;
  /** From the Ethernet header on, SMALL_FRAME_BYTES at least. */
  readonly frameBytes: number;
  readonly target: { readonly ip: Ip; readonly port: number };
  /** Every other frame is of these clients, in turn; default: none. */
  readonly kept?: { readonly first: number; readonly count: number };
}

/** What stays the same in one topology. */
export interface TrafficPlace {
  readonly clientIp: Ip;
  readonly clientAddresses: number;
  readonly serverIp: Ip;
  readonly servers: number;
  readonly serverPort: number;
  /** Lower-case, colons. */
  readonly clientMac: string;
  readonly balancerMac: string;
}

export const BUCKETS = 320;

/** Value sizes of the maps, in bytes. */
export const MAPS = {
  config_map: { size: 88, perCpu: false },
  sender_map: { size: 56, perCpu: false },
  receiver_map: { size: 48 + 8 * BUCKETS, perCpu: true },
  reflector_map: { size: 40, perCpu: true },
} as const;

/** A generator that was kept from running catches up this much, then skips. */
const CATCH_UP_NS = 500_000;
/** And no more than this: the ring of a veth holds 256 frames, and what it cannot take no subject has lost. */
const CATCH_UP_FRAMES = 64;

/** Returns `struct config`. */
export function encodeConfig(run: TrafficRun, place: TrafficPlace, outIndex: number): Buffer {
  const config = Buffer.alloc(MAPS.config_map.size);
  config.writeBigUInt64LE(BigInt(Math.round(run.seconds * 1e9)), 0);
  const periodNs = 1e9 / run.framesPerSecond;
  config.writeBigUInt64LE(BigInt(Math.max(1, Math.round(256 * periodNs))), 8);
  config.writeBigUInt64LE(BigInt(Math.round(256 * Math.min(CATCH_UP_NS, CATCH_UP_FRAMES * periodNs))), 16);
  config.writeUInt32LE(run.run, 24);
  config.writeUInt32LE(run.firstClient, 28);
  config.writeUInt32LE(run.clients, 32);
  config.writeUInt32LE(ip4(place.clientIp), 36);
  config.writeUInt32LE(place.clientAddresses, 40);
  config.writeUInt32LE(ip4(run.target.ip), 44);
  config.writeUInt32LE(run.target.port, 48);
  config.writeUInt32LE(ip4(place.serverIp), 52);
  config.writeUInt32LE(place.servers, 56);
  config.writeUInt32LE(place.serverPort, 60);
  config.writeUInt32LE(outIndex, 64);
  config.set(macBytes(place.clientMac), 68);
  config.set(macBytes(place.balancerMac), 74);
  config.writeUInt32LE(run.kept?.count ?? 0, 80);
  config.writeUInt32LE(run.kept?.first ?? 0, 84);
  return config;
}

/** Returns `struct sender` as a run begins with it. */
export function encodeSender(run: Pick<TrafficRun, 'turn'>): Buffer {
  const sender = Buffer.alloc(MAPS.sender_map.size);
  sender.writeBigUInt64LE(BigInt(run.turn), 40);
  return sender;
}

/** What the generator did. */
export interface SenderCounts {
  readonly sent: number;
  /** Of these, frames of kept clients. */
  readonly kept: number;
  /** Times it fell behind and skipped ahead. */
  readonly skipped: number;
  /** From the first frame to the last. */
  readonly seconds: number;
}

/** Returns `struct sender`. */
export function decodeSender(value: Buffer): SenderCounts {
  const start = value.readBigUInt64LE(0);
  const last = value.readBigUInt64LE(16);
  return {
    sent: Number(value.readBigUInt64LE(24)),
    kept: Number(value.readBigUInt64LE(48)),
    skipped: Number(value.readBigUInt64LE(32)),
    seconds: last > start ? Number(last - start) / 1e9 : 0,
  };
}

/** What came back. */
export interface ReceiverCounts {
  readonly replies: number;
  /** Of these, replies to kept clients. */
  readonly kept: number;
  readonly misdelivered: number;
  readonly late: number;
  readonly icmp: number;
  readonly other: number;
  readonly buckets: readonly number[];
}

/** Returns the sum of `struct receiver` over the CPUs. */
export function decodeReceiver(values: readonly Buffer[]): ReceiverCounts {
  const sum = (offset: number) => values.reduce((total, value) => total + Number(value.readBigUInt64LE(offset)), 0);
  return {
    replies: sum(0),
    kept: sum(40),
    misdelivered: sum(8),
    late: sum(16),
    icmp: sum(24),
    other: sum(32),
    buckets: Array.from({ length: BUCKETS }, (_, i) => sum(48 + 8 * i)),
  };
}

/** How servers and receiver take frames: as XDP programs, or as classifiers of tc on socket buffers (docs/adr/0034). */
export type FarEnds = 'xdp' | 'skb';

/**
 * What stands at the servers: all but `absorb_home` answer. `reflect_skb` is a classifier of tc, and so is the receiver then: the kernel copies each datagram of a
 * socket into a page before it shows it to an XDP program behind a veth, on the balancer's CPU, which no network card asks of it. The latter two know each client's
 * first server; `absorb_home` is the end of a tunnel.
 */
export type ServerProgram = 'reflect' | 'reflect_skb' | 'reflect_home' | 'absorb_home';

/** What came to the servers. The rest is 0 where the program does not look. */
export interface ReflectorCounts {
  readonly reflected: number;
  /** Datagrams that were the first of their client since the program was loaded, and those that came to another server than that. */
  readonly first: number;
  readonly strayed: number;
  /** Of `reflected`, of kept clients. */
  readonly kept: number;
}

/** Returns the sum of `struct reflector` over the CPUs. */
export function decodeReflector(values: readonly Buffer[]): ReflectorCounts {
  const sum = (offset: number) => values.reduce((total, value) => total + Number(value.readBigUInt64LE(offset)), 0);
  return { reflected: sum(0), first: sum(16), strayed: sum(24), kept: sum(32) };
}

const FIRST_CLIENT_PORT = 1024;
const CLIENT_PORTS = 64_512;

/** Returns where client number `client` sends from, address in host order: `client_ip` and `client_port` of traffic.bpf.c. */
export function clientEndpoint(place: Pick<TrafficPlace, 'clientIp' | 'clientAddresses'>, client: number): { readonly ip: number; readonly port: number } {
  return {
    ip: ip4(place.clientIp) + (client % place.clientAddresses),
    port: FIRST_CLIENT_PORT + (Math.floor(client / place.clientAddresses) % CLIENT_PORTS),
  };
}

/** Returns the address as a number, host order. Throws RangeError for IPv6. */
export function ip4(ip: Ip): number {
  if (ip.family !== 4) throw new RangeError(`the generator sends IPv4, got ${ip.text}`);
  return ip.text.split('.').reduce((value, byte) => value * 256 + Number(byte), 0);
}

/** Returns the bytes of a MAC address in text. Throws RangeError when it is none. */
export function macBytes(mac: string): number[] {
  const bytes = mac.split(':').map((byte) => Number.parseInt(byte, 16));
  if (bytes.length !== 6 || bytes.some((byte) => !(byte >= 0 && byte <= 255))) throw new RangeError(`expected a MAC address, got ${mac}`);
  return bytes;
}
