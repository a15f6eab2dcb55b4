/** No balancer at all: the kernel routes between clients and the first server. The floor of latency and what the topology can carry. */
import { release } from 'node:os';
import type { Subject } from './subject.ts';

/** Plain kernel routing as a subject. */
export const routing: Subject = {
  name: 'routing',
  version: () => ({ ok: true, version: `Linux ${release()}` }),
  start: async (topology) => {
    const [server] = topology.serverEndpoints;
    if (!server) throw new RangeError('a topology without servers');
    return { target: server, pid: null, stop: async () => undefined };
  },
};
