/** What both the maps and the model are set up with: directors of every kind, mode and family, few enough ports and records that caps are met. */
import { hashIp } from '../../../src/balance/hash.ts';
import { hashTable } from '../../../src/balance/picker.ts';
import { weightedSchedule } from '../../../src/balance/schedule.ts';
import type { Balance } from '../../../src/balance/terms.ts';
import type { ENUMS } from '../../../src/engine/xdp/abi/spec.ts';
import { LINKS, type Bed, type LinkName } from '../packets/bed.ts';
import { address, endpoint, mac } from '../packets/frame.ts';
import { macOf, swap16, write, writePool, type Layout, type Places, type ServerPlan } from '../packets/layout.ts';
import { Model } from './model.ts';
import { Director, Server, type Mode, type Policy } from './parties.ts';
import type { Kind } from './table.ts';

/** The model's time goes in steps of this many ticks; every duration ends half way between two, so that no tie and no real second matters. */
export const STEP = 1_000_000;
const steps = (n: number): number => n * STEP + STEP / 2;

export const TIMES = { linger: steps(1), rest: steps(3), restAnswered: steps(1), answeredIdle: steps(1), block: steps(1) } as const;
export const KEPT_FOR = steps(2);

interface Plan {
  readonly vips: readonly string[];
  readonly kind?: Kind;
  readonly mode?: Mode;
  readonly balance: Balance;
  readonly servers: Readonly<Record<string, ServerPlan>>;
  readonly sorry?: string;
  readonly max?: number;
  readonly replies?: number;
  readonly amplification?: number;
  readonly persistence?: { readonly prefix: number };
  readonly down?: Policy;
}

const PLANS: Readonly<Record<string, Plan>> = {
  dns: { vips: ['198.51.100.1:53'], balance: 'leastconn', amplification: 2, servers: { dns_a: { at: '10.0.0.11:5300' }, dns_b: { at: '10.0.0.12:5300', weight: 2 }, dns_c: { at: '10.0.0.13:5300', weight: 2, source: '10.0.0.2', sourceCount: 3, ports: [7000, 7007] } } },
  web6: { vips: ['[2001:db8:51::1]:443'], balance: 'roundrobin', persistence: { prefix: 60 }, servers: { web_a: { at: '[2001:db8:10::a]:443' }, web_b: { at: '[2001:db8:10::b]:443', weight: 3, ports: [2000, 2015] } } },
  own: { vips: ['198.51.100.2'], balance: 'source', amplification: 1, servers: { own_a: { at: '10.0.0.21', source: null, ports: [30_000, 30_003] }, own_b: { at: '10.0.0.22', source: null, ports: [30_000, 30_031] } } },
  own6: { vips: ['[2001:db8:51::2]:53', '[2001:db8:51::3]:53'], balance: 'srcdst', servers: { own6_a: { at: '[2001:db8:10::1a]:53', source: null, ports: [30_000, 30_031] }, own6_b: { at: '[2001:db8:10::1b]:53', source: null, ports: [30_000, 30_031] } } },
  rr: { vips: ['198.51.100.3:123'], kind: 'request_reply', balance: 'leastconn', servers: { rr_a: { at: '10.0.0.31:123' }, rr_b: { at: '10.0.0.32:123' } } },
  rr3: { vips: ['[2001:db8:51::4]:161'], kind: 'request_reply', replies: 3, amplification: 1, balance: 'shortestexpected', servers: { rr3_a: { at: '[2001:db8:10::2a]:161' }, rr3_b: { at: '[2001:db8:10::2b]:161', weight: 5 } } },
  log: { vips: ['198.51.100.4:514'], kind: 'one_way', balance: 'roundrobin', servers: { log_a: { at: '10.0.0.41:514', source: null }, log_b: { at: '10.0.0.42:514', way: 'second' }, log_c: { at: '10.0.0.43:514', way: 'lookup' } } },
  gate: { vips: ['198.51.100.5:5060'], mode: 'gateway', balance: 'neverqueue', servers: { gate_a: { at: '10.0.0.51' }, gate_b: { at: '10.0.0.52', way: 'second' } } },
  tun: { vips: ['198.51.100.6:69'], mode: 'tunnel', balance: 'leastconn', servers: { tun_a: { at: '10.0.0.61', encap: '10.0.0.3' }, tun_b: { at: '10.0.0.62', encap: '10.0.0.3' } } },
  tun6: { vips: ['[2001:db8:51::5]:69'], mode: 'tunnel', balance: 'dest', servers: { tun6_a: { at: '2001:db8:10::3a', encap: '2001:db8:10::3' }, tun6_b: { at: '2001:db8:10::3b', encap: '2001:db8:10::3', way: 'lookup' } } },
  quic: { vips: ['198.51.100.1:4433'], balance: 'maglev', max: 12, down: 'keep', servers: { quic_a: { at: '10.0.0.11:4433' }, quic_b: { at: '10.0.0.12:4433', ports: [9000, 9003] } } },
  spare: { vips: ['198.51.100.7:1024/6', '198.51.100.7:5353'], balance: 'failover', persistence: { prefix: 25 }, down: 'drop', sorry: 'spare_s', servers: { spare_a: { at: '10.0.0.71', weight: 5 }, spare_b: { at: '10.0.0.72', weight: 9 }, spare_s: { at: '10.0.0.79:99' } } },
};

