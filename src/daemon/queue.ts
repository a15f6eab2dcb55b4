/** Work done strictly one after the other, in the order it came. A failure concerns its own caller alone. */
export interface Queue {
  /** Runs `work` when all before it has ended. Throws RangeError when too many wait already. Never call it from inside `work`. */
  run<T>(work: () => Promise<T>): Promise<T>;
  /** Waiting and running. */
  readonly length: number;
}

/** Returns an empty queue that lets `maxWaiting` calls wait (default 1000). */
export function createQueue(options: { readonly maxWaiting?: number } = {}): Queue {
  const { maxWaiting = 1000 } = options;
  let tail: Promise<unknown> = Promise.resolve();
  let length = 0;
  return {
    get length() {
      return length;
    },
    run(work) {
      if (length > maxWaiting) return Promise.reject(new RangeError(`${length} calls wait already`));
      length++;
      const done = tail.then(work).finally(() => {
        length--;
      });
      tail = done.catch(() => undefined);
      return done;
    },
  };
}
