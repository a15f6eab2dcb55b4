/** A list that keeps its newest entries up to a total cost; the oldest go first. */
export interface Ring<T> {
  push(entry: T): void;
  /** Oldest first. */
  list(): readonly T[];
  /** Entries that went because of the cap. */
  dropped(): number;
}

/** Returns an empty ring. An entry costs `costOf(entry)` (default 1); the newest entry always stays. */
export function createRing<T>(options: { readonly maxCost: number; readonly maxCount?: number; readonly costOf?: (entry: T) => number }): Ring<T> {
  const { maxCost, maxCount = Number.MAX_SAFE_INTEGER, costOf = (): number => 1 } = options;
  let entries: T[] = [];
  let head = 0;
  let cost = 0;
  let dropped = 0;
  return {
    push(entry) {
      entries.push(entry);
      cost += costOf(entry);
      while ((cost > maxCost || entries.length - head > maxCount) && entries.length - head > 1) {
        cost -= costOf(entries[head] as T);
        head++;
        dropped++;
      }
      // Shifting one by one would copy the list each time.
      if (head > 64 && head * 2 > entries.length) {
        entries = entries.slice(head);
        head = 0;
      }
    },
    list: () => entries.slice(head),
    dropped: () => dropped,
  };
}
