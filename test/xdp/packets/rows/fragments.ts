/** Fragments: they follow their first one, under an identification of the balancer's; without it they are counted and left to the kernel. */
import { encapsulated, fragments, udp } from '../frame.ts';
import { act, down, later, up, type Act, type Row, type Ways } from '../row.ts';
import { macOf, swap16 } from '../layout.ts';
import { A, A6, B, CLIENT, CLIENT6, one, one6, OWN, OWN6, SESSION, two, VIP, VIP6 } from './names.ts';

const LONG = Buffer.alloc(3000, 'a long payload, ');
const SIZES = [1480, 1480] as const;

/** The counter of identifications starts here. */
const START = 0x1234;
const counterAt = (value: number): Act => act(`identifications from ${value}`, ({ bed }) => bed.globals.set(0, 'fragment_id', value));
/** Identifications are handed out as the counter lies in memory. */
const id4 = (n: number): number => swap16((START + n) & 0xffff);
const id6 = (n: number): number => Buffer.from(new Uint32Array([START + n]).buffer).readUInt32BE();

/** Each fragment of one datagram and what it becomes; `order`: which ones are sent, in which order. */
function pieces(step: typeof up, sent: readonly Buffer[], received: readonly (Buffer | 'pass' | 'drop')[], order: readonly number[] = sent.map((_, i) => i), ways: Ways = {}) {
  return order.map((i) => step(sent[i], received[i], ways));
}

const long = (src: string, dst: string, ttl?: number) => udp({ src, dst, payload: LONG, ...(ttl === undefined ? {} : { ttl }) });
const sentBy = (client: string, id: number) => fragments(long(client, VIP), id, ...SIZES);
const seenBy = (server: string, port: number, id: number) => fragments(long(`${OWN}:${port}`, server, 63), id, ...SIZES);

const counted = { directors: { dns: { sessions: 1, position: 1 } } };
const globals = { sessions: 1, records: 1, cursor: 1 };
const lost = (count: number) => ({ fragment: count });

