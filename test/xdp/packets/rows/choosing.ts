/** Who takes a new session when it is not only the algorithm that says so: persistence, max, sorry, evidence, nobody. */
import { udp } from '../frame.ts';
import type { DirectorPlan } from '../layout.ts';
import { act, blocked, later, setServer, sweeps, up, type Row } from '../row.ts';
import { A, A6, B, CLIENT, OWN, SESSION, two, VIP, VIP6 } from './names.ts';

const MACHINES: Readonly<Record<string, string>> = { a: A, b: B, s: '10.0.0.19:5300' };
const from = (client: string, server: string, port = 1024) => up(udp({ src: client, dst: VIP }), udp({ src: `${OWN}:${port}`, dst: MACHINES[server], ttl: 63 }));
const refused = (client: string) => up(udp({ src: client, dst: VIP }), 'drop');

const sticky = (fields: Readonly<Record<string, number>>): Partial<DirectorPlan> => ({ fields: { persistence_ticks: 300_000, ...fields } });

export const choosingRows: readonly Row[] = [
  {
    name: 'persistence: another port of the same address goes to the same server, another address takes the turn',
    layout: two(sticky({})),
    steps: [from('192.0.2.7:1', 'a'), from('192.0.2.7:2', 'a', 1025), from('192.0.2.8:1', 'b'), from('192.0.2.7:3', 'a', 1026), from('192.0.2.8:2', 'b', 1025)],
    after: {
      servers: { a: { ...SESSION, packets_in: 3, bytes_in: 12, created: 3, active: 3, live: 3, refs: 3, port_next: 3 }, b: { ...SESSION, packets_in: 2, bytes_in: 8, created: 2, active: 2, live: 2, refs: 2, port_next: 2 } },
      directors: { dns: { sessions: 5, position: 2 } }, globals: { sessions: 5, records: 5, cursor: 5 }, entries: { persists: 2 },
    },
  },
  {
    name: 'persistence by a /25: the network\'s halves are two',
    layout: two(sticky({ prefix4: 25 })),
    steps: [from('192.0.2.7:1', 'a'), from('192.0.2.127:1', 'a', 1025), from('192.0.2.128:1', 'b'), from('192.0.2.255:1', 'b', 1025)],
    after: {
      servers: { a: { packets_in: 2, bytes_in: 8, created: 2, active: 2, live: 2, refs: 2, port_next: 2 }, b: { packets_in: 2, bytes_in: 8, created: 2, active: 2, live: 2, refs: 2, port_next: 2 } },
      directors: { dns: { sessions: 4, position: 2 } }, globals: { sessions: 4, records: 4, cursor: 4 }, entries: { persists: 2 },
    },
  },
  {
    name: 'persistence by a /0: the whole world is one client',
    layout: two(sticky({ prefix4: 0 })),
    steps: [from('192.0.2.7:1', 'a'), from('203.0.113.1:1', 'a', 1025)],
    after: {
      servers: { a: { packets_in: 2, bytes_in: 8, created: 2, active: 2, live: 2, refs: 2, port_next: 2 } },
      directors: { dns: { sessions: 2, position: 1 } }, globals: { sessions: 2, records: 2, cursor: 2 }, entries: { persists: 1 },
    },
  },
  {
    name: 'persistence of IPv6 by a /56: across a word, and not one bit further',
    layout: { directors: { dns: { vip: VIP6, servers: { a: { at: A6 }, b: { at: '[2001:db8:10::b]:5300' } }, ...sticky({ prefix6: 56 }) } } },
    steps: ([['[2001:db8:2:ab01::7]:1', A6, 1024], ['[2001:db8:2:abff:1::]:1', A6, 1025], ['[2001:db8:2:ac00::7]:1', '[2001:db8:10::b]:5300', 1024], ['[2001:db8:2:aa00::7]:1', A6, 1026]] as const).map(([client, server, port]) =>
      up(udp({ src: client, dst: VIP6 }), udp({ src: `[2001:db8:10::1]:${port}`, dst: server, ttl: 63 }))),
    after: {
      servers: { a: { packets_in: 3, bytes_in: 12, created: 3, active: 3, live: 3, refs: 3, port_next: 3 }, b: { packets_in: 1, bytes_in: 4, ...SESSION } },
      directors: { dns: { sessions: 4, position: 3 } }, globals: { sessions: 4, records: 4, cursor: 4 }, entries: { persists: 3 },
    },
  },
  {
    name: 'persistence runs from the last datagram of the client, which the sweep notes, and ends',
    layout: two({ fields: { persistence_ticks: 50_000 } }),
    steps: [
      from('192.0.2.7:1', 'a'), later(25_000), from('192.0.2.7:1', 'a'), sweeps({ live: 1 }), later(35_000), sweeps({ done: 1 }),
      // 35 s after its last datagram the session is idle, the client still a's; 51 s after it, it is not.
      from('192.0.2.7:2', 'a', 1025), later(51_000), from('192.0.2.7:3', 'b'),
    ],
    after: {
      servers: { a: { packets_in: 3, bytes_in: 12, created: 2, unanswered: 1, active: 1, live: 1, refs: 2, port_next: 2 }, b: { ...SESSION, packets_in: 1, bytes_in: 4 } },
      directors: { dns: { sessions: 2, position: 2 } }, globals: { sessions: 2, records: 3, cursor: 3 }, entries: { persists: 1 },
    },
  },
  {
    name: 'persistence does not hold to a server that is blocked, drained or without weight',
    layout: two(sticky({})),
    steps: [
      from('192.0.2.7:1', 'a'), setServer('a', { policy: 1 }), from('192.0.2.7:2', 'b'),
      setServer('a', { policy: 0 }), from('192.0.2.7:3', 'b', 1025),
      from('192.0.2.8:1', 'a', 1025), setServer('a', { weight: 0 }), from('192.0.2.8:2', 'b', 1026),
      from('192.0.2.9:1', 'a', 1026), setServer('a', { weight: 1 }), blocked('a'), from('192.0.2.9:2', 'b', 1027),
    ],
    after: {
      servers: { a: { packets_in: 3, bytes_in: 12, created: 3, active: 3, live: 3, refs: 3, port_next: 3 }, b: { packets_in: 4, bytes_in: 16, created: 4, active: 4, live: 4, refs: 4, port_next: 4 } },
      directors: { dns: { sessions: 7, position: 6 } }, globals: { sessions: 7, records: 7, cursor: 7 }, entries: { persists: 3 },
    },
  },
  {
    name: 'what the sweep notes for persistence is not where the client no longer goes',
    layout: two(sticky({})),
    steps: [
      from('192.0.2.9:1', 'a'), from('192.0.2.7:1', 'b'), setServer('b', { policy: 1 }), from('192.0.2.7:2', 'a', 1025), setServer('b', { policy: 0 }), setServer('a', { policy: 1 }),
      from('192.0.2.7:3', 'b', 1025),
      // The record looked at last is the client's session on a, which goes on there and says nothing of new ones.
      sweeps({ live: 3 }, 3), from('192.0.2.7:4', 'b', 1026),
    ],
    after: {
      servers: { a: { packets_in: 2, bytes_in: 8, created: 2, active: 2, live: 2, refs: 2, port_next: 2 }, b: { packets_in: 3, bytes_in: 12, created: 3, active: 3, live: 3, refs: 3, port_next: 3 } },
      directors: { dns: { sessions: 5, position: 4 } }, globals: { sessions: 5, records: 5, cursor: 5 }, entries: { persists: 2 },
    },
  },
  {
    name: 'two directors keep their clients apart',
    layout: { directors: { dns: { vip: VIP, servers: { a: { at: A }, b: { at: B } }, ...sticky({}) }, alt: { vip: '198.51.100.2:53', servers: { x: { at: '10.0.0.21:5300' }, y: { at: '10.0.0.22:5300' } }, ...sticky({}) } } },
    steps: [
      from('192.0.2.8:1', 'a'), from('192.0.2.7:1', 'b'), up(udp({ src: '192.0.2.7:1', dst: '198.51.100.2:53' }), udp({ src: `${OWN}:1024`, dst: '10.0.0.21:5300', ttl: 63 })), from('192.0.2.7:2', 'b', 1025),
    ],
    after: {
      servers: { a: { ...SESSION, packets_in: 1, bytes_in: 4 }, b: { packets_in: 2, bytes_in: 8, created: 2, active: 2, live: 2, refs: 2, port_next: 2 }, x: { ...SESSION, packets_in: 1, bytes_in: 4 } },
      directors: { dns: { sessions: 3, position: 2 }, alt: { sessions: 1, position: 1 } }, globals: { sessions: 4, records: 4, cursor: 4 }, entries: { persists: 3 },
    },
  },
  {
    name: 'session max: one more is dropped and counted as come in; those that are there go on, and a place that is free is used',
    layout: two({ fields: { max: 2 } }),
    steps: [from('192.0.2.7:1', 'a'), from('192.0.2.8:1', 'b'), refused('192.0.2.9:1'), from('192.0.2.7:1', 'a'), later(31_000), from('192.0.2.7:1', 'b', 1025), refused('192.0.2.9:1'), sweeps({ done: 1, live: 1 }), from('192.0.2.9:1', 'b', 1026)],
    after: {
      servers: { a: { packets_in: 2, bytes_in: 8, created: 1, unanswered: 1, refs: 1, port_next: 1 }, b: { packets_in: 3, bytes_in: 12, created: 3, unanswered: 1, active: 2, live: 2, refs: 3, port_next: 3 } },
      directors: { dns: { sessions: 2, position: 6, session_max: 2, packets: 2, bytes: 8 } }, globals: { sessions: 2, records: 4, cursor: 4 },
    },
  },
  {
    name: 'no server: dropped and counted, with its bytes',
    layout: { directors: { dns: { vip: VIP, servers: {} } } },
    steps: [up(udp({ src: CLIENT, dst: VIP, payload: 'seven b' }), 'drop')],
    after: { directors: { dns: { no_server: 1, packets: 1, bytes: 7 } } },
  },
  {
    name: 'all weights 0: nobody takes it, whatever the algorithm',
    layout: two({ algorithm: 'least', table: [] }, { weight: 0 }, { weight: 0 }),
    steps: [refused(CLIENT), refused(CLIENT)],
    after: { directors: { dns: { no_server: 2, packets: 2, bytes: 8 } } },
  },
  {
    name: 'the sorry server while it is in use, and when nobody else has a weight',
    layout: { directors: { dns: { vip: VIP, servers: { a: { at: A }, s: { at: MACHINES['s'] } }, sorry: 's', fields: { sorry_in_use: 1 } } } },
    steps: [
      from('192.0.2.7:1', 's'), act('a is back', ({ bed, director }) => bed.directors.set(director('dns'), 'sorry_in_use', 0)), from('192.0.2.8:1', 'a'), from('192.0.2.7:1', 's'),
    ],
    after: {
      servers: { a: { ...SESSION, packets_in: 1, bytes_in: 4 }, s: { ...SESSION, packets_in: 2, bytes_in: 8 } },
      directors: { dns: { sessions: 2, position: 1 } }, globals: { sessions: 2, records: 2, cursor: 2 },
    },
  },
  {
    name: 'evidence against all: the sorry server if there is one',
    layout: { directors: { dns: { vip: VIP, servers: { a: { at: A }, s: { at: MACHINES['s'] } }, sorry: 's', algorithm: 'least' } } },
    steps: [blocked('a'), from('192.0.2.7:1', 's'), later(11_000), from('192.0.2.8:1', 'a')],
    after: {
      servers: { a: { ...SESSION, packets_in: 1, bytes_in: 4 }, s: { ...SESSION, packets_in: 1, bytes_in: 4 } },
      directors: { dns: { sessions: 2 } }, globals: { sessions: 2, records: 2, cursor: 2 },
    },
  },
  {
    name: 'evidence against all and no sorry server: the first that has a weight, all the same',
    layout: two({ algorithm: 'least' }, { weight: 0 }),
    steps: [blocked('a'), blocked('b'), from('192.0.2.7:1', 'b')],
    after: {
      servers: { b: { ...SESSION, packets_in: 1, bytes_in: 4 } },
      directors: { dns: { sessions: 1 } }, globals: { sessions: 1, records: 1, cursor: 1 },
    },
  },
];
