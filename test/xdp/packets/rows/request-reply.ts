/** Request-reply sessions and one-way datagrams: scheduled one by one; what is awaited is what leastconn counts. */
import assert from 'node:assert/strict';
import { udp } from '../frame.ts';
import type { DirectorPlan } from '../layout.ts';
import { act, down, later, setServer, sweeps, up, type Act, type Row } from '../row.ts';
import { A, B, CLIENT, one, OWN, two, VIP } from './names.ts';

const RR: Partial<DirectorPlan> = { kind: 'request_reply' };
const MACHINES: Readonly<Record<string, string>> = { a: A, b: B };
const ask = (server: string, port = 1024) => up(udp({ src: CLIENT, dst: VIP }), udp({ src: `${OWN}:${port}`, dst: MACHINES[server], ttl: 63 }));
const answer = (server: string, port = 1024) => down(udp({ src: MACHINES[server], dst: `${OWN}:${port}` }), udp({ src: VIP, dst: CLIENT, ttl: 63 }));

const active = (name: string, count: number): Act => act(`${name} counts ${count}`, ({ bed, server }) => assert.equal(bed.servers.get(server(name), 'active'), count));

export const requestReplyRows: readonly Row[] = [
  {
    name: 'request-reply: each request is scheduled by itself, and each answer finds the client',
    layout: two(RR),
    steps: [ask('a'), ask('b'), answer('b'), answer('a'), ask('a'), ask('b'), answer('a'), answer('b')],
    after: {
      servers: {
        a: { packets_in: 2, bytes_in: 8, packets_out: 2, bytes_out: 8, responses: 2, created: 1, live: 1, refs: 1, port_next: 1 },
        b: { packets_in: 2, bytes_in: 8, packets_out: 2, bytes_out: 8, responses: 2, created: 1, live: 1, refs: 1, port_next: 1 },
      },
      directors: { dns: { sessions: 2, position: 4 } }, globals: { sessions: 2, records: 2, cursor: 2 },
    },
  },
  {
    name: 'request-reply under leastconn: the server with fewer outstanding requests takes the next',
    layout: two({ ...RR, algorithm: 'least' }),
    steps: [ask('a'), active('a', 1), ask('b'), active('b', 1), answer('b'), active('b', 0), ask('b'), answer('b'), ask('b'), ask('b'), active('a', 1), active('b', 2), ask('a'), answer('a'), answer('a'), active('a', 0), ask('a')],
    after: {
      servers: {
        a: { packets_in: 3, bytes_in: 12, packets_out: 2, bytes_out: 8, responses: 1, created: 1, active: 1, live: 1, refs: 1, port_next: 1 },
        b: { packets_in: 4, bytes_in: 16, packets_out: 2, bytes_out: 8, responses: 2, created: 1, active: 2, live: 1, refs: 1, port_next: 1 },
      },
      // Equals took turns at the first request, and at the one where each had one outstanding.
      directors: { dns: { sessions: 2, position: 2 } }, globals: { sessions: 2, records: 2, cursor: 2 },
    },
  },
  {
    name: 'three replies a request: three are awaited, a fourth is delivered and counts for nothing',
    layout: one({}, { ...RR, fields: { replies: 3 } }),
    steps: [ask('a'), active('a', 3), answer('a'), answer('a'), active('a', 1), answer('a'), active('a', 0), answer('a'), active('a', 0)],
    after: {
      servers: { a: { packets_in: 1, bytes_in: 4, packets_out: 4, bytes_out: 16, responses: 1, created: 1, live: 1, refs: 1, port_next: 1 } },
      directors: { dns: { sessions: 1, position: 1 } }, globals: { sessions: 1, records: 1, cursor: 1 },
    },
  },
  {
    name: 'answered in full, a session stays for a moment, is found again meanwhile, and its port then rests briefly',
    layout: one({}, RR),
    steps: [
      ask('a'), answer('a'), later(5_000), ask('a'), answer('a'), later(7_000),
      // Idle: ended by the request that finds it so.
      ask('a', 1025), later(1_000), down(udp({ src: A, dst: `${OWN}:1024` }), 'drop'), sweeps({ live: 1 }), later(4_000), sweeps({ live: 1, freed: 1 }),
    ],
    after: {
      servers: { a: { packets_in: 3, bytes_in: 12, packets_out: 2, bytes_out: 8, responses: 2, created: 2, active: 1, live: 1, refs: 1, port_next: 2 } },
      directors: { dns: { sessions: 1, position: 3 } }, of_none: { unexpected_reply: 1 }, globals: { sessions: 1, records: 1, cursor: 2 },
    },
  },
  {
    name: 'a request that nobody answers is given up after two epochs and no longer counts, even while its client goes on',
    layout: one({}, RR),
    steps: [
      ask('a'), later(20_000), ask('a'), active('a', 2), later(11_000), sweeps({ live: 1 }), active('a', 2), ask('a'), active('a', 3), later(29_000), ask('a'), later(2_000),
      // The second epoch is over: what was awaited before the first one ended is lost.
      sweeps({ live: 1 }), active('a', 2), answer('a'), active('a', 1), answer('a'), active('a', 0), answer('a'), active('a', 0),
    ],
    after: {
      servers: { a: { packets_in: 4, bytes_in: 16, packets_out: 3, bytes_out: 12, responses: 1, created: 1, unanswered: 2, live: 1, refs: 1, port_next: 1 } },
      directors: { dns: { sessions: 1, position: 4 } }, globals: { sessions: 1, records: 1, cursor: 1 },
    },
  },
  {
    name: 'an unanswered session ends with its requests counted, and leastconn forgets them',
    layout: one({}, RR),
    steps: [ask('a'), ask('a'), answer('a'), ask('a'), active('a', 2), later(31_000), sweeps({ done: 1 }), active('a', 0), down(udp({ src: A, dst: `${OWN}:1024` }), 'drop'), later(19_000), sweeps({}), later(2_000), sweeps({ freed: 1 })],
    after: {
      servers: { a: { packets_in: 3, bytes_in: 12, packets_out: 1, bytes_out: 4, responses: 1, created: 1, unanswered: 2, port_next: 1 } },
      directors: { dns: { position: 3 } }, of_none: { unexpected_reply: 1 }, globals: { cursor: 1 },
    },
  },
  {
    name: 'a draining server gets no more requests; what it still answers arrives',
    layout: two(RR),
    steps: [
      ask('a'), setServer('a', { policy: 1, weight: 0 }),
      act('a leaves the pool', ({ bed, director, server }) => {
        const pool = bed.directors.get(director('dns'), 'pool');
        bed.poolHeads.set(pool, 'table_length', 0);
        bed.poolHeads.set(pool, 'algorithm', 4);
        bed.pools.setUint16(pool * 1040 + 16, server('b'), true);
        bed.poolHeads.set(pool, 'count', 1);
      }),
      ask('b'), ask('b'), answer('a'),
    ],
    after: {
      servers: {
        a: { packets_in: 1, bytes_in: 4, packets_out: 1, bytes_out: 4, responses: 1, created: 1, live: 1, refs: 1, port_next: 1 },
        b: { packets_in: 2, bytes_in: 8, created: 1, active: 2, live: 1, refs: 1, port_next: 1 },
      },
      directors: { dns: { sessions: 2, position: 1 } }, globals: { sessions: 2, records: 2, cursor: 2 },
    },
  },
  {
    name: 'one-way: each datagram by itself, from the client\'s port, and no session is left',
    layout: two({ kind: 'one_way' }),
    steps: [
      up(udp({ src: CLIENT, dst: VIP }), udp({ src: `${OWN}:40000`, dst: A, ttl: 63 })), up(udp({ src: CLIENT, dst: VIP }), udp({ src: `${OWN}:40000`, dst: B, ttl: 63 })),
      up(udp({ src: CLIENT, dst: VIP }), udp({ src: `${OWN}:40000`, dst: A, ttl: 63 })),
      down(udp({ src: A, dst: `${OWN}:40000` }), 'pass'),
    ],
    after: { servers: { a: { packets_in: 2, bytes_in: 8 }, b: { packets_in: 1, bytes_in: 4 } }, directors: { dns: { position: 3 } } },
  },
  {
    name: 'one-way without source NAT: the server sees the client itself',
    layout: one({ source: null }, { kind: 'one_way' }),
    steps: [up(udp({ src: CLIENT, dst: VIP, payload: 'log' }), udp({ src: CLIENT, dst: A, payload: 'log', ttl: 63 }))],
    after: { servers: { a: { packets_in: 1, bytes_in: 3 } }, directors: { dns: { position: 1 } } },
  },
];
