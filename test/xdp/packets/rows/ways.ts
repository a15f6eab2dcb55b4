/** Out of which interface, to whose MAC address, in which VLAN; how far; gateway and tunnel. */
import { writeFileSync } from 'node:fs';
import { ip, key32, tickNow, type Bed } from '../bed.ts';
import { encapsulated, fragments, icmp, udp } from '../frame.ts';
import { hopOf, macOf, TICKS } from '../layout.ts';
import { act, back, down, later, up, type Act, type Row, type Step, type Ways } from '../row.ts';
import { makeWayOlder } from '../time.ts';
import { A, A6, CLIENT, CLIENT6, one, one6, OWN, OWN6, SESSION, VIP, VIP6 } from './names.ts';

const OTHER_MAC = '02:00:00:00:99:99';
const ask = (server = A, ways = {}) => up(udp({ src: CLIENT, dst: VIP }), udp({ src: `${OWN}:1024`, dst: server, ttl: 63 }), ways);
const answer = (server = A, ways = {}) => down(udp({ src: server, dst: `${OWN}:1024` }), udp({ src: VIP, dst: CLIENT, ttl: 63 }), ways);
const askDropped = up(udp({ src: CLIENT, dst: VIP }), 'drop');

const neighbour = (address: string, mac: string): Act => act(`${address} is at ${mac}`, () => ip('neigh', 'replace', address, 'lladdr', mac, 'dev', 'servers', 'nud', 'permanent'));
const forgetNeighbour = (address: string): Act => act(`nobody knows ${address}`, () => ip('neigh', 'del', address, 'dev', 'servers'));
const route = (...words: readonly string[]): Act => act(`ip route ${words.join(' ')}`, () => ip('route', ...words));
const forwarding = (on: 0 | 1): Act => act(`forwarding of what comes from clients: ${on}`, () => writeFileSync('/proc/sys/net/ipv4/conf/clients/forwarding', String(on)));
const wayOlder = (ticks: number): Act => act(`the way to a is ${ticks} ticks older`, ({ bed, server }) => makeWayOlder(bed, server('a'), ticks));
const setWay = (bed: Bed, slot: number, mac: string, tick: number): void => {
  bed.servers.set64(slot, 'hop', hopOf(4, mac));
  bed.servers.set(slot, 'hop_tick', tick >>> 0);
};

/** "Too big" about a packet, from whom that was for: its header and ports with what would have fitted. */
const tooBig = (packet: Buffer, src: string, dst: string, mtu: number): Buffer =>
  (packet[0] >> 4 === 6 ? icmp({ src, dst, type: 2, code: 0, rest: mtu, carries: packet.subarray(0, 56) }) : icmp({ src, dst, type: 3, code: 4, rest: mtu, carries: packet.subarray(0, 28) }));
/** A packet that is answered so. */
const refused = (packet: Buffer, src: string, dst: string, mtu: number, ways: Ways = {}): Step => back(up(packet, 'drop', ways), tooBig(packet, src, dst, mtu));

const live = (count: number) => ({ ...SESSION, packets_in: count, bytes_in: 4 * count });
const both = { ...SESSION, packets_in: 1, bytes_in: 4, packets_out: 1, bytes_out: 4, responses: 1 };
const counted = { directors: { dns: { sessions: 1, position: 1 } }, globals: { sessions: 1, records: 1, cursor: 1 } };
const countedWith = (drops: Readonly<Record<string, number>>) => ({ ...counted, directors: { dns: { ...counted.directors.dns, ...drops } } });
/** No port is taken where the datagram stays as it is. */
const unported = (count: number) => ({ packets_in: count, bytes_in: 4 * count, created: 1, active: 1, live: 1, refs: 1 });

const VLANS = { tagIn: 0x600a, clients: 10, servers: 20 } as const;

