/** What weir's xdp engine is to reach beside its peers, and whether it did. */
import type { SubjectName } from './args.ts';
import type { RateResult } from './rates.ts';
import { SMALL_FRAME_BYTES } from './trial.ts';

/** `xdp` at `clients` is to carry at least `least` times what `of` carries. */
export interface Bar {
  readonly clients: number;
  readonly of: SubjectName;
  readonly least: number;
  /** What it should rather be; null: the bar is all that is asked. */
  readonly aim: number | null;
}

export const BARS: readonly Bar[] = [
  { clients: 1_000, of: 'limit', least: 0.75, aim: 0.9 },
  { clients: 1_000, of: 'nftables', least: 3, aim: null },
  { clients: 1_000, of: 'nginx', least: 20, aim: null },
  { clients: 100_000, of: 'limit', least: 0.65, aim: 0.8 },
];

export interface Judgement extends Bar {
  /** null: one of the two rates is missing. */
  readonly ratio: number | null;
  readonly met: boolean;
}

/** Returns a judgement for each bar; of several numbers of servers the worst ratio counts. */
export function judgeBars(results: readonly RateResult[]): readonly Judgement[] {
  return BARS.map((bar) => {
    const cells = results.filter((one) => one.clients === bar.clients && one.frameBytes === SMALL_FRAME_BYTES && one.rate > 0);
    const ratios = cells.filter((one) => one.subject === 'xdp').flatMap((one) => {
      const peer = cells.find((other) => other.subject === bar.of && other.servers === one.servers);
      return peer === undefined ? [] : [one.rate / peer.rate];
    });
    const ratio = ratios.length === 0 ? null : Math.min(...ratios);
    return { ...bar, ratio, met: ratio !== null && ratio >= bar.least };
  });
}

/** Returns a line a bar: met, not met, or not measured. */
export function barsText(judgements: readonly Judgement[]): string {
  return judgements
    .map(({ clients, of, least, aim, ratio, met }) => {
      const verdict = ratio === null ? 'not measured' : met ? 'met' : 'not met';
      const found = ratio === null ? '' : `: it is ${ratio.toFixed(2)}${aim === null ? '' : `, the aim is ${aim}`}`;
      return `${verdict.padEnd(12)}  ${clients} clients: xdp at least ${least} x ${of}${found}\n`;
    })
    .join('');
}
