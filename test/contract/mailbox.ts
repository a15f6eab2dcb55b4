/** What arrived and was not yet asked for: the one way tests wait, so that every wait ends by an event or by its bound. */

/** How long a wait may take when its test does not say: far above what a loaded machine needs, as a wait that is met costs nothing. */
export const PATIENCE_MS = 10_000;

export class Mailbox<T> {
  /** Everything that ever arrived, in order. */
  readonly all: T[] = [];
  readonly #name: string;
  readonly #describe: (item: T) => string;
  readonly #waiting = new Set<() => boolean>();
  readonly #listeners: ((item: T) => void)[] = [];
  #kept: T[] = [];

  constructor(name: string, describe: (item: T) => string) {
    this.#name = name;
    this.#describe = describe;
  }

  push(item: T): void {
    this.all.push(item);
    for (const listener of this.#listeners) listener(item);
    this.#kept.push(item);
    for (const attempt of this.#waiting) if (attempt()) return;
  }

  /** Returns the first item that matches and was not taken before; rejects after `timeoutMs`, naming what did arrive. */
  take(matches: (item: T) => boolean = () => true, timeoutMs: number = PATIENCE_MS): Promise<T> {
    return new Promise((resolve, reject) => {
      const attempt = (): boolean => {
        const at = this.#kept.findIndex(matches);
        if (at < 0) return false;
        this.#waiting.delete(attempt);
        clearTimeout(timer);
        resolve(this.#kept.splice(at, 1)[0]);
        return true;
      };
      const failure = new Error();
      const timer = setTimeout(() => {
        this.#waiting.delete(attempt);
        const last = this.#kept.slice(-5).map(this.#describe).join(', ');
        failure.message = `${this.#name}: nothing that matches within ${timeoutMs} ms; ${this.#kept.length} others waiting${last && `, last ${last}`}`;
        reject(failure);
      }, timeoutMs);
      this.#waiting.add(attempt);
      attempt();
    });
  }

  /** Calls back with everything that arrives from now on, taken or not. */
  listen(listener: (item: T) => void): void {
    this.#listeners.push(listener);
  }

  /** Returns what is there now and was not taken, and empties the box. */
  drain(): T[] {
    const kept = this.#kept;
    this.#kept = [];
    return kept;
  }
}

/** Asks `read` again and again until `good` holds for its answer, then returns it; throws after `timeoutMs` with the last answer. For counters and tables, which have no event. */
export async function until<T>(what: string, read: () => Promise<T>, good: (value: T) => boolean, timeoutMs: number = PATIENCE_MS): Promise<T> {
  const end = performance.now() + timeoutMs;
  for (;;) {
    const value = await read();
    if (good(value)) return value;
    if (performance.now() > end) throw new Error(`${what}: not within ${timeoutMs} ms; last seen ${JSON.stringify(value)}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
