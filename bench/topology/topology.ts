/**
 * The road every datagram takes, in three network namespaces joined by veth pairs:
 *
 *   clients                     balancer                       servers
 *   203.0.113.0/24 (routed)     192.0.2.1 = VIP                198.51.100.11 ... (all answered by one XDP program)
 *   192.0.2.2  [c] ------- [b]  192.0.2.1 | 198.51.100.1 [u] ------- [s] 198.51.100.2
 *
 * Neighbours are static and devices have one queue. What belongs to the balancer runs on `balancerCpu`: the subject is pinned
 * there, and so is the NAPI thread of [b], which is fed from the generator's CPU. The other devices are fed by the balancer's own
 * sends and poll on its CPU as softirq, reflector and receiver included: threads on the other CPU were tried, and their wake-ups
 * cost the balancer more than the two XDP programs do (routing: 1.3 % loss at 100 k/s where this holds 450 k/s).
 */
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { parseIp, type Ip } from '../../src/net/ip.ts';
import { run, tryRun } from '../command.ts';
import type { TrafficPlace } from '../traffic/layout.ts';
import { putLimitsBack, raiseLimits } from './limits.ts';

/** Where traffic goes and what it passes; `remove` takes all of it down and may be called twice. */
export interface Topology {
  readonly clients: string;
  readonly balancer: string;
  readonly servers: string;
  readonly clientDevice: string;
  readonly serverDevice: string;
  /** The balancer's device towards the clients; the VIP is on it. */
  readonly frontDevice: string;
  /** The balancer's device towards the servers. */
  readonly backDevice: string;
  readonly vip: { readonly ip: Ip; readonly port: number };
  readonly place: TrafficPlace;
  /** The balancer's addresses towards the servers: one has no more than 64,512 ports for a proxy with a socket a client. */
  readonly sourceAddresses: readonly Ip[];
  /** Every server, `ip:port`. */
  readonly serverEndpoints: readonly { readonly ip: Ip; readonly port: number }[];
  readonly balancerCpu: number;
  readonly trafficCpu: number;
  /** Gives the device that the generator feeds a new ring and a new NAPI thread; no XDP program may be on it. */
  readonly renewPolling: () => void;
  /** Pins the NAPI thread of the device the generator feeds. Called again after XDP programs are attached, which can make NAPI instances anew. */
  readonly pinPolling: () => void;
  readonly remove: () => void;
}

const PREFIX = 'weir-bench-';
const SERVER_PORT = 7000;
const VIP_PORT = 5000;
const FIRST_SERVER = 11;
export const MAX_SERVERS = 200;
/** The first is the device's own; .2 is the servers' host. */
const SOURCE_ADDRESSES = ['198.51.100.1', '198.51.100.3', '198.51.100.4'];
/** 203.0.113.1 .. .250 */
const CLIENT_ADDRESSES = 250;
/**
 * Real-time priority of the subject, of the NAPI thread that feeds it and of the generator, so that strangers on the machine do not keep them from
 * their CPUs: each 2–4 ms that a stranger got were a ring of frames lost, 1–3 % at any rate. Equal, so that neither starves the other, and SCHED_RR:
 * under SCHED_FIFO, threads of one program that spin for each other (Node's do) would spin for ever.
 */
export const REAL_TIME = ['chrt', '-r', '10'] as const;

