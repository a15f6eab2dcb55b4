/**
 * Looks at each reading of the counters: passive health of the directors that ask for it, and the alarm of sessions whose datagrams go nowhere.
 * What it finds goes to health and to the event log; it changes nothing of the data plane itself.
 */
import type { BlackholeView } from '../client/types.ts';
import type { Director, Server } from '../config/model.ts';
import type { DirectorReading, Reading, ServerReading, SessionView } from '../engine/engine.ts';
import { blackholeText, raised, suspects, type Blackhole, type Suspect } from '../health/blackhole.ts';
import { MIN_EXPECTED, MIN_MS, MIN_REQUESTS, passiveStep, ratio, verdictOf, type PassiveStates } from '../health/passive.ts';
import { createWindows, windowKey, WINDOW_MS, type Window } from '../health/windows.ts';
import { hostPortText, parseEndpoint } from '../net/endpoint.ts';
import { healthKey, type Core } from './core.ts';
import { takesNew, type Tracker } from './tracker.ts';

export interface Watch {
  /** Takes a reading; the same one again changes nothing. */
  take(reading: Reading): void;
  /** The alarms that stand, as the API shows them. */
  blackholes(): readonly BlackholeView[];
  /** Whether the servers of a director answer, as far as traffic showed. */
  expects(director: string): 'replies' | 'nothing' | 'unknown';
}

/** Pages of sessions looked at in one search for sessions of servers that are gone; a larger table is searched over several. */
const SEARCH_PAGES = 20;
const PAGE = 1000;
const SEARCH_EVERY_MS = 10_000;
/** Of what traffic showed of directors, so many are remembered: more than any configuration has. */
const MAX_MEMORY = 100_000;
/** All of a window, but for one reading that came late. */
const WHOLE_WINDOW_MS = WINDOW_MS - 1500;

type Stray = Omit<Suspect, 'inSet' | 'expected' | 'window'>;

/** A parsed server belongs to one director, and its key is asked for several times with each reading. */
const keysOf = new WeakMap<Server, string>();

function keyOf(director: Director, server: Server): string {
  let key = keysOf.get(server);
  if (key === undefined) keysOf.set(server, (key = windowKey(director.name, server.name, hostPortText(server.ip, server.port ?? 0))));
  return key;
}

