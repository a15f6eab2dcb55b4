/** What a server is after all has had its say: its checks, the weight their answers ask for, a slow start, and passive health. Pure. */
import type { Health, PassiveVerdict } from './health.ts';

/** Steps of a slow start: more would only be more changes of the data plane. */
export const SLOW_START_STEPS = 10;

/** Returns the share of its weight, 10..100 in steps of 10, that a server has `elapsedMs` after it came back. `slowStartMs` 0: all of it. */
export function rampPercent(elapsedMs: number, slowStartMs: number): number {
  if (slowStartMs <= 0 || elapsedMs >= slowStartMs) return 100;
  const step = 1 + Math.floor((Math.max(0, elapsedMs) / slowStartMs) * SLOW_START_STEPS);
  return (100 / SLOW_START_STEPS) * Math.min(SLOW_START_STEPS, step);
}

/** Returns when, in ms after it came back, a server's share next rises; null when it has all. */
export function nextRampMs(elapsedMs: number, slowStartMs: number): number | null {
  if (slowStartMs <= 0 || elapsedMs >= slowStartMs) return null;
  const step = 1 + Math.floor((Math.max(0, elapsedMs) / slowStartMs) * SLOW_START_STEPS);
  // Rounded up: a hair before its time the step would not be there, and the timer would come again at once.
  return Math.ceil((step * slowStartMs) / SLOW_START_STEPS);
}

/** Returns the health shown and acted on. A server that passive health has out is down; otherwise the least of the shares counts. */
export function overlay(checked: Health, facts: { readonly answeredPercent: number; readonly rampPercent: number; readonly passive: PassiveVerdict | null; readonly passiveSinceMs: number }): Health {
  const { passive } = facts;
  if (passive?.out === true && checked.state !== 'down') return { ...checked, state: 'down', reason: passive.reason, sinceMs: facts.passiveSinceMs, weightPercent: 100 };
  const weightPercent = Math.min(facts.answeredPercent, facts.rampPercent, passive?.percent ?? 100);
  const why = [
    ...(passive !== null && !passive.out && passive.percent <= weightPercent ? [passive.reason] : []),
    ...(facts.rampPercent < 100 && facts.rampPercent <= weightPercent ? ['slow start'] : []),
  ];
  if (weightPercent === checked.weightPercent && why.length === 0) return checked;
  return { ...checked, weightPercent, reason: [checked.reason, ...why].join('; ') };
}
