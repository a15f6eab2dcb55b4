/** What is asked of weir alone: new sessions per second, bytes per session, latency added to plain routing. */
import { readMemory } from './memory.ts';
import { searchOptions, settleAndObserve, TRY_SECONDS, type RateResult } from './rates.ts';
import { searchRate, type SearchResult } from './search.ts';
import { routing } from './subjects/routing.ts';
import type { Stage } from './stage.ts';
import type { Subject } from './subjects/subject.ts';
import { bytesText, microsText, percentText, rateText, renderTable } from './table.ts';
import { observe, visitAll, warmUp } from './trial.ts';

/** The figures; null where one could not be had, then `notes` says why. */
export interface SectionResults {
  readonly newSessions: SearchResult | null;
  readonly memory: MemoryResult | null;
  readonly latency: LatencyResult | null;
  readonly notes: readonly string[];
}

export interface MemoryResult {
  /** Clients that were answered. */
  readonly sessions: number;
  /** Datagrams of new clients that were not: the table grew meanwhile. */
  readonly lost: number;
  /** Growth of the process. */
  readonly processBytesPerSession: number;
  /** Growth of the kernel's slab, whole machine. */
  readonly slabBytesPerSession: number;
  readonly udpSockets: number;
  readonly processBytes: number;
}

export interface LatencyResult {
  readonly rate: number;
  readonly weir: { readonly p50Us: number; readonly p99Us: number };
  readonly routing: { readonly p50Us: number; readonly p99Us: number };
}

const MEMORY_SESSIONS = 100_000;
/** Slow enough that nothing is lost: memory is asked for, not speed. */
const MEMORY_RATE = 5_000;
const NEW_SESSION_START = 4_000;
const LATENCY_TRIES = 3;

/** Measures all three; one that fails leaves a note and the others go on. `best` is the table's result that says what half load is. */
export async function measureSections(stage: Stage, weir: Subject, best: RateResult | undefined): Promise<SectionResults> {
  const notes: string[] = [];
  const attempt = async <T>(what: string, measure: () => Promise<T>): Promise<T | null> => {
    try {
      return await measure();
    } catch (error) {
      if (!(error instanceof Error) || error.name === 'AbortError') throw error;
      notes.push(`${what}: ${error.message}`);
      stage.progress(`${what}: ${error.message}`);
      return null;
    }
  };
  const newSessions = await attempt('new sessions', () => measureNewSessions(stage, weir));
  const memory = await attempt('bytes per session', () => measureMemory(stage, weir));
  const latency = await attempt('added latency', () => {
    if (best === undefined || best.rate === 0) throw new Error('no rate held, so there is no half of it');
    return measureLatency(stage, weir, best.rate / 2, best.clients);
  });
  return { newSessions, memory, latency, notes };
}

/** Returns the highest rate at which every datagram comes from a client never seen before. Each try gets a fresh process: tables and ports are empty. */
export async function measureNewSessions(stage: Stage, subject: Subject): Promise<SearchResult> {
  const trial = async (rate: number) => {
    const clients = Math.ceil(rate * TRY_SECONDS * 1.1);
    const running = await subject.start(stage.topology, { clients });
    try {
      // The JIT has to have seen the path: it is not cold in an operator's daemon either.
      await warmUp(stage.traffic, running, { first: 0, count: 2_000 });
      return await observe(stage.traffic, running, { clients: { first: 2_000, count: clients }, rate, seconds: TRY_SECONDS });
    } finally {
      await running.stop();
    }
  };
  return searchRate(trial, {
    ...searchOptions(stage.quick, Math.max(NEW_SESSION_START, subject.sessionsPerSecond / 2)),
    resolution: 0.05,
    onTrial: (rate, seen, verdict) => stage.progress(`new sessions, ${subject.name}: ${rateText(rate).padStart(7)}/s  loss ${percentText(seen.loss).padStart(7)}  ${verdict}`),
  });
}

/** Returns what 100,000 sessions take beyond the first few. Rejects when fewer than 99 % of the clients were answered. */
export async function measureMemory(stage: Stage, subject: Subject, sessions: number = MEMORY_SESSIONS): Promise<MemoryResult> {
  const running = await subject.start(stage.topology, { clients: sessions });
  try {
    if (running.pid === null) throw new Error(`${subject.name} has no process`);
    const first = Math.min(1_000, Math.ceil(sessions / 10));
    await warmUp(stage.traffic, running, { first: 0, count: first });
    const before = readMemory(running.pid);
    const told = (so: number) => stage.progress(`bytes per session: ${so} of ${sessions} sessions`);
    const { answered, lost } = await visitAll(stage.traffic, running, { first, count: sessions }, MEMORY_RATE, told);
    const after = readMemory(running.pid);
    if (answered < sessions * 0.99) throw new Error(`only ${answered} of ${sessions} clients were answered`);
    return {
      sessions: answered,
      lost,
      processBytesPerSession: (after.processBytes - before.processBytes) / answered,
      slabBytesPerSession: (after.slabBytes - before.slabBytes) / answered,
      udpSockets: after.udpSockets,
      processBytes: after.processBytes,
    };
  } finally {
    await running.stop();
  }
}

/** Returns latency at `rate` through the subject and through plain routing, the median of three tries each. */
export async function measureLatency(stage: Stage, subject: Subject, rate: number, clients: number): Promise<LatencyResult> {
  const through = async (one: Subject) => {
    const running = await one.start(stage.topology, { clients });
    try {
      await warmUp(stage.traffic, running, { first: 0, count: clients });
      const tries: { p50Us: number; p99Us: number }[] = [];
      for (let i = 0; i < LATENCY_TRIES; i++) {
        const { p50Us, p99Us } = await settleAndObserve(stage, running, { first: 0, count: clients }, rate);
        tries.push({ p50Us, p99Us });
        stage.progress(`latency at ${rateText(rate)}/s through ${one.name}: p50 ${microsText(p50Us)}, p99 ${microsText(p99Us)}`);
      }
      return { p50Us: median(tries.map((seen) => seen.p50Us)), p99Us: median(tries.map((seen) => seen.p99Us)) };
    } finally {
      await running.stop();
    }
  };
  return { rate, weir: await through(subject), routing: await through(routing) };
}

/** Returns the sections as text. */
export function sectionsText(results: SectionResults): string {
  const rows: string[][] = [];
  if (results.newSessions) rows.push(['new sessions created', `${rateText(results.newSessions.rate)}/s`, 'each datagram from a new client, answered, under 1 % lost']);
  if (results.memory) {
    const { memory } = results;
    rows.push(
      ['lost while the table grew', String(memory.lost), `of ${memory.sessions + memory.lost} datagrams, each from a new client`],
      ['process memory per session', bytesText(memory.processBytesPerSession), `at ${memory.sessions} sessions; the process is ${bytesText(memory.processBytes)} then`],
      ['kernel slab per session', bytesText(memory.slabBytesPerSession), `${memory.udpSockets} UDP sockets`],
    );
  }
  if (results.latency) {
    const { rate, weir, routing: floor } = results.latency;
    for (const key of ['p50Us', 'p99Us'] as const) {
      const name = key === 'p50Us' ? 'p50' : 'p99';
      rows.push([`added latency ${name}`, microsText(weir[key] - floor[key]), `at ${rateText(rate)}/s: weir ${microsText(weir[key])}, routing ${microsText(floor[key])}`]);
    }
  }
  const table = rows.length === 0 ? '' : renderTable(['weir', 'figure', 'how'], rows);
  return table + results.notes.map((note) => `not measured: ${note}\n`).join('');
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}
