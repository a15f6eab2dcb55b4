/** What a subject's process says, line by line. */
const KEPT = 16;
const LONGEST = 4_096;

/** Lines of a stream as they come, for one reader; those nobody asked for are kept to the last 16. */
export class Lines {
  #rest = '';
  #waiting: string[] = [];
  #reader: ((line: string | undefined) => void) | null = null;

  add(text: string): void {
    const lines = (this.#rest + text).split('\n');
    this.#rest = (lines.pop() ?? '').slice(-LONGEST);
    for (const line of lines) {
      if (this.#reader === null) this.#waiting.push(line);
      else this.#reader(line);
    }
    this.#waiting = this.#waiting.slice(-KEPT);
  }

  /** Returns whether `line` has come, and takes it and what came before. */
  take(line: string): boolean {
    const at = this.#waiting.indexOf(line);
    this.#waiting = this.#waiting.slice(at + 1);
    return at >= 0;
  }

  /** Returns the next line to come; undefined when none does in time. */
  next(limitMs: number): Promise<string | undefined> {
    this.#waiting = [];
    return new Promise((resolve) => {
      const answer = (line: string | undefined) => {
        clearTimeout(timer);
        this.#reader = null;
        resolve(line);
      };
      const timer = setTimeout(() => answer(undefined), limitMs);
      this.#reader = answer;
    });
  }
}
