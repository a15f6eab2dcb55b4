/** Where every bench happens: the machine it needs, one at a time, namespaces and traffic made and taken down again. */
import { cpus } from 'node:os';
import { takeLock } from './lock.ts';
import { makeTopology, type Topology } from './topology/topology.ts';
import type { FarEnds } from './traffic/layout.ts';
import { startTraffic, type Traffic } from './traffic/traffic.ts';

/** The machine cannot run this bench; `message` says what is missing and the cure. */
export class CannotMeasure extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'CannotMeasure';
  }
}

/** What a measurement works on. */
export interface Stage {
  readonly topology: Topology;
  readonly traffic: Traffic;
  readonly quick: boolean;
  readonly progress: (line: string) => void;
}

/** What every bench is given beside its options. */
export interface BenchRun {
  readonly signal: AbortSignal;
  readonly progress: (line: string) => void;
  /** Default: xdp. */
  readonly ends?: FarEnds;
}

const LOCK = '/run/weir-bench.lock';
const BALANCER_CPU = 0;
const TRAFFIC_CPU = 1;

/** Runs `measure` once this machine is ours: Linux, root, so many CPUs, no other bench. Rejects with CannotMeasure, or with the reason of `signal`. */
export async function alone<T>({ signal, progress }: BenchRun, measure: () => Promise<T>, leastCpus: 1 | 2 = 2): Promise<T> {
  requireMachine(leastCpus);
  const release = await takeLock({ path: LOCK, signal, progress });
  try {
    return await measure();
  } finally {
    release();
  }
}

/** Runs `measure` on a fresh topology and removes it, whatever happens. */
export async function onStage(servers: number, quick: boolean, { signal, progress, ends = 'xdp' }: BenchRun, measure: (stage: Stage) => Promise<void>): Promise<void> {
  signal.throwIfAborted();
  // On one CPU everything happens within the generator's own sends (docs/adr/0011).
  const topology = makeTopology({ servers, balancerCpu: BALANCER_CPU, trafficCpu: cpus().length > 1 ? TRAFFIC_CPU : BALANCER_CPU });
  // For ends that run no finally: an exception nobody caught, process.exit.
  process.once('exit', topology.remove);
  try {
    const traffic = await startTraffic(topology, signal, ends === 'xdp' ? 'reflect' : 'reflect_skb');
    try {
      await measure({ topology, traffic, quick, progress });
    } finally {
      traffic.close();
    }
  } finally {
    topology.remove();
    process.removeListener('exit', topology.remove);
  }
}

/** Throws CannotMeasure unless this is Linux, root, and there are so many CPUs. */
export function requireMachine(leastCpus: 1 | 2 = 2): void {
  if (process.platform !== 'linux') throw new CannotMeasure(`the bench needs Linux (network namespaces, XDP), this is ${process.platform}`);
  if (process.getuid?.() !== 0) throw new CannotMeasure('the bench needs root: it makes network namespaces and loads BPF programs; run `sudo npm run bench -- …`');
  if (cpus().length < leastCpus) throw new CannotMeasure(`the bench needs 2 CPUs, one for the balancer and one for its clients; this machine has ${cpus().length}`);
}
