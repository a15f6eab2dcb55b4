/** Which servers keep their sessions though they take no new ones, and until when: `on … keep`. Pure. */
import { serverKey, type Desired, type DesiredDirector } from '../../plan/desired.ts';
import { destKey } from './ipvs.ts';
import type { LvsRecord } from './record.ts';
import { fateBy, fateOf, targetOf, type Hold } from './target.ts';

/** Returns the holds of `next`: those of the record that still count, and new ones for servers that have just left. */
export function holdsFor(next: Desired, record: LvsRecord, nowMs: number): Hold[] {
  const live = record.holds.filter((h) => h.untilMs === null || h.untilMs > nowMs);
  const present = new Set(targetOf(record.desired, record.holds).services.flatMap((s) => s.dests.map((d) => `${s.director}|${d.key}`)));
  return next.directors.flatMap((d) => {
    const before = record.desired.directors.find((o) => o.name === d.name);
    const known = new Map(live.filter((h) => h.director === d.name).map((h) => [serverKey(h.server), h]));
    return [...configured(d, known, present, nowMs), ...removed(d, before, known, nowMs)];
  });
}

/** Returns the record's holds without those whose time is over or that hold nothing; `sessions` says how many a removed server has left. */
export function stillHeld(record: LvsRecord, nowMs: number, sessions: (hold: Hold) => number): Hold[] {
  return record.holds.filter((h) => (h.untilMs === null || h.untilMs > nowMs) && (!isRemoved(record.desired, h) || sessions(h) > 0));
}

/** Returns when holds must be looked at again: the next end, or for removed servers whose sessions may end `pollMs` from now; null: never. */
export function nextLook(record: LvsRecord, nowMs: number, pollMs: number): number | null {
  const times = record.holds.flatMap((h) => [...(h.untilMs === null ? [] : [h.untilMs]), ...(isRemoved(record.desired, h) ? [nowMs + pollMs] : [])]);
  return times.length === 0 ? null : Math.min(...times);
}

function isRemoved(desired: Desired, hold: Hold): boolean {
  return desired.directors.find((d) => d.name === hold.director)?.servers.every((s) => serverKey(s) !== serverKey(hold.server)) ?? true;
}

/** Servers of the configuration that are held for a time; held for ever they need no hold, they just stay. */
function configured(d: DesiredDirector, known: ReadonlyMap<string, Hold>, present: ReadonlySet<string>, nowMs: number): Hold[] {
  return d.servers.flatMap((server) => {
    const fate = fateOf(d, server);
    if (fate === 'serves' || fate === 'goes' || fate.holdMs === null) return [];
    const hold = known.get(serverKey(server));
    if (hold !== undefined && hold.untilMs !== null) return [{ ...hold, server }];
    return present.has(`${d.name}|${serverKey(server)}`) ? [{ director: d.name, server, untilMs: nowMs + fate.holdMs }] : [];
  });
}

function removed(d: DesiredDirector, before: DesiredDirector | undefined, known: ReadonlyMap<string, Hold>, nowMs: number): Hold[] {
  const keys = new Set(d.servers.map(serverKey));
  // The same address under another name goes on as that server.
  const addresses = new Set(d.servers.map(destKey));
  const fate = fateBy(d.on.remove);
  if (fate === 'goes') return [];
  const gone = [...new Map([...known.values()].map((h) => [serverKey(h.server), h.server])).values(), ...(before?.servers ?? [])];
  const seen = new Set<string>();
  return gone.flatMap((server) => {
    const key = serverKey(server);
    if (keys.has(key) || addresses.has(destKey(server)) || seen.has(key)) return [];
    seen.add(key);
    return [known.get(key) ?? { director: d.name, server, untilMs: fate.holdMs === null ? null : nowMs + fate.holdMs }];
  });
}
