/** weir's userspace engine as a subject: one director, two-way sessions, one worker. */
import { existsSync, readFileSync } from 'node:fs';
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
}

const ENGINE = join(ROOT, 'dist/src/engine/userspace/index.js');

/** weir as a subject. */
export const weir: Subject = {
  name: 'weir',
  version: () => {
    if (!existsSync(ENGINE)) return { ok: false, why: `the userspace engine is not built: ${ENGINE} does not exist (npm run build)` };
    const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { version: string };
    return { ok: true, version };
  },
  start: (topology) => startWeir(topology, { vip: topology.vip, servers: topology.serverEndpoints, workers: 1 }),
};

/** Starts weir's engine in the balancer's namespace, on the balancer's CPU. Returns once it has bound the VIP. */
export function startWeir(topology: Topology, options: WeirOptions): Promise<RunningSubject> {
  return startProcess(topology, [process.execPath, join(import.meta.dirname, 'weir.js'), JSON.stringify(options)]);
}
