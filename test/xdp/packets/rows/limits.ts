/** What happens at each cap: the table, its growth, the index, ports, rates, and going on without a session where that works. */
import assert from 'node:assert/strict';
import { ENUMS } from '../../../../src/engine/xdp/abi/spec.ts';
import { hashFlow4 } from '../../../../src/balance/hash.ts';
import { tickNow } from '../bed.ts';
import { encapsulated, udp } from '../frame.ts';
import { macOf } from '../layout.ts';
import { act, down, later, sweeps, up, type Act, type Row } from '../row.ts';
import { A, A6, B, CLIENT, one, one6, OWN, two, VIP, VIP6 } from './names.ts';

const from = (client: number | string, port: number, server = A) =>
  up(udp({ src: typeof client === 'string' ? client : `192.0.2.${client}:1`, dst: VIP }), udp({ src: `${OWN}:${port}`, dst: server, ttl: 63 }));
/** A reply of so many bytes to a client's session. */
const answered = (server: string, port: number, client: number, bytes: number, out?: 'drop') =>
  down(udp({ src: server, dst: `${OWN}:${port}`, payload: Buffer.alloc(bytes) }), out ?? udp({ src: VIP, dst: `192.0.2.${client}:1`, payload: Buffer.alloc(bytes), ttl: 63 }));
const refused = (client: number | string) => up(udp({ src: typeof client === 'string' ? client : `192.0.2.${client}:1`, dst: VIP }), 'drop');

/** Sets states of records that nobody may have, so that the table is as full as a row wants it. */
const occupy = (first: number, count: number): Act => act(`records ${first} to ${first + count - 1} are somebody's`, ({ bed }) => {
  for (let record = first; record < first + count; record++) bed.sessions.set(record, 'state', ENUMS.session_state.indexOf('claimed'));
});
const global = (field: string, value: number): Act => act(`${field} is ${value}`, ({ bed }) => assert.equal(bed.globals.get(0, field), value));

/** How far the cursor goes where none of the records looked at is free: nine times 16 of them, and a jump of five eighths before each but the first. */
const lookedAt = (limit: number): number => 9 * 16 + 8 * (Math.floor(limit / 2) + Math.floor(limit / 8));

/** Over a limit the flow's hash says who takes it, as userspace has it: the weights are equal. */
const FLOW_GOES_TO_B = hashFlow4(0xc0000207, 40000) % 2 === 1;

const live = (count: number) => ({ packets_in: count, bytes_in: 4 * count, created: count, active: count, live: count, refs: count });

