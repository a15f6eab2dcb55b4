/**
 * Which row of `directors` and `servers` is whose. A row stays its owner's across restarts, and after the owner left until no session
 * record names it: sessions hold slots, and must never find another owner there. Pure: what is referenced comes in.
 */
import { serverKey, type Desired, type DesiredDirector } from '../../plan/desired.ts';
import { Unsupported } from '../engine.ts';
import { CONSTANTS } from './abi/spec.ts';

/** What of a director its sessions depend on: with another one it is another director to them, in another row. */
export function characterOf(director: Pick<DesiredDirector, 'mode' | 'session'>): string {
  return `${director.mode} ${director.session.kind}`;
}

export interface DirectorSlot {
  readonly slot: number;
  readonly name: string;
  readonly character: string;
  /** Rows of its servers by serverKey. */
  readonly servers: Readonly<Record<string, number>>;
}

/** All rows that have an owner, those of owners that left included. */
export type Slots = readonly DirectorSlot[];

/** Returns the row of a desired director; undefined when it has none. */
export function slotOf(slots: Slots, director: DesiredDirector): DirectorSlot | undefined {
  const character = characterOf(director);
  return slots.find((s) => s.name === director.name && s.character === character);
}

/** Returns `slots` with rows for everything in `desired`. Throws Unsupported when there are not enough. */
export function assignSlots(slots: Slots, desired: Desired): Slots {
  const freeDirectors = free(new Set(slots.map((s) => s.slot)), CONSTANTS.MAX_DIRECTORS);
  const freeServers = free(new Set(slots.flatMap((s) => Object.values(s.servers))), CONSTANTS.MAX_SERVERS);
  const next = new Map(slots.map((s) => [s.slot, s]));
  const byKey = new Map(slots.map((s) => [`${s.name}|${s.character}`, s]));
  for (const director of desired.directors) {
    const character = characterOf(director);
    const known = byKey.get(`${director.name}|${character}`);
    const slot = known?.slot ?? take(freeDirectors, 'directors', director.name);
    const servers: Record<string, number> = { ...known?.servers };
    for (const server of director.servers) servers[serverKey(server)] ??= take(freeServers, 'servers', director.name);
    next.set(slot, { slot, name: director.name, character, servers });
  }
  return [...next.values()].sort((a, b) => a.slot - b.slot);
}

/** What nobody needs any more. `servers` are rows whose counters the director's base takes over. */
export interface Released {
  readonly slots: Slots;
  readonly servers: readonly { readonly director: string; readonly slot: number }[];
  readonly directors: readonly { readonly name: string; readonly slot: number }[];
}

/** Returns `slots` without the rows whose owners are not in `desired` and that no record names. */
export function releaseSlots(slots: Slots, desired: Desired, refsOf: (server: number) => number): Released {
  const wanted = new Map(desired.directors.map((d) => [`${d.name}|${characterOf(d)}`, new Set(d.servers.map(serverKey))]));
  const servers: { director: string; slot: number }[] = [];
  const directors: { name: string; slot: number }[] = [];
  const kept = slots.flatMap((director): DirectorSlot[] => {
    const keys = wanted.get(`${director.name}|${director.character}`);
    const stay: Record<string, number> = {};
    for (const [key, slot] of Object.entries(director.servers)) {
      if (keys?.has(key) === true || refsOf(slot) > 0) stay[key] = slot;
      else servers.push({ director: director.name, slot });
    }
    if (keys !== undefined || Object.keys(stay).length > 0) return [{ ...director, servers: stay }];
    directors.push({ name: director.name, slot: director.slot });
    return [];
  });
  return { slots: kept, servers, directors };
}

/** Returns the rows that are free, in turn: the lowest first. */
function free(taken: ReadonlySet<number>, count: number): Iterator<number> {
  function* rows(): Generator<number> {
    for (let row = 0; row < count; row++) if (!taken.has(row)) yield row;
  }
  return rows();
}

function take(rows: Iterator<number>, what: 'directors' | 'servers', director: string): number {
  const next = rows.next();
  if (next.done === true) throw new Unsupported('xdp', `more than ${what === 'directors' ? CONSTANTS.MAX_DIRECTORS : CONSTANTS.MAX_SERVERS} ${what}, those included whose sessions still live`, director);
  return next.value;
}
