/**
 * The bench's road (bench/topology) with the whole daemon in its middle, on the xdp engine: a generator that sends from any number of clients, a
 * reflector that knows which server each client's first datagram went to, a receiver that knows whose each reply is. The daemon enters the network
 * namespace alone, so that its pins are on the host's BPF file system and outlive it. It has the balancer's CPU: the other one is the generator's, which
 * lets nobody else run while it sends.
 */
import assert from 'node:assert/strict';
import { rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { run } from '../../bench/command.ts';
import { startTraffic, type Traffic, type TrafficCounts } from '../../bench/traffic/traffic.ts';
import type { ServerProgram, TrafficRun } from '../../bench/traffic/layout.ts';
import { makeTopology, type Topology } from '../../bench/topology/topology.ts';
import { SMALL_FRAME_BYTES } from '../../bench/trial.ts';
import { hostPortText } from '../../src/net/endpoint.ts';
import { SESSION } from '../../src/engine/xdp/abi/spec.ts';
import { structs, type Structs } from '../../src/engine/xdp/codec.ts';
import { openPinnedMap } from '../../src/engine/xdp/libbpf.ts';
import { unpinAll } from '../../src/engine/xdp/maps.ts';
import { nowTick } from '../../src/engine/xdp/ticks.ts';
import { temporaryDirectory } from '../fixtures/process.ts';
import type { Scope } from '../fixtures/scope.ts';
import { startWeir, type Weir } from '../fixtures/weir.ts';
import { ROOT } from '../house/root.ts';

/** What the generator is told, beside what is always the same. */
export type Load = Pick<TrafficRun, 'framesPerSecond' | 'seconds' | 'clients'> & Partial<TrafficRun>;

/** What became of a run. */
export interface Outcome extends TrafficCounts {
  /** Frames that left for weir: sent, but for those that the generator's own device had no room for, since the balancer's CPU was a stranger's for so long. */
  readonly left: number;
}

export interface Daemon extends Weir {
  /** Returns for how long its event loop was held up by its own work since the last call, at most, in ms. */
  held(): Promise<number>;
}

export interface Stage {
  readonly topology: Topology;
  /** Starts the daemon on the state directory of the stage; again after it was killed. */
  start(): Promise<Daemon>;
  send(load: Load): Promise<Outcome>;
  /** Lets the live sessions for which `which` holds be idle for as long as their director says, as if time had gone by; returns how many. */
  expire(which?: (sessions: Structs, record: number) => boolean): number;
  /** Lets everything that has ended have rested. */
  rested(): void;
}

export interface StageOptions {
  readonly servers: number;
  /** Records of the session table. */
  readonly records: number;
  /** The lines of the director below its address; `{servers}` are all servers, each on its line. */
  readonly director: string;
  /** Lines of other sections. */
  readonly sections?: (topology: Topology) => string;
  readonly at?: ServerProgram;
}

const LIVE = 2;
const RESTING = 4;
const BALANCER_CPU = 0;
const TRAFFIC_CPU = 1;

/** Makes the stage; all of it goes with the scope, pins too. */
export async function makeStage(scope: Scope, signal: AbortSignal, options: StageOptions): Promise<Stage> {
  const topology = makeTopology({ servers: options.servers, balancerCpu: BALANCER_CPU, trafficCpu: TRAFFIC_CPU });
  const namespace = statSync(`/run/netns/${topology.balancer}`).ino;
  const pins = `/sys/fs/bpf/weir/${namespace}`;
  scope.defer(topology.remove);
  scope.defer(() => {
    unpinAll(pins);
    rmSync(`/run/weir/xdp-${namespace}.json`, { force: true });
  });
  const traffic: Traffic = await startTraffic(topology, signal, options.at);
  scope.defer(() => traffic.close());
  const state = join(await temporaryDirectory(scope), 'state');
  const conf = confOf(topology, options);
  return {
    topology,
    async send(load) {
      const refused = refusedFrames(topology);
      const counts = await traffic.send({ firstClient: 0, turn: 0, frameBytes: SMALL_FRAME_BYTES, target: topology.vip, ...load });
      return { ...counts, left: counts.sender.sent - (refusedFrames(topology) - refused) };
    },
    async start() {
      const weir = await startWeir(scope, {
        conf, state, engine: 'xdp', prefix: ['nsenter', `--net=/run/netns/${topology.balancer}`, 'taskset', '-c', String(topology.balancerCpu)], args: ['--sessions', String(options.records)],
        env: { NODE_OPTIONS: `--import=${join(ROOT, 'dist/test/fixtures/loop-delay.js')}` },
      });
      // A program that is attached for the first time makes the device's NAPI instances, and their threads, anew.
      topology.pinPolling();
      return { ...weir, held: holder(weir) };
    },
    expire: (which = () => true) => age(pins, (sessions, record) => (sessions.get(record, 'state') & 0xff) === LIVE && which(sessions, record)),
    rested: () => void age(pins, (sessions, record) => (sessions.get(record, 'state') & 0xff) === RESTING),
  };
}

/** Frames that a full ring at the far end of the generator's device refused. */
function refusedFrames({ clients, clientDevice }: Topology): number {
  const [, count = '0'] = /xdp_xmit_errors: (\d+)/.exec(run('ip', ['netns', 'exec', clients, 'ethtool', '-S', clientDevice])) ?? [];
  return Number(count);
}

/** Asserts that no datagram came to another server than its client's first one, and no reply to another client. */
export function assertRight({ receiver, reflector }: TrafficCounts): void {
  const { misdelivered, icmp, late, other } = receiver;
  assert.deepEqual({ strayed: reflector.strayed, misdelivered, icmp, late, other }, { strayed: 0, misdelivered: 0, icmp: 0, late: 0, other: 0 });
}

/** A tunnel leaves the port as it is. */
function confOf(topology: Topology, { director, sections, at }: StageOptions): string {
  const servers = topology.serverEndpoints.map(({ ip, port }, i) => `    server s${i + 1} ${at === 'absorb_home' ? ip.text : hostPortText(ip, port)}`).join('\n');
  return `director flows ${topology.vip.ip.text}:${topology.vip.port} UDP\n${director.replace('{servers}', servers)}\n${sections?.(topology) ?? ''}`;
}

/** Sections that have the servers see the VIP, as the page's NAT rule does. */
export function sourceNat({ frontDevice, backDevice, vip }: Topology): string {
  return `nat page
    in ${frontDevice} out ${backDevice} protocol udp
    before destination ${vip.ip.text}
    after source ${vip.ip.text}
service lvs
    conntrack
`;
}

function holder(weir: Weir): () => Promise<number> {
  let asked = 0;
  return async () => {
    weir.process.signal('SIGWINCH');
    const [, ms] = await weir.process.match(new RegExp(`^event loop ${++asked}: (\\d+) ms$`, 'm'));
    return Number(ms);
  };
}

/** Puts the time of these records back to now; a program that keeps one meanwhile wins. */
function age(pins: string, which: (sessions: Structs, record: number) => boolean): number {
  const map = openPinnedMap('sessions', join(pins, 'sessions'));
  if (map === null) throw new Error(`${pins} has no sessions`);
  const sessions = structs(SESSION, map.memory());
  const now = nowTick();
  let aged = 0;
  for (let record = 0; record < sessions.count; record++) {
    if (!which(sessions, record)) continue;
    sessions.set(record, 'expires', now);
    aged++;
  }
  map.close();
  return aged;
}