const ALGORITHM: Readonly<Partial<Record<Balance, (typeof ENUMS.algorithm)[number]>>> = {
  roundrobin: 'rotation', leastconn: 'least', shortestexpected: 'shortest', neverqueue: 'idle_first', failover: 'first', source: 'source', dest: 'dest', srcdst: 'srcdst', maglev: 'flow',
};
const VLANS: Partial<Record<LinkName, number>> = { servers: 20, second: 10 };
const MTU: Readonly<Record<LinkName, number>> = { clients: 1500, servers: 1500, second: 700 };
const LIMIT = 16;

export interface World {
  readonly model: Model;
  readonly places: Places;
  /** Addresses and ports that directors are at, and some that nobody is at. */
  readonly targets: readonly { readonly ip: Buffer; readonly port: number | null }[];
}

/** Sets up the maps, which are as after loading, with so many session records (a power of two), and a model of them. */
export function makeWorld(bed: Bed, capacity: number): World {
  const layout: Layout = {
    directors: Object.fromEntries(Object.entries(PLANS).map(([name, plan]) => [name, {
      vip: plan.vips, kind: plan.kind ?? 'two_way', mode: plan.mode ?? 'nat', servers: plan.servers, table: [], ...(plan.sorry === undefined ? {} : { sorry: plan.sorry }),
      fields: fieldsOf(plan),
    }])),
    globals: { capacity, limit: LIMIT, linger_ticks: TIMES.linger, rest_ticks: TIMES.rest, rest_answered_ticks: TIMES.restAnswered, answered_idle_ticks: TIMES.answeredIdle, block_ticks: TIMES.block },
    vlans: VLANS, mtu: MTU,
  };
  const places = write(bed, layout);
  const model = modelOf(places, capacity);
  for (const director of model.directors.values()) writeItsPool(bed, director);
  for (const server of model.servers.values()) writeServerId(bed, server);
  const targets = Object.values(PLANS).flatMap(({ vips }) => vips.map((vip) => target(vip)));
  const nobodys = [{ ip: '198.51.100.1', port: 54 }, { ip: '198.51.100.9', port: 53 }, { ip: '2001:db8:51::9', port: 53 }];
  return { model, places, targets: [...targets, ...nobodys].map(({ ip, port }) => ({ ip: address(ip), port })) };
}

/** Gives a director another pool, in the maps and in the model. */
export function setPool(bed: Bed, director: Director, candidates: readonly { readonly server: Server; readonly weight: number }[]): void {
  director.setPool(candidates);
  for (const { server, weight } of candidates) {
    server.weight = weight;
    bed.servers.set(server.slot, 'weight', weight);
  }
  writeItsPool(bed, director);
}

/** Ways that are kept are kept for as long as a run lasts. */
export function refreshWays(bed: Bed, model: Model, tick: number): void {
  for (const server of model.servers.values()) if (server.way !== null) bed.servers.set(server.slot, 'hop_tick', tick);
}

function writeItsPool(bed: Bed, { settings, pool }: Director): void {
  const plain = pool.map(({ server, weight }) => ({ key: server.name, weight }));
  const table = settings.balance === 'roundrobin' ? weightedSchedule(plain.map((c) => c.weight)) : (hashTable(settings.balance, plain) ?? []);
  writePool(bed, settings.slot, { algorithm: ALGORITHM[settings.balance] ?? 'rotation', candidates: pool.map(({ server, weight }) => ({ slot: server.slot, weight })), table });
}

