/**
 * What a subject carries in a machine of one CPU whose clock is its instructions (scripts/guest): the generator's next frame leaves when the one before has been
 * carried to its end, so round trips/s are the reciprocal of the instructions a round trip takes, generator and servers included, and nobody else on the host has a part in it.
 */
import type { SubjectName } from './args.ts';
import type { Stage } from './stage.ts';
import type { RunningSubject, Subject } from './subjects/subject.ts';
import { rateText, renderTable } from './table.ts';
import { observe, warmUp, type ClientRange, type Observation } from './trial.ts';

/** One NAT service in two ways: `ours` is to carry at least `least` times what `peer` carries. `together`: both are in place at once and tried in turn. */
export interface Pair {
  readonly title: string;
  readonly peer: SubjectName;
  readonly ours: SubjectName;
  readonly least: number;
  readonly together: boolean;
}

export const PAIRS: readonly Pair[] = [
  { title: 'mode nat, by weir and by hand', peer: 'ipvsadm-plain', ours: 'lvs-plain', least: 0.98, together: true },
  { title: 'the page (conntrack and source NAT), by weir and by hand', peer: 'ipvsadm', ours: 'lvs', least: 0.98, together: true },
  { title: 'the page, by the xdp and the lvs engine', peer: 'lvs', ours: 'xdp', least: 4, together: false },
];

/** One subject. `tries` are round trips/s in the order they were measured; `rate` is their median: the machine's own work makes some lower, and none is disturbed by others. */
export interface Carried {
  readonly subject: SubjectName;
  readonly clients: number;
  readonly servers: number;
  readonly rate: number;
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

/** Short, and in turn: what the machine does by itself now and then touches both of a pair, and the median not at all. */
const TRY_SECONDS = 0.4;
const TRIES_A_ROUND = 8;
/** More than any subject carries: the generator is always behind, and sends as fast as it can. */
const OFFER = 2_000_000;
const WARM_RATE = 2_000;

/** Measures every pair with both of it in place at once, and what is in no pair alone; `rounds` times. */
export async function measureCarried(stage: Stage, options: CarriedOptions): Promise<Carried[]> {
  const pairs = PAIRS.filter(({ together }) => together).map(({ peer, ours }) => [peer, ours].filter((name) => options.names.includes(name)));
  const groups = [...options.names.filter((name) => !pairs.flat().includes(name)).map((name) => [name]), ...pairs.filter((pair) => pair.length > 0)];
  const found = new Map<SubjectName, Carried>();
  for (let round = 0; round < options.rounds; round++) {
    for (const group of groups) {
      options.signal.throwIfAborted();
      try {
        await measureGroup(stage, options, { group, found });
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
  readonly found: Map<SubjectName, Carried>;
}

/** Tries go A B, B A, A B, … */
async function measureGroup(stage: Stage, options: CarriedOptions, { group, found }: Group): Promise<void> {
  const { topology, traffic, progress } = stage;
  // Clients of their own: one client port at two services of one server is one flow to the answers of ip_vs in mode nat.
  const rangeOf = (name: SubjectName): ClientRange => ({ first: group.indexOf(name) * options.clients, count: options.clients });
  const running = new Map<SubjectName, RunningSubject>();
  try {
    for (const name of group) {
      const subject = await options.subjects[name].start(topology, { clients: options.clients });
      running.set(name, subject);
      await warmUp(traffic, subject, rangeOf(name), WARM_RATE);
    }
    for (let n = 0; n < TRIES_A_ROUND; n++) {
      for (const name of n % 2 === 0 ? group : group.toReversed()) {
        const seen = await observe(traffic, running.get(name) as RunningSubject, { clients: rangeOf(name), rate: OFFER, seconds: TRY_SECONDS });
        found.set(name, withTry(found.get(name), seen, { subject: name, clients: options.clients, servers: topology.place.servers }));
      }
    }
    for (const name of group) progress(`${name}, ${options.clients} clients: ${found.get(name)?.tries.slice(-TRIES_A_ROUND).map((rate) => `${rateText(rate)}/s`).join(', ') ?? ''}`);
  } finally {
    for (const one of [...running.values()].toReversed()) await one.stop();
  }
}

function withTry(before: Carried | undefined, { offered, loss, misdelivered }: Observation, cell: Pick<Carried, 'subject' | 'clients' | 'servers'>): Carried {
  const tries = [...(before?.tries ?? []), offered * (1 - loss)];
  return { ...cell, rate: median(tries), tries, misdelivered: (before?.misdelivered ?? 0) + misdelivered };
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1] ?? 0;
}

export interface PairJudgement extends Pair {
  readonly clients: number;
  readonly ratio: number;
  readonly met: boolean;
}

/** Returns a judgement for each pair of which both carried something. Pure. */
export function judgePairs(results: readonly Carried[], pairs: readonly Pair[] = PAIRS): readonly PairJudgement[] {
  return pairs.flatMap((pair) => results.filter((one) => one.subject === pair.peer && one.rate > 0).flatMap((peer) => {
    const ours = results.find((one) => one.subject === pair.ours && one.clients === peer.clients && one.servers === peer.servers);
    if (ours === undefined) return [];
    const ratio = ours.rate / peer.rate;
    return [{ ...pair, clients: peer.clients, ratio, met: ratio >= pair.least }];
  }));
}

/** Returns the table of what was carried. */
export function carriedTable(results: readonly Carried[]): string {
  return renderTable(['subject', 'clients', 'servers', 'round trips/s', 'lowest', 'highest', 'tries', 'misdelivered'], results.map((one) => [
    one.subject, String(one.clients), String(one.servers), rateText(one.rate), rateText(Math.min(...one.tries)), rateText(Math.max(...one.tries)), String(one.tries.length), String(one.misdelivered),
  ]));
}

/** Returns a line a pair: met or not met. */
export function pairsText(judgements: readonly PairJudgement[]): string {
  return judgements.map(({ title, clients, ours, peer, least, ratio, met }) => `${met ? 'met' : 'not met'}  ${title}, ${clients} clients: ${ours} carries ${ratio.toFixed(3)} x ${peer}, at least ${least} asked\n`).join('');
}