export const fragmentRows: readonly Row[] = [
  {
    name: 'a datagram in three fragments, and an answer in three: one identification each way, checksum over the whole',
    layout: one(),
    steps: [
      counterAt(START), ...pieces(up, sentBy(CLIENT, 77), seenBy(A, 1024, id4(0))),
      ...pieces(down, fragments(long(A, `${OWN}:1024`), 78, ...SIZES), fragments(long(VIP, CLIENT, 63), id4(1), ...SIZES)),
    ],
    after: {
      servers: { a: { ...SESSION, packets_in: 1, bytes_in: 3000, packets_out: 1, bytes_out: 3000, responses: 1 } }, ...counted,
      of_none: { fragments: 4 }, globals: { ...globals, fragment_id: START + 2 }, entries: { fragments: 2 },
    },
  },
  {
    name: 'a tail of one byte, of either family, goes with the rest',
    layout: { directors: { ...one().directors, dns6: { vip: VIP6, servers: { a6: { at: A6 } } } } },
    steps: (() => {
      const payload = Buffer.alloc(1993, 'tail');
      return [
        counterAt(START), ...pieces(up, fragments(udp({ src: CLIENT, dst: VIP, payload }), 77, 1000, 1000), fragments(udp({ src: `${OWN}:1024`, dst: A, payload, ttl: 63 }), id4(0), 1000, 1000)),
        ...pieces(up, fragments(udp({ src: CLIENT6, dst: VIP6, payload }), 77, 1000, 1000), fragments(udp({ src: `[${OWN6}]:1024`, dst: A6, payload, ttl: 63 }), id6(1), 1000, 1000)),
      ];
    })(),
    after: {
      servers: { a: { ...SESSION, packets_in: 1, bytes_in: 1993 }, a6: { ...SESSION, packets_in: 1, bytes_in: 1993 } }, directors: { dns: { sessions: 1, position: 1 }, dns6: { sessions: 1, position: 1 } },
      of_none: { fragments: 4 }, globals: { sessions: 2, records: 2, cursor: 2, fragment_id: START + 2 }, entries: { fragments: 2 },
    },
  },
  {
    name: 'an answer beyond the amplification limit: what follows its first fragment is dropped with it, not left to the kernel, and is one drop',
    layout: one({ source: null }, { fields: { amplification: 2 } }),
    steps: [
      counterAt(START), up(udp({ src: CLIENT, dst: VIP, payload: Buffer.alloc(1400) }), udp({ src: CLIENT, dst: A, payload: Buffer.alloc(1400), ttl: 63 })),
      ...pieces(down, fragments(long(A, CLIENT), 78, ...SIZES), ['drop', 'drop', 'drop']),
    ],
    after: {
      servers: { a: { packets_in: 1, bytes_in: 1400, packets_out: 1, bytes_out: 3000, responses: 1, created: 1, active: 1, live: 1, refs: 1 } },
      directors: { dns: { sessions: 1, position: 1, amplification: 1 } }, globals: { ...globals, fragment_id: START + 1 }, entries: { fragments: 1 },
    },
  },
  {
    name: 'a request in fragments is worth what its first one holds, whatever length that claims: answers beyond it are dropped',
    layout: one({}, { fields: { amplification: 1 } }),
    steps: [
      counterAt(START), up(sentBy(CLIENT, 77)[0], seenBy(A, 1024, id4(0))[0]),
      down(udp({ src: A, dst: `${OWN}:1024`, payload: LONG.subarray(0, 1472) }), udp({ src: VIP, dst: CLIENT, payload: LONG.subarray(0, 1472), ttl: 63 })),
      down(udp({ src: A, dst: `${OWN}:1024`, payload: 'x' }), 'drop'),
    ],
    after: {
      servers: { a: { ...SESSION, packets_in: 1, bytes_in: 3000, packets_out: 2, bytes_out: 1473, responses: 1 } }, directors: { dns: { sessions: 1, position: 1, amplification: 1 } },
      globals: { ...globals, fragment_id: START + 1 }, entries: { fragments: 1 },
    },
  },
  {
    name: 'the last before the middle one',
    layout: one(),
    steps: [counterAt(START), ...pieces(up, sentBy(CLIENT, 77), seenBy(A, 1024, id4(0)), [0, 2, 1])],
    after: { servers: { a: { ...SESSION, packets_in: 1, bytes_in: 3000 } }, ...counted, of_none: { fragments: 2 }, globals: { ...globals, fragment_id: START + 1 }, entries: { fragments: 1 } },
  },
  {
    name: 'one that overtakes its first is counted as lost and left to the kernel; those after it go',
    layout: one(),
    steps: [counterAt(START), up(sentBy(CLIENT, 77)[1], 'pass'), up(sentBy(CLIENT, 77)[2], 'pass'), ...pieces(up, sentBy(CLIENT, 77), seenBy(A, 1024, id4(0)), [0, 2])],
    after: { servers: { a: { ...SESSION, packets_in: 1, bytes_in: 3000 } }, ...counted, of_none: { fragments: 1, ...lost(2) }, globals: { ...globals, fragment_id: START + 1 }, entries: { fragments: 1 } },
  },
  {
    name: 'two clients with one identification, interleaved: each to its own server, and told apart there',
    layout: two(),
    steps: (() => {
      const [mine, yours] = [sentBy(CLIENT, 77), sentBy('192.0.2.8:40000', 77)];
      const [a, b] = [seenBy(A, 1024, id4(0)), seenBy(B, 1024, id4(1))];
      return [counterAt(START), up(mine[0], a[0]), up(yours[0], b[0]), up(yours[1], b[1]), up(mine[1], a[1]), up(mine[2], a[2]), up(yours[2], b[2])];
    })(),
    after: {
      servers: { a: { ...SESSION, packets_in: 1, bytes_in: 3000 }, b: { ...SESSION, packets_in: 1, bytes_in: 3000 } }, directors: { dns: { sessions: 2, position: 2 } },
      of_none: { fragments: 4 }, globals: { sessions: 2, records: 2, cursor: 2, fragment_id: START + 2 }, entries: { fragments: 2 },
    },
  },
  {
    name: 'an identification that comes round again is a new datagram with a new identification',
    layout: one(),
    steps: [counterAt(START), ...pieces(up, sentBy(CLIENT, 77), seenBy(A, 1024, id4(0))), ...pieces(up, sentBy(CLIENT, 77), seenBy(A, 1024, id4(1)))],
    after: { servers: { a: { ...SESSION, packets_in: 2, bytes_in: 6000 } }, ...counted, of_none: { fragments: 4 }, globals: { ...globals, fragment_id: START + 2 }, entries: { fragments: 1 } },
  },
  {
    name: 'after half a minute the rest is another datagram\'s',
    layout: one(),
    steps: [counterAt(START), ...pieces(up, sentBy(CLIENT, 77), seenBy(A, 1024, id4(0)), [0]), later(29_000), ...pieces(up, sentBy(CLIENT, 77), seenBy(A, 1024, id4(0)), [1]), later(2_000), up(sentBy(CLIENT, 77)[2], 'pass')],
    after: { servers: { a: { ...SESSION, packets_in: 1, bytes_in: 3000 } }, ...counted, of_none: { fragments: 1, ...lost(1) }, globals: { ...globals, fragment_id: START + 1 }, entries: { fragments: 1 } },
  },
  {
    name: 'what a first fragment found 27 days ago is no way for one of today',
    layout: one(),
    steps: [counterAt(START), ...pieces(up, sentBy(CLIENT, 77), seenBy(A, 1024, id4(0)), [0]), later(27 * 86_400 * 954), up(sentBy(CLIENT, 77)[2], 'pass')],
    after: { servers: { a: { ...SESSION, packets_in: 1, bytes_in: 3000 } }, ...counted, of_none: lost(1), globals: { ...globals, fragment_id: START + 1 }, entries: { fragments: 1 } },
  },
  {
    name: 'later fragments of others: not to a VIP, or not UDP, they pass and nobody counts them',
    layout: one(),
    steps: [
      up(fragments(long(CLIENT, '198.51.100.9:53'), 77, ...SIZES)[1], 'pass'),
      up((() => {
        const packet = sentBy(CLIENT, 77)[1];
        packet[9] = 6;
        return packet;
      })(), 'pass'),
    ],
    after: {},
  },
  {
    name: 'a later fragment to a VIP with all its ports in one director is counted too',
    layout: { directors: { all: { vip: '198.51.100.1', servers: { a: { at: '10.0.0.11' } } } } },
    steps: [up(sentBy(CLIENT, 77)[1], 'pass')],
    after: { of_none: lost(1) },
  },
  {
    name: 'fragments on the wire without a checksum, or with one left to a device, keep it so: what is there is not all of it',
    layout: one(),
    steps: [
      counterAt(START),
      ...(['none', 'wrong'] as const).flatMap((check, i) => pieces(up, fragments(udp({ src: CLIENT, dst: VIP, payload: LONG, check }), 77, ...SIZES), fragments(udp({ src: `${OWN}:1024`, dst: A, payload: LONG, check, ttl: 63 }), id4(i), ...SIZES))),
    ],
    after: { servers: { a: { ...SESSION, packets_in: 2, bytes_in: 6000 } }, ...counted, of_none: { fragments: 4 }, globals: { ...globals, fragment_id: START + 2 }, entries: { fragments: 1 } },
  },
  {
    name: 'IPv6: the same, with 32 bits of identification',
    layout: one6(),
    steps: [
      counterAt(START),
      ...pieces(up, fragments(long(CLIENT6, VIP6), 0xdeadbeef, 1448, 1448), fragments(long(`[${OWN6}]:1024`, A6, 63), id6(0), 1448, 1448), [0, 2, 1]),
      ...pieces(down, fragments(long(A6, `[${OWN6}]:1024`), 5, 1448, 1448), fragments(long(VIP6, CLIENT6, 63), id6(1), 1448, 1448)),
      up(fragments(long(CLIENT6, VIP6), 0xdeadbee0, 1448, 1448)[1], 'pass'),
    ],
    after: {
      servers: { a: { ...SESSION, packets_in: 1, bytes_in: 3000, packets_out: 1, bytes_out: 3000, responses: 1 } }, ...counted,
      of_none: { fragments: 4, ...lost(1) }, globals: { ...globals, fragment_id: START + 2 }, entries: { fragments: 2 },
    },
  },
  {
    name: 'IPv6: a fragment header on a datagram that is whole stays, with an identification of ours',
    layout: one6(),
    steps: [counterAt(START), ...pieces(up, fragments(udp({ src: CLIENT6, dst: VIP6 }), 9), fragments(udp({ src: `[${OWN6}]:1024`, dst: A6, ttl: 63 }), id6(0)))],
    after: { servers: { a: { ...SESSION, packets_in: 1, bytes_in: 4 } }, ...counted, globals: { ...globals, fragment_id: START + 1 }, entries: { fragments: 1 } },
  },
  {
    name: 'gateway: every fragment to the same server, with its own identification',
    layout: one({}, { mode: 'gateway' }),
    steps: pieces(up, sentBy(CLIENT, 77), fragments(long(CLIENT, VIP, 63), 77, ...SIZES), [0, 2, 1], { gateway: macOf('10.0.0.11') }),
    after: { servers: { a: { packets_in: 1, bytes_in: 3000, created: 1, active: 1, live: 1, refs: 1 } }, ...counted, of_none: { fragments: 2 }, globals: { ...globals, fragment_id: 1 }, entries: { fragments: 1 } },
  },
  {
    name: 'tunnel: every fragment in an outer header of its own; those that no longer fit are dropped',
    layout: one({ encap: '10.0.0.3' }, { mode: 'tunnel' }),
    steps: [
      ...pieces(up, fragments(long(CLIENT, VIP), 77, 1456, 1456), fragments(long(CLIENT, VIP, 63), 77, 1456, 1456).map((piece) => encapsulated('10.0.0.3', '10.0.0.11', piece))),
      ...pieces(up, fragments(long(CLIENT, VIP), 78, 1456, 1480), [encapsulated('10.0.0.3', '10.0.0.11', fragments(long(CLIENT, VIP, 63), 78, 1456)[0]), 'drop'], [0, 1]),
    ],
    after: {
      servers: { a: { packets_in: 2, bytes_in: 6000, created: 1, active: 1, live: 1, refs: 1 } }, directors: { dns: { sessions: 1, position: 1, too_big: 1 } },
      of_none: { fragments: 3 }, globals: { ...globals, fragment_id: 2 }, entries: { fragments: 2 },
    },
  },
  {
    name: 'tunnel, IPv6',
    layout: one6({ encap: '2001:db8:10::3' }, { mode: 'tunnel' }),
    steps: pieces(up, fragments(long(CLIENT6, VIP6), 77, 1400, 1400), fragments(long(CLIENT6, VIP6, 63), 77, 1400, 1400).map((piece) => encapsulated('2001:db8:10::3', '2001:db8:10::a', piece))),
    after: { servers: { a: { packets_in: 1, bytes_in: 3000, created: 1, active: 1, live: 1, refs: 1 } }, ...counted, of_none: { fragments: 2 }, globals: { ...globals, fragment_id: 1 }, entries: { fragments: 1 } },
  },
  {
    name: 'a later fragment at its last hop, or longer than the way takes, is dropped and counted',
    layout: one({}, {}, { mtu: { servers: 1000 } }),
    steps: (() => {
      const sent = fragments(long(CLIENT, VIP), 77, 800, 984);
      const seen = fragments(long(`${OWN}:1024`, A, 63), id4(0), 800, 984);
      const last = fragments(long(CLIENT, VIP, 1), 77, 800, 984);
      return [counterAt(START), up(sent[0], seen[0]), up(sent[1], 'drop'), up(last[2], 'drop')];
    })(),
    after: { servers: { a: { ...SESSION, packets_in: 1, bytes_in: 3000 } }, directors: { dns: { sessions: 1, position: 1, too_big: 1, ttl: 1 } }, of_none: { fragments: 2 }, globals: { ...globals, fragment_id: START + 1 }, entries: { fragments: 1 } },
  },
  {
    name: 'one-way: later fragments follow their first although no session is left',
    layout: two({ kind: 'one_way' }),
    steps: [
      counterAt(START),
      ...pieces(up, sentBy(CLIENT, 77), fragments(long(`${OWN}:40000`, A, 63), id4(0), ...SIZES)), ...pieces(up, sentBy(CLIENT, 78), fragments(long(`${OWN}:40000`, B, 63), id4(1), ...SIZES)),
    ],
    after: { servers: { a: { packets_in: 1, bytes_in: 3000 }, b: { packets_in: 1, bytes_in: 3000 } }, directors: { dns: { position: 2 } }, of_none: { fragments: 4 }, globals: { fragment_id: START + 2 }, entries: { fragments: 2 } },
  },
];
