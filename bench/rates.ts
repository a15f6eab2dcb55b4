/** The table of rates: every subject, every number of clients and servers, in one run. */
import type { SubjectName } from './args.ts';
import { searchRate, type SearchResult } from './search.ts';
import type { RunningSubject, Subject } from './subjects/subject.ts';
import { microsText, percentText, rateText, ratioText, renderTable } from './table.ts';
import type { Topology } from './topology/topology.ts';
import type { Traffic } from './traffic/traffic.ts';
import { observe, warmUp, type ClientRange, type Observation } from './trial.ts';

/** One cell of the table. `half` is latency at half the rate; null when no rate held. */
export interface RateResult extends SearchResult {
  readonly subject: SubjectName;
  readonly clients: number;
  readonly servers: number;
  readonly half: { readonly rate: number; readonly p50Us: number; readonly p99Us: number } | null;
  /** Replies that reached another client than the one that asked, over all tries: must be 0. */
  readonly misdelivered: number;
}

/** Where a measurement happens. */
export interface Stage {
  readonly topology: Topology;
  readonly traffic: Traffic;
  readonly quick: boolean;
  readonly progress: (line: string) => void;
}

const LOWEST_RATE = 500;
const HIGHEST_RATE = 3_000_000;
const MAX_LOSS = 0.01;

/** Returns the searching part of SearchOptions for the bench's rates. */
export function searchOptions(quick: boolean, start: number) {
  return { start, step: 1.5, resolution: quick ? 0.05 : 0.02, tries: 3, maxLoss: MAX_LOSS, lowest: LOWEST_RATE, highest: HIGHEST_RATE } as const;
}

/** Returns how long one try sends, in seconds. */
export function trySeconds(quick: boolean): number {
  return quick ? 1 : 1.6;
}

/** Measures one subject with `clients`. Rejects when the subject does not start or never answers. */
export async function measureRate(stage: Stage, subject: Subject, name: SubjectName, clients: number): Promise<RateResult> {
  const { topology, traffic, quick, progress } = stage;
  const range: ClientRange = { first: 0, count: clients };
  const title = `${name}, ${clients} clients, ${topology.place.servers} servers`;
  let misdelivered = 0;
  const running = await subject.start(topology);
  try {
    const attempt = async (rate: number): Promise<Observation> => {
      await warmUp(traffic, running, range);
      const seen = await observe(traffic, running, range, rate, trySeconds(quick));
      misdelivered += seen.misdelivered;
      return seen;
    };
    const found = await searchRate(attempt, {
      ...searchOptions(quick, name === 'routing' ? 100_000 : 16_000),
      onTrial: (rate, trial, verdict) => progress(`${title}: ${rateText(rate).padStart(7)}/s  loss ${percentText(trial.loss).padStart(7)}  ${verdict}`),
    });
    const half = found.rate > 0 ? await atRate(attempt, found.rate / 2) : null;
    progress(`${title}: ${rateText(found.rate)}/s${found.limit === 'subject' ? '' : ` (limited by ${found.limit === 'generator' ? 'the generator' : 'the highest rate tried'})`}`);
    return { subject: name, clients, servers: topology.place.servers, ...found, half, misdelivered };
  } finally {
    await running.stop();
  }
}

/** Returns the latency of one try at `rate`. */
export async function atRate(attempt: (rate: number) => Promise<Observation>, rate: number): Promise<{ rate: number; p50Us: number; p99Us: number }> {
  const { p50Us, p99Us } = await attempt(rate);
  return { rate, p50Us, p99Us };
}

/** Returns the table with ratios to both nginx and to pen of the same clients and servers. */
export function rateTable(results: readonly RateResult[]): string {
  const rows = results.map((result) => {
    const peer = (name: SubjectName) => results.find((other) => other.subject === name && other.clients === result.clients && other.servers === result.servers)?.rate;
    return [
      result.subject,
      String(result.clients),
      String(result.servers),
      result.rate > 0 ? `${result.limit === 'subject' ? '' : '>= '}${rateText(result.rate)}` : 'none held',
      ratioText(result.rate, peer('nginx')),
      ratioText(result.rate, peer('nginx-request')),
      ratioText(result.rate, peer('pen')),
      microsText(result.half?.p50Us ?? Number.NaN),
      microsText(result.half?.p99Us ?? Number.NaN),
      String(result.misdelivered),
    ];
  });
  return renderTable(['subject', 'clients', 'servers', 'round trips/s', 'of nginx', 'of nginx-request', 'of pen', 'p50 at half', 'p99 at half', 'misdelivered'], rows);
}

/** Returns an observation of `running` after a warm-up; for sections that start subjects themselves. */
export async function warmAndObserve(stage: Stage, running: RunningSubject, range: ClientRange, rate: number): Promise<Observation> {
  await warmUp(stage.traffic, running, range);
  return observe(stage.traffic, running, range, rate, trySeconds(stage.quick));
}
