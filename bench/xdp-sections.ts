/** What is told of the xdp engine beside its rates, and of those peers that can be asked the same. */
import type { BenchOptions, SubjectName } from './args.ts';
import { measureMillion, millionTable, type MillionResult } from './million.ts';
import { timeProgram, type TimingResult } from './program/program.ts';
import { measureRounds, type RateResult } from './rates.ts';
import type { SearchResult } from './search.ts';
import { measureNewSessions } from './sections.ts';
import { onStage, type BenchRun, type Stage } from './stage.ts';
import { SUBJECTS } from './subjects/all.ts';
import { rateText, renderTable } from './table.ts';
import { xdpTable } from './xdp-table.ts';

/** The figures by subject; `notes` says what could not be had, and why. */
export interface XdpSections {
  readonly program: readonly ({ readonly subject: SubjectName } & TimingResult)[];
  readonly newSessions: readonly ({ readonly subject: SubjectName } & SearchResult)[];
  readonly million: readonly MillionResult[];
  readonly longFrames: readonly RateResult[];
  readonly notes: readonly string[];
}

/** Who is asked what. The program of a subject can be timed if it has one; sessions are counted where they last. */
const PROGRAM: readonly SubjectName[] = ['limit', 'naive', 'xdp'];
const NEW_SESSIONS: readonly SubjectName[] = ['nftables', 'naive', 'xdp'];
const MILLION: readonly SubjectName[] = ['nftables', 'naive', 'xdp'];
const LONG_FRAMES: readonly SubjectName[] = ['limit', 'routing', 'nftables', 'nginx', 'weir', 'xdp'];
/** `--quick` asks those that the others are measured against, and weir. */
const QUICK: readonly SubjectName[] = ['limit', 'nftables', 'xdp'];

const PROGRAM_SESSIONS = [1_000, 100_000];
/** An IPv4 packet of 1500 bytes and its Ethernet header. */
export const LONG_FRAME_BYTES = 1_514;
const LONG_FRAME_CLIENTS = 1_000;
/** A million sessions over fewer servers would find most source ports taken: (VIP, port) is unique for each server. */
const MILLION_SERVERS = 64;

/** Measures all sections of the subjects in `names`. One that fails leaves a note and the others go on. Rejects when the signal aborts. */
export async function measureXdpSections(names: readonly SubjectName[], options: Pick<BenchOptions, 'servers' | 'rounds' | 'quick'>, run: BenchRun): Promise<XdpSections> {
  const { quick, rounds } = options;
  const notes: string[] = [];
  const note = (message: string) => {
    notes.push(message);
    run.progress(message);
  };
  const asked = (among: readonly SubjectName[]) => among.filter((name) => names.includes(name) && (!quick || QUICK.includes(name)));
  const each = async <T>(stage: Stage, what: string, among: readonly SubjectName[], measure: (name: SubjectName) => Promise<T>): Promise<T[]> => {
    const results: T[] = [];
    for (const name of asked(among)) {
      try {
        stage.topology.renewPolling();
        results.push(await measure(name));
      } catch (error) {
        if (run.signal.aborted || !(error instanceof Error)) throw error;
        note(`${what}, ${name}: ${error.message}`);
      }
    }
    return results;
  };
  let program: XdpSections['program'] = [];
  let newSessions: XdpSections['newSessions'] = [];
  let million: XdpSections['million'] = [];
  let longFrames: XdpSections['longFrames'] = [];
  await onStage(Math.max(...options.servers), quick, run, async (stage) => {
    program = (await each(stage, 'ns a packet', PROGRAM, (name) => timeSubject(stage, name))).flat();
    const load = { clients: LONG_FRAME_CLIENTS, frameBytes: LONG_FRAME_BYTES };
    longFrames = await measureRounds(stage, { names: asked(LONG_FRAMES), subjects: SUBJECTS, loads: [load], rounds, onFailure: note, signal: run.signal });
  });
  await onStage(MILLION_SERVERS, quick, run, async (stage) => {
    newSessions = await each(stage, 'new sessions', NEW_SESSIONS, async (name) => ({ subject: name, ...(await measureNewSessions(stage, SUBJECTS[name])) }));
    million = await each(stage, 'a million sessions', MILLION, (name) => measureMillion(stage, SUBJECTS[name], name));
  });
  return { program, newSessions, million, longFrames, notes };
}

async function timeSubject(stage: Stage, name: SubjectName): Promise<XdpSections['program'][number][]> {
  stage.progress(`ns a packet: ${name}`);
  const running = await SUBJECTS[name].start(stage.topology, { clients: Math.max(...PROGRAM_SESSIONS) });
  try {
    return timeProgram(stage, running, PROGRAM_SESSIONS).map((result) => ({ subject: name, ...result }));
  } finally {
    await running.stop();
  }
}

/** Returns the sections as text. */
export function xdpSectionsText({ program, newSessions, million, longFrames, notes }: XdpSections): string {
  const parts: string[] = [];
  if (program.length > 0) {
    const rows = program.map((one) => [one.subject, String(one.sessions), ...[one.toServerNs, one.toClientNs, one.newSessionNs].map((ns) => `${ns.toFixed(0)} ns`)]);
    parts.push(`One pass of the program alone (test run, less ${program[0]?.carouselNs ?? 0} ns for putting the packet back).\n\n${renderTable(['program', 'sessions', 'to server', 'to client', 'new session'], rows)}`);
  }
  if (newSessions.length > 0) {
    const rows = newSessions.map((one) => [one.subject, `${rateText(one.rate)}/s`]);
    parts.push(`Every datagram from a client never seen before, answered, under 1 % lost.\n\n${renderTable(['subject', 'new sessions'], rows)}`);
  }
  if (million.length > 0) parts.push(`A million sessions at once.\n\n${millionTable(million)}`);
  if (longFrames.length > 0) {
    const best = longFrames.map((one) => `${one.subject} ${((one.rate * LONG_FRAME_BYTES * 8) / 1e9).toFixed(2)}`).join(', ');
    parts.push(`1500-byte packets.\n\n${xdpTable(longFrames)}Gbit/s each way: ${best}\n`);
  }
  return parts.join('\n') + notes.map((line) => `not measured: ${line}\n`).join('');
}
