/** `npm run bench -- userspace`: all subjects on one stage, then what is asked of weir alone. */
import { writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import type { BenchOptions, SubjectName } from './args.ts';
import { takeLock } from './lock.ts';
import { describeMachine, machineText } from './machine.ts';
import { measureRate, rateTable, type RateResult, type Stage } from './rates.ts';
import { measureSections, sectionsText, type SectionResults } from './sections.ts';
import { dgram } from './subjects/dgram.ts';
import { nginx, nginxRequest } from './subjects/nginx.ts';
import { pen } from './subjects/pen.ts';
import { routing } from './subjects/routing.ts';
import type { Subject } from './subjects/subject.ts';
import { weir, weirRequest } from './subjects/weir-start.ts';
import { makeTopology, otherBenches } from './topology/topology.ts';
import { startTraffic } from './traffic/traffic.ts';

/** Every subject by its name. */
export const SUBJECTS: Readonly<Record<SubjectName, Subject>> = { nginx, 'nginx-request': nginxRequest, pen, dgram, weir, 'weir-request': weirRequest, routing };

/** The machine cannot run this bench; `message` says what is missing and the cure. */
export class CannotMeasure extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'CannotMeasure';
  }
}

const LOCK = '/run/weir-bench.lock';
const BALANCER_CPU = 0;
const TRAFFIC_CPU = 1;
/** 100,000 sessions over fewer servers would need more local ports than `ulimit -Hn` gives sockets, on many machines. */
const SECTION_SERVERS = 16;

/** Returns the report as text, and writes the JSON file if one was asked for. Rejects with CannotMeasure, or with the reason of `signal`. */
export async function benchUserspace(options: BenchOptions, signal: AbortSignal, progress: (line: string) => void): Promise<string> {
  requireMachine();
  const release = await takeLock({ path: LOCK, signal, progress });
  try {
    return await measureAll(options, signal, progress);
  } finally {
    release();
  }
}

async function measureAll(options: BenchOptions, signal: AbortSignal, progress: (line: string) => void): Promise<string> {
  const machine = describeMachine();
  const { chosen, versions, absent } = choose(options.subjects);
  for (const line of absent) progress(line);
  if (chosen.length === 0) throw new CannotMeasure(`none of the subjects can be measured here:\n${absent.join('\n')}`);
  progress(machineText(machine));
  if (machine.load > 0.5) progress(`the load average is ${machine.load.toFixed(2)}: others use the CPUs, and figures will be lower than they could be`);

  const disturbances = otherBenches().map((pid) => `another bench (process ${pid}) ran at the same time: figures of both are too low`);
  for (const line of disturbances) progress(line);
  const results: RateResult[] = [];
  const failures: string[] = [];
  let sections: SectionResults | null = null;
  for (const servers of options.servers) {
    await onStage(servers, options.quick, signal, progress, async (stage) => {
      for (const clients of options.clients) {
        for (const name of chosen) {
          try {
            results.push(await measureRate(stage, SUBJECTS[name], name, clients));
          } catch (error) {
            if (signal.aborted || !(error instanceof Error)) throw error;
            failures.push(`${name}, ${clients} clients, ${servers} servers: ${error.message}`);
            progress(failures.at(-1) ?? '');
          }
        }
      }
    });
  }
  if (options.sections && chosen.includes('weir')) {
    const servers = Math.max(SECTION_SERVERS, ...options.servers);
    const [best] = results.filter((one) => one.subject === 'weir').toSorted((a, b) => b.clients - a.clients || b.servers - a.servers);
    await onStage(servers, options.quick, signal, progress, async (stage) => {
      sections = await measureSections(stage, weir, best);
    });
  }
  if (options.json !== null) {
    writeFileSync(options.json, `${JSON.stringify({ at: new Date().toISOString(), machine, versions, options, results, sections, failures, absent, disturbances }, null, 2)}\n`);
  }
  return [
    `${machineText(machine)}\n`,
    `${Object.entries(versions).map(([name, version]) => `${name} ${version}`).join(', ')}\n`,
    'Highest rate with under 1 % loss, one balancer core, 64-byte frames, best of three tries a rate.\n\n',
    rateTable(results),
    sections === null ? '' : `\n${sectionsText(sections)}`,
    [...failures, ...absent].map((line) => `not measured: ${line}\n`).join(''),
    disturbances.map((line) => `${line}\n`).join(''),
  ].join('');
}

/** Runs `measure` on a fresh topology and removes it, whatever happens. */
export async function onStage(servers: number, quick: boolean, signal: AbortSignal, progress: (line: string) => void, measure: (stage: Stage) => Promise<void>): Promise<void> {
  signal.throwIfAborted();
  const topology = makeTopology({ servers, balancerCpu: BALANCER_CPU, trafficCpu: TRAFFIC_CPU });
  // For ends that run no finally: an exception nobody caught, process.exit.
  process.once('exit', topology.remove);
  try {
    const traffic = await startTraffic(topology, signal);
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

/** Throws CannotMeasure unless this is Linux, root, two CPUs. */
export function requireMachine(): void {
  if (process.platform !== 'linux') throw new CannotMeasure(`the bench needs Linux (network namespaces, XDP), this is ${process.platform}`);
  if (process.getuid?.() !== 0) throw new CannotMeasure('the bench needs root: it makes network namespaces and loads BPF programs; run `sudo npm run bench -- userspace`');
  if (cpus().length < 2) throw new CannotMeasure(`the bench needs 2 CPUs, one for the balancer and one for its clients; this machine has ${cpus().length}`);
}

function choose(names: readonly SubjectName[]): { chosen: SubjectName[]; versions: Record<string, string>; absent: string[] } {
  const chosen: SubjectName[] = [];
  const versions: Record<string, string> = {};
  const absent: string[] = [];
  for (const name of names) {
    const answer = SUBJECTS[name].version();
    if (answer.ok) {
      chosen.push(name);
      versions[name] = answer.version;
    } else absent.push(`${name}: ${answer.why}`);
  }
  return { chosen, versions, absent };
}
