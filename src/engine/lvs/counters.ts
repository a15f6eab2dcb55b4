/** Counters that only grow: the kernel's start again from zero when a service or server is made anew, and these go on. */
import type { IpvsStats } from './ipvs.ts';

const FIELDS = ['connections', 'packetsIn', 'packetsOut', 'bytesIn', 'bytesOut'] as const;
const ZERO: IpvsStats = { connections: 0, packetsIn: 0, packetsOut: 0, bytesIn: 0, bytesOut: 0 };

interface Account {
  source: string;
  base: IpvsStats;
  last: IpvsStats;
}

export class Counters {
  readonly #accounts = new Map<string, Account>();

  /** Returns the total of `key`, of which the kernel shows `raw` now under the name `source`; null: it shows nothing, the total stays. */
  total(key: string, source: string, raw: IpvsStats | null): IpvsStats {
    let account = this.#accounts.get(key);
    if (account === undefined) this.#accounts.set(key, (account = { source, base: ZERO, last: ZERO }));
    if (raw !== null) {
      const { last } = account;
      if (account.source !== source || FIELDS.some((f) => raw[f] < last[f])) {
        account.base = sum(account.base, last);
        account.source = source;
      }
      account.last = raw;
    }
    return sum(account.base, account.last);
  }

  /** Forgets what is not in `keys`. */
  keep(keys: ReadonlySet<string>): void {
    for (const key of this.#accounts.keys()) if (!keys.has(key)) this.#accounts.delete(key);
  }
}

/** Returns payload bytes: ip_vs counts whole packets. TCP headers vary with their options, so of TCP only the least is taken off. */
export function payloadBytes(bytes: number, packets: number, protocol: 'udp' | 'tcp', family: 4 | 6): number {
  return Math.max(0, bytes - packets * ((family === 4 ? 20 : 40) + (protocol === 'udp' ? 8 : 20)));
}

function sum(a: IpvsStats, b: IpvsStats): IpvsStats {
  return {
    connections: a.connections + b.connections, packetsIn: a.packetsIn + b.packetsIn, packetsOut: a.packetsOut + b.packetsOut,
    bytesIn: a.bytesIn + b.bytesIn, bytesOut: a.bytesOut + b.bytesOut,
  };
}
