/** The rate of one subject: its search, and the rounds in which all subjects are searched in turn. */
import type { SubjectName } from './args.ts';
import { searchRate, type SearchResult } from './search.ts';
import type { Stage } from './stage.ts';
import type { RunningSubject, Subject } from './subjects/subject.ts';
import { microsText, percentText, rateText, ratioText, renderTable } from './table.ts';
import { observe, settle, SMALL_FRAME_BYTES, warmUp, type ClientRange, type Observation } from './trial.ts';

/** One cell of the table. `half` is latency at half the rate; null when no rate held. */
export interface RateResult extends SearchResult {
  readonly subject: SubjectName;
  readonly clients: number;
  readonly servers: number;
  readonly frameBytes: number;
  readonly half: { readonly rate: number; readonly p50Us: number; readonly p99Us: number } | null;
  /** Replies that reached another client than the one that asked, over all tries: must be 0. */
  readonly misdelivered: number;
  /** What each round found, in order, 0 for nothing; `rate` is the best of them. */
  readonly rounds: readonly number[];
}

export interface Load {
  readonly clients: number;
  readonly frameBytes?: number;
}

const LOWEST_RATE = 500;
const HIGHEST_RATE = 3_000_000;
const MAX_LOSS = 0.01;
/** A later round begins at the best rate so far and looks no further down than this share of it: a round this bad was disturbed and says nothing. */
const DISTURBED = 0.7;

/** Returns the searching part of SearchOptions for the bench's rates. `best` is what an earlier round found. */
export function searchOptions(quick: boolean, start: number, best = 0) {
  const common = { resolution: quick ? 0.05 : 0.02, tries: 3, maxLoss: MAX_LOSS, highest: HIGHEST_RATE } as const;
  return best > 0 ? { ...common, start: best, step: 1.06, lowest: best * DISTURBED } : { ...common, start, step: 1.5, lowest: LOWEST_RATE };
}

/**
 * How long one try sends. Short of a second: what waits for the balancer's CPU behind its real-time threads is let on it for 50 ms after that
 * (the kernel's fair server), and no subject lost what was lost then.
 */
export const TRY_SECONDS = 0.8;

/** Measures one subject. `before` is the result of earlier rounds, and part of the one returned. Rejects when the subject does not start or never answers. */
export async function measureRate(stage: Stage, subject: Subject, name: SubjectName, load: Load, before?: RateResult): Promise<RateResult> {
  const { topology, traffic, quick, progress } = stage;
  const { clients, frameBytes = SMALL_FRAME_BYTES } = load;
  const range: ClientRange = { first: 0, count: clients };
  const servers = topology.place.servers;
  const title = `${name}, ${clients} clients, ${servers} servers${frameBytes === SMALL_FRAME_BYTES ? '' : `, ${frameBytes}-byte frames`}`;
  let misdelivered = before?.misdelivered ?? 0;
  let turn = 0;
  const running = await subject.start(topology, { clients });
  try {
    await warmUp(traffic, running, range, subject.sessionsPerSecond);
    const attempt = async (rate: number): Promise<Observation> => {
      await settle(traffic, running, range);
      const seen = await observe(traffic, running, { clients: range, rate, seconds: TRY_SECONDS, turn, frameBytes });
      misdelivered += seen.misdelivered;
      // The next try goes on where this one ended: a slow subject would never see the last of 100,000 clients.
      turn = (turn + seen.sent) % clients;
      return seen;
    };
    const found = await searchRate(attempt, {
      ...searchOptions(quick, subject.guess, before?.rate),
      onTrial: (rate, trial, verdict) => progress(`${title}: ${rateText(rate).padStart(7)}/s  sent ${rateText(trial.offered).padStart(7)}/s  loss ${percentText(trial.loss).padStart(7)}  ${verdict}`),
    });
    const better = before === undefined || found.rate > before.rate;
    const half = found.rate > 0 && better ? await atRate(attempt, found.rate / 2) : null;
    progress(`${title}: ${rateText(found.rate)}/s${found.limit === 'subject' ? '' : ` (limited by ${found.limit === 'generator' ? 'the generator' : 'the highest rate tried'})`}`);
    const rounds = [...(before?.rounds ?? []), found.rate];
    const trials = found.trials + (before?.trials ?? 0);
    if (!better) return { ...before, rounds, trials, misdelivered };
    return { subject: name, clients, servers, frameBytes, ...found, half, rounds, trials, misdelivered };
  } finally {
    await running.stop();
  }
}

