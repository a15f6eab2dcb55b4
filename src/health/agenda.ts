/**
 * What is due when: a binary heap under one timer, however many entries there are.
 * Times are of the injected monotonic clock. An entry that is set again moves; nothing stale stays behind.
 */

/** Starts a timer of `ms`; the returned function takes it back. */
export type SetTimer = (fn: () => void, ms: number) => () => void;

export interface Agenda<K> {
  /** Makes `key` due at `dueMs`, in place of any earlier time set for it. */
  set(key: K, dueMs: number): void;
  delete(key: K): void;
  clear(): void;
  readonly size: number;
}

interface Entry<K> {
  readonly key: K;
  dueMs: number;
  index: number;
}

/** A timer's longest sleep: short enough for setTimeout's 31 bits, and the most a jump of the clock can cost. */
const MAX_SLEEP_MS = 60_000;
/** Entries handed out before the event loop gets its turn. */
const BATCH = 64;

/** Returns an empty agenda that calls `onDue(key, dueMs)` once for each entry, when its time has come; the entry is gone by then. */
export function createAgenda<K>(options: { readonly nowMs: () => number; readonly setTimer: SetTimer; readonly onDue: (key: K, dueMs: number) => void }): Agenda<K> {
  const { nowMs, setTimer, onDue } = options;
  const heap: Entry<K>[] = [];
  const entries = new Map<K, Entry<K>>();
  let cancel: (() => void) | null = null;
  let wakeMs = Infinity;
  let running = false;

  function arm(): void {
    if (running) return;
    const first = heap[0];
    if (first === undefined || first.dueMs === wakeMs) {
      if (first === undefined) disarm();
      return;
    }
    disarm();
    wakeMs = first.dueMs;
    cancel = setTimer(run, Math.min(MAX_SLEEP_MS, Math.max(1, Math.ceil(first.dueMs - nowMs()))));
  }

  function disarm(): void {
    cancel?.();
    cancel = null;
    wakeMs = Infinity;
  }

  function run(): void {
    cancel = null;
    wakeMs = Infinity;
    running = true;
    try {
      const now = nowMs();
      for (let n = 0; n < BATCH; n++) {
        const first = heap[0];
        if (first === undefined || first.dueMs > now) break;
        remove(first);
        onDue(first.key, first.dueMs);
      }
    } finally {
      running = false;
      arm();
    }
  }

  function remove(entry: Entry<K>): void {
    entries.delete(entry.key);
    const last = heap.pop();
    if (last === undefined || last === entry) return;
    last.index = entry.index;
    heap[last.index] = last;
    settle(last);
  }

  function settle(entry: Entry<K>): void {
    let i = entry.index;
    for (let up = (i - 1) >> 1; i > 0 && at(up).dueMs > entry.dueMs; i = up, up = (i - 1) >> 1) place(at(up), i);
    for (;;) {
      let child = 2 * i + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && at(child + 1).dueMs < at(child).dueMs) child++;
      if (at(child).dueMs >= entry.dueMs) break;
      place(at(child), i);
      i = child;
    }
    place(entry, i);
  }

  function at(i: number): Entry<K> {
    return heap[i] as Entry<K>;
  }

  function place(entry: Entry<K>, i: number): void {
    heap[i] = entry;
    entry.index = i;
  }

  return {
    set(key, dueMs) {
      let entry = entries.get(key);
      if (entry === undefined) {
        entry = { key, dueMs, index: heap.length };
        entries.set(key, entry);
        heap.push(entry);
      } else {
        entry.dueMs = dueMs;
      }
      settle(entry);
      arm();
    },
    delete(key) {
      const entry = entries.get(key);
      if (entry === undefined) return;
      remove(entry);
      arm();
    },
    clear() {
      heap.length = 0;
      entries.clear();
      disarm();
    },
    get size() {
      return heap.length;
    },
  };
}
