/**
 * Probes that take the path of clients' datagrams in modes gateway and tunnel: to the VIP by way of one server, through its MAC address or an IPIP packet (RFC 2003).
 * The answer comes from the VIP, which is an address of this host too, so the kernel takes it for forged and drops it; a packet socket sees it before that.
 * One such socket a family serves all probes, with a filter for the ports they are sent from. Needs CAP_NET_RAW.
 */
import { createSocket } from 'node:dgram';
import { readFileSync } from 'node:fs';
import { endianness, networkInterfaces } from 'node:os';
import type { AddressInfo } from 'node:net';
import { cidrContains, networkOf } from '../../net/cidr.ts';
import { ipBytes, parseIp, type Ip } from '../../net/ip.ts';
import { cannot, errorFinding, fail, type Finding } from '../checks/attempt.ts';
import { errnoError, errnoName, loadLibc, type Libc } from '../libc.ts';
import type { Neighbours } from '../neighbours.ts';
import { filterOf, PORTS } from './filter.ts';
import { packetOf, seen } from './packet.ts';

/** Whom to ask, and how it is reached. */
export interface Via {
  readonly vip: Ip;
  readonly port: number;
  readonly server: Ip;
  readonly mode: 'gateway' | 'tunnel';
  readonly source: Ip | null;
}

export interface Question {
  readonly payload: (local: AddressInfo) => Uint8Array;
  onReply(reply: Buffer, send: (payload: Uint8Array) => void): void;
  onError(finding: Finding): void;
}

export interface VipPaths {
  /** Sends the payload once the way is known, and gives replies and errors. Returns what ends it; nothing is told after that. */
  ask(via: Via, question: Question): () => void;
  close(): void;
}

interface Deps {
  readonly neighbours: Neighbours;
  readonly nowMs: () => number;
  readonly libc?: () => Libc | Error;
}

interface Pending {
  readonly via: Via;
  readonly source: Ip;
  readonly onReply: (reply: Buffer) => void;
  readonly onError: (finding: Finding) => void;
}

const AF_INET = 2;
const AF_PACKET = 17;
const SOCK_RAW = 3;
const NONBLOCK_DATAGRAM = 2 | 0o4000 | 0o2000000;
const NONBLOCK_RAW = SOCK_RAW | 0o4000 | 0o2000000;
const IPPROTO_IPIP = 4;
const SOL_SOCKET = 1;
const SO_ATTACH_FILTER = 26;
const ETH_P = { 4: 0x0800, 6: 0x86dd } as const;
const DISCARD_PORT = 9;
const PACKET_MAX = 65_536;
/** A MAC address read so long ago is used: IPv6's table is read once a second at most. */
const KNOWN_FOR_MS = 5000;
/** Packets read per wake-up, so that a flood cannot hold the event loop. */
const READ_BATCH = 256;
const LITTLE = endianness() === 'LE';

