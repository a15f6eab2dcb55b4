/** The highest rate that holds: geometric steps up from a start, then halving between the last that held and the first that did not. */

/** What one try at one rate showed. */
export interface Trial {
  /** Frames per second really sent. */
  readonly offered: number;
  /** Share of the frames, 0..1, that found no way back. */
  readonly loss: number;
}

export interface SearchOptions {
  readonly start: number;
  /** Factor of the first, geometric steps. */
  readonly step: number;
  /** Stop when the bounds are this close: 0.02 is 2 %. */
  readonly resolution: number;
  /** A rate holds if one of so many tries holds: noise only ever costs. */
  readonly tries: number;
  /** A try holds below this loss: 0.01 is 1 %. */
  readonly maxLoss: number;
  /** Rates outside are not tried. */
  readonly lowest: number;
  readonly highest: number;
  readonly onTrial?: (rate: number, trial: Trial, verdict: Verdict) => void;
}

/** `short`: little was lost, but the generator came nowhere near the rate: the try says that the subject carries what was sent, and nothing of the rate. */
export type Verdict = 'holds' | 'loses' | 'short';

/** `limit` says what ended the search: the subject lost frames, the generator could send no faster, or the highest rate held. */
export interface SearchResult {
  /** Frames per second really sent, the most of all tries that lost less than is allowed; 0 when none did. */
  readonly rate: number;
  readonly loss: number;
  readonly trials: number;
  readonly limit: 'subject' | 'generator' | 'highest';
}

/** A generator this close to its rate has reached it: on a machine that others use it has to leave out some, and what it sent is what counts. */
const REACHED = 0.9;
/** More tries granted when the generator fell short. */
const EXTRA_TRIES = 3;

/** Searches with `trial`, which sends at a rate and says what came back. Rejects when a trial does. */
export async function searchRate(trial: (rate: number) => Promise<Trial>, options: SearchOptions): Promise<SearchResult> {
  let best: Trial = { offered: 0, loss: 0 };
  let trials = 0;
  let limit: SearchResult['limit'] = 'subject';
  const holds = async (rate: number): Promise<boolean> => {
    let lost = 0;
    for (let made = 0; lost < options.tries && made < options.tries + EXTRA_TRIES; made++) {
      const result = await trial(rate);
      trials++;
      const verdict = judge(rate, result, options.maxLoss);
      options.onTrial?.(rate, result, verdict);
      if (verdict === 'loses') lost++;
      else if (result.offered > best.offered) best = result;
      if (verdict === 'holds') return true;
    }
    limit = lost < options.tries ? 'generator' : 'subject';
    return false;
  };
  const done = () => ({ rate: best.offered, loss: best.loss, trials, limit });

  let low = Math.min(options.start, options.highest);
  let high = low;
  if (await holds(low)) {
    do {
      low = high;
      if (low >= options.highest) return { ...done(), limit: 'highest' };
      high = Math.min(low * options.step, options.highest);
    } while (await holds(high));
  } else {
    do {
      high = low;
      low = high / options.step;
      if (low < options.lowest) return done();
    } while (!(await holds(low)));
  }
  while (high / low > 1 + options.resolution) {
    const middle = Math.sqrt(low * high);
    if (await holds(middle)) low = middle;
    else high = middle;
  }
  return done();
}

function judge(rate: number, trial: Trial, maxLoss: number): Verdict {
  if (trial.loss >= maxLoss) return 'loses';
  return trial.offered >= rate * REACHED ? 'holds' : 'short';
}