export const limitRows: readonly Row[] = [
  {
    name: 'table full: one more is dropped and counted, nobody is pushed out, and a record that is free is found by itself',
    layout: one({}, {}, { globals: { capacity: 4, limit: 4 } }),
    steps: [from(1, 1024), from(2, 1025), from(3, 1026), from(4, 1027), refused(5), from(1, 1024), down(udp({ src: A, dst: `${OWN}:1025` }), udp({ src: VIP, dst: '192.0.2.2:1', ttl: 63 })),
      // Idle ones are ended by whoever looks for a record, and freed by the next once they have rested.
      later(31_000), refused(5), later(21_000), from(5, 1028)],
    after: {
      servers: { a: { packets_in: 6, bytes_in: 24, packets_out: 1, bytes_out: 4, responses: 1, created: 5, unanswered: 3, active: 2, live: 2, refs: 4, port_next: 5 } },
      directors: { dns: { sessions: 2, position: 7, table_full: 2, packets: 2, bytes: 8 } }, globals: { sessions: 2, records: 4, cursor: 4 + lookedAt(4) + lookedAt(4) + 1 },
    },
  },
  {
    name: 'limit doubles when 16 records in a row are taken, and new ones come from the new half',
    layout: one({}, {}, { globals: { capacity: 64, limit: 16 } }),
    steps: [...Array.from({ length: 17 }, (_, i) => from(i + 1, 1024 + i)), global('limit', 32), ...Array.from({ length: 15 }, (_, i) => from(i + 18, 1041 + i)), global('limit', 32), from(100, 1056), global('limit', 64)],
    after: { servers: { a: { ...live(33), port_next: 33 } }, directors: { dns: { sessions: 33, position: 33 } }, globals: { sessions: 33, records: 33, cursor: 33, limit: 64 } },
  },
  {
    name: 'limit never exceeds the capacity: at the cap a new session looks at 16 records in each of nine places before it gives up',
    layout: one({}, {}, { globals: { capacity: 256, limit: 256 } }),
    steps: [occupy(0, 256), refused(1), global('cursor', lookedAt(256)), act('record 143 is free, the last that is looked at', ({ bed }) => {
      bed.globals.set(0, 'cursor', 0);
      bed.sessions.set(143, 'state', ENUMS.session_state.indexOf('free'));
    }), from(2, 1024), global('cursor', lookedAt(256))],
    after: { servers: { a: { ...live(1), port_next: 1 } }, directors: { dns: { sessions: 1, position: 2, table_full: 1, packets: 1, bytes: 4 } }, globals: { sessions: 1, records: 1, cursor: lookedAt(256) } },
  },
  {
    name: 'a stretch of sessions that last, just below seven eighths of the table, refuses nobody: wherever the cursor is, those after it are found',
    layout: one({ ports: [1024, 4000] }),
    steps: [
      occupy(0, 3500), ...[0, 100, 1000, 2000, 3000, 3400].flatMap((cursor, i) => [act(`cursor ${cursor}`, ({ bed }) => bed.globals.set(0, 'cursor', cursor)), from(i + 1, 1024 + i)]),
      act('cursor back', ({ bed }) => bed.globals.set(0, 'cursor', 0)),
    ],
    after: { servers: { a: { ...live(6), port_next: 6 } }, directors: { dns: { sessions: 6, position: 6 } }, globals: { sessions: 6, records: 6 } },
  },
  {
    name: 'index buckets full: dropped as table_full, nothing of the try is left',
    layout: one(),
    steps: [
      act('every slot but those of no bucket is somebody\'s', ({ bed }) => bed.indexWords.fill(0x7fff_ffff_ffff_fff0n)), refused(CLIENT),
      act('the index is free again', ({ bed }) => bed.indexWords.fill(0n)), from(CLIENT, 1026),
    ],
    // Two tries in turn, the others on from anywhere.
    after: { servers: { a: { ...live(1), port_next: 3 } }, directors: { dns: { sessions: 1, position: 2, no_port: 1, packets: 1, bytes: 4 } }, globals: { sessions: 1, records: 1, cursor: 2 } },
  },
  {
    name: 'one bucket for all: four sessions fill it, the fifth finds no place for its client and gives its port back',
    layout: one({}, {}, { globals: { bucket_mask: 0 } }),
    steps: [
      from(1, 1024), from(2, 1025), from(3, 1026), from(4, 1027), refused(5),
      ...[1, 2, 3, 4].map((client) => down(udp({ src: A, dst: `${OWN}:${1023 + client}` }), udp({ src: VIP, dst: `192.0.2.${client}:1`, ttl: 63 }))),
      // One slot free: the port takes it, and there is none for the client.
      act('one slot free', ({ bed }) => { bed.indexWords[0] = 0n; }), refused(6),
      act('it is free again', ({ bed }) => assert.equal(bed.indexWords[0], 0n)),
    ],
    after: {
      servers: { a: { ...live(4), packets_out: 4, bytes_out: 16, responses: 4, port_next: 7 } },
      directors: { dns: { sessions: 4, position: 6, no_port: 1, table_full: 1, packets: 2, bytes: 8 } }, globals: { sessions: 4, records: 4, cursor: 6 },
    },
  },
  {
    name: 'ports exhausted: 16 are tried, then it is dropped and counted; another server still has its own',
    layout: two({}, { ports: [5000, 5001] }),
    steps: [from(1, 5000), from(2, 1024, B), from(3, 5001), from(4, 1025, B), refused(5), from(6, 1026, B)],
    after: {
      servers: { a: { ...live(2), port_next: 18 }, b: { ...live(3), port_next: 3 } },
      directors: { dns: { sessions: 5, position: 6, no_port: 1, packets: 1, bytes: 4 } }, globals: { sessions: 5, records: 5, cursor: 6 },
    },
  },
  {
    name: 'the rotor finds the one port that is free among those it tries',
    layout: one({ ports: [5000, 5015] }),
    steps: [...Array.from({ length: 16 }, (_, i) => from(i + 1, 5000 + i)), refused(20), later(31_000), sweeps({ done: 16 }), later(21_000), sweeps({ freed: 16 }), from(21, 5000)],
    after: {
      servers: { a: { packets_in: 17, bytes_in: 68, created: 17, unanswered: 16, active: 1, live: 1, refs: 1, port_next: 33 } },
      directors: { dns: { sessions: 1, position: 18, no_port: 1, packets: 1, bytes: 4 } }, globals: { sessions: 1, records: 1, cursor: 18 },
    },
  },
  {
    name: 'without source NAT a client that comes back after its session ended has its own port again',
    layout: one({ source: null }),
    steps: [up(udp({ src: CLIENT, dst: VIP }), udp({ src: CLIENT, dst: A, ttl: 63 })), later(31_000), up(udp({ src: CLIENT, dst: VIP }), udp({ src: CLIENT, dst: A, ttl: 63 })), down(udp({ src: A, dst: CLIENT }), udp({ src: VIP, dst: CLIENT, ttl: 63 }))],
    after: {
      servers: { a: { packets_in: 2, bytes_in: 8, packets_out: 1, bytes_out: 4, responses: 1, created: 2, unanswered: 1, active: 1, live: 1, refs: 1 } },
      directors: { dns: { sessions: 1, position: 2 } }, globals: { sessions: 1, records: 1, cursor: 2 },
    },
  },
  {
    name: 'without source NAT, IPv6: the same, and not for another VIP of the same client',
    layout: one6({ source: null, ports: [3000, 3999] }, { vip: [VIP6, '[2001:db8:51::2]:53'] }),
    steps: [
      up(udp({ src: '[2001:db8:2::7]:9', dst: VIP6 }), udp({ src: '[2001:db8:2::7]:9', dst: A6, ttl: 63 })), later(31_000), sweeps({ done: 1 }),
      // A late reply would reach that client from the wrong VIP.
      up(udp({ src: '[2001:db8:2::7]:9', dst: '[2001:db8:51::2]:53' }), udp({ src: '[2001:db8:2::7]:3000', dst: A6, ttl: 63 })),
      up(udp({ src: '[2001:db8:2::7]:9', dst: VIP6 }), udp({ src: '[2001:db8:2::7]:9', dst: A6, ttl: 63 })),
    ],
    after: {
      servers: { a: { packets_in: 3, bytes_in: 12, created: 3, unanswered: 1, active: 2, live: 2, refs: 2, port_next: 1 } },
      directors: { dns: { sessions: 2, position: 3 } }, globals: { sessions: 2, records: 2, cursor: 3 },
    },
  },
  {
    name: 'without source NAT a port that another client rests on is not taken over',
    layout: one({ source: null, ports: [40000, 40000] }, { vip: [VIP, '198.51.100.2:53'] }),
    steps: [
      // The first has its own port, 39999; the second session of that client port gets 40000, which is another client port of the same host.
      up(udp({ src: '192.0.2.7:39999', dst: VIP }), udp({ src: '192.0.2.7:39999', dst: A, ttl: 63 })),
      up(udp({ src: '192.0.2.7:39999', dst: '198.51.100.2:53' }), udp({ src: '192.0.2.7:40000', dst: A, ttl: 63 })), later(31_000), sweeps({ done: 2 }),
      up(udp({ src: CLIENT, dst: VIP }), 'drop'),
    ],
    after: {
      servers: { a: { packets_in: 2, bytes_in: 8, created: 2, unanswered: 2, refs: 2, port_next: 16 } },
      directors: { dns: { position: 3, no_port: 1, packets: 1, bytes: 4 } }, globals: { records: 2, cursor: 3 },
    },
  },
  {
    name: 'a source\'s rate: so many new sessions a second of one address, others are not held to it; live sessions go on',
    layout: one({}, { fields: { source_rate: 2 } }),
    steps: [withinASecond(), from('192.0.2.7:1', 1024), from('192.0.2.7:2', 1025), refused('192.0.2.7:3'), from('192.0.2.8:1', 1026), from('192.0.2.7:1', 1024), secondsLater(), from('192.0.2.7:3', 1027)],
    after: {
      servers: { a: { packets_in: 5, bytes_in: 20, created: 4, active: 4, live: 4, refs: 4, port_next: 4 } },
      directors: { dns: { sessions: 4, position: 5, rate_limit: 1, limited: 1, packets: 1, bytes: 4 } }, globals: { sessions: 4, records: 4, cursor: 4 }, entries: { sources: 2 },
    },
  },
  {
    name: 'a source\'s rate, IPv6: a /64 is one source',
    layout: one6({}, { fields: { source_rate: 3 } }),
    steps: [withinASecond(), ...([['2001:db8:2::7', 1024], ['2001:db8:2::8', 1025], ['2001:db8:2:0:ffff::1', 1026], ['2001:db8:2::9', null], ['2001:db8:2:1::7', 1027]] as const).map(([client, port]) =>
      up(udp({ src: `[${client}]:5`, dst: VIP6 }), port === null ? 'drop' : udp({ src: `[2001:db8:10::1]:${port}`, dst: A6, ttl: 63 })))],
    after: {
      servers: { a: { ...live(4), port_next: 4 } },
      directors: { dns: { sessions: 4, position: 5, rate_limit: 1, limited: 1, packets: 1, bytes: 4 } }, globals: { sessions: 4, records: 4, cursor: 4 }, entries: { sources: 2 },
    },
  },
  {
    name: 'a director\'s rate: in nat mode what is over it is dropped; live sessions go on',
    layout: one({}, { fields: { rate: 2 } }),
    steps: [withinASecond(), from(1, 1024), from(2, 1025), refused(3), from(1, 1024), secondsLater(), from(3, 1026)],
    after: {
      servers: { a: { packets_in: 4, bytes_in: 16, created: 3, active: 3, live: 3, refs: 3, port_next: 3 } },
      directors: { dns: { sessions: 3, position: 4, rate_count: 1, rate_limit: 1, limited: 1, packets: 1, bytes: 4 } }, globals: { sessions: 3, records: 3, cursor: 3 },
    },
  },
  {
    name: 'gateway with a full table: forwarded without a session, one flow always to one server',
    layout: { ...two({ mode: 'gateway' }), globals: { capacity: 16, limit: 16 } },
    steps: [
      occupy(0, 16),
      ...Array.from({ length: 6 }, () => up(udp({ src: CLIENT, dst: VIP }), udp({ src: CLIENT, dst: VIP, ttl: 63 }), { gateway: FLOW_GOES_TO_B ? macOf('10.0.0.12') : macOf('10.0.0.11') })),
    ],
    after: { servers: { [FLOW_GOES_TO_B ? 'b' : 'a']: { packets_in: 6, bytes_in: 24 } }, directors: { dns: { position: 6, stateless: 6 } }, globals: { cursor: 6 * lookedAt(16) } },
  },
  {
    name: 'tunnel over a rate: forwarded without a session',
    layout: one({ encap: OWN }, { mode: 'tunnel', fields: { rate: 1 } }),
    steps: [withinASecond(), ...[1, 2].map((n) => up(udp({ src: `192.0.2.${n}:1`, dst: VIP }), encapsulated(OWN, '10.0.0.11', udp({ src: `192.0.2.${n}:1`, dst: VIP, ttl: 63 }))))],
    after: { servers: { a: { packets_in: 2, bytes_in: 8, created: 1, active: 1, live: 1, refs: 1 } }, directors: { dns: { sessions: 1, position: 2, rate_count: 2, limited: 1, stateless: 1 } }, globals: { sessions: 1, records: 1, cursor: 1 } },
  },
  {
    name: 'one director\'s rate is not another\'s, and one source that may not make more takes nothing of the rate of all',
    layout: {
      directors: {
        dns: { vip: VIP, servers: { a: { at: A } }, fields: { rate: 2, source_rate: 1 } },
        sip: { vip: '198.51.100.1:5060', servers: { b: { at: B } } },
      },
    },
    steps: [
      withinASecond(), from('192.0.2.7:1', 1024), refused('192.0.2.7:2'), refused('192.0.2.7:3'), from('192.0.2.8:1', 1025), refused('192.0.2.9:1'),
      ...[1, 2, 3].map((port) => up(udp({ src: `192.0.2.7:${port}`, dst: '198.51.100.1:5060' }), udp({ src: `${OWN}:${1023 + port}`, dst: B, ttl: 63 }))),
    ],
    after: {
      servers: { a: { ...live(2), port_next: 2 }, b: { ...live(3), port_next: 3 } },
      directors: { dns: { sessions: 2, position: 5, rate_count: 3, rate_limit: 3, limited: 3, packets: 3, bytes: 12 }, sip: { sessions: 3, position: 3 } },
      globals: { sessions: 5, records: 5, cursor: 5 }, entries: { sources: 3 },
    },
  },
  {
    name: 'gateway with a full table and maglev: whoever has no session goes where maglev has its flow, as before',
    layout: {
      directors: { dns: { vip: VIP, mode: 'gateway', algorithm: 'flow', servers: { a: { at: '10.0.0.11' }, b: { at: '10.0.0.12' } }, table: ['a', 'a', 'a', 'a'] } },
      globals: { capacity: 16, limit: 16 },
    },
    steps: [
      occupy(0, 16),
      // By the weights alone half of them would go to b.
      ...[1, 2, 3, 4, 5, 6].map((n) => up(udp({ src: `192.0.2.${n}:1`, dst: VIP }), udp({ src: `192.0.2.${n}:1`, dst: VIP, ttl: 63 }), { gateway: macOf('10.0.0.11') })),
    ],
    after: { servers: { a: { packets_in: 6, bytes_in: 24 } }, directors: { dns: { stateless: 6 } }, globals: { cursor: 6 * lookedAt(16) } },
  },
  {
    name: 'amplification: a session carries three times its client\'s bytes and not one more, more when its client sends more; another director is not held to it',
    layout: {
      directors: {
        dns: { vip: VIP, servers: { a: { at: A } }, fields: { amplification: 3 } },
        sip: { vip: '198.51.100.1:5060', servers: { b: { at: B } } },
      },
    },
    steps: [
      from(7, 1024), answered(A, 1024, 7, 12), answered(A, 1024, 7, 1, 'drop'), answered(A, 1024, 7, 0), from(7, 1024), answered(A, 1024, 7, 13, 'drop'), answered(A, 1024, 7, 12),
      up(udp({ src: '192.0.2.7:1', dst: '198.51.100.1:5060' }), udp({ src: `${OWN}:1024`, dst: B, ttl: 63 })),
      down(udp({ src: B, dst: `${OWN}:1024`, payload: Buffer.alloc(1400) }), udp({ src: '198.51.100.1:5060', dst: '192.0.2.7:1', payload: Buffer.alloc(1400), ttl: 63 })),
    ],
    after: {
      servers: { a: { ...live(1), packets_in: 2, bytes_in: 8, packets_out: 5, bytes_out: 38, responses: 2, port_next: 1 }, b: { ...live(1), packets_out: 1, bytes_out: 1400, responses: 1, port_next: 1 } },
      directors: { dns: { sessions: 1, position: 1, amplification: 2 }, sip: { sessions: 1, position: 1 } }, globals: { sessions: 2, records: 2, cursor: 2 },
    },
  },
  {
    name: 'amplification: a reply that is dropped answers for its server, and does not keep the session',
    layout: {
      directors: {
        dns: { vip: VIP, servers: { a: { at: A } }, fields: { amplification: 1 } },
        ntp: { vip: '198.51.100.2:123', kind: 'request_reply', servers: { b: { at: B } }, fields: { amplification: 1 } },
      },
    },
    steps: [
      from(7, 1024), answered(A, 1024, 7, 5, 'drop'),
      up(udp({ src: '192.0.2.7:1', dst: '198.51.100.2:123' }), udp({ src: `${OWN}:1024`, dst: B, ttl: 63 })), down(udp({ src: B, dst: `${OWN}:1024`, payload: Buffer.alloc(5) }), 'drop'),
      // 30 s without a reply, a second after the last answer of a request.
      later(31_000), sweeps({ done: 2 }),
    ],
    after: {
      servers: { a: { packets_in: 1, bytes_in: 4, packets_out: 1, bytes_out: 5, responses: 1, created: 1, unanswered: 1, refs: 1, port_next: 1 }, b: { packets_in: 1, bytes_in: 4, packets_out: 1, bytes_out: 5, responses: 1, created: 1, unanswered: 1, refs: 1, port_next: 1 } },
      directors: { dns: { position: 1, amplification: 1 }, ntp: { position: 1, amplification: 1 } }, globals: { records: 2, cursor: 2 },
    },
  },
  {
    name: 'session max holds in gateway mode too: no way round it without a session',
    layout: one({}, { mode: 'gateway', fields: { max: 1 } }),
    steps: [up(udp({ src: CLIENT, dst: VIP }), udp({ src: CLIENT, dst: VIP, ttl: 63 }), { gateway: '02:00:0a:00:00:0b' }), up(udp({ src: '192.0.2.8:1', dst: VIP }), 'drop')],
    after: { servers: { a: { packets_in: 1, bytes_in: 4, created: 1, active: 1, live: 1, refs: 1 } }, directors: { dns: { sessions: 1, position: 2, session_max: 1, packets: 1, bytes: 4 } }, globals: { sessions: 1, records: 1, cursor: 1 } },
  },
];

/** Rates count in whole seconds of a clock that nobody can set: waits, a second at most, until enough of one is left. */
function withinASecond(): Act {
  return act('early in a second', () => {
    while (tickNow() % TICKS_A_SECOND > TICKS_A_SECOND / 3);
  });
}
const TICKS_A_SECOND = 954;

/** The seconds that rates count in are over: what was counted was counted in another one. */
function secondsLater(): Act {
  return act('a second later', ({ bed }) => {
    for (let slot = 0; slot < bed.directors.count; slot++) bed.directors.set(slot, 'rate_second', 0);
    const sources = bed.map('sources');
    for (const key of bed.keys('sources')) {
      const value = sources.lookup(key);
      value?.writeUInt32LE(0, 0);
      if (value !== null) sources.update(key, value);
    }
  });
}
