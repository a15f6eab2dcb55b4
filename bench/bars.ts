/** What weir's engines are to reach beside their peers, and whether they did. */
import type { SubjectName } from './args.ts';
import type { RateResult } from './rates.ts';
import { SMALL_FRAME_BYTES } from './trial.ts';

/** `ours` at `clients` is to carry at least `least` times what `of` carries. */
export interface Bar {
  readonly ours: SubjectName;
  readonly clients: number;
  readonly of: SubjectName;
  readonly least: number;
  /** What it should rather be; null: the bar is all that is asked. */
  readonly aim: number | null;
}

export const XDP_BARS: readonly Bar[] = [
  { ours: 'xdp', clients: 1_000, of: 'limit', least: 0.75, aim: 0.9 },
  { ours: 'xdp', clients: 1_000, of: 'nftables', least: 3, aim: null },
  // Set when nginx carried 28 k/s, with its session ended by the first reply; with sessions that last, as weir's do here, it carries twice that.
  { ours: 'xdp', clients: 1_000, of: 'nginx-request', least: 20, aim: null },
  { ours: 'xdp', clients: 1_000, of: 'nginx', least: 20, aim: null },
  { ours: 'xdp', clients: 100_000, of: 'limit', least: 0.65, aim: 0.8 },
];

export const USERSPACE_BARS: readonly Bar[] = [
  // nginx as its documentation sets DNS up, and with sessions that last as weir's do here.
  { ours: 'weir', clients: 1_000, of: 'nginx-request', least: 2.2, aim: 3 },
  { ours: 'weir', clients: 1_000, of: 'nginx', least: 2.2, aim: 3 },
  { ours: 'weir', clients: 1_000, of: 'pen', least: 1.3, aim: null },
];

export interface Judgement extends Bar {
  /** Of the best rounds; null: one of the two rates is missing. */
  readonly ratio: number | null;
  /** Of the two rates of each round in which both held something: how far the ratio can be believed. */
  readonly rounds: readonly number[];
  readonly met: boolean;
}

/** Returns a judgement for each bar; of several numbers of servers the worst ratio counts. */
export function judgeBars(results: readonly RateResult[], bars: readonly Bar[]): readonly Judgement[] {
  return bars.map((bar) => {
    const cells = results.filter((one) => one.clients === bar.clients && one.frameBytes === SMALL_FRAME_BYTES && one.rate > 0);
    const ratios = cells.filter((one) => one.subject === bar.ours).flatMap((one) => {
      const peer = cells.find((other) => other.subject === bar.of && other.servers === one.servers);
      return peer === undefined ? [] : [{ ratio: one.rate / peer.rate, rounds: byRound(one.rounds, peer.rounds) }];
    });
    const [worst] = ratios.toSorted((a, b) => a.ratio - b.ratio);
    return { ...bar, ratio: worst?.ratio ?? null, rounds: worst?.rounds ?? [], met: worst !== undefined && worst.ratio >= bar.least };
  });
}

function byRound(ours: readonly number[], theirs: readonly number[]): readonly number[] {
  return ours.flatMap((rate, round) => {
    const other = theirs[round] ?? 0;
    return rate > 0 && other > 0 ? [rate / other] : [];
  });
}

/** Returns a line a bar: met, not met, or not measured. */
export function barsText(judgements: readonly Judgement[]): string {
  return judgements
    .map(({ ours, clients, of, least, aim, ratio, rounds, met }) => {
      const verdict = ratio === null ? 'not measured' : met ? 'met' : 'not met';
      const spread = rounds.length < 2 ? '' : ` (round by round ${Math.min(...rounds).toFixed(2)} .. ${Math.max(...rounds).toFixed(2)})`;
      const found = ratio === null ? '' : `: it is ${ratio.toFixed(2)}${spread}${aim === null ? '' : `, the aim is ${aim}`}`;
      return `${verdict.padEnd(12)}  ${clients} clients: ${ours} at least ${least} x ${of}${found}\n`;
    })
    .join('');
}
