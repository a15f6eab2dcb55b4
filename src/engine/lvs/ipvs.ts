/** The kernel's ip_vs as values: services and their servers, over the generic netlink family IPVS (linux/ip_vs.h). */
import { ipBytes, ipFromBytes, type Ip } from '../../net/ip.ts';
import { attribute, AttributeTable, be16, nested, text, u16, u32 } from './netlink.ts';
import { openGenl, type GenlSocket } from './socket.ts';

/** What names a service: an address with a port and a protocol, or a firewall mark. */
export type ServiceId =
  | { readonly kind: 'address'; readonly protocol: 'udp' | 'tcp'; readonly ip: Ip; readonly port: number }
  | { readonly kind: 'mark'; readonly family: 4 | 6; readonly mark: number };

export interface IpvsService {
  readonly id: ServiceId;
  readonly scheduler: string;
  /** SVC_PERSISTENT, SVC_ONEPACKET, SVC_SCHED1, SVC_SCHED2. */
  readonly flags: number;
  /** Of persistence, in seconds; 0 without. */
  readonly timeoutS: number;
  /** Bits of a client's address that persistence looks at: 0..32 or 0..128. */
  readonly prefix: number;
}

export interface IpvsDest {
  readonly ip: Ip;
  readonly port: number;
  readonly forward: 'nat' | 'gateway' | 'tunnel' | 'local';
  readonly weight: number;
}

/** Bytes are those of whole IP packets. */
export interface IpvsStats {
  readonly connections: number;
  readonly packetsIn: number;
  readonly packetsOut: number;
  readonly bytesIn: number;
  readonly bytesOut: number;
}

export interface ReadDest extends IpvsDest {
  readonly active: number;
  readonly inactive: number;
  readonly stats: IpvsStats;
}

export interface ReadService extends IpvsService {
  readonly stats: IpvsStats;
  /** In the kernel's order, which its schedulers walk: the latest added first. */
  readonly dests: readonly ReadDest[];
}

/** In seconds, of all services together. */
export interface IpvsTimeouts {
  readonly tcp: number;
  readonly tcpFin: number;
  readonly udp: number;
}

/** The kernel's part, replaceable in tests. Each call is one step that happened or threw NetlinkError. */
export interface Ipvs {
  services(): ReadService[];
  addService(service: IpvsService): void;
  setService(service: IpvsService): void;
  removeService(id: ServiceId): void;
  addDest(service: ServiceId, dest: IpvsDest): void;
  setDest(service: ServiceId, dest: IpvsDest): void;
  removeDest(service: ServiceId, dest: Pick<IpvsDest, 'ip' | 'port'>): void;
  timeouts(): IpvsTimeouts;
  setTimeouts(timeouts: IpvsTimeouts): void;
  info(): { readonly version: string; readonly tableSize: number };
  close(): void;
}

export const SVC_PERSISTENT = 1;
export const SVC_ONEPACKET = 4;
export const SVC_SCHED1 = 8;
export const SVC_SCHED2 = 16;
/** What weir sets; the kernel keeps flags of its own beside them. */
export const SVC_FLAGS = SVC_PERSISTENT | SVC_ONEPACKET | SVC_SCHED1 | SVC_SCHED2;

const CMD = { newService: 1, setService: 2, delService: 3, getService: 4, newDest: 5, setDest: 6, delDest: 7, getDest: 8, setConfig: 12, getConfig: 13, getInfo: 15 } as const;
const TOP = { service: 1, dest: 2, timeoutTcp: 4, timeoutTcpFin: 5, timeoutUdp: 6 } as const;
const SVC = { family: 1, protocol: 2, address: 3, port: 4, mark: 5, scheduler: 6, flags: 7, timeout: 8, netmask: 9, stats: 10, stats64: 12 } as const;
const DEST = { address: 1, port: 2, forward: 3, weight: 4, upper: 5, lower: 6, active: 7, inactive: 8, stats: 10, family: 11, stats64: 12 } as const;
const STATS = { connections: 1, packetsIn: 2, packetsOut: 3, bytesIn: 4, bytesOut: 5 } as const;
const INFO = { version: 1, tableSize: 2 } as const;
const AF = { 4: 2, 6: 10 } as const;
const PROTOCOL = { tcp: 6, udp: 17 } as const;
/** IP_VS_CONN_F_FWD_MASK and the values under it. */
const FORWARD_MASK = 7;
const FORWARD = { nat: 0, local: 1, tunnel: 2, gateway: 3 } as const;

