/** weir's userspace engine as a subject: one director, one worker; sessions that last, or one a request. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Ip } from '../../src/net/ip.ts';
import { ROOT } from '../root.ts';
import type { Topology } from '../topology/topology.ts';
import { startProcess, type RunningSubject, type Subject } from './subject.ts';

/** What bench/subjects/weir.ts is told. */
export interface WeirOptions {
  readonly vip: { readonly ip: Ip; readonly port: number };
  readonly servers: readonly { readonly ip: Ip; readonly port: number }[];
  readonly workers: number;
  readonly session: 'two-way' | 'request-reply';
}

/** weir with lasting sessions, the like of nginx and pen. */
export const weir: Subject = weirSubject('weir', 'two-way');
/** weir with a session a request, the like of nginx with proxy_responses 1. */
export const weirRequest: Subject = weirSubject('weir-request', 'request-reply');

function weirSubject(name: string, session: WeirOptions['session']): Subject {
  return {
    name,
    version: () => ({ ok: true, version: (JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { version: string }).version }),
    start: (topology) => startWeir(topology, { vip: topology.vip, servers: topology.serverEndpoints, workers: 1, session }),
  };
}

/** Starts weir's engine in the balancer's namespace, on the balancer's CPU. Returns once it has bound the VIP. */
export function startWeir(topology: Topology, options: WeirOptions): Promise<RunningSubject> {
  return startProcess(topology, [process.execPath, join(import.meta.dirname, 'weir.js'), JSON.stringify(options)]);
}
