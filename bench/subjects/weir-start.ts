/** weir as a subject: the userspace engine with one worker (sessions that last, or one a request), and the xdp engine. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from '../root.ts';
import type { Topology } from '../topology/topology.ts';
import type { WeirOptions } from './director.ts';
import { startProcess } from './process.ts';
import { KERNEL, PROXY, type RunningSubject, type Subject } from './subject.ts';

/** weir with lasting sessions, the like of nginx and pen. */
export const weir: Subject = userspaceSubject('weir', 'two-way');
/** weir with a session a request, the like of nginx with proxy_responses 1. */
export const weirRequest: Subject = userspaceSubject('weir-request', 'request-reply');
/** weir's xdp engine with lasting sessions; servers see the VIP. */
export const xdp: Subject = {
  name: 'xdp',
  ...KERNEL,
  version: () => (existsSync(join(import.meta.dirname, '../../src/engine/xdp/index.js')) ? weirVersion() : { ok: false, why: 'the xdp engine is not part of this build' }),
  start: startXdp,
};

function userspaceSubject(name: string, session: WeirOptions['session']): Subject {
  return { name, ...PROXY, version: weirVersion, start: (topology) => startWeir(topology, { session }) };
}

/** Starts the userspace engine, one worker, in the balancer's namespace, on the balancer's CPU. Returns once it has bound the VIP. */
export function startWeir(topology: Topology, options: Pick<WeirOptions, 'session'>): Promise<RunningSubject> {
  return startProcess(topology, [process.execPath, join(import.meta.dirname, 'weir.js'), optionsText(topology, options)]);
}

async function startXdp(topology: Topology): Promise<RunningSubject> {
  const options = optionsText(topology, { session: 'two-way', interfaces: [topology.frontDevice, topology.backDevice], sourceNat: true });
  const running = await startProcess(topology, [process.execPath, join(import.meta.dirname, 'xdp.js'), options], { ready: 'said' });
  topology.pinPolling();
  return running;
}

function optionsText(topology: Topology, options: Partial<WeirOptions>): string {
  const all: WeirOptions = { vip: topology.vip, servers: topology.serverEndpoints, session: 'two-way', workers: 1, interfaces: [], sourceNat: false, ...options };
  return JSON.stringify(all);
}

function weirVersion(): { ok: true; version: string } {
  return { ok: true, version: (JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { version: string }).version };
}
