/** No balancer at all: the kernel routes between clients and the first server. The floor of latency, and what the kernel's own stack can carry. */
import { release } from 'node:os';
import { firstServer } from '../topology/topology.ts';
import { KERNEL, type Subject } from './subject.ts';

/** Plain kernel routing as a subject. */
export const routing: Subject = {
  name: 'routing',
  ...KERNEL,
  version: () => ({ ok: true, version: `Linux ${release()}` }),
  start: async (topology) => ({ target: firstServer(topology), pid: null, sessions: null, stop: async () => undefined }),
};
