/**
 * What a subject carries when it is offered more than it can: round trips/s that came back. Where the machine is slow and noisy this tells two
 * subjects apart that a search for a rate without loss would not: a try is one number, and the best of many is the subject's own.
 */
import type { SubjectName } from './args.ts';
import type { Stage } from './stage.ts';
import type { RunningSubject, Subject } from './subjects/subject.ts';
import { percentText, rateText, renderTable } from './table.ts';
import { observe, warmUp, type ClientRange, type Observation } from './trial.ts';

/** Two ways to the same services: weir is to carry at least LEAST of what they carry set by hand. */
export interface Pair {
  readonly title: string;
  readonly hand: SubjectName;
  readonly weir: SubjectName;
}

export const PAIRS: readonly Pair[] = [
  { title: 'mode nat', hand: 'ipvsadm-plain', weir: 'lvs-plain' },
  { title: 'the page: conntrack and source NAT', hand: 'ipvsadm', weir: 'lvs' },
];
export const LEAST = 0.98;

/** One subject. `tries` are round trips/s in the order they were measured; `rate` is the best of them. */
export interface Carried {
  readonly subject: SubjectName;
  readonly clients: number;
  readonly servers: number;
  /** Frames per second that were offered, as sent in the best try. */
  readonly offered: number;
  readonly rate: number;
  /** Of what was offered, the share that came back: near 1 says that the generator, not the subject, was the limit. */
  readonly share: number;
  readonly tries: readonly number[];
  readonly misdelivered: number;
}

export interface CarriedOptions {
  readonly names: readonly SubjectName[];
  readonly subjects: Readonly<Record<SubjectName, Subject>>;
  readonly clients: number;
  readonly rounds: number;
  readonly onFailure: (message: string) => void;
  readonly signal: AbortSignal;
}

const TRY_SECONDS = 0.8;
const TRIES_A_ROUND = 3;
const FIRST_OFFER = 4_000;
const OFFER_STEP = 1.4;
const MOST_OFFER = 2_000_000;
/** A subject that loses so much is offered more than it can carry. */
const TOO_MUCH = 0.1;

/** Measures all subjects in turn, `rounds` times; every second round in the opposite order, so that a machine that gets slower favours none. Both of a pair are offered the same. */
export async function measureCarried(stage: Stage, options: CarriedOptions): Promise<Carried[]> {
  const offers = new Map<SubjectName, number>();
  const found = new Map<SubjectName, Carried>();
  for (let round = 0; round < options.rounds; round++) {
    for (const name of round % 2 === 0 ? options.names : options.names.toReversed()) {
      options.signal.throwIfAborted();
      try {
        found.set(name, await measureOne(stage, options, { name, offers, before: found.get(name) }));
      } catch (error) {
        if (options.signal.aborted || !(error instanceof Error)) throw error;
        options.onFailure(`${name}, ${options.clients} clients, round ${round + 1}: ${error.message}`);
      }
    }
  }
  return options.names.flatMap((name) => found.get(name) ?? []);
}

async function measureOne(stage: Stage, options: CarriedOptions, { name, offers, before }: { readonly name: SubjectName; readonly offers: Map<SubjectName, number>; readonly before: Carried | undefined }): Promise<Carried> {
  const { topology, traffic, progress } = stage;
  const range: ClientRange = { first: 0, count: options.clients };
  const running = await options.subjects[name].start(topology, { clients: options.clients });
  try {
    await warmUp(traffic, running, range, FIRST_OFFER / 2);
    const key = PAIRS.find((pair) => pair.weir === name)?.hand ?? name;
    const offer = offers.get(key) ?? (await tooMuch(stage, running, range));
    offers.set(key, offer);
    let best: Observation | null = null;
    const tries: number[] = [];
    let misdelivered = before?.misdelivered ?? 0;
    for (let n = 0; n < TRIES_A_ROUND; n++) {
      const seen = await observe(traffic, running, { clients: range, rate: offer, seconds: TRY_SECONDS });
      tries.push(carriedOf(seen));
      misdelivered += seen.misdelivered;
      if (best === null || carriedOf(seen) > carriedOf(best)) best = seen;
    }
    progress(`${name}, ${options.clients} clients: ${tries.map((rate) => `${rateText(rate)}/s`).join(', ')} of ${rateText(offer)}/s`);
    const all = [...(before?.tries ?? []), ...tries];
    if (best === null || (before !== undefined && before.rate >= carriedOf(best))) return { ...(before as Carried), tries: all, misdelivered };
    return { subject: name, clients: options.clients, servers: topology.place.servers, offered: best.offered, rate: carriedOf(best), share: 1 - best.loss, tries: all, misdelivered };
  } finally {
    await running.stop();
  }
}

/** Returns the first offer of a ladder that is more than the subject carries. */
async function tooMuch({ traffic }: Stage, running: RunningSubject, clients: ClientRange): Promise<number> {
  for (let rate = FIRST_OFFER; rate < MOST_OFFER; rate *= OFFER_STEP) {
    // Noise loses too: a rate is too much when it is so twice.
    const first = await observe(traffic, running, { clients, rate, seconds: TRY_SECONDS / 2 });
    if (first.loss < TOO_MUCH) continue;
    const second = await observe(traffic, running, { clients, rate, seconds: TRY_SECONDS / 2 });
    if (second.loss >= TOO_MUCH) return rate * OFFER_STEP;
  }
  return MOST_OFFER;
}

/** Round trips/s. */
function carriedOf({ offered, loss }: Observation): number {
  return offered * (1 - loss);
}

export interface PairJudgement extends Pair {
  readonly clients: number;
  readonly ratio: number;
  readonly met: boolean;
}

/** Returns a judgement for each pair of which both were measured. Pure. */
export function judgePairs(results: readonly Carried[], pairs: readonly Pair[] = PAIRS): readonly PairJudgement[] {
  return pairs.flatMap((pair) => results.filter((one) => one.subject === pair.hand && one.rate > 0).flatMap((hand) => {
    const weir = results.find((one) => one.subject === pair.weir && one.clients === hand.clients && one.servers === hand.servers);
    return weir === undefined ? [] : [{ ...pair, clients: hand.clients, ratio: weir.rate / hand.rate, met: weir.rate / hand.rate >= LEAST }];
  }));
}

/** Returns the table of what was carried. */
export function carriedTable(results: readonly Carried[]): string {
  return renderTable(['subject', 'clients', 'servers', 'round trips/s', 'lowest', 'tries', 'of offered', 'misdelivered'], results.map((one) => [
    one.subject, String(one.clients), String(one.servers), rateText(one.rate), rateText(Math.min(...one.tries)), String(one.tries.length), percentText(one.share), String(one.misdelivered),
  ]));
}

/** Returns a line a pair: met or not met. */
export function pairsText(judgements: readonly PairJudgement[]): string {
  return judgements.map(({ title, clients, weir, hand, ratio, met }) => `${met ? 'met' : 'not met'}  ${title}, ${clients} clients: ${weir} carries ${ratio.toFixed(3)} x ${hand}, at least ${LEAST} asked\n`).join('');
}
