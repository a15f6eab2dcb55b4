/** The whole counter table as names and numbers, zeros left out: what a row says it must be after its last step. */
import { CONSTANTS, DROPS } from '../../../src/engine/xdp/abi/spec.ts';
import { RECORDS, SERVERS, type Bed } from './bed.ts';
import type { Places } from './layout.ts';

type Numbers = Readonly<Record<string, number>>;

/** Maps that the program fills. */
const FILLED = ['fragments', 'persists', 'sources', 'localities'] as const;

/** Everything that counts and is not zero. Servers and directors by name; `of_none` is the row of no director. */
export interface Counts {
  /** server_stats (`responses` added up) and what struct server counts: active, live, refs, icmp_errors, port_next. */
  readonly servers?: Readonly<Record<string, Numbers>>;
  /** drop_stats, drops by reason, and what struct director counts: sessions, position, rate_count. */
  readonly directors?: Readonly<Record<string, Numbers>>;
  readonly of_none?: Numbers;
  /** sessions, records, cursor, fragment_id; limit when it is not what it was. */
  readonly globals?: Numbers;
  readonly entries?: Partial<Readonly<Record<(typeof FILLED)[number], number>>>;
}

const SERVER_WORDS = ['active', 'live', 'refs', 'icmp_errors', 'port_next'] as const;
const DIRECTOR_WORDS = ['sessions', 'position', 'rate_count'] as const;
const GLOBAL_WORDS = ['sessions', 'records', 'cursor', 'fragment_id'] as const;

/** Reads every row of every map that counts. A row that belongs to no server or director shows by its number. */
export function readCounts(bed: Bed, places: Places, limit: number = RECORDS): Counts {
  const names = (of: ReadonlyMap<string, number>): ReadonlyMap<number, string> => new Map([...of].map(([name, slot]) => [slot, name]));
  const [servers, directors] = [names(places.servers), names(places.directors)];
  const found = {
    servers: rows(SERVERS, (slot) => [servers.get(slot) ?? `slot ${slot}`, { ...totals(bed.sums('server_stats', slot)), ...words(SERVER_WORDS, (name) => bed.servers.get(slot, name)) }]),
    directors: rows(CONSTANTS.MAX_DIRECTORS, (slot) => [directors.get(slot) ?? `slot ${slot}`, { ...totals(bed.sums('drop_stats', slot)), ...words(DIRECTOR_WORDS, (name) => bed.directors.get(slot, name)) }]),
    of_none: totals(bed.sums('drop_stats', CONSTANTS.MAX_DIRECTORS)),
    globals: words([...GLOBAL_WORDS, ...(bed.globals.get(0, 'limit') === limit ? [] : ['limit'])], (name) => bed.globals.get(0, name)),
    entries: words(FILLED, (name) => bed.entries(name)),
  };
  return Object.fromEntries(Object.entries(found).filter(([, value]) => Object.keys(value).length > 0));
}

function rows(count: number, read: (slot: number) => readonly [string, Numbers]): Readonly<Record<string, Numbers>> {
  return Object.fromEntries(Array.from({ length: count }, (_, slot) => read(slot)).filter(([, numbers]) => Object.keys(numbers).length > 0));
}

/** Arrays become their sum, but for drops, which have names. */
function totals(sums: Readonly<Record<string, readonly number[]>> | null): Numbers {
  if (sums === null) return {};
  const { drops, ...others } = sums;
  const named = (drops ?? []).map((count, id) => [DROPS.find((drop) => drop.id === id)?.name ?? `drop ${id}`, count] as const);
  return nonzero([...named, ...Object.entries(others).map(([name, values]) => [name, values.reduce((a, b) => a + b, 0)] as const)]);
}

function words<Name extends string>(names: readonly Name[], read: (name: Name) => number): Numbers {
  return nonzero(names.map((name) => [name, read(name)] as const));
}

function nonzero(entries: readonly (readonly [string, number])[]): Numbers {
  return Object.fromEntries(entries.filter(([, value]) => value !== 0));
}
