/**
 * What a row sets up: directors and their servers in few words, written into the maps field by field. Slots, pool numbers and link ids
 * are none of them 0 or equal, so that a mix-up shows. It shares no code with the engine's own writer.
 */
import { createArray, BPF_F_INNER_MAP, type BpfMap } from '../../../src/engine/xdp/libbpf.ts';
import { CONSTANTS, ENUMS } from '../../../src/engine/xdp/abi/spec.ts';
import { hashIp } from '../../../src/balance/hash.ts';
import { key32, LINKS, POOL_BYTES, RECORDS, tickNow, type Bed, type LinkName } from './bed.ts';
import { address, endpoint, mac } from './frame.ts';

export interface ServerPlan {
  /** `10.0.0.11:5300`; without a port: the one the client used. */
  readonly at: string;
  /** 1 if absent; 0: takes no new sessions, or the sorry server. */
  readonly weight?: number;
  /** The address servers see; null: the client's own. `10.0.0.1` if absent (IPv6: `2001:db8:10::1`). */
  readonly source?: string | null;
  readonly sourceCount?: number;
  /** First and last source port; 1024 to 65535 if absent. */
  readonly ports?: readonly [number, number];
  /** Outer source of a tunnel. */
  readonly encap?: string;
  /** The way there: the interface if not `servers`. `lookup`: none kept, the kernel's routes are asked. */
  readonly way?: LinkName | 'lookup';
}

export interface DirectorPlan {
  /** `198.51.100.1:53`; without a port: all ports. `198.51.100.1:1024/6`: the ports whose first six bits are those of 1024. */
  readonly vip: string | readonly string[];
  readonly kind?: (typeof ENUMS.session_kind)[number];
  readonly mode?: (typeof ENUMS.forwarding_mode)[number];
  readonly algorithm?: (typeof ENUMS.algorithm)[number];
  /** In the order of the pool. */
  readonly servers: Readonly<Record<string, ServerPlan>>;
  /** The one of `servers` that is for when nobody else is there; not in the pool. */
  readonly sorry?: string;
  /** The rotation or hash table: names of servers; every server once if absent. */
  readonly table?: readonly string[];
  /** More fields of struct director. */
  readonly fields?: Readonly<Record<string, number>>;
}

export interface Layout {
  readonly directors: Readonly<Record<string, DirectorPlan>>;
  /** More fields of struct globals. */
  readonly globals?: Readonly<Record<string, number>>;
  /** TCI of a link's frames. */
  readonly vlans?: Partial<Readonly<Record<LinkName, number>>>;
  readonly mtu?: Partial<Readonly<Record<LinkName, number>>>;
}

/** Idle times and the like of a layout that does not say otherwise, in ticks: far apart, and far above what a row takes. */
export const TICKS = { unreplied: 30_000, replied: 120_000, linger: 5_000, rest: 20_000, restAnswered: 4_000, answeredIdle: 6_000, block: 10_000, hop: 1_000, kept: 50_000 } as const;

/** Where everything ended up. */
export interface Places {
  readonly directors: ReadonlyMap<string, number>;
  readonly servers: ReadonlyMap<string, number>;
}

/** Returns the MAC address of the neighbour that has this address. */
export function macOf(ip: string | Buffer): string {
  const bytes = typeof ip === 'string' ? address(ip) : ip;
  return ['02', ...[...Buffer.concat([Buffer.alloc(1), bytes]).subarray(-5)].map((byte) => byte.toString(16).padStart(2, '0'))].join(':');
}

/** Returns a way as struct session and struct server hold it. */
export function hopOf(link: number, neighbour: string): bigint {
  const bytes = Buffer.alloc(8);
  bytes.writeUInt16LE(link);
  mac(neighbour).copy(bytes, 2);
  return bytes.readBigUInt64LE();
}

