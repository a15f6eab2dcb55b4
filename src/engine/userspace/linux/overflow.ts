/** Counts what the kernel dropped because an upstream socket's receive buffer was full (SO_MEMINFO). */

/** Sockets asked in one go: 24,000 at once would hold datagrams up for 10 ms, so each call asks a share and the count trails a little. */
const SHARE = 2048;

export class OverflowCount {
  readonly #dropsOf: (fd: number) => number;
  readonly #seen: number[] = [];
  #cursor = -1;

  /** `dropsOf` returns a socket's drops since it was opened. */
  constructor(dropsOf: (fd: number) => number) {
    this.#dropsOf = dropsOf;
  }

  /** Returns the drops counted so far, by socket. */
  handover(): readonly number[] {
    return [...this.#seen];
  }

  adopt(seen: readonly number[]): void {
    this.#seen.push(...seen);
  }

  /** Returns how many more drops the share of `fds` asked this time has seen; `fds` only ever grows. */
  more(fds: readonly number[]): number {
    let more = 0;
    for (let n = Math.min(fds.length, SHARE); n > 0; n--) {
      this.#cursor = (this.#cursor + 1) % fds.length;
      const drops = this.#dropsOf(fds[this.#cursor]);
      more += drops - (this.#seen[this.#cursor] ?? 0);
      this.#seen[this.#cursor] = drops;
    }
    return more;
  }
}
