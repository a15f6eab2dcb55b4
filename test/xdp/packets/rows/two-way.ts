/** Two-way sessions in nat mode: there and back, who sees which address, ports of clients and of the source pool. */
import { udp } from '../frame.ts';
import type { Layout } from '../layout.ts';
import { down, up, type Row } from '../row.ts';

const CLIENT = '192.0.2.7:40000';
const VIP = '198.51.100.1:53';
const A = '10.0.0.11:5300';

const one = (server: object = {}): Layout => ({ directors: { dns: { vip: VIP, servers: { a: { at: A, ...server } } } } });

export const twoWayRows: readonly Row[] = [
  {
    name: 'two-way with source NAT: the server sees the balancer, the client the VIP',
    layout: one(),
    steps: [
      up(udp({ src: CLIENT, dst: VIP, payload: 'query', id: 7 }), udp({ src: '10.0.0.1:1024', dst: A, payload: 'query', id: 7, ttl: 63 })),
      down(udp({ src: A, dst: '10.0.0.1:1024', payload: 'an answer' }), udp({ src: VIP, dst: CLIENT, payload: 'an answer', ttl: 63 })),
    ],
    after: {
      servers: { a: { packets_in: 1, bytes_in: 5, packets_out: 1, bytes_out: 9, created: 1, responses: 1, active: 1, live: 1, refs: 1, port_next: 1 } },
      directors: { dns: { sessions: 1, position: 1 } },
      globals: { sessions: 1, records: 1, cursor: 1 },
    },
  },
];
