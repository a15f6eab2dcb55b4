/** A subject that is a process: started on the balancer's CPU, known to be ready, asked, stopped. */
import { spawn, type ChildProcess } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { hostPortText } from '../../src/net/endpoint.ts';
import type { Ip } from '../../src/net/ip.ts';
import { insideBalancer, type Topology } from '../topology/topology.ts';
import type { RunningSubject } from './subject.ts';

export interface ProcessOptions {
  /** Default `bound`: a UDP socket holds the VIP. `said`: it printed the line `ready`, and answers the line `sessions` with a number. */
  readonly ready?: 'bound' | 'said';
  /** Where clients send; default the VIP. */
  readonly target?: RunningSubject['target'];
  /** Removes what the process needed. */
  readonly afterStop?: () => void;
}

const START_LIMIT_MS = 20_000;
const STOP_LIMIT_MS = 3_000;
const ANSWER_LIMIT_MS = 10_000;
const POLL_MS = 20;
const OUTPUT_CAP = 4_096;

/** Starts `argv` on the balancer's CPU and waits until it is ready. Rejects with what it printed when it is not within 20 s. */
export async function startProcess(topology: Topology, argv: readonly string[], options: ProcessOptions = {}): Promise<RunningSubject> {
  const { ready = 'bound', target = topology.vip, afterStop = () => undefined } = options;
  const [command = '', ...args] = insideBalancer(topology, argv);
  // Its own process group, so that stop reaches workers and Ctrl-C does not.
  const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'pipe'], detached: true });
  let output = '';
  const lines = new Lines();
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output = (output + text).slice(-OUTPUT_CAP);
    lines.add(text);
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    output = (output + text).slice(-OUTPUT_CAP);
  });
  // A process that ended takes no more questions; its end is seen below.
  child.stdin.on('error', () => undefined);
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
  const sessions = async () => {
    child.stdin.write('sessions\n');
    const line = await lines.next(ANSWER_LIMIT_MS);
    if (line === undefined) throw new Error(`\`${argv.join(' ')}\` does not say how many sessions it has: ${output.trim()}`);
    return Number(line);
  };
  let ended = false;
  for (let waited = 0; waited < START_LIMIT_MS; waited += POLL_MS) {
    if (ready === 'said' ? lines.take('ready') : listens(pid, topology.vip)) return { target, pid, sessions: ready === 'said' ? sessions : null, stop };
    ended = child.exitCode !== null || child.signalCode !== null;
    if (ended) break;
    await sleep(POLL_MS);
  }
  await stop();
  throw new Error(`\`${argv.join(' ')}\` ${ended ? 'ended before it was ready' : `was not ready within ${START_LIMIT_MS / 1000} s`} for ${hostPortText(target.ip, target.port)}: ${output.trim() || 'it printed nothing'}`);
}

/** Lines of a stream as they come, for one reader. */
class Lines {
  #rest = '';
  #waiting: string[] = [];
  #reader: ((line: string | undefined) => void) | null = null;

  add(text: string): void {
    const lines = (this.#rest + text).split('\n');
    this.#rest = lines.pop() ?? '';
    for (const line of lines) {
      if (this.#reader === null) this.#waiting.push(line);
      else this.#reader(line);
    }
    // Those nobody asked for: a talkative subject is not kept whole.
    this.#waiting = this.#waiting.slice(-16);
  }

  /** Returns whether `line` has come, and takes it and what came before. */
  take(line: string): boolean {
    const at = this.#waiting.indexOf(line);
    this.#waiting = this.#waiting.slice(at + 1);
    return at >= 0;
  }

  /** Returns the next line to come; undefined when none does in time. */
  next(limitMs: number): Promise<string | undefined> {
    this.#waiting = [];
    return new Promise((resolve) => {
      const answer = (line: string | undefined) => {
        clearTimeout(timer);
        this.#reader = null;
        resolve(line);
      };
      const timer = setTimeout(() => answer(undefined), limitMs);
      this.#reader = answer;
    });
  }
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
