/** weir as a subject: the userspace engine with one worker (sessions that last, or one a request), the xdp engine, and the lvs engine. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from '../root.ts';
import type { Topology } from '../topology/topology.ts';
import type { WeirOptions } from './director.ts';
import { ipvsVersion } from './ipvsadm.ts';
import { startProcess } from './process.ts';
import { KERNEL, PROXY, type RunningSubject, type Subject } from './subject.ts';

/** Of src/engine/xdp. */
const DEFAULT_TABLE = 1 << 20;
const OBJECT = join(ROOT, 'dist/bpf/weir.bpf.o');

/** weir with lasting sessions, the like of nginx and pen. */
export const weir: Subject = userspaceSubject('weir', 'two-way');
/** weir with a session a request, the like of nginx with proxy_responses 1. */
export const weirRequest: Subject = userspaceSubject('weir-request', 'request-reply');
/** weir's xdp engine with lasting sessions; servers see the VIP. */
export const xdp: Subject = {
  name: 'xdp',
  ...KERNEL,
  version: () => (existsSync(OBJECT) ? weirVersion() : { ok: false, why: `the xdp engine was built without its program (${OBJECT}): apt-get install clang libbpf-dev, then npm run build` }),
  start: startXdp,
};

/** weir's lvs engine as the page has it: mode nat, conntrack, a NAT rule; servers see the VIP. */
export const lvs: Subject = lvsSubject('lvs', true);
/** weir's lvs engine in mode nat alone: servers see the client. */
export const lvsPlain: Subject = lvsSubject('lvs-plain', false);

/** What bench/subjects/lvs.ts is told. */
export interface LvsOptions extends Pick<WeirOptions, 'vip' | 'servers'> {
  readonly front: string;
  readonly back: string;
  /** With the page's NAT rule and conntrack. */
  readonly page: boolean;
}

function lvsSubject(name: string, page: boolean): Subject {
  const version = (): ReturnType<Subject['version']> => {
    const kernel = ipvsVersion();
    return kernel.ok ? weirVersion() : kernel;
  };
  return {
    name, ...KERNEL, sessionsPerSecond: 20_000, version,
    start(topology) {
      // Not the port of the hand-made service (ipvsadm.ts): both are in place at once.
      const vip = { ip: topology.vip.ip, port: topology.vip.port + 1 };
      const options: LvsOptions = { vip, servers: topology.serverEndpoints, front: topology.frontDevice, back: topology.backDevice, page };
      // On the balancer's CPU, but as the daemon runs: it carries no datagram, and must not keep the kernel from them.
      return startProcess(topology, ['chrt', '-o', '0', process.execPath, join(import.meta.dirname, 'lvs.js'), JSON.stringify(options)], { ready: 'said', target: vip });
    },
  };
}

function userspaceSubject(name: string, session: WeirOptions['session']): Subject {
  return { name, ...PROXY, version: weirVersion, start: (topology) => startWeir(topology, { session }) };
}

/** Starts the userspace engine, one worker, in the balancer's namespace, on the balancer's CPU. Returns once it has bound the VIP. */
export function startWeir(topology: Topology, options: Pick<WeirOptions, 'session'>): Promise<RunningSubject> {
  return startProcess(topology, [process.execPath, join(import.meta.dirname, 'weir.js'), optionsText(topology, options)]);
}

async function startXdp(topology: Topology, { clients }: { clients: number }): Promise<RunningSubject> {
  const interfaces = [topology.frontDevice, topology.backDevice];
  const options = optionsText(topology, { capacity: tableOf(clients), interfaces, sourceNat: true });
  const running = await startProcess(topology, [process.execPath, join(import.meta.dirname, 'xdp.js'), options], { ready: 'said' });
  topology.pinPolling();
  return running;
}

/** The engine's default, or what is half full with a session a client. */
function tableOf(clients: number): number {
  return Math.max(DEFAULT_TABLE, 2 ** Math.ceil(Math.log2(2 * clients)));
}

function optionsText(topology: Topology, options: Partial<WeirOptions>): string {
  const all: WeirOptions = { vip: topology.vip, servers: topology.serverEndpoints, session: 'two-way', workers: 1, capacity: 0, interfaces: [], sourceNat: false, ...options };
  return JSON.stringify(all);
}

function weirVersion(): { ok: true; version: string } {
  return { ok: true, version: (JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { version: string }).version };
}