/** Writes a layout into maps that are as after loading. */
export function write(bed: Bed, layout: Layout): Places {
  writeLinks(bed, layout);
  for (const [name, value] of Object.entries({
    linger_ticks: TICKS.linger, rest_ticks: TICKS.rest, rest_answered_ticks: TICKS.restAnswered, answered_idle_ticks: TICKS.answeredIdle, block_ticks: TICKS.block, hop_ticks: TICKS.hop,
    seed: 0x5eed5eed, bucket_mask: RECORDS / 2 - 1, capacity: RECORDS, limit: RECORDS, ...layout.globals,
  })) bed.globals.set(0, name, value);
  const directors = new Map<string, number>();
  const servers = new Map<string, number>();
  let [director, server] = [2, 7];
  for (const [name, plan] of Object.entries(layout.directors)) {
    directors.set(name, director);
    for (const [server_name, server_plan] of Object.entries(plan.servers)) {
      servers.set(server_name, server);
      writeServer(bed, server, { ...server_plan, weight: plan.sorry === server_name ? 0 : (server_plan.weight ?? 1) }, director, ENUMS.forwarding_mode.indexOf(plan.mode ?? 'nat'));
      server += 3;
    }
    writeDirector(bed, director, plan, servers);
    director += 2;
  }
  return { directors, servers };
}

/** Writes the pool of a director, and makes it the one in use. */
export function writePool(bed: Bed, director: number, pool: { readonly algorithm: (typeof ENUMS.algorithm)[number]; readonly candidates: readonly { readonly slot: number; readonly weight: number }[]; readonly table: ArrayLike<number> }): void {
  const at = 2 * director + (bed.directors.get(director, 'pool') === 2 * director ? 1 : 0);
  bed.poolHeads.set(at, 'algorithm', ENUMS.algorithm.indexOf(pool.algorithm));
  bed.poolHeads.set(at, 'count', pool.candidates.length);
  bed.poolHeads.set(at, 'table_length', pool.table.length);
  pool.candidates.forEach(({ slot, weight }, i) => {
    bed.pools.setUint16(at * POOL_BYTES + 16 + 4 * i, slot, true);
    bed.pools.setUint16(at * POOL_BYTES + 18 + 4 * i, weight, true);
  });
  if (pool.table.length > 0) {
    const inner = tableOf(pool.table);
    const fd = Buffer.alloc(4);
    fd.writeInt32LE(inner.fd);
    bed.map('tables').update(key32(at), fd);
    inner.close();
  }
  bed.directors.set(director, 'pool', at);
}

/** Writes one server; what it counts is left as it is. */
export function writeServer(bed: Bed, slot: number, plan: ServerPlan, director: number, mode: number): void {
  const { ip, port } = place(plan.at);
  const six = ip.length === 16;
  const words = (text: string): readonly number[] => wordsOf(address(text));
  const source = plan.source === undefined ? (six ? '2001:db8:10::1' : '10.0.0.1') : plan.source;
  const fields: Readonly<Record<string, number | readonly number[]>> = {
    addr_be: wordsOf(ip), port_be: swap16(port ?? 0), family: six ? 6 : 4, mode, director, weight: plan.weight ?? 1,
    source_any: source === null ? 0 : 1, source_count: plan.sourceCount ?? 1, source_be: source === null ? [0, 0, 0, 0] : words(source),
    port_first: plan.ports?.[0] ?? 1024, port_last: plan.ports?.[1] ?? 65535, encap_be: plan.encap === undefined ? [0, 0, 0, 0] : words(plan.encap),
  };
  for (const [name, value] of Object.entries(fields)) {
    if (typeof value === 'number') bed.servers.set(slot, name, value);
    else value.forEach((word, i) => bed.servers.set(slot, name, word, i));
  }
  if (plan.way === 'lookup') return;
  bed.servers.set64(slot, 'hop', hopOf(LINKS[plan.way ?? 'servers'].id, macOf(ip)));
  bed.servers.set(slot, 'hop_tick', tickNow() + TICKS.kept);
}

/** Returns the four words of an address as they lie in memory. */
export function wordsOf(bytes: Buffer): readonly number[] {
  const whole = Buffer.concat([Buffer.alloc(16 - bytes.length), bytes]);
  return [0, 4, 8, 12].map((at) => whole.readUInt32LE(at));
}

export function swap16(value: number): number {
  return ((value & 0xff) << 8) | (value >> 8);
}