/** Returns the paths of this process; no socket is open until the first question. */
export function createVipPaths({ neighbours, nowMs, libc = loadLibc }: Deps): VipPaths {
  const receivers = new Map<4 | 6, { readonly fd: number; stop(): void }>();
  const pending = new Map<number, Pending>();
  const data = Buffer.alloc(PACKET_MAX);
  const from = Buffer.alloc(20);
  const fromLength = Buffer.alloc(4);
  let tunnelFd = -1;
  let nextPort = Math.floor(Math.random() * PORTS.count);

  function read(c: Libc, fd: number, family: 4 | 6): void {
    for (let n = 0; n < READ_BATCH; n++) {
      if (LITTLE) fromLength.writeUInt32LE(from.length);
      else fromLength.writeUInt32BE(from.length);
      const length = c.recvfrom(fd, data, data.length, 0, from, fromLength);
      if (length < 0) return;
      const packet = seen(data.subarray(0, length), family);
      if (packet === null) continue;
      const ours = pending.get(packet.kind === 'datagram' ? packet.toPort : packet.fromPort);
      if (ours === undefined) continue;
      const { vip, port } = ours.via;
      if (packet.kind === 'datagram') {
        if (packet.from.text === vip.text && packet.fromPort === port && packet.to.text === ours.source.text) ours.onReply(Buffer.from(packet.payload));
      } else if (packet.to.text === vip.text && packet.toPort === port) {
        ours.onError(packet.port ? { ok: false, detail: 'ICMP port unreachable', finding: 'refused' } : fail('ICMP unreachable'));
      }
    }
  }

  /** Returns the socket that sees answers, or why there is none. */
  function receiver(c: Libc, family: 4 | 6): number | Finding {
    const known = receivers.get(family);
    if (known !== undefined) return known.fd;
    // Of no protocol until its filter is on: else it would begin with whatever passes by.
    const fd = c.socket(AF_PACKET, NONBLOCK_DATAGRAM, 0);
    if (fd < 0) return refusal(c, "'check vip' needs a packet socket");
    const { code, steps } = filterOf(family);
    const program = Buffer.alloc(16);
    if (LITTLE) program.writeUInt16LE(steps);
    else program.writeUInt16BE(steps);
    if (LITTLE) program.writeBigUInt64LE(c.address(code), 8);
    else program.writeBigUInt64BE(c.address(code), 8);
    const link = linkAddress(family, 0, null);
    if (c.setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, program, program.length) < 0 || c.bind(fd, link, link.length) < 0) {
      const finding = refusal(c, "the packet socket of 'check vip'");
      c.close(fd);
      return finding;
    }
    receivers.set(family, { fd, stop: c.poll(fd, () => read(c, fd, family)) });
    return fd;
  }

  /** Returns what sends a packet to the server, once that is known; a Finding when it cannot. */
  async function way(c: Libc, { vip, server, mode }: Via, over: () => boolean): Promise<((packet: Buffer) => Finding | null) | Finding> {
    if (mode === 'tunnel') {
      if (vip.family !== 4 || server.family !== 4) return cannot("'check vip' goes through tunnels of IPv4 in IPv4 alone");
      if (tunnelFd < 0) tunnelFd = c.socket(AF_INET, NONBLOCK_RAW, IPPROTO_IPIP);
      if (tunnelFd < 0) return refusal(c, "'check vip' needs a raw socket");
      const to = Buffer.alloc(16);
      if (LITTLE) to.writeUInt16LE(AF_INET);
      else to.writeUInt16BE(AF_INET);
      to.set(ipBytes(server), 4);
      return (packet) => sent(c, tunnelFd, packet, to);
    }
    for (let sinceMs = nowMs() - KNOWN_FOR_MS; !over(); sinceMs = nowMs()) {
      const entry = await neighbours.look(server, sinceMs);
      if (entry === undefined && neighbours.reach(server).kind !== 'on-link') return fail(`${server.text} is not on-link: mode gateway reaches only hosts of this host's own networks`);
      if (entry?.state !== 'complete' || entry.lladdr === null) continue;
      const fd = receivers.get(vip.family)?.fd ?? -1;
      const to = linkAddress(vip.family, indexOf(entry.iface), entry.lladdr);
      return (packet) => sent(c, fd, packet, to);
    }
    return cannot('stopped before it was done');
  }

  return {
    ask(via, question) {
      let over = false;
      let port = 0;
      const stop = (): void => {
        over = true;
        if (port !== 0) pending.delete(port);
        port = 0;
      };
      const end = (finding: Finding): void => {
        if (!over) question.onError(finding);
      };
      const begin = async (): Promise<void> => {
        const c = libc();
        if (c instanceof Error) return end(cannot(`'check vip' needs the npm package koffi on Linux: ${c.message}`));
        const source = await sourceTowards(via);
        if (over) return;
        if ('detail' in source) return end(source);
        if (source.text === via.vip.text) return end(cannot('this host would ask from the VIP itself: give `check source` another address of its own'));
        const fd = receiver(c, via.vip.family);
        if (typeof fd !== 'number') return end(fd);
        const put = await way(c, via, () => over);
        if (over) return;
        if (typeof put !== 'function') return end(put);
        if (pending.size >= PORTS.count) return end(cannot(`${PORTS.count} probes of VIPs wait for their answers`));
        do nextPort = (nextPort + 1) % PORTS.count;
        while (pending.has(PORTS.first + nextPort));
        const fromPort = (port = PORTS.first + nextPort);
        const send = (payload: Uint8Array): void => {
          if (over) return;
          const trouble = put(packetOf({ from: source, fromPort, to: via.vip, toPort: via.port, payload }));
          if (trouble !== null) end(trouble);
        };
        pending.set(port, { via, source, onError: end, onReply: (reply) => { if (!over) question.onReply(reply, send); } });
        send(question.payload({ address: source.text, family: source.family === 4 ? 'IPv4' : 'IPv6', port }));
      };
      begin().catch((cause: unknown) => end(errorFinding(cause)));
      return stop;
    },
    close() {
      const c = libc();
      if (c instanceof Error) return;
      for (const { fd, stop } of receivers.values()) {
        stop();
        c.close(fd);
      }
      receivers.clear();
      if (tunnelFd >= 0) c.close(tunnelFd);
      tunnelFd = -1;
      pending.clear();
    },
  };
}

