/** The records and small functions of the reference engine. */
import dgram from 'node:dgram';
import { hashFlow, hashIp } from '../../src/balance/hash.ts';
import type { Picker } from '../../src/balance/picker.ts';
import type { DropReason } from '../../src/engine/drops.ts';
import { Unsupported, type DirectorReading, type ServerReading, type SessionView } from '../../src/engine/engine.ts';
import type { Endpoint } from '../../src/net/endpoint.ts';
import { ipBytes, isUnspecified, parseIp, type Ip } from '../../src/net/ip.ts';
import { serverKey, type Desired, type DesiredDirector, type DesiredServer } from '../../src/plan/desired.ts';

export type Mutable<T> = { -readonly [K in keyof T]: T[K] };

export type Stats = Mutable<Omit<ServerReading, 'responseTimes'>> & { readonly responseTimes: number[] };

export interface Live {
  want: DesiredDirector;
  picker: Picker;
  readonly counters: Mutable<Omit<DirectorReading, 'servers' | 'drops' | 'sessions' | 'name'>>;
  readonly drops: Partial<Record<DropReason, number>>;
  readonly servers: Map<string, Stats>;
  readonly blockedUntil: Map<string, number>;
  readonly persistent: Map<string, { key: string; untilMs: number }>;
  /** One-way: one socket a server and port, no sessions. */
  readonly senders: Map<string, Upstream>;
  /** New sessions of one second. */
  readonly made: { second: number; all: number; readonly bySource: Map<string, number> };
  position: number;
}

export interface Session extends Mutable<Omit<SessionView, 'ageMs' | 'idleMs' | 'expiresInMs' | 'sourcePort'>> {
  readonly id: string;
  readonly live: Live;
  readonly from: Endpoint;
  /** Key of the listener it came in by. */
  readonly at: string;
  readonly listener: dgram.Socket;
  target: DesiredServer;
  upstream: Upstream;
  readonly createdMs: number;
  lastMs: number;
  /** When its server went out, by the clock; null while it is in. */
  outMs: number | null;
  /** When the last request went out that no reply has followed; null: none. */
  askedMs: number | null;
  timer: NodeJS.Timeout | undefined;
}

export interface Upstream {
  readonly socket: dgram.Socket;
  readonly ready: Promise<void>;
  owner: Session | null;
}

export function unsupported(desired: Desired): Unsupported[] {
  return desired.directors.flatMap((d) => (d.protocol === 'tcp' || d.mode !== 'nat' || !d.vip || isUnspecified(d.vip) || !d.ports ? [new Unsupported('userspace', 'anything but UDP, nat, one address and ports', d.name)] : []));
}

export function takes(server: DesiredServer): boolean {
  return server.weight > 0 && (server.state === 'up' || server.state === 'unknown');
}

export function isBlocked(live: Live, server: DesiredServer): boolean {
  return (live.blockedUntil.get(serverKey(server)) ?? 0) > Date.now();
}

/** Counts one more new session of a source; false when it is one too many for this second. */
export function withinRates({ want, made }: Live, from: Ip): boolean {
  const { rate, sourceRate } = want.session;
  const second = Math.floor(Date.now() / 1000);
  if (made.second !== second) made.bySource.clear();
  if (made.second !== second) made.all = 0;
  made.second = second;
  const mine = (made.bySource.get(from.text) ?? 0) + 1;
  made.bySource.set(from.text, mine);
  return mine <= (sourceRate ?? Infinity) && ++made.all <= (rate ?? Infinity);
}

export function candidatesOf(want: DesiredDirector): { key: string; weight: number }[] {
  return want.servers.map((s) => ({ key: serverKey(s), weight: takes(s) && !s.sorry ? s.weight : 0 }));
}

export function requestOf(from: Endpoint, hit: Ip): { source: number; flow: number; dest: number } {
  return { source: hashIp(ipBytes(from.ip)), flow: hashFlow(ipBytes(from.ip), from.port), dest: hashIp(ipBytes(hit)) };
}

export function portsOf({ ports }: DesiredDirector): number[] {
  return ports ? Array.from({ length: ports.last - ports.first + 1 }, (_, i) => ports.first + i) : [];
}

export function viewOf(s: Session, timeoutMs: number): SessionView {
  const { director, client, vip, server, serverAddress, outstanding, packetsIn, bytesIn, packetsOut, bytesOut } = s;
  const idleMs = Date.now() - s.lastMs;
  return { director, client, vip, server, serverAddress, outstanding, packetsIn, bytesIn, packetsOut, bytesOut, sourcePort: s.upstream.socket.address().port, ageMs: Date.now() - s.createdMs, idleMs, expiresInMs: timeoutMs - idleMs };
}

export function listen(at: Endpoint, onData: (data: Buffer, from: Endpoint) => void): Promise<dgram.Socket> {
  const socket = dgram.createSocket({ type: at.ip.family === 4 ? 'udp4' : 'udp6', ipv6Only: at.ip.family === 6, recvBufferSize: 1 << 20 });
  socket.on('message', (data, from) => onData(data, { ip: parseIp(from.address)!, port: from.port }));
  return new Promise((resolve, reject) => {
    socket.once('error', (error) => {
      socket.close();
      reject(error);
    });
    socket.bind({ port: at.port, address: at.ip.text, exclusive: true }, () => {
      socket.removeAllListeners('error').on('error', () => {});
      resolve(socket);
    });
  });
}
