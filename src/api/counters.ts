/** What the API counts of itself, for /metrics. */

export interface ApiCounters {
  readonly answers: Record<'2xx' | '3xx' | '4xx' | '5xx', number>;
  signInsOk: number;
  signInsFailed: number;
  tokensRefused: number;
}

/** Returns counters at zero. */
export function createCounters(): ApiCounters {
  return { answers: { '2xx': 0, '3xx': 0, '4xx': 0, '5xx': 0 }, signInsOk: 0, signInsFailed: 0, tokensRefused: 0 };
}
