/** What is measured: a program between clients and servers, or the kernel's own routing. */
import { spawn, type ChildProcess } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { hostPortText } from '../../src/net/endpoint.ts';
import type { Ip } from '../../src/net/ip.ts';
import { weighSession } from '../priority.ts';
import { insideBalancer, NICE, type Topology } from '../topology/topology.ts';

/** One subject. */
export interface Subject {
  readonly name: string;
  /** Returns its version, or why it cannot be measured here and what to do about it. */
  version(): { readonly ok: true; readonly version: string } | { readonly ok: false; readonly why: string };
  /** Returns once it listens. Rejects with what it printed when it does not. */
  start(topology: Topology): Promise<RunningSubject>;
}

export interface RunningSubject {
  /** Where clients send. */
  readonly target: { readonly ip: Ip; readonly port: number };
  /** Of the process; null for the kernel. */
  readonly pid: number | null;
  stop(): Promise<void>;
}

const START_LIMIT_MS = 10_000;
const STOP_LIMIT_MS = 3_000;
const POLL_MS = 20;
const OUTPUT_CAP = 4_096;

/** Starts `argv` on the balancer's CPU and waits until it has bound the VIP. `afterStop` removes what `argv` needed. */
export async function startProcess(topology: Topology, argv: readonly string[], afterStop: () => void = () => undefined): Promise<RunningSubject> {
  const [command = '', ...args] = insideBalancer(topology, argv);
  // Its own process group, so that stop reaches workers and Ctrl-C does not.
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], detached: true });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output = (output + text).slice(-OUTPUT_CAP);
    });
  }
  const failed = new Promise<Error>((resolve) => child.once('error', resolve));
  const stop = async () => {
    await stopGroup(child);
    afterStop();
  };
  const { pid } = child;
  if (pid === undefined) {
    afterStop();
    throw await failed;
  }
  let ended = false;
  // As much as the NAPI thread, which belongs to no session.
  weighSession(pid, NICE);
  for (let waited = 0; waited < START_LIMIT_MS; waited += POLL_MS) {
    if (listens(pid, topology.vip)) return { target: topology.vip, pid, stop };
    ended = child.exitCode !== null || child.signalCode !== null;
    if (ended) break;
    await sleep(POLL_MS);
  }
  await stop();
  throw new Error(`\`${argv.join(' ')}\` ${ended ? 'ended before it bound' : `did not bind within ${START_LIMIT_MS / 1000} s`} ${hostPortText(topology.vip.ip, topology.vip.port)}: ${output.trim() || 'it printed nothing'}`);
}

async function stopGroup(child: ChildProcess): Promise<void> {
  if (child.pid === undefined) return;
  const gone = new Promise<void>((resolve) => {
    if (child.exitCode !== null || child.signalCode !== null) resolve();
    else child.once('exit', () => resolve());
  });
  signalGroup(child.pid, 'SIGTERM');
  const timer = setTimeout(() => signalGroup(child.pid ?? 0, 'SIGKILL'), STOP_LIMIT_MS);
  await gone;
  clearTimeout(timer);
  // Workers of a leader that went first.
  signalGroup(child.pid, 'SIGKILL');
}

function signalGroup(leader: number, signal: NodeJS.Signals): void {
  if (leader <= 1) return;
  try {
    process.kill(-leader, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

/** True when a UDP socket in the namespace of `pid` is bound to the endpoint, or to its port on every address. */
function listens(pid: number, endpoint: { readonly ip: Ip; readonly port: number }): boolean {
  let table = '';
  try {
    table = readFileSync(`/proc/${pid}/net/udp`, 'utf8');
  } catch {
    return false;
  }
  const ip = endpoint.ip.text.split('.').map(Number).toReversed().map((byte) => hex(byte, 2)).join('');
  const port = hex(endpoint.port, 4);
  return table.includes(` ${ip}:${port} `) || table.includes(` 00000000:${port} `);
}

function hex(value: number, digits: number): string {
  return value.toString(16).toUpperCase().padStart(digits, '0');
}