/** Returns a watch that has seen nothing. */
export function createWatch(core: Core, tracker: Tracker): Watch {
  const windows = createWindows();
  const expected = new Map<string, boolean>();
  /** Servers that answered at some time: their silence is news. */
  let answered = new Set<string>();
  let passive = new Map<string, PassiveStates>();
  let found: ReadonlyMap<string, Blackhole> = new Map();
  let alarms: readonly Blackhole[] = [];
  let strays: readonly Stray[] = [];
  let search: { readonly cursor: string | undefined; readonly atMs: number; readonly running: boolean } = { cursor: undefined, atMs: -Infinity, running: false };
  let lastMs = -Infinity;

  /** Passive health of one director: what it says of each server goes to health. */
  function judge(director: Director, nowMs: number): PassiveStates {
    const before = passive.get(director.name) ?? new Map();
    if (director.passive === null) {
      release(director, before);
      return new Map();
    }
    const taking = director.servers.filter((server) => {
      if (server.sorry || server.weight === 0) return false;
      const state = tracker.state(director, server);
      // One that passive health itself has out is down to everybody else.
      return takesNew(state) || (state === 'down' && before.get(keyOf(director, server))?.phase.kind === 'out');
    });
    const keys = taking.map((server) => keyOf(director, server));
    const after = passiveStep(before, { nowMs, session: director.session.kind, settings: director.passive, keys, look: windows.shortest });
    for (const server of director.servers) {
      const state = after.get(keyOf(director, server));
      const was = before.get(keyOf(director, server));
      core.health.passive(healthKey(director, server), state === undefined ? null : verdictOf(state));
      if (was && was.phase.kind === 'back' && state?.phase.kind === 'in') {
        core.events.add({ kind: 'passive-over', who: 'weir', text: `server ${director.name}/${server.name} has all of its weight again: the traffic shows nothing against it`, director: director.name, server: server.name });
      }
    }
    return after;
  }

  function release(director: Director, states: PassiveStates): void {
    if (states.size > 0) for (const server of director.servers) core.health.passive(healthKey(director, server), null);
  }

  /** Learns of a director's servers whether they answer. Remembered: a night without traffic does not unlearn it. */
  function learn(director: Director): void {
    const ratios: number[] = [];
    for (const server of director.servers) {
      const key = keyOf(director, server);
      const window = windows.shortest(key, { requests: MIN_REQUESTS, minMs: MIN_MS });
      if (window === null) continue;
      ratios.push(ratio(window));
      if (ratio(window) >= MIN_EXPECTED) answered.add(key);
    }
    if (ratios.length === 0) return;
    if (expected.size >= MAX_MEMORY) expected.clear();
    const some = ratios.some((one) => one >= MIN_EXPECTED);
    // All silent at once is an outage, not a change of what the service does.
    if (some || expected.get(director.name) === undefined) expected.set(director.name, some);
  }

  function* suspectsOf(director: Director, reading: DirectorReading): Iterable<Suspect> {
    const byKey = new Map(reading.servers.map((server) => [windowKey(director.name, server.name, server.address), server]));
    const oneWay = director.session.kind === 'one-way';
    for (const server of director.servers) {
      const key = keyOf(director, server);
      const counted: ServerReading | undefined = byKey.get(key);
      if (counted === undefined || counted.sessions === 0) continue;
      const state = tracker.state(director, server);
      yield {
        director: director.name, server: server.name, address: counted.address, sessions: counted.sessions, window: windows.all(key, WHOLE_WINDOW_MS),
        inSet: state !== 'down' && state !== 'disabled',
        expected: !oneWay && expected.get(director.name) === true && (answered.has(key) || othersAnswer(director, server)),
      };
    }
  }

  function othersAnswer(director: Director, server: Server): boolean {
    return director.servers.some((other) => other !== server && answered.has(keyOf(director, other)));
  }

  function* everySuspect(reading: Reading, directors: ReadonlyMap<string, Director>): Iterable<Suspect> {
    for (const one of reading.directors) {
      const director = directors.get(one.name);
      if (director) yield* suspectsOf(director, one);
    }
    // A session that was idle is not among the strays: their clients still send.
    const sends: Window = { ms: WINDOW_MS, packetsIn: 1, packetsOut: 0, icmpErrors: 0, responseTimes: null };
    for (const stray of strays) yield { ...stray, inSet: false, expected: false, window: sends };
  }

  function alarm(reading: Reading, directors: ReadonlyMap<string, Director>): void {
    const nowMs = reading.atMs;
    found = suspects(found, nowMs, everySuspect(reading, directors));
    const now = raised(found, nowMs);
    const id = (one: Blackhole): string => `${one.director}|${one.server}|${one.address}|${one.cause}`;
    const [old, next] = [new Set(alarms.map(id)), new Set(now.map(id))];
    for (const one of now) if (!old.has(id(one))) core.events.add({ kind: 'blackhole', who: 'weir', text: blackholeText(one), director: one.director, server: one.server });
    for (const one of alarms) if (!next.has(id(one))) core.events.add({ kind: 'blackhole-over', who: 'weir', text: `server ${one.director}/${one.server} (${one.address}): no session is lost on it any more`, director: one.director, server: one.server });
    alarms = now;
  }

  /** Counters are of configured servers alone. Where a director has more sessions than its servers, the rest is on servers that are gone: pages of sessions name them. */
  function searchStrays(reading: Reading, directors: ReadonlyMap<string, Director>): void {
    const missing = reading.directors.some((d) => directors.has(d.name) && d.sessions > d.servers.reduce((sum, s) => sum + s.sessions, 0));
    if (!missing) {
      strays = [];
      return;
    }
    if (search.running || reading.atMs - search.atMs < SEARCH_EVERY_MS) return;
    search = { ...search, atMs: reading.atMs, running: true };
    void pagesOf(search.cursor)
      .then(({ sessions, cursor }) => {
        strays = straysIn(sessions, core.running.config.directors);
        search = { ...search, cursor, running: false };
      })
      // An engine that cannot show sessions has its own event; the alarm of this kind is then blind.
      .catch(() => {
        search = { ...search, cursor: undefined, running: false };
      });
  }

  async function pagesOf(from: string | undefined): Promise<{ readonly sessions: readonly SessionView[]; readonly cursor: string | undefined }> {
    const sessions: SessionView[] = [];
    let cursor = from;
    for (let page = 0; page < SEARCH_PAGES; page++) {
      const got = await core.engine.sessions({}, { limit: PAGE, ...(cursor === undefined ? {} : { cursor }) });
      sessions.push(...got.sessions);
      cursor = got.next ?? undefined;
      if (cursor === undefined) break;
    }
    return { sessions, cursor };
  }

  return {
    take(reading) {
      if (reading.atMs === lastMs) return;
      lastMs = reading.atMs;
      windows.add(reading);
      const directors = new Map(core.running.config.directors.map((d) => [d.name, d]));
      const next = new Map<string, PassiveStates>();
      for (const { name } of reading.directors) {
        const director = directors.get(name);
        if (director === undefined) continue;
        learn(director);
        const states = judge(director, reading.atMs);
        if (states.size > 0) next.set(name, states);
      }
      passive = next;
      if (answered.size > MAX_MEMORY) answered = new Set();
      searchStrays(reading, directors);
      alarm(reading, directors);
    },
    blackholes: () => alarms.map((one) => ({ ...one, text: blackholeText(one) })),
    expects(director) {
      const known = expected.get(director);
      return known === undefined ? 'unknown' : known ? 'replies' : 'nothing';
    },
  };
}

/** Returns the sessions that clients still use on servers that are not configured, counted by server. */
export function straysIn(sessions: readonly SessionView[], directors: readonly Director[]): readonly Stray[] {
  const known = new Map(directors.map((d) => [d.name, new Map(d.servers.map((s) => [s.name, s]))]));
  const counts = new Map<string, Stray>();
  for (const { director, server, serverAddress, idleMs } of sessions) {
    const servers = known.get(director);
    if (servers === undefined || idleMs >= WINDOW_MS) continue;
    const configured = servers.get(server);
    if (configured !== undefined && isAt(configured, serverAddress)) continue;
    const key = windowKey(director, server, serverAddress);
    counts.set(key, { director, server, address: serverAddress, sessions: (counts.get(key)?.sessions ?? 0) + 1 });
  }
  return [...counts.values()];
}

/** True when `address` of a session or an alarm is the server's; one that keeps the client's port is known by its address alone. */
export function isAt(server: Pick<Server, 'ip' | 'port'>, address: string): boolean {
  if (hostPortText(server.ip, server.port ?? 0) === address) return true;
  return server.port === null && parseEndpoint(address)?.ip.text === server.ip.text;
}
