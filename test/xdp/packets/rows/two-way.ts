/** Two-way sessions in nat mode: there and back, who sees which address, ports of clients and of the source pool. */
import { udp } from '../frame.ts';
import { down, later, up, type Row } from '../row.ts';
import { A, A6, B, CLIENT, CLIENT6, one, one6, OWN, SESSION, two, VIP, VIP6 } from './names.ts';

/** A client's datagram and what leaves for server a; `port`: the source port there. */
const ask = (port: number, client = CLIENT) => up(udp({ src: client, dst: VIP }), udp({ src: `${OWN}:${port}`, dst: A, ttl: 63 }));
const answer = (port: number, client = CLIENT) => down(udp({ src: A, dst: `${OWN}:${port}` }), udp({ src: VIP, dst: client, ttl: 63 }));
const lost = (port: number) => down(udp({ src: A, dst: `${OWN}:${port}` }), 'drop');

export const twoWayRows: readonly Row[] = [
  {
    name: 'with source NAT the server sees the balancer, the client the VIP; whatever else the header holds stays',
    layout: one(),
    steps: [
      up(udp({ src: CLIENT, dst: VIP, payload: 'query', id: 7, tos: 0xb8 }), udp({ src: `${OWN}:1024`, dst: A, payload: 'query', id: 7, tos: 0xb8, ttl: 63 })),
      down(udp({ src: A, dst: `${OWN}:1024`, payload: 'an answer', ttl: 255 }), udp({ src: VIP, dst: CLIENT, payload: 'an answer', ttl: 254 })),
    ],
    after: {
      servers: { a: { ...SESSION, packets_in: 1, bytes_in: 5, packets_out: 1, bytes_out: 9, responses: 1 } },
      directors: { dns: { sessions: 1, position: 1 } }, globals: { sessions: 1, records: 1, cursor: 1 },
    },
  },
  {
    name: 'IPv6: all four words of every address, flow label and traffic class kept',
    layout: one6(),
    steps: [
      up(udp({ src: CLIENT6, dst: VIP6, payload: 'query', tos: 0xb8 }), udp({ src: '[2001:db8:10::1]:1024', dst: A6, payload: 'query', tos: 0xb8, ttl: 63 })),
      down(udp({ src: A6, dst: '[2001:db8:10::1]:1024', payload: 'an answer' }), udp({ src: VIP6, dst: CLIENT6, payload: 'an answer', ttl: 63 })),
    ],
    after: {
      servers: { a: { ...SESSION, packets_in: 1, bytes_in: 5, packets_out: 1, bytes_out: 9, responses: 1 } },
      directors: { dns: { sessions: 1, position: 1 } }, globals: { sessions: 1, records: 1, cursor: 1 },
    },
  },
  {
    name: 'IPv6 clients that differ in one word alone are two',
    layout: one6(),
    steps: ['[2001:db8:2::7]:40000', '[2001:db9:2::7]:40000', '[2001:db8:2:1::7]:40000', '[2001:db8:2::1:0:7]:40000', '[2001:db8:2::8]:40000'].flatMap((client, i) => [
      up(udp({ src: client, dst: VIP6 }), udp({ src: `[2001:db8:10::1]:${1024 + i}`, dst: A6, ttl: 63 })),
      down(udp({ src: A6, dst: `[2001:db8:10::1]:${1024 + i}` }), udp({ src: VIP6, dst: client, ttl: 63 })),
    ]),
    after: {
      servers: { a: { packets_in: 5, bytes_in: 20, packets_out: 5, bytes_out: 20, responses: 5, created: 5, active: 5, live: 5, refs: 5, port_next: 5 } },
      directors: { dns: { sessions: 5, position: 5 } }, globals: { sessions: 5, records: 5, cursor: 5 },
    },
  },
  {
    name: 'without source NAT the server sees the client itself and its port',
    layout: one({ source: null }),
    steps: [
      up(udp({ src: CLIENT, dst: VIP }), udp({ src: CLIENT, dst: A, ttl: 63 })),
      down(udp({ src: A, dst: CLIENT }), udp({ src: VIP, dst: CLIENT, ttl: 63 })),
      up(udp({ src: CLIENT, dst: VIP }), udp({ src: CLIENT, dst: A, ttl: 63 })),
    ],
    after: {
      servers: { a: { packets_in: 2, bytes_in: 8, packets_out: 1, bytes_out: 4, responses: 1, created: 1, active: 1, live: 1, refs: 1 } },
      directors: { dns: { sessions: 1, position: 1 } }, globals: { sessions: 1, records: 1, cursor: 1 },
    },
  },
  {
    name: 'without source NAT, IPv6 too',
    layout: one6({ source: null }),
    steps: [
      up(udp({ src: CLIENT6, dst: VIP6 }), udp({ src: CLIENT6, dst: A6, ttl: 63 })),
      down(udp({ src: A6, dst: CLIENT6 }), udp({ src: VIP6, dst: CLIENT6, ttl: 63 })),
    ],
    after: {
      servers: { a: { packets_in: 1, bytes_in: 4, packets_out: 1, bytes_out: 4, responses: 1, created: 1, active: 1, live: 1, refs: 1 } },
      directors: { dns: { sessions: 1, position: 1 } }, globals: { sessions: 1, records: 1, cursor: 1 },
    },
  },
  {
    name: 'one client port on two VIPs of one server: the second session gets another port, and each reply comes from its own VIP',
    layout: { directors: { dns: { vip: [VIP, '198.51.100.2:53'], servers: { a: { at: A, source: null, ports: [2000, 2999] } } } } },
    steps: [
      up(udp({ src: CLIENT, dst: VIP }), udp({ src: CLIENT, dst: A, ttl: 63 })),
      up(udp({ src: CLIENT, dst: '198.51.100.2:53' }), udp({ src: '192.0.2.7:2000', dst: A, ttl: 63 })),
      down(udp({ src: A, dst: '192.0.2.7:2000' }), udp({ src: '198.51.100.2:53', dst: CLIENT, ttl: 63 })),
      down(udp({ src: A, dst: CLIENT }), udp({ src: VIP, dst: CLIENT, ttl: 63 })),
    ],
    after: {
      servers: { a: { packets_in: 2, bytes_in: 8, packets_out: 2, bytes_out: 8, responses: 2, created: 2, active: 2, live: 2, refs: 2, port_next: 1 } },
      directors: { dns: { sessions: 2, position: 2 } }, globals: { sessions: 2, records: 2, cursor: 2 },
    },
  },
  {
    name: 'one server in two directors: the ports towards it are shared out',
    layout: { directors: { dns: { vip: VIP, servers: { a: { at: A } } }, alt: { vip: '198.51.100.2:53', servers: { x: { at: A } } } } },
    steps: [
      ask(1024),
      // The other row of the same server starts at the same port, finds it taken and goes on.
      up(udp({ src: CLIENT, dst: '198.51.100.2:53' }), udp({ src: `${OWN}:1025`, dst: A, ttl: 63 })),
      answer(1024),
      down(udp({ src: A, dst: `${OWN}:1025` }), udp({ src: '198.51.100.2:53', dst: CLIENT, ttl: 63 })),
    ],
    after: {
      servers: {
        a: { ...SESSION, packets_in: 1, bytes_in: 4, packets_out: 1, bytes_out: 4, responses: 1 },
        x: { ...SESSION, packets_in: 1, bytes_in: 4, packets_out: 1, bytes_out: 4, responses: 1, port_next: 2 },
      },
      directors: { dns: { sessions: 1, position: 1 }, alt: { sessions: 1, position: 1 } }, globals: { sessions: 2, records: 2, cursor: 2 },
    },
  },
  {
    name: 'a pool of three addresses and two ports: six sessions, ports first',
    layout: one({ source: '10.0.0.254', sourceCount: 3, ports: [7000, 7001] }),
    steps: ['10.0.0.254:7000', '10.0.0.254:7001', '10.0.0.255:7000', '10.0.0.255:7001', '10.0.1.0:7000', '10.0.1.0:7001'].flatMap((seen, i) => [
      up(udp({ src: `192.0.2.7:${4000 + i}`, dst: VIP }), udp({ src: seen, dst: A, ttl: 63 })),
      down(udp({ src: A, dst: seen }), udp({ src: VIP, dst: `192.0.2.7:${4000 + i}`, ttl: 63 })),
    ]),
    after: {
      servers: { a: { packets_in: 6, bytes_in: 24, packets_out: 6, bytes_out: 24, responses: 6, created: 6, active: 6, live: 6, refs: 6, port_next: 6 } },
      directors: { dns: { sessions: 6, position: 6 } }, globals: { sessions: 6, records: 6, cursor: 6 },
    },
  },
  {
    name: 'the VIP itself as the source servers see (the ALOHA page): replies are told from clients by their tuple',
    layout: one({ source: '198.51.100.1' }),
    steps: [
      up(udp({ src: CLIENT, dst: VIP }), udp({ src: '198.51.100.1:1024', dst: A, ttl: 63 })),
      down(udp({ src: A, dst: '198.51.100.1:1024' }), udp({ src: VIP, dst: CLIENT, ttl: 63 })),
      // The server as a client of the same VIP.
      up(udp({ src: '10.0.0.11:6000', dst: VIP }), udp({ src: '198.51.100.1:1025', dst: A, ttl: 63 })),
    ],
    after: {
      servers: { a: { packets_in: 2, bytes_in: 8, packets_out: 1, bytes_out: 4, responses: 1, created: 2, active: 2, live: 2, refs: 2, port_next: 2 } },
      directors: { dns: { sessions: 2, position: 2 } }, globals: { sessions: 2, records: 2, cursor: 2 },
    },
  },
  {
    name: 'a session keeps its server while others take turns',
    layout: two(),
    steps: [
      ask(1024),
      up(udp({ src: '192.0.2.8:40000', dst: VIP }), udp({ src: `${OWN}:1024`, dst: B, ttl: 63 })),
      ask(1024), ask(1024), answer(1024), ask(1024),
    ],
    after: {
      servers: { a: { ...SESSION, packets_in: 4, bytes_in: 16, packets_out: 1, bytes_out: 4, responses: 1 }, b: { ...SESSION, packets_in: 1, bytes_in: 4 } },
      directors: { dns: { sessions: 2, position: 2 } }, globals: { sessions: 2, records: 2, cursor: 2 },
    },
  },
  {
    name: 'a server without a port is asked on the port the client used, of a director on all ports',
    layout: { directors: { all: { vip: '198.51.100.1', servers: { a: { at: '10.0.0.11' } } } } },
    steps: [
      up(udp({ src: CLIENT, dst: '198.51.100.1:7' }), udp({ src: `${OWN}:1024`, dst: '10.0.0.11:7', ttl: 63 })),
      up(udp({ src: CLIENT, dst: '198.51.100.1:65535' }), udp({ src: `${OWN}:1025`, dst: '10.0.0.11:65535', ttl: 63 })),
      down(udp({ src: '10.0.0.11:65535', dst: `${OWN}:1025` }), udp({ src: '198.51.100.1:65535', dst: CLIENT, ttl: 63 })),
      down(udp({ src: '10.0.0.11:7', dst: `${OWN}:1024` }), udp({ src: '198.51.100.1:7', dst: CLIENT, ttl: 63 })),
      // Right address, wrong port: nobody asked there.
      down(udp({ src: '10.0.0.11:8', dst: `${OWN}:1024` }), 'pass'),
    ],
    after: {
      servers: { a: { packets_in: 2, bytes_in: 8, packets_out: 2, bytes_out: 8, responses: 2, created: 2, active: 2, live: 2, refs: 2, port_next: 2 } },
      directors: { all: { sessions: 2, position: 2 } }, globals: { sessions: 2, records: 2, cursor: 2 },
    },
  },
  {
    name: 'a range of ports belongs to its director, the port beside it and the narrower one inside it do not',
    layout: { directors: { wide: { vip: '198.51.100.1:1024/6', servers: { a: { at: '10.0.0.11' } } }, narrow: { vip: '198.51.100.1:1500', servers: { b: { at: B } } } } },
    steps: [
      up(udp({ src: CLIENT, dst: '198.51.100.1:1024' }), udp({ src: `${OWN}:1024`, dst: '10.0.0.11:1024', ttl: 63 })),
      up(udp({ src: CLIENT, dst: '198.51.100.1:2047' }), udp({ src: `${OWN}:1025`, dst: '10.0.0.11:2047', ttl: 63 })),
      up(udp({ src: CLIENT, dst: '198.51.100.1:1500' }), udp({ src: `${OWN}:1024`, dst: B, ttl: 63 })),
      up(udp({ src: CLIENT, dst: '198.51.100.1:1023' }), 'pass'),
      up(udp({ src: CLIENT, dst: '198.51.100.1:2048' }), 'pass'),
    ],
    after: {
      servers: { a: { packets_in: 2, bytes_in: 8, created: 2, active: 2, live: 2, refs: 2, port_next: 2 }, b: { ...SESSION, packets_in: 1, bytes_in: 4 } },
      directors: { wide: { sessions: 2, position: 2 }, narrow: { sessions: 1, position: 1 } }, globals: { sessions: 3, records: 3, cursor: 3 },
    },
  },
  {
    name: 'empty, odd and large payloads: checksums over all of it',
    layout: one({}, {}),
    steps: [0, 1, 3, 64, 1471, 1472].flatMap((length) => {
      const payload = Buffer.alloc(length, 'weir');
      return [
        up(udp({ src: CLIENT, dst: VIP, payload }), udp({ src: `${OWN}:1024`, dst: A, payload, ttl: 63 })),
        down(udp({ src: A, dst: `${OWN}:1024`, payload }), udp({ src: VIP, dst: CLIENT, payload, ttl: 63 })),
      ];
    }),
    after: {
      servers: { a: { ...SESSION, packets_in: 6, bytes_in: 3011, packets_out: 6, bytes_out: 3011, responses: 6 } },
      directors: { dns: { sessions: 1, position: 1 } }, globals: { sessions: 1, records: 1, cursor: 1 },
    },
  },
  {
    name: 'IPv4 options stay in place',
    layout: one(),
    steps: [
      up(udp({ src: CLIENT, dst: VIP, options: 1 }), udp({ src: `${OWN}:1024`, dst: A, options: 1, ttl: 63 })),
      down(udp({ src: A, dst: `${OWN}:1024`, options: 10 }), udp({ src: VIP, dst: CLIENT, options: 10, ttl: 63 })),
    ],
    after: {
      servers: { a: { ...SESSION, packets_in: 1, bytes_in: 4, packets_out: 1, bytes_out: 4, responses: 1 } },
      directors: { dns: { sessions: 1, position: 1 } }, globals: { sessions: 1, records: 1, cursor: 1 },
    },
  },
  {
    name: 'answers follow the router that the client was last heard by',
    layout: one(),
    steps: [
      ask(1024), answer(1024),
      up(udp({ src: CLIENT, dst: VIP }), udp({ src: `${OWN}:1024`, dst: A, ttl: 63 }), { router: '02:00:5e:00:53:02' }),
      down(udp({ src: A, dst: `${OWN}:1024` }), udp({ src: VIP, dst: CLIENT, ttl: 63 }), { router: '02:00:5e:00:53:02' }),
      up(udp({ src: CLIENT, dst: VIP }), udp({ src: `${OWN}:1024`, dst: A, ttl: 63 }), { router: '02:00:5e:00:53:02', from: 'second' }),
      down(udp({ src: A, dst: `${OWN}:1024` }), udp({ src: VIP, dst: CLIENT, ttl: 63 }), { router: '02:00:5e:00:53:02', to: 'second' }),
    ],
    after: {
      servers: { a: { ...SESSION, packets_in: 3, bytes_in: 12, packets_out: 3, bytes_out: 12, responses: 3 } },
      directors: { dns: { sessions: 1, position: 1 } }, globals: { sessions: 1, records: 1, cursor: 1 },
    },
  },
  {
    name: 'one arm: client and server by one interface',
    layout: one({ way: 'clients' }),
    steps: [
      up(udp({ src: CLIENT, dst: VIP }), udp({ src: `${OWN}:1024`, dst: A, ttl: 63 }), { to: 'clients' }),
      down(udp({ src: A, dst: `${OWN}:1024` }), udp({ src: VIP, dst: CLIENT, ttl: 63 }), { from: 'clients' }),
    ],
    after: {
      servers: { a: { ...SESSION, packets_in: 1, bytes_in: 4, packets_out: 1, bytes_out: 4, responses: 1 } },
      directors: { dns: { sessions: 1, position: 1 } }, globals: { sessions: 1, records: 1, cursor: 1 },
    },
  },
  {
    name: 'a session without an answer is idle after its short time: the late reply reaches nobody, and the client starts anew on another port',
    layout: one(),
    steps: [
      ask(1024), later(29_000), ask(1024), later(29_000), ask(1024), later(31_000), lost(1024), ask(1025), lost(1024), answer(1025),
    ],
    after: {
      servers: { a: { packets_in: 4, bytes_in: 16, packets_out: 1, bytes_out: 4, responses: 1, created: 2, unanswered: 1, active: 1, live: 1, refs: 2, port_next: 2 } },
      directors: { dns: { sessions: 1, position: 2 } }, of_none: { unexpected_reply: 2 }, globals: { sessions: 1, records: 2, cursor: 2 },
    },
  },
  {
    name: 'an answered session is idle after its long time, counted from the last datagram either way',
    layout: one(),
    steps: [
      ask(1024), answer(1024), later(119_000), answer(1024), later(119_000), ask(1024), later(119_000), answer(1024), later(121_000), lost(1024), ask(1025),
    ],
    after: {
      servers: { a: { packets_in: 3, bytes_in: 12, packets_out: 3, bytes_out: 12, responses: 2, created: 2, active: 1, live: 1, refs: 2, port_next: 2 } },
      directors: { dns: { sessions: 1, position: 2 } }, of_none: { unexpected_reply: 1 }, globals: { sessions: 1, records: 2, cursor: 2 },
    },
  },
  {
    name: 'a resting port goes to nobody while it rests: the next in the range is taken, and when all rest, none',
    layout: one({ ports: [9000, 9001] }),
    steps: [
      ask(9000), later(31_000),
      up(udp({ src: '192.0.2.8:1', dst: VIP }), udp({ src: `${OWN}:9001`, dst: A, ttl: 63 })),
      // 9000 is not live any more, and not free either: nobody has looked at its record since.
      up(udp({ src: '192.0.2.9:1', dst: VIP }), 'drop'),
    ],
    after: {
      servers: { a: { packets_in: 2, bytes_in: 8, created: 2, active: 2, live: 2, refs: 2, port_next: 18 } },
      directors: { dns: { sessions: 2, position: 3, no_port: 1, packets: 1, bytes: 4 } }, globals: { sessions: 2, records: 2, cursor: 3 },
    },
  },
  {
    name: 'a reply from anybody but the server is no reply',
    layout: one(),
    steps: [
      ask(1024),
      down(udp({ src: '10.0.0.11:5301', dst: `${OWN}:1024` }), 'pass'),
      down(udp({ src: '10.0.0.12:5300', dst: `${OWN}:1024` }), 'pass'),
      down(udp({ src: A, dst: `${OWN}:1025` }), 'pass'),
      down(udp({ src: A, dst: '10.0.0.2:1024' }), 'pass'),
      answer(1024),
    ],
    after: {
      servers: { a: { ...SESSION, packets_in: 1, bytes_in: 4, packets_out: 1, bytes_out: 4, responses: 1 } },
      directors: { dns: { sessions: 1, position: 1 } }, globals: { sessions: 1, records: 1, cursor: 1 },
    },
  },
  {
    name: 'response times: from the last request to the first answer after it',
    layout: one(),
    steps: [ask(1024), later(2_000), ask(1024), later(1_430), answer(1024), later(1_430), answer(1024)],
    after: {
      servers: { a: { ...SESSION, packets_in: 2, bytes_in: 8, packets_out: 2, bytes_out: 8, responses: 1 } },
      directors: { dns: { sessions: 1, position: 1 } }, globals: { sessions: 1, records: 1, cursor: 1 },
    },
  },
];
