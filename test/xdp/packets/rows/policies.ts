/** What becomes of live sessions: every policy, evidence and what the director does then, and sessions that linger and rest. */
import assert from 'node:assert/strict';
import { udp } from '../frame.ts';
import { tickNow } from '../bed.ts';
import { act, blocked, down, later, setServer, sweeps, up, type Act, type Row } from '../row.ts';
import { A, B, CLIENT, one, OWN, SESSION, two, VIP } from './names.ts';

const MACHINES: Readonly<Record<string, string>> = { a: A, b: B };
const ask = (server: string, port = 1024) => up(udp({ src: CLIENT, dst: VIP }), udp({ src: `${OWN}:${port}`, dst: MACHINES[server], ttl: 63 }));
const answer = (server: string, port = 1024) => down(udp({ src: MACHINES[server], dst: `${OWN}:${port}` }), udp({ src: VIP, dst: CLIENT, ttl: 63 }));
const lost = (server: string, port = 1024) => down(udp({ src: MACHINES[server], dst: `${OWN}:${port}` }), 'drop');
const dropped = up(udp({ src: CLIENT, dst: VIP }), 'drop');

const NONE = 0;
const KEEP = 1;
const MOVE = 2;
const DROP = 3;

/** A server that takes no new sessions; its live ones are treated so. The pool is left as it is: blocked() is what keeps new ones away in these rows. */
const away = (name: string, policy: number): Act => setServer(name, { policy });
const keepUntil = (name: string, ticks: number): Act => act(`${name} keeps its sessions for ${ticks} ticks`, ({ bed, server }) => {
  bed.servers.set(server(name), 'policy', KEEP);
  bed.servers.set(server(name), 'policy_until', tickNow() + ticks);
});
const down_action = (policy: number): { fields: Record<string, number> } => ({ fields: { down_action: policy } });

