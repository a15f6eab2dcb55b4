/** The traffic process seen from the bench: start it once for a topology, then ask for runs. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { REAL_TIME, type Topology } from '../topology/topology.ts';
import type { TrafficAnswer } from './child.ts';
import { run as runCommand } from '../command.ts';
import { compileBpf } from '../compile.ts';
import type { ReceiverCounts, ReflectorCounts, SenderCounts, ServerProgram, TrafficRun } from './layout.ts';

/** The counts of one run. */
export interface TrafficCounts {
  readonly sender: SenderCounts;
  readonly receiver: ReceiverCounts;
  readonly reflector: ReflectorCounts;
}

/** Generator, reflector and receiver of one topology. */
export interface Traffic {
  /** Sends for `seconds` and returns what came back. Runs may not overlap. Throws when the process died or the kernel refused. */
  send(run: Omit<TrafficRun, 'run'>): Promise<TrafficCounts>;
  close(): void;
}

/** Starts the traffic process and attaches its programs, `servers` at the servers' end. Throws with the kernel's reason, or CommandError when clang refuses. */
export async function startTraffic(topology: Topology, signal: AbortSignal, servers: ServerProgram = 'reflect'): Promise<Traffic> {
  const object = compileBpf('traffic');
  if (servers === 'reflect_skb') {
    // For a subject that redirects frames all the same: a veth takes them only with a NAPI instance, which an XDP program brings, or GRO.
    for (const [namespace, device] of [[topology.clients, topology.clientDevice], [topology.servers, topology.serverDevice]] as const) {
      runCommand('ip', ['netns', 'exec', namespace, 'ethtool', '-K', device, 'gro', 'on']);
    }
  }
  const child = spawn(
    'taskset',
    ['-c', String(topology.trafficCpu), ...(topology.trafficCpu === topology.balancerCpu ? [] : REAL_TIME), process.execPath, join(import.meta.dirname, 'child.js')].concat(
      [object, topology.clients, topology.clientDevice, topology.servers, topology.serverDevice, JSON.stringify(topology.place), servers],
    ),
    // Its own process group: Ctrl-C is for the bench, which ends it in order.
    { stdio: ['ignore', 'ignore', 'inherit', 'ipc'], detached: true },
  );
  const close = () => {
    child.kill('SIGKILL');
  };
  const ended = new Promise<never>((_, reject) => {
    child.once('error', reject);
    child.once('exit', (code, why) => reject(new Error(`the traffic process ended (${why ?? `exit code ${code}`})`)));
    if (signal.aborted) reject(signal.reason as Error);
    signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true });
  });
  ended.catch(() => close());
  const reply = async <T>(): Promise<T> => {
    const [message] = (await Promise.race([once(child, 'message'), ended])) as [T];
    return message;
  };
  const ready = await reply<{ ready: boolean; message?: string }>();
  if (!ready.ready) {
    close();
    throw new Error(ready.message);
  }
  // Attaching made new NAPI instances, and new threads for them.
  topology.pinPolling();
  let runs = 0;
  return {
    send: async (run) => {
      const waiting = reply<TrafficAnswer>();
      child.send({ ...run, run: ++runs } satisfies TrafficRun);
      const counts = await waiting;
      if (!counts.ok) throw new Error(counts.message);
      return counts;
    },
    close,
  };
}
