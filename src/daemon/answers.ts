/** Which directors' answers have been seen to come back through this host by their servers' own routes, so that nobody need be told to look after them. */
import type { Reading } from '../engine/engine.ts';

export interface Answers {
  /** Takes note of a reading; `natted`: NAT rules change the source of balanced traffic now, so that answers come back by address and prove no route. */
  note(reading: Reading, natted: boolean): void;
  /** Returns the directors of the last reading whose answers grew in number while nothing was natted. */
  seen(): ReadonlySet<string>;
}

/** Returns a memory of nothing; it holds the directors of the last reading. */
export function createAnswers(): Answers {
  let counted = new Map<string, number>();
  let seen = new Set<string>();
  return {
    note({ directors }, natted) {
      const grown = directors.filter((d) => !natted && d.packetsOut > (counted.get(d.name) ?? Infinity)).map((d) => d.name);
      seen = new Set([...directors.map((d) => d.name).filter((name) => seen.has(name) && !natted), ...grown]);
      counted = new Map(directors.map((d) => [d.name, d.packetsOut]));
    },
    seen: () => seen,
  };
}