/** Makes the namespaces. Throws CommandError; what was made is removed then. */
export function makeTopology(options: { servers: number; balancerCpu: number; trafficCpu: number }): Topology {
  if (options.servers < 1 || options.servers > MAX_SERVERS) throw new RangeError(`expected 1..${MAX_SERVERS} servers, got ${options.servers}`);
  removeStale();
  const tag = (process.pid % 0x10000).toString(16);
  const clients = `${PREFIX}${process.pid}-c`;
  const balancer = `${PREFIX}${process.pid}-b`;
  const servers = `${PREFIX}${process.pid}-s`;
  // The kernel cuts a thread's name to 15 characters: napi/wb1f3a-8193.
  const dev = { clients: `wc${tag}`, front: `wb${tag}`, back: `wu${tag}`, servers: `ws${tag}` };
  const undo: (() => void)[] = [];
  let removed = false;
  const remove = () => {
    if (removed) return;
    removed = true;
    for (const step of undo.toReversed()) step();
  };
  try {
    undo.push(putLimitsBackWhenLast);
    for (const name of [clients, balancer, servers]) {
      undo.push(() => removeNamespace(name));
      run('ip', ['netns', 'add', name]);
    }
    raiseLimits();
    ipBatch(null, [
      `link add ${dev.clients} numtxqueues 1 numrxqueues 1 netns ${clients} type veth peer name ${dev.front} numtxqueues 1 numrxqueues 1 netns ${balancer}`,
      `link add ${dev.back} numtxqueues 1 numrxqueues 1 netns ${balancer} type veth peer name ${dev.servers} numtxqueues 1 numrxqueues 1 netns ${servers}`,
    ]);
    const mac = (namespace: string, device: string) => readInside(namespace, `/sys/class/net/${device}/address`);
    const macs = { clients: mac(clients, dev.clients), front: mac(balancer, dev.front), back: mac(balancer, dev.back), servers: mac(servers, dev.servers) };
    const endpoints = Array.from({ length: options.servers }, (_, i) => ({ ip: address(`198.51.100.${FIRST_SERVER + i}`), port: SERVER_PORT }));
    ipBatch(clients, ['link set lo up', `address add 192.0.2.2/24 dev ${dev.clients}`, `link set ${dev.clients} up`]);
    ipBatch(servers, ['link set lo up', `address add 198.51.100.2/24 dev ${dev.servers}`, `link set ${dev.servers} up`]);
    ipBatch(balancer, [
      'link set lo up',
      `address add 192.0.2.1/24 dev ${dev.front}`,
      ...SOURCE_ADDRESSES.map((source) => `address add ${source}/24 dev ${dev.back}`),
      `link set ${dev.front} up`,
      `link set ${dev.back} up`,
      `neighbour replace 192.0.2.2 lladdr ${macs.clients} nud permanent dev ${dev.front}`,
      'route add 203.0.113.0/24 via 192.0.2.2',
      ...endpoints.map((endpoint) => `neighbour replace ${endpoint.ip.text} lladdr ${macs.servers} nud permanent dev ${dev.back}`),
    ]);
    // GRO is what gives a veth a NAPI instance without an XDP program; without one redirected frames are refused.
    const gro = (device: string, state: 'on' | 'off') => run('ip', ['netns', 'exec', balancer, 'ethtool', '-K', device, 'gro', state]);
    for (const device of [dev.front, dev.back]) gro(device, 'on');
    writeInside(balancer, '/proc/sys/net/ipv4/ip_forward', '1');
    writeInside(balancer, '/proc/sys/net/ipv4/ip_local_port_range', '1024 65535');
    writeInside(balancer, '/proc/sys/net/ipv6/conf/all/disable_ipv6', '1');
    // A thread of its own is for a CPU of its own; on the generator's, [b] polls within each send.
    const threaded = options.balancerCpu !== options.trafficCpu;
    if (threaded) writeInside(balancer, `/sys/class/net/${dev.front}/threaded`, '1');
    const pinPolling = () => threaded && pinThreads(dev.front, options.balancerCpu);
    pinPolling();
    const renewPolling = () => {
      for (const state of ['off', 'on'] as const) gro(dev.front, state);
      pinPolling();
    };
    return {
      clients,
      balancer,
      servers,
      clientDevice: dev.clients,
      serverDevice: dev.servers,
      frontDevice: dev.front,
      backDevice: dev.back,
      vip: { ip: address('192.0.2.1'), port: VIP_PORT },
      place: {
        clientIp: address('203.0.113.1'),
        clientAddresses: CLIENT_ADDRESSES,
        serverIp: address(`198.51.100.${FIRST_SERVER}`),
        servers: options.servers,
        serverPort: SERVER_PORT,
        clientMac: macs.clients,
        balancerMac: macs.front,
      },
      sourceAddresses: SOURCE_ADDRESSES.map(address),
      serverEndpoints: endpoints,
      balancerCpu: options.balancerCpu,
      trafficCpu: options.trafficCpu,
      renewPolling,
      pinPolling,
      remove,
    };
  } catch (error) {
    remove();
    throw error;
  }
}