/**
 * A subject may fail once without a fault of its own: at rates that keep the ring of a veth full, its NAPI instance was seen to stop for good in the
 * middle of a search (Linux 6.18, once in some hundred tries). Each try gets a new one.
 */
const TRIES_A_ROUND = 2;

/** Which cells `measureRounds` fills: every subject under every load. */
export interface RoundsOptions {
  readonly names: readonly SubjectName[];
  readonly subjects: Readonly<Record<SubjectName, Subject>>;
  readonly loads: readonly Load[];
  readonly rounds: number;
  /** Told of each cell that cannot be measured; the others go on. */
  readonly onFailure: (message: string) => void;
  readonly signal: AbortSignal;
}

/** One cell on its way through the rounds. */
interface Cell {
  readonly name: SubjectName;
  readonly load: Load;
  result?: RateResult;
  failed: boolean;
}

/**
 * Measures A, B, C, then A, B, C again: what changes on the machine from minute to minute then touches all of them, and the best of the
 * rounds counts. The first round searches from the subject's guess, later ones around the best so far. Rejects when `signal` aborts.
 */
export async function measureRounds(stage: Stage, options: RoundsOptions): Promise<RateResult[]> {
  const cells = options.loads.flatMap((load) => options.names.map((name): Cell => ({ name, load, failed: false })));
  for (let round = 1; round <= options.rounds; round++) {
    for (const cell of cells.filter((one) => !one.failed)) await measureCell(stage, options, cell, round);
  }
  return cells.flatMap(({ result }) => result ?? []);
}

async function measureCell(stage: Stage, options: RoundsOptions, cell: Cell, round: number): Promise<void> {
  const { name, load } = cell;
  for (let tries = 1; ; tries++) {
    try {
      stage.topology.renewPolling();
      cell.result = await measureRate(stage, options.subjects[name], name, load, cell.result);
      return;
    } catch (error) {
      if (options.signal.aborted || !(error instanceof Error)) throw error;
      const message = `${name}, ${load.clients} clients, ${stage.topology.place.servers} servers, round ${round}: ${error.message}`;
      if (tries < TRIES_A_ROUND) {
        stage.progress(`${message}; once more`);
        continue;
      }
      // What earlier rounds found stands; a subject that never held anything is not tried again.
      cell.failed = cell.result === undefined;
      if (cell.result) cell.result = { ...cell.result, rounds: [...cell.result.rounds, 0] };
      options.onFailure(message);
      return;
    }
  }
}

/** Returns the latency of one try at `rate`. */
export async function atRate(attempt: (rate: number) => Promise<Observation>, rate: number): Promise<{ rate: number; p50Us: number; p99Us: number }> {
  const { p50Us, p99Us } = await attempt(rate);
  return { rate, p50Us, p99Us };
}

/** Returns the cell's rate, with `>=` when something else than the subject ended the search. */
export function cellText(result: RateResult): string {
  return result.rate > 0 ? `${result.limit === 'subject' ? '' : '>= '}${rateText(result.rate)}` : 'none held';
}

/** Returns the table with ratios to both nginx and to pen of the same clients and servers. */
export function rateTable(results: readonly RateResult[]): string {
  const rows = results.map((result) => {
    const peer = (name: SubjectName) => results.find((other) => other.subject === name && other.clients === result.clients && other.servers === result.servers)?.rate;
    return [
      result.subject,
      String(result.clients),
      String(result.servers),
      cellText(result),
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

/** Returns an observation of `running` once it has settled; for sections that start subjects themselves. */
export async function settleAndObserve(stage: Stage, running: RunningSubject, range: ClientRange, rate: number): Promise<Observation> {
  await settle(stage.traffic, running, range);
  return observe(stage.traffic, running, { clients: range, rate, seconds: TRY_SECONDS });
}