/** Returns the key of a service in maps: `udp 10.0.0.3:8000`, `mark4 0x77000001`. */
export function serviceKey(id: ServiceId): string {
  return id.kind === 'mark' ? `mark${id.family} 0x${id.mark.toString(16)}` : `${id.protocol} ${id.ip.family === 6 ? `[${id.ip.text}]` : id.ip.text}:${id.port}`;
}

/** Returns the key of a server within its service. */
export function destKey(dest: Pick<IpvsDest, 'ip' | 'port'>): string {
  return `${dest.ip.text}|${dest.port}`;
}

/** Returns the kernel's ip_vs; its module is loaded by asking. Throws NetlinkError. */
export function openIpvs(): Ipvs {
  const socket = openGenl('IPVS', 1);
  const of = (id: ServiceId): string => `ip_vs service ${serviceKey(id)}`;
  const ofDest = (id: ServiceId, dest: Pick<IpvsDest, 'ip' | 'port'>): string => `ip_vs server ${dest.ip.text} port ${dest.port} of ${serviceKey(id)}`;
  return {
    services: () => readServices(socket),
    addService: (service) => socket.command(`adding ${of(service.id)} (${service.scheduler})`, CMD.newService, [encodeService(service)]),
    setService: (service) => socket.command(`changing ${of(service.id)} (${service.scheduler})`, CMD.setService, [encodeService(service)]),
    removeService: (id) => socket.command(`removing ${of(id)}`, CMD.delService, [nested(TOP.service, idAttributes(id))]),
    addDest: (id, dest) => socket.command(`adding ${ofDest(id, dest)}`, CMD.newDest, [nested(TOP.service, idAttributes(id)), encodeDest(dest)]),
    setDest: (id, dest) => socket.command(`changing ${ofDest(id, dest)}`, CMD.setDest, [nested(TOP.service, idAttributes(id)), encodeDest(dest)]),
    removeDest: (id, dest) => socket.command(`removing ${ofDest(id, dest)}`, CMD.delDest, [nested(TOP.service, idAttributes(id)), nested(TOP.dest, destId(dest))]),
    timeouts() {
      const [t] = socket.ask('the timeouts of ip_vs', CMD.getConfig, [], false);
      return { tcp: t?.u32(TOP.timeoutTcp) ?? 0, tcpFin: t?.u32(TOP.timeoutTcpFin) ?? 0, udp: t?.u32(TOP.timeoutUdp) ?? 0 };
    },
    setTimeouts: (t) => socket.command('setting the timeouts of ip_vs', CMD.setConfig, [u32(TOP.timeoutTcp, t.tcp), u32(TOP.timeoutTcpFin, t.tcpFin), u32(TOP.timeoutUdp, t.udp)]),
    info() {
      const [i] = socket.ask('the version of ip_vs', CMD.getInfo, [], false);
      const v = i?.u32(INFO.version) ?? 0;
      return { version: `${v >> 16}.${(v >> 8) & 255}.${v & 255}`, tableSize: i?.u32(INFO.tableSize) ?? 0 };
    },
    close: () => socket.close(),
  };
}

function readServices(socket: GenlSocket): ReadService[] {
  return socket.ask('the services of ip_vs', CMD.getService, [], true).flatMap((answer) => {
    const service = decodeService(answer.nested(TOP.service));
    if (service === null) return [];
    const dests = socket.ask(`the servers of ${serviceKey(service.id)}`, CMD.getDest, [nested(TOP.service, idAttributes(service.id))], true);
    return [{ ...service, dests: dests.map((d) => decodeDest(d.nested(TOP.dest), service.id)) }];
  });
}

/** Returns the message part that says which service, with all it shall be. */
export function encodeService(service: IpvsService): Buffer {
  const flags = Buffer.alloc(8);
  flags.writeUInt32LE(service.flags, 0);
  flags.writeUInt32LE(0xffffffff, 4);
  return nested(TOP.service, [
    ...idAttributes(service.id), text(SVC.scheduler, service.scheduler), attribute(SVC.flags, flags), u32(SVC.timeout, service.timeoutS),
    familyOf(service.id) === 4 ? attribute(SVC.netmask, netmask4(service.prefix)) : u32(SVC.netmask, service.prefix),
  ]);
}

