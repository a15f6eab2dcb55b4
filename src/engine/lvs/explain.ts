/** Where ip_vs would send a new client, computed from what the kernel shows: its servers in its own order, their weights and sessions. */
import { ipBytes, type Ip } from '../../net/ip.ts';
import type { ReadDest } from './ipvs.ts';

/** `dest` null: nobody, it would be dropped; undefined: the kernel does not show what decides. */
export interface Forecast {
  readonly dest: ReadDest | null | undefined;
  readonly why: string;
}

const SLOTS = 256;
const GOLDEN_RATIO_32 = 0x61c88647;

/** Returns what a scheduler would do next (net/netfilter/ipvs/ip_vs_*.c of Linux 6.1). */
export function forecast(scheduler: string, dests: readonly ReadDest[], client: Ip, vip: Ip): Forecast {
  const open = dests.filter((d) => d.weight > 0);
  if (open.length === 0) return { dest: null, why: 'no server takes sessions (no_server)' };
  if (open.length === 1 && scheduler !== 'dh') return { dest: open[0], why: 'the only server that takes sessions' };
  switch (scheduler) {
    case 'wlc':
      return { dest: least(open, (d) => d.active * 256 + d.inactive), why: 'leastconn (wlc): fewest sessions for its weight' };
    case 'sed':
      return { dest: least(open, (d) => d.active + 1), why: 'shortestexpected (sed): least (sessions + 1) for its weight' };
    case 'nq':
      return { dest: open.find((d) => d.active === 0) ?? least(open, (d) => d.active + 1), why: 'neverqueue (nq): an idle server first, else least (sessions + 1) for its weight' };
    case 'fo':
      return { dest: open.reduce((best, d) => (d.weight > best.weight ? d : best)), why: 'failover (fo): the highest weight that is available' };
    case 'sh':
      return { dest: hashed(dealt(dests, (d) => d.weight), client), why: "source (sh): the hash of the client's address" };
    case 'dh':
      return { dest: hashed(dealt(dests, () => 1), vip), why: 'dest (dh): the hash of the address that was hit' };
    default:
      return { dest: undefined, why: `one of ${open.length} servers: the kernel does not show whose turn it is under ${scheduler}` };
  }
}

function least(dests: readonly ReadDest[], load: (d: ReadDest) => number): ReadDest | undefined {
  return dests.reduce<ReadDest | undefined>((best, d) => (best === undefined || load(best) * d.weight > load(d) * best.weight ? d : best), undefined);
}

/** The table, dealt in runs of a server's weight, in the kernel's order. */
function dealt(dests: readonly ReadDest[], run: (d: ReadDest) => number): ReadDest[] {
  const slots: ReadDest[] = [];
  for (let at = 0, count = 0; slots.length < SLOTS;) {
    const dest = dests[at % dests.length]!;
    slots.push(dest);
    if (++count >= run(dest)) {
      at++;
      count = 0;
    }
  }
  return slots;
}

function hashed(slots: readonly ReadDest[], ip: Ip): ReadDest | undefined {
  const words = new DataView(ipBytes(ip).buffer);
  let folded = 0;
  for (let at = 0; at < words.byteLength; at += 4) folded ^= words.getUint32(at);
  const hash = Math.imul(folded, GOLDEN_RATIO_32) >>> 24;
  const first = slots[hash];
  if (first === undefined || first.weight > 0) return first;
  // sh-fallback: the same hash, moved on slot by slot from where it first led.
  for (let offset = 0; offset < SLOTS; offset++) {
    const next = slots[(((offset + hash) % SLOTS) + hash) % SLOTS];
    if (next !== undefined && next.weight > 0) return next;
  }
  return undefined;
}
