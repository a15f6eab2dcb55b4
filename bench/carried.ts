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

/** Short, and in turn: what changes on the machine from second to second then touches both of a pair. */
const TRY_SECONDS = 0.4;
const TRIES_A_ROUND = 8;
const FIRST_OFFER = 4_000;
const OFFER_STEP = 1.4;
const MOST_OFFER = 2_000_000;
/** A subject that loses so much, each of so many times, is offered more than it can carry: noise loses too. */
const TOO_MUCH = 0.3;
const LOOKS = 3;

/** Measures every pair with both of it in place at once, and what is in no pair alone; `rounds` times. */
export async function measureCarried(stage: Stage, options: CarriedOptions): Promise<Carried[]> {
  const pairs = PAIRS.map(({ hand, weir }) => [hand, weir].filter((name) => options.names.includes(name)));
  const groups = [...options.names.filter((name) => !pairs.flat().includes(name)).map((name) => [name]), ...pairs.filter((pair) => pair.length > 0)];
  const offers = new Map<SubjectName, number>();
  const found = new Map<SubjectName, Carried>();
  for (let round = 0; round < options.rounds; round++) {
    for (const group of groups) {
      options.signal.throwIfAborted();
      try {
        await measureGroup(stage, options, { group, offers, found });
      } catch (error) {
        if (options.signal.aborted || !(error instanceof Error)) throw error;
        options.onFailure(`${group.join(' and ')}, ${options.clients} clients, round ${round + 1}: ${error.message}`);
      }
    }
  }
  return options.names.flatMap((name) => found.get(name) ?? []);
}

interface Group {
  readonly group: readonly SubjectName[];
  readonly offers: Map<SubjectName, number>;
  readonly found: Map<SubjectName, Carried>;
}

/** The first of a group says what both are offered. Tries go A B, B A, A B, … */
async function measureGroup(stage: Stage, options: CarriedOptions, { group, offers, found }: Group): Promise<void> {
  const { topology, traffic, progress } = stage;
  // Clients of their own: one client port at two services of one server is one flow to the answers of ip_vs in mode nat.
  const rangeOf = (name: SubjectName): ClientRange => ({ first: group.indexOf(name) * options.clients, count: options.clients });
  const running = new Map<SubjectName, RunningSubject>();
  try {
    for (const name of group) {
      const subject = await options.subjects[name].start(topology, { clients: options.clients });
      running.set(name, subject);
      await warmUp(traffic, subject, rangeOf(name), FIRST_OFFER / 2);
    }
    const [first] = group as [SubjectName];
    // A round in a better moment carries more: the offer never goes down.
    const offer = Math.max(offers.get(first) ?? 0, await tooMuch(stage, running.get(first) as RunningSubject, rangeOf(first)));
    offers.set(first, offer);
    for (let n = 0; n < TRIES_A_ROUND; n++) {
      for (const name of n % 2 === 0 ? group : group.toReversed()) {
        const seen = await observe(traffic, running.get(name) as RunningSubject, { clients: rangeOf(name), rate: offer, seconds: TRY_SECONDS });
        found.set(name, withTry(found.get(name), seen, { subject: name, clients: options.clients, servers: topology.place.servers }));
      }
    }
    for (const name of group) progress(`${name}, ${options.clients} clients: ${found.get(name)?.tries.slice(-TRIES_A_ROUND).map((rate) => `${rateText(rate)}/s`).join(', ') ?? ''} of ${rateText(offer)}/s`);
  } finally {
    for (const one of [...running.values()].toReversed()) await one.stop();
  }
}

function withTry(before: Carried | undefined, seen: Observation, cell: Pick<Carried, 'subject' | 'clients' | 'servers'>): Carried {
  const rate = carriedOf(seen);
  const tries = [...(before?.tries ?? []), rate];
  const misdelivered = (before?.misdelivered ?? 0) + seen.misdelivered;
  if (before !== undefined && before.rate >= rate) return { ...before, tries, misdelivered };
  return { ...cell, offered: seen.offered, rate, share: 1 - seen.loss, tries, misdelivered };
}

/** Returns the first offer of a ladder that is more than the subject carries. */
async function tooMuch({ traffic }: Stage, running: RunningSubject, clients: ClientRange): Promise<number> {
  for (let rate = FIRST_OFFER; rate < MOST_OFFER; rate *= OFFER_STEP) {
    let looks = 0;
    while (looks < LOOKS && (await observe(traffic, running, { clients, rate, seconds: TRY_SECONDS })).loss >= TOO_MUCH) looks++;
    if (looks === LOOKS) return rate;
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
  /** False where the generator gave out first: then the ratio says nothing. */
  readonly measured: boolean;
  readonly met: boolean;
}

/** A subject that carried more of its offer than this was not offered enough. */
const ALL_OF_IT = 0.97;

/** Returns a judgement for each pair of which both were measured. Pure. */
export function judgePairs(results: readonly Carried[], pairs: readonly Pair[] = PAIRS): readonly PairJudgement[] {
  return pairs.flatMap((pair) => results.filter((one) => one.subject === pair.hand && one.rate > 0).flatMap((hand) => {
    const weir = results.find((one) => one.subject === pair.weir && one.clients === hand.clients && one.servers === hand.servers);
    if (weir === undefined) return [];
    const ratio = weir.rate / hand.rate;
    const measured = Math.max(hand.share, weir.share) <= ALL_OF_IT;
    return [{ ...pair, clients: hand.clients, ratio, measured, met: measured && ratio >= LEAST }];
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
  return judgements.map(({ title, clients, weir, hand, ratio, measured, met }) => `${met ? 'met' : measured ? 'not met' : 'not measured, the generator gave out'}  ${title}, ${clients} clients: ${weir} carries ${ratio.toFixed(3)} x ${hand}, at least ${LEAST} asked\n`).join('');
}
