/** What callers ask of the data plane itself: its counters, its sessions, and where a datagram would go. */
import type { Director } from '../config/model.ts';
import { EngineError, Unsupported } from '../engine/engine.ts';
import { Refusal, type Control } from './control.ts';
import type { Core } from './core.ts';
import { findServer } from './overrides.ts';
import { endpointQuery, sessionFilter, sessionCursor, sessionLimit } from './queries.ts';
import { purgeBlackholed } from './blackholes.ts';
import { takesNew, type Tracker } from './tracker.ts';
import type { Watch } from './watch.ts';

export type Traffic = Pick<Control, 'sessions' | 'purge' | 'pin' | 'explain' | 'reading'>;

/** Returns these powers of Control. */
export function createTraffic(core: Core, tracker: Tracker, watch: Watch): Traffic {
  return {
    reading: () => asked(core.reading.get()),
    async sessions(query) {
      const page = { limit: sessionLimit(query.limit), ...(query.cursor === undefined ? {} : { cursor: sessionCursor(query.cursor) }) };
      return asked(core.engine.sessions(sessionFilter(query), page));
    },
    async purge(query, who) {
      const filter = sessionFilter(query);
      const blackholed = query.blackholed === true;
      if (blackholed && query.client !== undefined) throw new Refusal('BAD_REQUEST', 'blackholed goes with director and server, not with client', { cure: 'leave one of them out' });
      const count = await asked(blackholed ? purgeBlackholed(core, watch.blackholes(), filter) : core.engine.purge(filter));
      core.reading.forget();
      const what = Object.entries(filter).map(([key, value]) => `${key} ${value}`).join(', ');
      core.events.add({ kind: 'purge', who, service: 'lvs', text: `purged ${count} sessions (${blackholed ? `blackholed${what === '' ? '' : `, ${what}`}` : what === '' ? 'all' : what})`, audit: true });
      return count;
    },
    async pin({ client, ...names }, who) {
      const { director, server } = findServer(core, names.director, names.server);
      const filter = sessionFilter({ client });
      const { state, reason } = tracker.server(director, server);
      if (state === 'down' || state === 'disabled') {
        throw new Refusal('NOT_USABLE', `server ${server.name} of ${director.name} is ${state} (${reason}): a session there would be lost`, { cure: usableText(director, tracker) });
      }
      const count = await asked(core.engine.pin({ director: director.name, client: filter.client ?? client, server: server.name }), 'NOT_USABLE');
      if (count === 0) throw new Refusal('NOT_FOUND', `${filter.client} has no live session with director ${director.name}`, { cure: `weir sessions --director ${director.name} lists them; weir explain says where its next one would go` });
      core.reading.forget();
      core.events.add({ kind: 'pin', who, service: 'lvs', text: `pinned ${count === 1 ? 'the session' : `${count} sessions`} of ${filter.client} to ${director.name}/${server.name}`, director: director.name, server: server.name, audit: true });
      return count;
    },
    async explain(query) {
      const { vip, client, assumed } = endpointQuery(query);
      const said = await asked(core.engine.explain({ client, vip, protocol: query.protocol }));
      const director = core.running.config.directors.find((d) => d.name === said.director);
      return {
        ...said,
        why: assumed ? `${said.why} (no client port given: as if from port ${assumed})` : said.why,
        // The engine knows only whether a server takes sessions; health knows that nobody has checked it.
        candidates: said.candidates.map((c) => {
          const server = director?.servers.find((s) => s.name === c.server);
          return director && server ? { ...c, state: tracker.server(director, server).state } : c;
        }),
      };
    },
  };
}

function usableText(director: Director, tracker: Tracker): string {
  const usable = director.servers.filter((server) => takesNew(tracker.server(director, server).state)).map(({ name }) => name);
  return usable.length === 0 ? `no server of ${director.name} is up` : `servers that are up: ${usable.slice(0, 10).join(', ')}${usable.length > 10 ? ', …' : ''}`;
}

/** `refusal`: what an EngineError means where the engine has only looked. */
async function asked<T>(work: Promise<T>, refusal: 'APPLY_FAILED' | 'NOT_USABLE' = 'APPLY_FAILED'): Promise<T> {
  try {
    return await work;
  } catch (error) {
    if (error instanceof Refusal) throw error;
    if (error instanceof Unsupported) throw new Refusal('UNSUPPORTED', error.message, { cure: 'choose another engine in `service lvs`; weir check --engine NAME shows what each can do', cause: error });
    if (error instanceof EngineError && refusal === 'NOT_USABLE') throw new Refusal(refusal, error.message, { cure: error.cure, cause: error });
    const cure = error instanceof EngineError ? error.cure : 'try again; if it stays, restart the service lvs';
    throw new Refusal('APPLY_FAILED', `the engine refused: ${error instanceof Error ? error.message : String(error)}`, { cure, cause: error });
  }
}