/** Returns the service of a reply; null for a protocol weir has no word for (SCTP). */
export function decodeService(t: AttributeTable): Omit<ReadService, 'dests'> | null {
  const family = t.u16(SVC.family) === AF[6] ? 6 : 4;
  const mark = t.u32(SVC.mark);
  const protocol = t.u16(SVC.protocol);
  if (mark === 0 && protocol !== PROTOCOL.udp && protocol !== PROTOCOL.tcp) return null;
  const id: ServiceId = mark !== 0
    ? { kind: 'mark', family, mark }
    : { kind: 'address', protocol: protocol === PROTOCOL.udp ? 'udp' : 'tcp', ip: address(t.bytes(SVC.address), family), port: t.be16(SVC.port) };
  return {
    id,
    scheduler: t.text(SVC.scheduler),
    flags: t.u32(SVC.flags),
    timeoutS: t.u32(SVC.timeout),
    prefix: family === 4 ? prefixOf(t.bytes(SVC.netmask)) : t.u32(SVC.netmask),
    stats: decodeStats(t, SVC.stats64, SVC.stats),
  };
}

/** Returns the message part of a server with all it shall be. */
export function encodeDest(dest: IpvsDest): Buffer {
  return nested(TOP.dest, [...destId(dest), u32(DEST.forward, FORWARD[dest.forward]), u32(DEST.weight, dest.weight), u32(DEST.upper, 0), u32(DEST.lower, 0)]);
}

/** Returns the server of a reply. */
export function decodeDest(t: AttributeTable, service: ServiceId): ReadDest {
  const family = t.has(DEST.family) ? (t.u16(DEST.family) === AF[6] ? 6 : 4) : familyOf(service);
  const forward = t.u32(DEST.forward) & FORWARD_MASK;
  return {
    ip: address(t.bytes(DEST.address), family),
    port: t.be16(DEST.port),
    forward: forward === FORWARD.gateway ? 'gateway' : forward === FORWARD.tunnel ? 'tunnel' : forward === FORWARD.local ? 'local' : 'nat',
    // Signed in the kernel; a negative one marks a server that is going.
    weight: Math.max(0, t.u32(DEST.weight) | 0),
    active: t.u32(DEST.active),
    inactive: t.u32(DEST.inactive),
    stats: decodeStats(t, DEST.stats64, DEST.stats),
  };
}

function idAttributes(id: ServiceId): Buffer[] {
  if (id.kind === 'mark') return [u16(SVC.family, AF[id.family]), u32(SVC.mark, id.mark)];
  return [u16(SVC.family, AF[id.ip.family]), u16(SVC.protocol, PROTOCOL[id.protocol]), attribute(SVC.address, sixteen(id.ip)), be16(SVC.port, id.port)];
}

function destId(dest: Pick<IpvsDest, 'ip' | 'port'>): Buffer[] {
  return [attribute(DEST.address, sixteen(dest.ip)), be16(DEST.port, dest.port), u16(DEST.family, AF[dest.ip.family])];
}

/** 64-bit ones where the kernel has them (since 4.1). */
function decodeStats(t: AttributeTable, wide: number, narrow: number): IpvsStats {
  const is64 = t.has(wide);
  const s = t.nested(is64 ? wide : narrow);
  const count = (type: number): number => (is64 ? s.u64(type) : s.u32(type));
  return { connections: count(STATS.connections), packetsIn: count(STATS.packetsIn), packetsOut: count(STATS.packetsOut), bytesIn: s.u64(STATS.bytesIn), bytesOut: s.u64(STATS.bytesOut) };
}

export function familyOf(id: ServiceId): 4 | 6 {
  return id.kind === 'mark' ? id.family : id.ip.family;
}

function sixteen(ip: Ip): Uint8Array {
  const out = new Uint8Array(16);
  out.set(ipBytes(ip));
  return out;
}

function address(bytes: Buffer | undefined, family: 4 | 6): Ip {
  const size = family === 4 ? 4 : 16;
  const full = new Uint8Array(size);
  full.set((bytes ?? Buffer.alloc(0)).subarray(0, size));
  return ipFromBytes(full);
}

function netmask4(prefix: number): Uint8Array {
  const mask = prefix === 0 ? 0 : (0xffffffff << (32 - prefix)) >>> 0;
  return Uint8Array.of(mask >>> 24, (mask >>> 16) & 255, (mask >>> 8) & 255, mask & 255);
}

function prefixOf(bytes: Buffer | undefined): number {
  let bits = 0;
  for (const byte of bytes?.subarray(0, 4) ?? []) for (let b = 7; b >= 0 && (byte >> b) & 1; b--) bits++;
  return bits;
}
