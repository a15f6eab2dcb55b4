/** ICMP errors about datagrams of ours, both ways: evidence that ends here, and what is translated by the header it carries. */
import assert from 'node:assert/strict';
import { address, fragments, icmp, udp, withHeaderSum, type Check } from '../frame.ts';
import { act, down, later, setServer, up, type Act, type Row } from '../row.ts';
import { A, A6, B, CLIENT, CLIENT6, one, one6, OWN, OWN6, SESSION, two, VIP, VIP6 } from './names.ts';

const UNREACHABLE = 3;
const EXCEEDED = 11;
const PORT = 3;
const TOO_BIG = 4;
const ROUTER_BEHIND = '10.9.9.1';
const ROUTER_AHEAD = '203.0.113.1';

const ask = (server = A, port = 1024) => up(udp({ src: CLIENT, dst: VIP }), udp({ src: `${OWN}:${port}`, dst: server, ttl: 63 }));
const answer = (server = A, port = 1024) => down(udp({ src: server, dst: `${OWN}:${port}` }), udp({ src: VIP, dst: CLIENT, ttl: 63 }));
const ask6 = up(udp({ src: CLIENT6, dst: VIP6 }), udp({ src: `[${OWN6}]:1024`, dst: A6, ttl: 63 }));
const answer6 = down(udp({ src: A6, dst: `[${OWN6}]:1024` }), udp({ src: VIP6, dst: CLIENT6, ttl: 63 }));

/** What the servers' side has of a client's datagram, and what the client knows it as. */
const seen = (options: { readonly ttl?: number; readonly check?: Check; readonly port?: number } = {}) => udp({ src: `${OWN}:${options.port ?? 1024}`, dst: A, ttl: options.ttl ?? 60, id: 7, check: options.check ?? 'whole' });
const known = (options: { readonly ttl?: number; readonly check?: Check } = {}) => udp({ src: CLIENT, dst: VIP, ttl: options.ttl ?? 60, id: 7, check: options.check ?? 'whole' });
const seen6 = (check: Check = 'whole') => udp({ src: `[${OWN6}]:1024`, dst: A6, ttl: 60, check });
const known6 = (check: Check = 'whole') => udp({ src: CLIENT6, dst: VIP6, ttl: 60, check });
/** What the clients' side has of a server's answer, and what the server knows it as. */
const answerSeen = udp({ src: VIP, dst: CLIENT, ttl: 60 });
const answerKnown = udp({ src: A, dst: `${OWN}:1024`, ttl: 60 });
const answerSeen6 = udp({ src: VIP6, dst: CLIENT6, ttl: 60 });
const answerKnown6 = udp({ src: A6, dst: `[${OWN6}]:1024`, ttl: 60 });

const refusal = (src = '10.0.0.11', code = PORT) => icmp({ src, dst: OWN, type: UNREACHABLE, code, carries: seen() });
const blockedIs = (name: string, is: boolean): Act => act(`${name} is ${is ? '' : 'not '}blocked`, ({ bed, server }) => assert.equal(bed.servers.get(server(name), 'blocked_until') !== 0, is));
const endpointOf = (name: string, ip: string, portBe: number): Act => act(`${name} is known by its endpoint`, ({ bed, server }) => {
  const key = Buffer.alloc(20);
  const bytes = address(ip);
  bytes.copy(key, 16 - bytes.length);
  key.writeUInt16LE(portBe, 16);
  key.writeUInt16LE(bytes.length === 4 ? 4 : 6, 18);
  const value = Buffer.alloc(4);
  value.writeUInt32LE(server(name));
  bed.map('server_ids').update(key, value);
});

const counted = { directors: { dns: { sessions: 1, position: 1 } }, globals: { sessions: 1, records: 1, cursor: 1 } };
const translated = (count: number) => ({ ...counted, directors: { dns: { sessions: 1, position: 1, icmp_translated: count } } });
const asked = { ...SESSION, packets_in: 1, bytes_in: 4 };
const both = { ...asked, packets_out: 1, bytes_out: 4, responses: 1 };

