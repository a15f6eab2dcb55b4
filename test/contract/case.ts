import type { Context } from './context.ts';

/** One behaviour of the contract; `name` is a sentence, unique in the suite. */
export interface Case {
  readonly name: string;
  readonly timeoutMs?: number;
  readonly run: (context: Context) => Promise<void>;
}