function writeLinks(bed: Bed, { vlans = {}, mtu = {} }: Layout): void {
  for (const [name, { id, mac: own }] of Object.entries(LINKS) as [LinkName, (typeof LINKS)[LinkName]][]) {
    const ifindex = bed.ifindex(name);
    const tci = vlans[name];
    // Of a VLAN the device that routes name would be another one; there is none in this kernel, and nothing but routes asks for it.
    const fields = { ifindex, own_ifindex: ifindex, vlan_be: swap16(tci ?? 0), mtu: mtu[name] ?? 1500 };
    for (const [field, value] of Object.entries(fields)) bed.links.set(id, field, value);
    mac(own).forEach((byte, i) => bed.links.set(id, 'mac', byte, i));
    bed.map('ports').update(key32(id), key32(ifindex));
    if (tci === undefined) bed.map('link_ids').update(key32(ifindex), key32(id));
    else bed.map('vlan_links').update(Buffer.concat([key32(ifindex), key32(tci & 0xfff)]), key32(id));
  }
}

function writeDirector(bed: Bed, slot: number, plan: DirectorPlan, servers: ReadonlyMap<string, number>): void {
  const vips = typeof plan.vip === 'string' ? [plan.vip] : plan.vip;
  const fields = {
    kind: ENUMS.session_kind.indexOf(plan.kind ?? 'two_way'), mode: ENUMS.forwarding_mode.indexOf(plan.mode ?? 'nat'), down_action: ENUMS.policy.indexOf('move'),
    unreplied_ticks: TICKS.unreplied, replied_ticks: plan.kind === 'request_reply' ? TICKS.unreplied : TICKS.replied, max: 0xffff_ffff, replies: 1,
    prefix4: 32, prefix6: 128, dest_hash: hashIp(place(vips[0].replace(/\/\d+$/, '')).ip), sorry: plan.sorry === undefined ? 0 : (servers.get(plan.sorry) ?? 0) + 1, ...plan.fields,
  };
  for (const [name, value] of Object.entries(fields)) bed.directors.set(slot, name, value);
  const candidates = Object.entries(plan.servers).filter(([name]) => name !== plan.sorry).map(([name, { weight = 1 }]) => ({ name, slot: servers.get(name) ?? 0, weight }));
  const table = (plan.table ?? candidates.filter((c) => c.weight > 0).map((c) => c.name)).map((name) => candidates.findIndex((c) => c.name === name));
  writePool(bed, slot, { algorithm: plan.algorithm ?? 'rotation', candidates, table });
  for (const vip of vips) writeVip(bed, vip, slot);
}

function writeVip(bed: Bed, vip: string, director: number): void {
  const [text, bits] = vip.split(/\/(?=\d+$)/);
  const { ip, port } = place(text);
  const key = (portBits: number, at: number): Buffer => {
    const bytes = Buffer.alloc(24);
    bytes.writeUInt32LE(128 + portBits);
    if (ip.length === 4) bytes.writeUInt16BE(0xffff, 14);
    ip.copy(bytes, 20 - ip.length);
    bytes.writeUInt16BE(at, 20);
    return bytes;
  };
  bed.map('vips').update(key(port === null ? 0 : Number(bits ?? 16), port ?? 0), key32(director));
  // The address alone is nobody's, and known: that is what later fragments are counted by.
  if (bed.map('vips').lookup(key(0, 0)) === null) bed.map('vips').update(key(0, 0), key32(CONSTANTS.MAX_DIRECTORS));
}

/** Returns an address and, where the text has one, a port. */
function place(text: string): { readonly ip: Buffer; readonly port: number | null } {
  if (/^\[.*\]:\d+$|^[^:]+:\d+$/.test(text)) {
    const { bytes, port } = endpoint(text);
    return { ip: bytes, port };
  }
  return { ip: address(text), port: null };
}

function tableOf(entries: ArrayLike<number>): BpfMap {
  const chunks = Math.ceil(entries.length / 32);
  const map = createArray('table', { valueSize: 64, entries: chunks, flags: BPF_F_INNER_MAP });
  for (let chunk = 0; chunk < chunks; chunk++) {
    const value = Buffer.alloc(64, 0xff);
    for (let i = 0; i < 32 && chunk * 32 + i < entries.length; i++) value.writeUInt16LE(entries[chunk * 32 + i], 2 * i);
    map.update(key32(chunk), value);
  }
  return map;
}
