/** One soak from a seed to its verdict: what `npm run soak` and the test run. */
import { needs } from '../fixtures/needs.ts';
import { withScope } from '../fixtures/scope.ts';
import { planEvents } from './events.ts';
import { loopbackPlace, namespacePlace } from './places.ts';
import { runSoak, type Outcome } from './runner.ts';
import { failureText, reportText, verdictOf, type Asked, type Verdict } from './verdict.ts';

export interface Soaked {
  readonly outcome: Outcome;
  readonly verdict: Verdict;
  readonly report: string;
  /** Empty when all held. */
  readonly failure: string;
}

/** Runs a soak; throws when it cannot be held at all, or the reason of `signal` once all that was made is undone. `onProgress` gets a line now and then. */
export async function soak(asked: Asked & { readonly engine: 'userspace' | 'xdp' }, onProgress: (line: string) => void, signal: AbortSignal = new AbortController().signal): Promise<Soaked> {
  const aborted = new Promise<never>((_, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true });
  });
  let soaked: Soaked | undefined;
  await withScope(async (scope) => {
    const { skip } = needs('ip', 'ethtool');
    if (asked.engine === 'xdp' && skip !== false) throw new Error(`a soak of xdp ${skip}`);
    const place = asked.engine === 'xdp' ? namespacePlace(scope) : await loopbackPlace();
    const durationMs = asked.minutes * 60_000;
    const events = planEvents({ seed: asked.seed, durationMs, ownsTraffic: place.ownsTraffic, natFamilies: place.natFamilies });
    const outcome = await Promise.race([runSoak(scope, { place, events, durationMs, progressMs: PROGRESS_MS, onProgress }), aborted]);
    const verdict = verdictOf(outcome);
    soaked = { outcome, verdict, report: reportText(asked, outcome, verdict), failure: verdict.problems.length === 0 ? '' : failureText(asked, outcome, verdict, outcome.beginMs) };
  });
  if (soaked === undefined) throw new Error('the soak ended without an outcome');
  return soaked;
}

const PROGRESS_MS = 30_000;