/** Resolves to the address this host has towards the server. An empty datagram goes with it, so that the kernel asks for the server's MAC address or verifies it. */
function sourceTowards(via: Via): Promise<Ip | Finding> {
  const { server, source, vip } = via;
  if (source !== null && source.family !== vip.family) return Promise.resolve(cannot(`\`check source\` is IPv${source.family}, the VIP IPv${vip.family}`));
  return new Promise((resolve) => {
    const family = server.family;
    const socket = createSocket({ type: family === 4 ? 'udp4' : 'udp6', lookup: (host, _options, done) => done(null, host, family) });
    const done = (result: Ip | Finding): void => {
      socket.removeAllListeners();
      socket.on('error', () => undefined);
      socket.close();
      resolve(result);
    };
    socket.on('error', (cause) => done(errorFinding(cause)));
    const connect = (): void => socket.connect(DISCARD_PORT, server.text, (cause?: Error) => {
      if (cause !== undefined && cause !== null) return done(errorFinding(cause));
      const { address } = socket.address();
      // What it meets is not of interest: only that the kernel looks for the neighbour.
      socket.send(new Uint8Array(0), () => done(source ?? notTheVip(parseIp(address.replace(/%.*$/, '')), via) ?? cannot(`this host's address towards ${server.text} is ${address}`)));
    });
    if (source === null || source.family !== family) connect();
    else socket.bind({ address: source.text, port: 0, exclusive: true }, connect);
  });
}

/** The kernel may well take the VIP for the best source (IPv6 prefers what shares most bits): then another address of ours in the server's network, if there is one. */
function notTheVip(chosen: Ip | undefined, { vip, server }: Via): Ip | undefined {
  if (chosen?.text !== vip.text) return chosen;
  const own = Object.values(networkInterfaces()).flatMap((addresses) => (addresses ?? []).map(({ cidr }) => (cidr ?? '').split('/')));
  for (const [text = '', bits] of own) {
    const ip = parseIp(text);
    const prefix = Number(bits);
    if (ip !== undefined && ip.text !== vip.text && ip.family === server.family && cidrContains({ ip: networkOf(ip, prefix), prefix }, server)) return ip;
  }
  return chosen;
}

function sent(c: Libc, fd: number, packet: Buffer, to: Buffer): Finding | null {
  return c.sendto(fd, packet, packet.length, 0, to, to.length) >= 0 ? null : errorFinding(errnoError(errnoName(c)));
}

function refusal(c: Libc, what: string): Finding {
  const name = errnoName(c);
  return cannot(name === 'EPERM' || name === 'EACCES' ? `${what}: give weir CAP_NET_RAW (${name})` : `${what}: ${name}`);
}

/** Returns a `struct sockaddr_ll` (packet(7)). */
function linkAddress(family: 4 | 6, index: number, lladdr: string | null): Buffer {
  const address = Buffer.alloc(20);
  if (LITTLE) address.writeUInt16LE(AF_PACKET, 0);
  else address.writeUInt16BE(AF_PACKET, 0);
  address.writeUInt16BE(ETH_P[family], 2);
  if (LITTLE) address.writeInt32LE(index, 4);
  else address.writeInt32BE(index, 4);
  if (lladdr === null) return address;
  const bytes = lladdr.split(':').map((byte) => Number.parseInt(byte, 16));
  address[11] = bytes.length;
  address.set(bytes, 12);
  return address;
}

/** Throws when the interface is gone. */
function indexOf(iface: string): number {
  return Number(readFileSync(`/sys/class/net/${iface}/ifindex`, 'utf8'));
}