function modelOf(places: Places, capacity: number): Model {
  const owners = new Map<string, { readonly port: number; readonly last: number; readonly slot: number }[]>();
  const endpoints = new Map<string, number>();
  const model = new Model({
    capacity, limit: LIMIT, times: TIMES,
    links: (Object.entries(LINKS) as [LinkName, (typeof LINKS)[LinkName]][]).map(([name, link]) => ({ id: link.id, mac: mac(link.mac), tci: VLANS[name] ?? 0, mtu: MTU[name] })),
    ingress: (device, vlan) => (device in LINKS && vlan === (VLANS[device as LinkName] ?? 0) ? LINKS[device as LinkName].id : 0),
    directorAt: (ip, port) => owners.get(ip)?.find((owner) => port >= owner.port && port <= owner.last)?.slot ?? null,
    isVip: (ip) => owners.has(ip),
    serverAt: (ip, port) => endpoints.get(`${ip}|${port}`) ?? endpoints.get(`${ip}|0`) ?? null,
  });
  for (const [name, plan] of Object.entries(PLANS)) {
    const slot = slotOf(places.directors, name);
    const [mode, kind] = [plan.mode ?? 'nat', plan.kind ?? 'two_way'];
    for (const vip of plan.vips) {
      const { ip, port, last } = target(vip);
      const bytes = address(ip).toString('latin1');
      owners.set(bytes, [...(owners.get(bytes) ?? []), { port: port ?? 0, last, slot }]);
    }
    const fields = fieldsOf(plan);
    const director = new Director({
      name, slot, kind, mode, balance: plan.balance, downAction: plan.down ?? 'move', unreplied: fields.unreplied_ticks, replied: fields.replied_ticks, max: plan.max ?? 0xffff_ffff, replies: plan.replies ?? 1, amplification: plan.amplification ?? 0,
      persistence: fields.persistence_ticks, prefix: plan.persistence?.prefix ?? 0, destHash: hashIp(address(target(plan.vips[0]).ip)),
    });
    model.directors.set(slot, director);
    for (const [server_name, server_plan] of Object.entries(plan.servers)) {
      const server = serverOf(server_name, server_plan, slotOf(places.servers, server_name), slot, mode, plan.sorry === server_name);
      model.servers.set(server.slot, server);
      endpoints.set(`${server.address}|${server.port}`, server.slot);
      if (plan.sorry === server_name) director.sorry = server;
    }
    director.setPool([...model.servers.values()].filter((s) => s.director === slot && s !== director.sorry).map((server) => ({ server, weight: server.weight })));
  }
  return model;
}

function serverOf(name: string, plan: ServerPlan, slot: number, director: number, mode: Mode, sorry: boolean): Server {
  const { ip, port } = target(plan.at);
  const bytes = address(ip);
  const own = bytes.length === 16 ? '2001:db8:10::1' : '10.0.0.1';
  return new Server({
    name, slot, director, mode, family: bytes.length === 16 ? 6 : 4, address: bytes.toString('latin1'), port: port ?? 0,
    source: plan.source === null ? null : address(plan.source ?? own).toString('latin1'), sourceCount: plan.sourceCount ?? 1, ports: plan.ports ?? [1024, 65_535],
    encap: plan.encap === undefined ? '' : address(plan.encap).toString('latin1'), weight: sorry ? 0 : (plan.weight ?? 1),
    way: plan.way === 'lookup' ? null : { link: LINKS[plan.way ?? 'servers'].id, mac: mac(macOf(bytes)).toString('latin1') },
  });
}

function fieldsOf(plan: Plan): { readonly unreplied_ticks: number; readonly replied_ticks: number; readonly persistence_ticks: number } & Readonly<Record<string, number>> {
  const downs: readonly Policy[] = ['none', 'keep', 'move', 'drop'];
  return {
    unreplied_ticks: steps(2), replied_ticks: plan.kind === 'request_reply' ? steps(2) : steps(5), max: plan.max ?? 0xffff_ffff, replies: plan.replies ?? 1, amplification: plan.amplification ?? 0, down_action: downs.indexOf(plan.down ?? 'move'),
    persistence_ticks: plan.persistence === undefined ? 0 : steps(4), prefix4: plan.persistence?.prefix ?? 32, prefix6: plan.persistence?.prefix ?? 128,
  };
}

function writeServerId(bed: Bed, server: Server): void {
  const key = Buffer.alloc(20);
  key.write(server.address, 16 - server.address.length, 'latin1');
  key.writeUInt16LE(swap16(server.port), 16);
  key.writeUInt16LE(server.family, 18);
  const value = Buffer.alloc(4);
  value.writeUInt32LE(server.slot);
  bed.map('server_ids').update(key, value);
}

/** `198.51.100.7:1024/6` is the ports from 1024 on whose first six bits are the same. */
function target(text: string): { readonly ip: string; readonly port: number | null; readonly last: number } {
  const [place, bits] = text.split(/\/(?=\d+$)/);
  if (!/^\[.*\]:\d+$|^[^:]+:\d+$/.test(place)) return { ip: place, port: null, last: 0xffff };
  const { port } = endpoint(place);
  return { ip: place.slice(0, place.lastIndexOf(':')).replace(/^\[|\]$/g, ''), port, last: bits === undefined ? port : port + (1 << (16 - Number(bits))) - 1 };
}

function slotOf(places: ReadonlyMap<string, number>, name: string): number {
  const slot = places.get(name);
  if (slot === undefined) throw new RangeError(`the layout has no ${name}`);
  return slot;
}