/** Returns the first server: where clients send when there is no balancer. */
export function firstServer(topology: Pick<Topology, 'serverEndpoints'>): Topology['serverEndpoints'][number] {
  const [server] = topology.serverEndpoints;
  if (!server) throw new RangeError('a topology without servers');
  return server;
}

/**
 * Returns argv that runs a command inside the balancer's namespace, on the balancer's CPU, with real-time priority if it moves datagrams itself. Every word execs the
 * next, so the pid stays. One that only sets the kernel up is an ordinary process.
 */
export function insideBalancer(topology: Pick<Topology, 'balancer' | 'balancerCpu'>, argv: readonly string[], realTime = true): string[] {
  return ['ip', 'netns', 'exec', topology.balancer, 'taskset', '-c', String(topology.balancerCpu), ...(realTime ? REAL_TIME : []), ...argv];
}

/** Returns the bench's namespaces that exist now, of any bench. */
export function benchNamespaces(): readonly string[] {
  return existsSync('/run/netns') ? readdirSync('/run/netns').filter((name) => name.startsWith(PREFIX)) : [];
}

/** Returns the process ids of other benches that run now: the figures of all are worthless then. */
export function otherBenches(): readonly number[] {
  const makers = benchNamespaces().map((name) => Number(/^weir-bench-(\d+)-/.exec(name)?.[1]));
  return [...new Set(makers)].filter((maker) => maker !== process.pid && existsSync(`/proc/${maker}`));
}

/** A bench that was killed leaves its namespaces; those whose maker is gone are removed with what runs in them. */
function removeStale(): void {
  for (const name of benchNamespaces()) {
    const maker = Number(/^weir-bench-(\d+)-/.exec(name)?.[1]);
    if (maker > 0 && !existsSync(`/proc/${maker}`)) removeNamespace(name);
  }
  putLimitsBackWhenLast();
}

/** Benches may overlap: the last to leave, or the next to come, puts the machine-wide limits back. */
function putLimitsBackWhenLast(): void {
  if (benchNamespaces().length === 0) putLimitsBack();
}

function removeNamespace(name: string): void {
  for (const pid of (tryRun('ip', ['netns', 'pids', name]) ?? '').split('\n').filter((line) => /^\d+$/.test(line))) {
    // Ours by construction: nobody else runs in a namespace of this name. The bench itself never enters one.
    if (Number(pid) !== process.pid) tryKill(Number(pid));
  }
  tryRun('ip', ['netns', 'delete', name]);
}

function tryKill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

function pinThreads(device: string, cpu: number): void {
  for (const entry of readdirSync('/proc')) {
    if (!/^\d+$/.test(entry)) continue;
    let name = '';
    try {
      name = readFileSync(`/proc/${entry}/comm`, 'utf8').trim();
    } catch {
      // It ended between the listing and the reading.
      continue;
    }
    if (!name.startsWith(`napi/${device}-`)) continue;
    run('taskset', ['-p', '-c', String(cpu), entry]);
    const [chrt, policy, priority] = REAL_TIME;
    run(chrt, [policy, '-p', priority, entry]);
  }
}

function readInside(namespace: string, path: string): string {
  return run('ip', ['netns', 'exec', namespace, 'cat', path]).trim();
}

function writeInside(namespace: string, path: string, value: string): void {
  run('ip', ['netns', 'exec', namespace, 'tee', path], { input: value });
}

function ipBatch(namespace: string | null, lines: readonly string[]): void {
  run('ip', [...(namespace === null ? [] : ['-n', namespace]), '-batch', '-'], { input: `${lines.join('\n')}\n` });
}

function address(text: string): Ip {
  const ip = parseIp(text);
  if (!ip) throw new RangeError(`not an address: ${text}`);
  return ip;
}