export const policyRows: readonly Row[] = [
  {
    name: 'keep: the session goes on for as long as its client does',
    layout: two(),
    steps: [ask('a'), away('a', KEEP), ask('a'), answer('a'), later(100_000), ask('a'), answer('a'), sweeps({ live: 1 })],
    after: {
      servers: { a: { ...SESSION, packets_in: 3, bytes_in: 12, packets_out: 2, bytes_out: 8, responses: 2 } },
      directors: { dns: { sessions: 1, position: 1 } }, globals: { sessions: 1, records: 1, cursor: 1 },
    },
  },
  {
    name: 'keep for a time: then the next datagram moves, and the old server\'s answer on its way still arrives',
    layout: two(),
    steps: [ask('a'), keepUntil('a', 15_000), later(14_000), ask('a'), later(2_000), ask('b'), answer('a'), answer('b'), later(4_000), answer('a'), later(2_000), lost('a'), answer('b')],
    after: {
      servers: { a: { packets_in: 2, bytes_in: 8, packets_out: 2, bytes_out: 8, responses: 1, created: 1, moved: 1, refs: 1, port_next: 1 }, b: { ...SESSION, packets_in: 1, bytes_in: 4, packets_out: 2, bytes_out: 8, responses: 1 } },
      directors: { dns: { sessions: 1, position: 2 } }, of_none: { unexpected_reply: 1 }, globals: { sessions: 1, records: 2, cursor: 2 },
    },
  },
  {
    name: 'move: the next datagram goes elsewhere from another port',
    layout: two(),
    steps: [ask('a'), answer('a'), away('a', MOVE), ask('b'), ask('b'), answer('b')],
    after: {
      servers: { a: { packets_in: 1, bytes_in: 4, packets_out: 1, bytes_out: 4, responses: 1, created: 1, moved: 1, refs: 1, port_next: 1 }, b: { ...SESSION, packets_in: 2, bytes_in: 8, packets_out: 1, bytes_out: 4, responses: 1 } },
      directors: { dns: { sessions: 1, position: 2 } }, globals: { sessions: 1, records: 2, cursor: 2 },
    },
  },
  {
    name: 'move: the sweep moves a client that is silent, a time that ran out likewise',
    layout: two(),
    steps: [
      ask('a'), up(udp({ src: '192.0.2.8:1', dst: VIP }), udp({ src: `${OWN}:1024`, dst: B, ttl: 63 })), away('a', MOVE), keepUntil('b', 15_000),
      sweeps({ done: 1, live: 1 }), answer('a'), later(16_000), sweeps({ done: 1 }), lost('a'),
    ],
    after: {
      servers: { a: { packets_in: 1, bytes_in: 4, packets_out: 1, bytes_out: 4, responses: 1, created: 1, moved: 1, refs: 1, port_next: 1 }, b: { packets_in: 1, bytes_in: 4, created: 1, moved: 1, refs: 1, port_next: 1 } },
      directors: { dns: { position: 2 } }, of_none: { unexpected_reply: 1 }, globals: { records: 2, cursor: 2 },
    },
  },
  {
    name: 'drop: the session stays and its client\'s datagrams are dropped, counted, until it is idle; its server\'s answers still pass',
    layout: two(),
    steps: [ask('a'), answer('a'), away('a', DROP), dropped, dropped, answer('a'), sweeps({ live: 1 }), later(121_000), ask('b')],
    after: {
      servers: { a: { packets_in: 1, bytes_in: 4, packets_out: 2, bytes_out: 8, responses: 1, created: 1, refs: 1, port_next: 1 }, b: { ...SESSION, packets_in: 1, bytes_in: 4 } },
      directors: { dns: { sessions: 1, position: 2, on_policy: 2, packets: 2, bytes: 8 } }, globals: { sessions: 1, records: 2, cursor: 2 },
    },
  },
  {
    name: 'evidence with down_action move: the next datagram goes elsewhere, the server takes no new one until it is forgotten',
    layout: two(),
    steps: [
      ask('a'), blocked('a'), ask('b'), up(udp({ src: '192.0.2.8:1', dst: VIP }), udp({ src: `${OWN}:1025`, dst: B, ttl: 63 })), later(11_000),
      up(udp({ src: '192.0.2.9:1', dst: VIP }), udp({ src: `${OWN}:1025`, dst: A, ttl: 63 })), up(udp({ src: '192.0.2.10:1', dst: VIP }), udp({ src: `${OWN}:1026`, dst: B, ttl: 63 })),
    ],
    after: {
      servers: { a: { packets_in: 2, bytes_in: 8, created: 2, moved: 1, active: 1, live: 1, refs: 2, port_next: 2 }, b: { packets_in: 3, bytes_in: 12, created: 3, active: 3, live: 3, refs: 3, port_next: 3 } },
      // a, b, (a) b, a, b: the blocked server's turn was passed on.
      directors: { dns: { sessions: 4, position: 6 } }, globals: { sessions: 4, records: 5, cursor: 5 },
    },
  },
  {
    name: 'evidence with down_action keep: live sessions stay, new ones go elsewhere',
    layout: two(down_action(KEEP)),
    steps: [ask('a'), blocked('a'), ask('a'), up(udp({ src: '192.0.2.8:1', dst: VIP }), udp({ src: `${OWN}:1024`, dst: B, ttl: 63 }))],
    after: {
      servers: { a: { ...SESSION, packets_in: 2, bytes_in: 8 }, b: { ...SESSION, packets_in: 1, bytes_in: 4 } },
      directors: { dns: { sessions: 2, position: 2 } }, globals: { sessions: 2, records: 2, cursor: 2 },
    },
  },
  {
    name: 'evidence with down_action drop: live sessions are dropped and counted until the evidence is forgotten',
    layout: two(down_action(DROP)),
    steps: [ask('a'), blocked('a'), dropped, later(11_000), ask('a')],
    after: {
      servers: { a: { ...SESSION, packets_in: 2, bytes_in: 8 } },
      directors: { dns: { sessions: 1, position: 1, on_policy: 1, packets: 1, bytes: 4 } }, globals: { sessions: 1, records: 1, cursor: 1 },
    },
  },
  {
    name: 'evidence against the only server: its sessions stay with it, for there is nowhere else to go',
    layout: one(),
    steps: [ask('a'), blocked('a'), ask('a'), ask('a'), ask('a'), later(11_000), ask('a'), answer('a')],
    after: {
      servers: { a: { ...SESSION, packets_in: 5, bytes_in: 20, packets_out: 1, bytes_out: 4, responses: 1 } },
      directors: { dns: { sessions: 1, position: 1 } }, globals: { sessions: 1, records: 1, cursor: 1 },
    },
  },
  {
    name: 'evidence that is old stays old: not the future once the clock has gone half round',
    layout: two(),
    steps: [
      ask('a'), act('a refused 27 days ago', ({ bed, server }) => bed.servers.set(server('a'), 'blocked_until', (tickNow() - 27 * 86_400 * 954) >>> 0)),
      ask('a'), up(udp({ src: '192.0.2.8:1', dst: VIP }), udp({ src: `${OWN}:1024`, dst: B, ttl: 63 })), up(udp({ src: '192.0.2.9:1', dst: VIP }), udp({ src: `${OWN}:1025`, dst: A, ttl: 63 })),
    ],
    after: {
      servers: { a: { packets_in: 3, bytes_in: 12, created: 2, active: 2, live: 2, refs: 2, port_next: 2 }, b: { ...SESSION, packets_in: 1, bytes_in: 4 } },
      directors: { dns: { sessions: 3, position: 3 } }, globals: { sessions: 3, records: 3, cursor: 3 },
    },
  },
  {
    name: 'what is over is wiped out as it is seen, so that it does not come round with the clock',
    layout: two(),
    steps: [
      ask('a'), blocked('a'), later(11_000), ask('a'), act('nothing is left of it', ({ bed, server }) => assert.equal(bed.servers.get(server('a'), 'blocked_until'), NONE)),
    ],
    after: {
      servers: { a: { ...SESSION, packets_in: 2, bytes_in: 8 } },
      directors: { dns: { sessions: 1, position: 1 } }, globals: { sessions: 1, records: 1, cursor: 1 },
    },
  },
  {
    name: 'a port that lingers and then rests is given to nobody until it has rested, and its late reply reaches nobody',
    layout: two({}, { ports: [9000, 9000] }),
    steps: [
      ask('a', 9000), away('a', MOVE), ask('b'), away('a', NONE),
      up(udp({ src: '192.0.2.8:1', dst: VIP }), 'drop'), later(6_000), sweeps({ live: 1 }), lost('a', 9000), up(udp({ src: '192.0.2.8:1', dst: VIP }), udp({ src: `${OWN}:1025`, dst: B, ttl: 63 })),
      up(udp({ src: '192.0.2.9:1', dst: VIP }), 'drop'), later(21_000), sweeps({ live: 2, freed: 1 }),
      up(udp({ src: '192.0.2.10:1', dst: VIP }), udp({ src: `${OWN}:1026`, dst: B, ttl: 63 })), up(udp({ src: '192.0.2.9:1', dst: VIP }), udp({ src: `${OWN}:9000`, dst: A, ttl: 63 })),
      down(udp({ src: A, dst: `${OWN}:9000` }), udp({ src: VIP, dst: '192.0.2.9:1', ttl: 63 })),
    ],
    after: {
      servers: { a: { packets_in: 2, bytes_in: 8, packets_out: 1, bytes_out: 4, responses: 1, created: 2, moved: 1, active: 1, live: 1, refs: 1, port_next: 34 }, b: { packets_in: 3, bytes_in: 12, created: 3, active: 3, live: 3, refs: 3, port_next: 3 } },
      directors: { dns: { sessions: 4, position: 7, no_port: 2, packets: 2, bytes: 8 } }, of_none: { unexpected_reply: 1 }, globals: { sessions: 4, records: 4, cursor: 7 },
    },
  },
];