export const errorRows: readonly Row[] = [
  {
    name: 'port unreachable from a server is evidence at once: nobody hears of it, its session moves, new ones go elsewhere until it is forgotten',
    layout: two(),
    steps: [
      ask(A), down(refusal(), 'drop'), blockedIs('a', true), ask(B), up(udp({ src: '192.0.2.8:1', dst: VIP }), udp({ src: `${OWN}:1025`, dst: B, ttl: 63 })), answer(B), later(11_000),
      up(udp({ src: '192.0.2.9:1', dst: VIP }), udp({ src: `${OWN}:1025`, dst: A, ttl: 63 })),
    ],
    after: {
      servers: { a: { packets_in: 2, bytes_in: 8, created: 2, moved: 1, active: 1, live: 1, refs: 2, port_next: 2, icmp_errors: 1 }, b: { packets_in: 2, bytes_in: 8, packets_out: 1, bytes_out: 4, responses: 1, created: 2, active: 2, live: 2, refs: 2, port_next: 2 } },
      directors: { dns: { sessions: 3, position: 5 } }, globals: { sessions: 3, records: 4, cursor: 4 },
    },
  },
  {
    name: 'every unreachable but "too big" is evidence, from whoever is on the way',
    layout: one(),
    steps: [ask(), down(refusal(ROUTER_BEHIND, 1), 'drop'), down(refusal(ROUTER_BEHIND, 0), 'drop'), down(refusal('10.0.0.11', 13), 'drop'), blockedIs('a', true)],
    after: { servers: { a: { ...asked, icmp_errors: 3 } }, ...counted },
  },
  {
    name: 'an error that carries the least, a header and eight bytes, is evidence all the same',
    layout: one(),
    steps: [ask(), down(icmp({ src: '10.0.0.11', dst: OWN, type: UNREACHABLE, code: PORT, carries: seen().subarray(0, 28) }), 'drop')],
    after: { servers: { a: { ...asked, icmp_errors: 1 } }, ...counted },
  },
  {
    name: 'too big from a router behind: the client hears of its own datagram, with the MTU, from that router',
    layout: one(),
    steps: [
      ask(),
      down(icmp({ src: ROUTER_BEHIND, dst: OWN, type: UNREACHABLE, code: TOO_BIG, rest: 1400, carries: seen() }), icmp({ src: ROUTER_BEHIND, dst: '192.0.2.7', type: UNREACHABLE, code: TOO_BIG, rest: 1400, carries: known(), ttl: 63 })),
      down(icmp({ src: ROUTER_BEHIND, dst: OWN, type: UNREACHABLE, code: TOO_BIG, rest: 576, carries: seen().subarray(0, 28) }), icmp({ src: ROUTER_BEHIND, dst: '192.0.2.7', type: UNREACHABLE, code: TOO_BIG, rest: 576, carries: known().subarray(0, 28), ttl: 63 })),
      blockedIs('a', false),
    ],
    after: { servers: { a: { ...asked, icmp: 2 } }, ...translated(2) },
  },
  {
    name: 'time exceeded from the server itself: to the client it comes from the VIP',
    layout: one(),
    steps: [ask(), down(icmp({ src: '10.0.0.11', dst: OWN, type: EXCEEDED, code: 1, carries: seen({ ttl: 1 }) }), icmp({ src: '198.51.100.1', dst: '192.0.2.7', type: EXCEEDED, code: 1, carries: known({ ttl: 1 }), ttl: 63 }))],
    after: { servers: { a: { ...asked, icmp: 1 } }, ...translated(1) },
  },
  {
    name: 'a carried datagram without a checksum keeps none; a wrong one stays wrong',
    layout: one(),
    steps: [ask(), ...(['none', 'wrong'] as const).map((check) => down(icmp({ src: ROUTER_BEHIND, dst: OWN, type: EXCEEDED, code: 0, carries: seen({ check }) }), icmp({ src: ROUTER_BEHIND, dst: '192.0.2.7', type: EXCEEDED, code: 0, carries: known({ check }), ttl: 63 })))],
    after: { servers: { a: { ...asked, icmp: 2 } }, ...translated(2) },
  },
  {
    name: 'an error from the client about an answer: the server hears it from the client it knows; from a router ahead: from that router',
    layout: one(),
    steps: [
      ask(), answer(),
      up(icmp({ src: '192.0.2.7', dst: '198.51.100.1', type: UNREACHABLE, code: PORT, carries: answerSeen }), icmp({ src: OWN, dst: '10.0.0.11', type: UNREACHABLE, code: PORT, carries: answerKnown, ttl: 63 })),
      up(icmp({ src: ROUTER_AHEAD, dst: '198.51.100.1', type: UNREACHABLE, code: TOO_BIG, rest: 1300, carries: answerSeen }), icmp({ src: ROUTER_AHEAD, dst: '10.0.0.11', type: UNREACHABLE, code: TOO_BIG, rest: 1300, carries: answerKnown, ttl: 63 })),
      up(icmp({ src: ROUTER_AHEAD, dst: '198.51.100.1', type: EXCEEDED, code: 0, carries: answerSeen.subarray(0, 28) }), icmp({ src: ROUTER_AHEAD, dst: '10.0.0.11', type: EXCEEDED, code: 0, carries: answerKnown.subarray(0, 28), ttl: 63 })),
      blockedIs('a', false),
    ],
    after: { servers: { a: { ...both, icmp: 3 } }, ...translated(3) },
  },
  {
    name: 'without source NAT the addresses between are the client\'s own',
    layout: one({ source: null }),
    steps: [
      up(udp({ src: CLIENT, dst: VIP }), udp({ src: CLIENT, dst: A, ttl: 63 })),
      down(icmp({ src: ROUTER_BEHIND, dst: '192.0.2.7', type: EXCEEDED, code: 0, carries: udp({ src: CLIENT, dst: A, ttl: 1 }) }), icmp({ src: ROUTER_BEHIND, dst: '192.0.2.7', type: EXCEEDED, code: 0, carries: udp({ src: CLIENT, dst: VIP, ttl: 1 }), ttl: 63 })),
      up(icmp({ src: '192.0.2.7', dst: '198.51.100.1', type: UNREACHABLE, code: PORT, carries: answerSeen }), icmp({ src: '192.0.2.7', dst: '10.0.0.11', type: UNREACHABLE, code: PORT, carries: udp({ src: A, dst: CLIENT, ttl: 60 }), ttl: 63 })),
      down(icmp({ src: '10.0.0.11', dst: '192.0.2.7', type: UNREACHABLE, code: PORT, carries: udp({ src: CLIENT, dst: A, ttl: 60 }) }), 'drop'),
    ],
    after: { servers: { a: { packets_in: 1, bytes_in: 4, created: 1, active: 1, live: 1, refs: 1, icmp: 2, icmp_errors: 1 } }, ...translated(2) },
  },
  {
    name: 'IPv6: unreachable is evidence; too big and time exceeded are translated, checksum over the outer addresses too',
    layout: one6(),
    steps: [
      ask6,
      down(icmp({ src: '2001:db8:99::1', dst: OWN6, type: 2, code: 0, rest: 1280, carries: seen6() }), icmp({ src: '2001:db8:99::1', dst: '2001:db8:2::7', type: 2, code: 0, rest: 1280, carries: known6(), ttl: 63 })),
      down(icmp({ src: '2001:db8:10::a', dst: OWN6, type: 3, code: 1, carries: seen6().subarray(0, 48) }), icmp({ src: '2001:db8:51::1', dst: '2001:db8:2::7', type: 3, code: 1, carries: known6().subarray(0, 48), ttl: 63 })),
      down(icmp({ src: '2001:db8:10::a', dst: OWN6, type: 3, code: 1, carries: seen6('wrong') }), icmp({ src: '2001:db8:51::1', dst: '2001:db8:2::7', type: 3, code: 1, carries: known6('wrong'), ttl: 63 })),
      down(icmp({ src: '2001:db8:10::a', dst: OWN6, type: 1, code: 4, carries: seen6() }), 'drop'), blockedIs('a', true),
    ],
    after: { servers: { a: { ...asked, icmp: 3, icmp_errors: 1 } }, ...translated(3) },
  },
  {
    name: 'IPv6: errors from the clients\' side',
    layout: one6(),
    steps: [
      ask6, answer6,
      up(icmp({ src: '2001:db8:2::7', dst: '2001:db8:51::1', type: 1, code: 4, carries: answerSeen6 }), icmp({ src: OWN6, dst: '2001:db8:10::a', type: 1, code: 4, carries: answerKnown6, ttl: 63 })),
      up(icmp({ src: '2001:db8:77::1', dst: '2001:db8:51::1', type: 2, code: 0, rest: 1400, carries: answerSeen6 }), icmp({ src: '2001:db8:77::1', dst: '2001:db8:10::a', type: 2, code: 0, rest: 1400, carries: answerKnown6, ttl: 63 })),
    ],
    after: { servers: { a: { ...both, icmp: 2 } }, ...translated(2) },
  },
  {
    name: 'errors come through VLANs as datagrams do',
    layout: one({}, {}, { vlans: { clients: 10, servers: 20 } }),
    steps: [
      up(udp({ src: CLIENT, dst: VIP }), udp({ src: `${OWN}:1024`, dst: A, ttl: 63 }), { tagIn: 10, tagOut: 20 }),
      down(icmp({ src: '10.0.0.11', dst: OWN, type: EXCEEDED, code: 1, carries: seen() }), icmp({ src: '198.51.100.1', dst: '192.0.2.7', type: EXCEEDED, code: 1, carries: known(), ttl: 63 }), { tagIn: 20, tagOut: 10 }),
    ],
    after: { servers: { a: { ...asked, icmp: 1 } }, ...translated(1) },
  },
  {
    name: 'an error at its last hop goes no further',
    layout: one(),
    steps: [ask(), down(icmp({ src: ROUTER_BEHIND, dst: OWN, type: EXCEEDED, code: 0, carries: seen(), ttl: 1 }), 'drop'), down(icmp({ src: ROUTER_BEHIND, dst: OWN, type: EXCEEDED, code: 0, carries: seen(), ttl: 2 }), icmp({ src: ROUTER_BEHIND, dst: '192.0.2.7', type: EXCEEDED, code: 0, carries: known(), ttl: 1 }))],
    after: { servers: { a: { ...asked, icmp: 1 } }, ...counted, directors: { dns: { sessions: 1, position: 1, ttl: 1, icmp_translated: 1 } } },
  },
  {
    name: 'an error about a session that rests still speaks of its client and its server, and of nobody else',
    layout: two(),
    steps: [
      ask(A), later(31_000), ask(B), down(icmp({ src: ROUTER_BEHIND, dst: OWN, type: UNREACHABLE, code: TOO_BIG, rest: 1400, carries: seen() }), icmp({ src: ROUTER_BEHIND, dst: '192.0.2.7', type: UNREACHABLE, code: TOO_BIG, rest: 1400, carries: known(), ttl: 63 })),
      down(refusal(), 'drop'), blockedIs('a', true), blockedIs('b', false),
    ],
    after: { servers: { a: { packets_in: 1, bytes_in: 4, created: 1, unanswered: 1, refs: 1, port_next: 1, icmp: 1, icmp_errors: 1 }, b: asked }, directors: { dns: { sessions: 1, position: 2, icmp_translated: 1 } }, globals: { sessions: 1, records: 2, cursor: 2 } },
  },
  {
    name: 'evidence about one-way datagrams finds the server by its endpoint, and the error goes on to the kernel',
    layout: two({ kind: 'one_way' }),
    steps: [
      endpointOf('a', '10.0.0.11', Buffer.from([5300 >> 8, 5300 & 255]).readUInt16LE()), endpointOf('b', '10.0.0.12', 0),
      up(udp({ src: CLIENT, dst: VIP }), udp({ src: `${OWN}:40000`, dst: A, ttl: 63 })), down(icmp({ src: '10.0.0.11', dst: OWN, type: UNREACHABLE, code: PORT, carries: seen({ port: 40000 }) }), 'pass'), blockedIs('a', true),
      up(udp({ src: CLIENT, dst: VIP }), udp({ src: `${OWN}:40000`, dst: B, ttl: 63 })), up(udp({ src: CLIENT, dst: VIP }), udp({ src: `${OWN}:40000`, dst: B, ttl: 63 })),
      // Any port of b; a's other ports are not its service.
      down(icmp({ src: '10.0.0.12', dst: OWN, type: UNREACHABLE, code: PORT, carries: udp({ src: `${OWN}:40000`, dst: '10.0.0.12:99' }) }), 'pass'), blockedIs('b', true),
      down(icmp({ src: '10.0.0.11', dst: OWN, type: UNREACHABLE, code: PORT, carries: udp({ src: `${OWN}:40000`, dst: '10.0.0.11:99' }) }), 'pass'),
      // Nothing but unreachable is evidence.
      down(icmp({ src: '10.0.0.11', dst: OWN, type: EXCEEDED, code: 1, carries: seen({ port: 40000 }) }), 'pass'), down(icmp({ src: '10.0.0.11', dst: OWN, type: UNREACHABLE, code: TOO_BIG, carries: seen({ port: 40000 }) }), 'pass'),
    ],
    after: { servers: { a: { packets_in: 1, bytes_in: 4, icmp_errors: 1 }, b: { packets_in: 2, bytes_in: 8, icmp_errors: 1 } }, directors: { dns: { position: 4 } } },
  },
  {
    name: 'a refusal of this host\'s own datagram, a health check\'s, reaches the kernel, and is evidence',
    layout: one6(),
    steps: [
      endpointOf('a', '2001:db8:10::a', Buffer.from([5300 >> 8, 5300 & 255]).readUInt16LE()),
      down(icmp({ src: '2001:db8:10::a', dst: OWN6, type: 1, code: 4, carries: udp({ src: `[${OWN6}]:33333`, dst: A6 }) }), 'pass'), blockedIs('a', true),
    ],
    after: { servers: { a: { icmp_errors: 1 } } },
  },
  {
    name: 'errors that are not about us, or not what they say, pass as they came',
    layout: one(),
    steps: [
      ask(),
      ...[
        icmp({ src: '10.0.0.11', dst: OWN, type: UNREACHABLE, code: PORT, carries: seen({ port: 1025 }) }),
        // To somebody else than the carried datagram is from.
        icmp({ src: '10.0.0.11', dst: '10.0.0.2', type: UNREACHABLE, code: PORT, carries: seen() }),
        icmp({ src: '10.0.0.11', dst: OWN, type: 8, code: 0, carries: seen() }), icmp({ src: '10.0.0.11', dst: OWN, type: 0, code: 0, carries: seen() }), icmp({ src: '10.0.0.11', dst: OWN, type: 5, code: 1, carries: seen() }),
        icmp({ src: '10.0.0.11', dst: OWN, type: 4, code: 0, carries: seen() }), icmp({ src: '10.0.0.11', dst: OWN, type: 12, code: 0, carries: seen() }),
        icmp({ src: '10.0.0.11', dst: OWN, type: UNREACHABLE, code: PORT, carries: seen().subarray(0, 27) }), icmp({ src: '10.0.0.11', dst: OWN, type: UNREACHABLE, code: PORT, carries: Buffer.alloc(0) }),
        icmp({ src: '10.0.0.11', dst: OWN, type: UNREACHABLE, code: PORT, carries: changed(seen(), 9, 6) }), icmp({ src: '10.0.0.11', dst: OWN, type: UNREACHABLE, code: PORT, carries: changed(seen(), 0, 0x46) }),
        icmp({ src: '10.0.0.11', dst: OWN, type: UNREACHABLE, code: PORT, carries: changed(seen(), 0, 0x65) }), icmp({ src: '10.0.0.11', dst: OWN, type: UNREACHABLE, code: PORT, carries: changed(seen(), 7, 1) }),
        icmp({ src: '10.0.0.11', dst: '192.0.2.7', type: UNREACHABLE, code: PORT, carries: known() }),
        // A fragment of an error, an error with options, one whose length leaves its header out.
        fragments(refusal(), 5, 32)[0], optioned(refusal()), shortened(refusal(), 55),
      ].map((packet) => down(packet, 'pass')),
    ],
    after: { servers: { a: asked }, ...counted },
  },
  {
    name: 'IPv6 errors that are not about us pass as they came, neighbour discovery among them',
    layout: one6(),
    steps: [
      ask6,
      ...[
        icmp({ src: '2001:db8:10::a', dst: OWN6, type: 4, code: 0, carries: seen6() }), icmp({ src: '2001:db8:10::a', dst: OWN6, type: 0, code: 0, carries: seen6() }), icmp({ src: '2001:db8:10::a', dst: OWN6, type: 135, code: 0, carries: seen6() }),
        icmp({ src: '2001:db8:10::a', dst: OWN6, type: 136, code: 0, carries: Buffer.alloc(24) }), icmp({ src: '2001:db8:10::a', dst: '2001:db8:10::2', type: 1, code: 4, carries: seen6() }),
        icmp({ src: '2001:db8:10::a', dst: OWN6, type: 1, code: 4, carries: seen6().subarray(0, 47) }), icmp({ src: '2001:db8:10::a', dst: OWN6, type: 1, code: 4, carries: changed(seen6(), 6, 44) }),
        icmp({ src: '2001:db8:10::a', dst: OWN6, type: 1, code: 4, carries: changed(seen6(), 0, 0x45) }),
      ].map((packet) => down(packet, 'pass')),
    ],
    after: { servers: { a: asked }, ...counted },
  },
  {
    name: 'errors about request-reply sessions: evidence and translation from the servers\' side; from the clients\' side they pass, for no session is a client\'s alone',
    layout: one({}, { kind: 'request_reply' }),
    steps: [
      ask(), answer(), down(icmp({ src: ROUTER_BEHIND, dst: OWN, type: EXCEEDED, code: 0, carries: seen() }), icmp({ src: ROUTER_BEHIND, dst: '192.0.2.7', type: EXCEEDED, code: 0, carries: known(), ttl: 63 })),
      down(refusal(), 'drop'), up(icmp({ src: '192.0.2.7', dst: '198.51.100.1', type: UNREACHABLE, code: PORT, carries: answerSeen }), 'pass'), setServer('a', { blocked_until: 0 }),
    ],
    after: { servers: { a: { packets_in: 1, bytes_in: 4, packets_out: 1, bytes_out: 4, responses: 1, created: 1, live: 1, refs: 1, port_next: 1, icmp: 1, icmp_errors: 1 } }, ...translated(1) },
  },
];

function changed(packet: Buffer, at: number, value: number): Buffer {
  const copy = Buffer.from(packet);
  copy[at] = value;
  return copy;
}

function optioned(packet: Buffer): Buffer {
  const copy = Buffer.concat([packet.subarray(0, 20), Buffer.alloc(4, 1), packet.subarray(20)]);
  copy[0] = 0x46;
  copy.writeUInt16BE(copy.length, 2);
  return withHeaderSum(copy);
}

function shortened(packet: Buffer, length: number): Buffer {
  const copy = Buffer.from(packet);
  copy.writeUInt16BE(length, 2);
  return withHeaderSum(copy);
}
