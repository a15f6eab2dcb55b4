/** How often one source may try: a fixed number of attempts per window for each key. */

export interface Limiter {
  /** Counts an attempt; returns 0 when it may go on, else the seconds until the next may. */
  attempt(key: string): number;
  readonly refused: number;
}

/** At most this many sources are remembered; the oldest is forgotten first. */
const MAX_KEYS = 10_000;

/** Returns a limiter of `max` attempts per `windowMs`; the window starts with a source's first attempt. `now` is in ms. */
export function createLimiter(options: { readonly max: number; readonly windowMs: number; readonly now: () => number }): Limiter {
  const { max, windowMs, now } = options;
  const seen = new Map<string, { since: number; attempts: number }>();
  let refused = 0;
  return {
    attempt(key) {
      const atMs = now();
      const entry = seen.get(key);
      if (entry === undefined || atMs - entry.since >= windowMs || atMs < entry.since) {
        seen.delete(key);
        if (seen.size >= MAX_KEYS) {
          const oldest = seen.keys().next();
          if (!oldest.done) seen.delete(oldest.value);
        }
        seen.set(key, { since: atMs, attempts: 1 });
        return 0;
      }
      if (entry.attempts < max) {
        entry.attempts++;
        return 0;
      }
      refused++;
      return Math.max(1, Math.ceil((entry.since + windowMs - atMs) / 1000));
    },
    get refused() {
      return refused;
    },
  };
}

/** Returns the key of a source address: the address itself, or its /64, which is what one IPv6 host may have for itself. */
export function sourceKey(address: string | undefined): string {
  // A socket that has gone has no address any more.
  if (address === undefined) return 'gone';
  const plain = address.startsWith('::ffff:') && address.includes('.') ? address.slice(7) : (address.split('%')[0] ?? address);
  if (!plain.includes(':')) return plain;
  const [head = '', tail] = plain.split('::');
  const groups = head === '' ? [] : head.split(':');
  if (tail !== undefined) {
    const last = tail === '' ? [] : tail.split(':');
    while (groups.length + last.length < 8) groups.push('0');
    groups.push(...last);
  }
  return `${groups.slice(0, 4).map((g) => g.replace(/^0+(?=.)/, '')).join(':')}::/64`;
}