export const wayRows: readonly Row[] = [
  {
    name: 'a server on the link: dropped as unreachable while nobody knows its MAC address, sent there once somebody does',
    layout: one({ at: '10.0.0.31:5300', way: 'lookup' }),
    steps: [askDropped, askDropped, neighbour('10.0.0.31', macOf('10.0.0.31')), ask('10.0.0.31:5300'), answer('10.0.0.31:5300'), forgetNeighbour('10.0.0.31')],
    after: { servers: { a: { ...both, packets_in: 3, bytes_in: 12 } }, ...countedWith({ unreachable: 2 }) },
  },
  {
    name: 'a way is kept for hop_ticks, then the kernel is asked again',
    layout: one({ at: '10.0.0.32:5300', way: 'lookup' }, {}, { globals: { hop_ticks: TICKS.kept } }),
    steps: [
      neighbour('10.0.0.32', macOf('10.0.0.32')), ask('10.0.0.32:5300'), neighbour('10.0.0.32', OTHER_MAC), ask('10.0.0.32:5300'), wayOlder(TICKS.kept + 1), ask('10.0.0.32:5300', { gateway: OTHER_MAC }),
      forgetNeighbour('10.0.0.32'), ask('10.0.0.32:5300', { gateway: OTHER_MAC }), wayOlder(TICKS.kept + 1), askDropped,
    ],
    after: { servers: { a: live(5) }, ...countedWith({ unreachable: 1 }) },
  },
  {
    name: 'a way of a month ago is no way, whichever side of the clock it lies on',
    layout: one({ at: '10.0.0.33:5300', way: 'lookup' }),
    steps: [
      neighbour('10.0.0.33', macOf('10.0.0.33')),
      act('hop_tick 27 days back', ({ bed, server }) => setWay(bed, server('a'), OTHER_MAC, tickNow() - 27 * 86_400 * 954)), ask('10.0.0.33:5300'),
      act('hop_tick 20 days back', ({ bed, server }) => setWay(bed, server('a'), OTHER_MAC, tickNow() - 20 * 86_400 * 954)), ask('10.0.0.33:5300'),
      forgetNeighbour('10.0.0.33'),
    ],
    after: { servers: { a: live(2) }, ...counted },
  },
  {
    name: 'a server behind a router: the router\'s MAC address',
    layout: one({ at: '10.9.0.11:5300', way: 'lookup' }),
    steps: [neighbour('10.0.0.254', '02:00:0a:00:00:fe'), route('add', '10.9.0.0/24', 'via', '10.0.0.254'), ask('10.9.0.11:5300', { gateway: '02:00:0a:00:00:fe' }), answer('10.9.0.11:5300', { gateway: '02:00:0a:00:00:fe' }), route('del', '10.9.0.0/24'), forgetNeighbour('10.0.0.254')],
    after: { servers: { a: both }, ...counted },
  },
  {
    name: 'IPv6: a server on the link',
    layout: one6({ at: '[2001:db8:10::31]:5300', way: 'lookup' }),
    steps: [
      up(udp({ src: CLIENT6, dst: VIP6 }), 'drop'), neighbour('2001:db8:10::31', macOf('2001:db8:10::31')),
      up(udp({ src: CLIENT6, dst: VIP6 }), udp({ src: `[${OWN6}]:1024`, dst: '[2001:db8:10::31]:5300', ttl: 63 })), forgetNeighbour('2001:db8:10::31'),
    ],
    after: { servers: { a: live(2) }, ...countedWith({ unreachable: 1 }) },
  },
  {
    name: 'no route, a route out of an interface that is not in play, forwarding off: unreachable, and nothing is sent',
    layout: one({ at: '10.7.0.11:5300', way: 'lookup' }),
    steps: [
      askDropped, route('add', '10.7.0.0/24', 'dev', 'elsewhere'), act('10.7.0.11 is a neighbour there', () => ip('neigh', 'replace', '10.7.0.11', 'lladdr', OTHER_MAC, 'dev', 'elsewhere', 'nud', 'permanent')), askDropped, route('del', '10.7.0.0/24'),
      route('add', '10.7.0.0/24', 'dev', 'servers'), neighbour('10.7.0.11', OTHER_MAC), forwarding(0), askDropped, forwarding(1), ask('10.7.0.11:5300', { gateway: OTHER_MAC }), route('del', '10.7.0.0/24'),
    ],
    after: { servers: { a: live(4) }, ...countedWith({ unreachable: 3 }) },
  },
  {
    name: 'a client by an interface that is in no link is served, and its answers have no way: dropped as unreachable',
    layout: one(),
    steps: [{ ...up(udp({ src: CLIENT, dst: VIP }), udp({ src: `${OWN}:1024`, dst: A, ttl: 63 })), on: 'elsewhere' }, down(udp({ src: A, dst: `${OWN}:1024` }), 'drop'), ask(), answer()],
    after: { servers: { a: { ...both, packets_in: 2, bytes_in: 8, packets_out: 2, bytes_out: 8, responses: 2 } }, ...countedWith({ unreachable: 1 }) },
  },
  {
    name: 'time to live: 2 leaves as 1, 1 and 0 leave not at all, either way',
    layout: one(),
    steps: [
      up(udp({ src: CLIENT, dst: VIP, ttl: 2 }), udp({ src: `${OWN}:1024`, dst: A, ttl: 1 })), up(udp({ src: CLIENT, dst: VIP, ttl: 1 }), 'drop'), up(udp({ src: CLIENT, dst: VIP, ttl: 0 }), 'drop'),
      down(udp({ src: A, dst: `${OWN}:1024`, ttl: 2 }), udp({ src: VIP, dst: CLIENT, ttl: 1 })), down(udp({ src: A, dst: `${OWN}:1024`, ttl: 1 }), 'drop'),
    ],
    after: { servers: { a: { ...both, packets_in: 3, bytes_in: 12, packets_out: 2, bytes_out: 8 } }, ...countedWith({ ttl: 3 }) },
  },
  {
    name: 'hop limit: 2 leaves as 1, 1 leaves not at all, either way',
    layout: one6(),
    steps: [
      up(udp({ src: CLIENT6, dst: VIP6, ttl: 2 }), udp({ src: `[${OWN6}]:1024`, dst: A6, ttl: 1 })), up(udp({ src: CLIENT6, dst: VIP6, ttl: 1 }), 'drop'),
      down(udp({ src: A6, dst: `[${OWN6}]:1024`, ttl: 2 }), udp({ src: VIP6, dst: CLIENT6, ttl: 1 })), down(udp({ src: A6, dst: `[${OWN6}]:1024`, ttl: 0 }), 'drop'),
    ],
    after: { servers: { a: { ...both, packets_in: 2, bytes_in: 8, packets_out: 2, bytes_out: 8 } }, ...countedWith({ ttl: 2 }) },
  },
  {
    name: 'a datagram as long as the way takes goes, one byte more is dropped as too big, either way',
    layout: one({}, {}, { mtu: { servers: 128, clients: 130 } }),
    steps: [
      up(udp({ src: CLIENT, dst: VIP, payload: Buffer.alloc(100) }), udp({ src: `${OWN}:1024`, dst: A, payload: Buffer.alloc(100), ttl: 63 })), up(udp({ src: CLIENT, dst: VIP, payload: Buffer.alloc(101) }), 'drop'),
      down(udp({ src: A, dst: `${OWN}:1024`, payload: Buffer.alloc(102) }), udp({ src: VIP, dst: CLIENT, payload: Buffer.alloc(102), ttl: 63 })), down(udp({ src: A, dst: `${OWN}:1024`, payload: Buffer.alloc(103) }), 'drop'),
    ],
    after: { servers: { a: { ...SESSION, packets_in: 2, bytes_in: 201, packets_out: 2, bytes_out: 205, responses: 1 } }, ...countedWith({ too_big: 2 }) },
  },
  {
    name: 'IPv6: the same, over the whole packet; and whoever sent it hears what would have fitted, from whom it was for',
    layout: one6({}, {}, { mtu: { servers: 1280, clients: 1300 } }),
    steps: [
      up(udp({ src: CLIENT6, dst: VIP6, payload: Buffer.alloc(1232) }), udp({ src: `[${OWN6}]:1024`, dst: A6, payload: Buffer.alloc(1232), ttl: 63 })),
      refused(udp({ src: CLIENT6, dst: VIP6, payload: Buffer.alloc(1233) }), '2001:db8:51::1', '2001:db8:2::7', 1280),
      back(down(udp({ src: A6, dst: `[${OWN6}]:1024`, payload: Buffer.alloc(1253) }), 'drop'), tooBig(udp({ src: A6, dst: `[${OWN6}]:1024`, payload: Buffer.alloc(1253) }), OWN6, '2001:db8:10::a', 1300)),
    ],
    after: { servers: { a: { ...SESSION, packets_in: 2, bytes_in: 2465, packets_out: 1, bytes_out: 1253, responses: 1 } }, ...countedWith({ too_big: 2 }) },
  },
  {
    name: "Don't Fragment: whoever sent it hears what would have fitted, from whom it was for; in his VLAN, and not when nobody knows by which link",
    layout: one({}, {}, { mtu: { servers: 128, clients: 130 }, vlans: { clients: 10 } }),
    steps: (() => {
      const asked = (more = {}): Buffer => udp({ src: CLIENT, dst: VIP, payload: Buffer.alloc(101, 7), id: 9, whole: true, ...more });
      const answered = udp({ src: A, dst: `${OWN}:1024`, payload: Buffer.alloc(103), whole: true });
      return [
        up(udp({ src: CLIENT, dst: VIP, payload: Buffer.alloc(100), whole: true }), udp({ src: `${OWN}:1024`, dst: A, payload: Buffer.alloc(100), ttl: 63, whole: true }), { tagIn: 10 }),
        refused(asked(), '198.51.100.1', '192.0.2.7', 128, { tagIn: 10 }),
        back(down(answered, 'drop'), tooBig(answered, OWN, '10.0.0.11', 130)),
        up(asked({ options: 1 }), 'drop', { tagIn: 10 }), up(asked({ ttl: 1 }), 'drop', { tagIn: 10 }), up(asked(), 'drop', { tagIn: 11 }),
      ];
    })(),
    after: { servers: { a: { ...SESSION, packets_in: 5, bytes_in: 504, packets_out: 1, bytes_out: 103, responses: 1 } }, ...countedWith({ too_big: 4, ttl: 1 }) },
  },
  {
    name: 'IPv6: a first fragment that does not fit is answered, one after it is dropped',
    layout: one6({}, {}, { mtu: { servers: 1280 } }),
    steps: (() => {
      const [first, second] = fragments(udp({ src: CLIENT6, dst: VIP6, payload: Buffer.alloc(3000) }), 5, 1400, 1400);
      return [refused(first, '2001:db8:51::1', '2001:db8:2::7', 1280), up(second, 'pass')];
    })(),
    after: { servers: { a: { ...SESSION, packets_in: 1, bytes_in: 3000 } }, ...countedWith({ too_big: 1 }), of_none: { fragment: 1 } },
  },
  {
    name: 'VLAN in, none out, and back: the client\'s priority bits are not its way',
    layout: one({}, {}, { vlans: { clients: VLANS.clients } }),
    steps: [ask(A, { tagIn: VLANS.tagIn }), answer(A, { tagOut: VLANS.clients }), ask(A, { tagIn: VLANS.clients }), answer(A, { tagOut: VLANS.clients })],
    after: { servers: { a: { ...both, packets_in: 2, bytes_in: 8, packets_out: 2, bytes_out: 8, responses: 2 } }, ...counted },
  },
  {
    name: 'a client that comes by another VLAN of the same interface is answered there',
    layout: one({}, {}, { vlans: { clients: 10 } }),
    steps: [
      act('VLAN 11 of that interface is a link too', ({ bed }) => {
        bed.links.set(5, 'ifindex', bed.ifindex('clients'));
        bed.links.set(5, 'vlan_be', 11 << 8);
        bed.map('vlan_links').update(Buffer.concat([key32(bed.ifindex('clients')), key32(11)]), key32(5));
      }),
      ask(A, { tagIn: 10 }), answer(A, { tagOut: 10 }), ask(A, { tagIn: 11 }), answer(A, { to: 'second', tagOut: 11 }),
    ],
    after: { servers: { a: { ...both, packets_in: 2, bytes_in: 8, packets_out: 2, bytes_out: 8, responses: 2 } }, ...counted },
  },
  {
    name: 'none in, VLAN out, and back',
    layout: one({}, {}, { vlans: { servers: VLANS.servers } }),
    steps: [ask(A, { tagOut: VLANS.servers }), answer(A, { tagIn: VLANS.servers })],
    after: { servers: { a: both }, ...counted },
  },
  {
    name: 'VLAN in, another VLAN out, and back',
    layout: one({}, {}, { vlans: { clients: VLANS.clients, servers: VLANS.servers } }),
    steps: [ask(A, { tagIn: VLANS.tagIn, tagOut: VLANS.servers }), answer(A, { tagIn: 0xe000 | VLANS.servers, tagOut: VLANS.clients })],
    after: { servers: { a: both }, ...counted },
  },
  {
    name: 'no tag either way is every other row; a priority tag (VLAN 0) is none, and goes',
    layout: one(),
    steps: [ask(A, { tagIn: 0xa000 }), answer(A), ask(A, { tagIn: 0 }), answer(A, { tagIn: 0 })],
    after: { servers: { a: { ...both, packets_in: 2, bytes_in: 8, packets_out: 2, bytes_out: 8, responses: 2 } }, ...counted },
  },
  {
    name: 'IPv6 in VLANs, in, out and both',
    layout: one6({}, {}, { vlans: { clients: VLANS.clients, servers: VLANS.servers } }),
    steps: [
      up(udp({ src: CLIENT6, dst: VIP6 }), udp({ src: `[${OWN6}]:1024`, dst: A6, ttl: 63 }), { tagIn: VLANS.tagIn, tagOut: VLANS.servers }),
      down(udp({ src: A6, dst: `[${OWN6}]:1024` }), udp({ src: VIP6, dst: CLIENT6, ttl: 63 }), { tagIn: VLANS.servers, tagOut: VLANS.clients }),
    ],
    after: { servers: { a: both }, ...counted },
  },
  {
    name: 'a client in a VLAN that is no link is served, and its answers have no way',
    layout: one({}, {}, { vlans: { clients: VLANS.clients } }),
    steps: [ask(A, { tagIn: 11 }), down(udp({ src: A, dst: `${OWN}:1024` }), 'drop'), ask(A, { tagIn: 10 }), answer(A, { tagOut: 10 })],
    after: { servers: { a: { ...both, packets_in: 2, bytes_in: 8, packets_out: 2, bytes_out: 8, responses: 2 } }, ...countedWith({ unreachable: 1 }) },
  },
  {
    name: 'gateway: another MAC address and one hop less, the datagram as it was; the session lives its long time without answers',
    layout: one({}, { mode: 'gateway' }),
    steps: [
      up(udp({ src: CLIENT, dst: VIP, id: 5 }), udp({ src: CLIENT, dst: VIP, id: 5, ttl: 63 }), { gateway: macOf('10.0.0.11') }), later(119_000),
      up(udp({ src: CLIENT, dst: VIP, check: 'partial' }), udp({ src: CLIENT, dst: VIP, ttl: 63 }), { gateway: macOf('10.0.0.11') }), later(121_000),
      up(udp({ src: CLIENT, dst: VIP, check: 'none' }), udp({ src: CLIENT, dst: VIP, check: 'none', ttl: 63 }), { gateway: macOf('10.0.0.11') }), up(udp({ src: CLIENT, dst: VIP, ttl: 1 }), 'drop'),
    ],
    after: { servers: { a: { ...unported(4), created: 2, refs: 2 } }, directors: { dns: { sessions: 1, position: 2, ttl: 1 } }, globals: { sessions: 1, records: 2, cursor: 2 } },
  },
  {
    name: 'gateway, IPv6 and VLANs',
    layout: one6({}, { mode: 'gateway' }, { vlans: { clients: VLANS.clients, servers: VLANS.servers } }),
    steps: [up(udp({ src: CLIENT6, dst: VIP6, check: 'none' }), udp({ src: CLIENT6, dst: VIP6, ttl: 63 }), { gateway: macOf('2001:db8:10::a'), tagIn: 10, tagOut: 20 })],
    after: { servers: { a: unported(1) }, ...counted },
  },
  {
    name: 'tunnel: the datagram in an outer header to the server, one hop less; what the outer header leaves no room for is answered',
    layout: one({ encap: '10.0.0.3' }, { mode: 'tunnel' }),
    steps: [
      up(udp({ src: CLIENT, dst: VIP, options: 2 }), encapsulated('10.0.0.3', '10.0.0.11', udp({ src: CLIENT, dst: VIP, options: 2, ttl: 63 }))),
      up(udp({ src: CLIENT, dst: VIP, payload: Buffer.alloc(1452), check: 'partial' }), encapsulated('10.0.0.3', '10.0.0.11', udp({ src: CLIENT, dst: VIP, payload: Buffer.alloc(1452), ttl: 63 }))),
      up(udp({ src: CLIENT, dst: VIP, payload: Buffer.alloc(1453) }), 'drop'), refused(udp({ src: CLIENT, dst: VIP, payload: Buffer.alloc(1453), whole: true }), '198.51.100.1', '192.0.2.7', 1480),
    ],
    after: { servers: { a: { ...unported(4), bytes_in: 4362 } }, ...countedWith({ too_big: 2 }) },
  },
  {
    name: 'tunnel, IPv6: from VLAN to none, from none to VLAN',
    layout: one6({ encap: '2001:db8:10::3' }, { mode: 'tunnel' }, { vlans: { clients: VLANS.clients } }),
    steps: [
      up(udp({ src: CLIENT6, dst: VIP6 }), encapsulated('2001:db8:10::3', '2001:db8:10::a', udp({ src: CLIENT6, dst: VIP6, ttl: 63 })), { tagIn: 10 }),
      act('servers in a VLAN too', ({ bed }) => bed.links.set(4, 'vlan_be', 20 << 8)),
      up(udp({ src: CLIENT6, dst: VIP6 }), encapsulated('2001:db8:10::3', '2001:db8:10::a', udp({ src: CLIENT6, dst: VIP6, ttl: 63 })), { tagIn: 10, tagOut: 20 }),
      up(udp({ src: CLIENT6, dst: VIP6 }), encapsulated('2001:db8:10::3', '2001:db8:10::a', udp({ src: CLIENT6, dst: VIP6, ttl: 63 })), { tagOut: 20 }),
      up(udp({ src: CLIENT6, dst: VIP6, payload: Buffer.alloc(1412) }), encapsulated('2001:db8:10::3', '2001:db8:10::a', udp({ src: CLIENT6, dst: VIP6, payload: Buffer.alloc(1412), ttl: 63 })), { tagIn: 10, tagOut: 20 }),
      refused(udp({ src: CLIENT6, dst: VIP6, payload: Buffer.alloc(1413) }), '2001:db8:51::1', '2001:db8:2::7', 1460, { tagIn: 10 }),
    ],
    after: { servers: { a: { ...unported(5), bytes_in: 2837 } }, ...countedWith({ too_big: 1 }) },
  },
  {
    name: 'one-way in a tunnel leaves no session',
    layout: one({ encap: '10.0.0.3' }, { mode: 'tunnel', kind: 'one_way' }),
    steps: [up(udp({ src: CLIENT, dst: VIP }), encapsulated('10.0.0.3', '10.0.0.11', udp({ src: CLIENT, dst: VIP, ttl: 63 })), { tagIn: 0x2000 })],
    after: { servers: { a: { packets_in: 1, bytes_in: 4 } }, directors: { dns: { position: 1 } } },
  },
];
