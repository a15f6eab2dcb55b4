/** XDP programs of the bench's own as subjects: `limit` only routes, `naive` is the NAT one writes first. */
import { release } from 'node:os';
import { join } from 'node:path';
import { compileBpf } from '../compile.ts';
import { firstServer, type Topology } from '../topology/topology.ts';
import { ip4 } from '../traffic/layout.ts';
import { startProcess } from './process.ts';
import { KERNEL, type RunningSubject, type Subject } from './subject.ts';

/** MAX_SERVERS of bench/bpf/naive.bpf.c. */
const MAX_SERVERS = 256;

/** What an XDP balancer costs at least: parse, FIB lookup, MACs, TTL, redirect. Clients address a server. */
export const limit: Subject = {
  name: 'limit',
  ...KERNEL,
  version: () => ({ ok: true, version: `Linux ${release()}` }),
  start: (topology) => attach(topology, 'limit', [], firstServer(topology)),
};

/** One LRU hash, one FIB lookup a packet. */
export const naive: Subject = {
  name: 'naive',
  ...KERNEL,
  version: () => ({ ok: true, version: `Linux ${release()}` }),
  start: (topology) => attach(topology, 'naive', [`naive_config_map=${naiveConfig(topology).toString('hex')}`], topology.vip),
};

async function attach(topology: Topology, program: 'limit' | 'naive', maps: readonly string[], target: RunningSubject['target']): Promise<RunningSubject> {
  const devices = `${topology.frontDevice},${topology.backDevice}`;
  const argv = [process.execPath, join(import.meta.dirname, 'attach.js'), compileBpf(program), program, devices, ...maps];
  const running = await startProcess(topology, argv, { ready: 'said', target });
  topology.pinPolling();
  return { ...running, sessions: null };
}

/** Returns `struct naive_config`; throws RangeError for more servers than it holds. */
export function naiveConfig({ vip, serverEndpoints: servers }: Pick<Topology, 'vip' | 'serverEndpoints'>): Buffer {
  if (servers.length > MAX_SERVERS) throw new RangeError(`naive takes ${MAX_SERVERS} servers at most, got ${servers.length}`);
  const config = Buffer.alloc(12 + 6 * MAX_SERVERS);
  config.writeUInt32BE(ip4(vip.ip), 0);
  config.writeUInt16BE(vip.port, 4);
  config.writeUInt32LE(servers.length, 8);
  for (const [i, server] of servers.entries()) {
    config.writeUInt32BE(ip4(server.ip), 12 + 4 * i);
    config.writeUInt16BE(server.port, 12 + 4 * MAX_SERVERS + 2 * i);
  }
  return config;
}
