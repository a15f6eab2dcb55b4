/** What callers ask of the data plane itself: its counters, its sessions, and where a datagram would go. */
import { EngineError } from '../engine/engine.ts';
import { Refusal, type Control } from './control.ts';
import type { Core } from './core.ts';
import { endpointQuery, sessionFilter, sessionLimit } from './queries.ts';
import { purgeBlackholed } from './blackholes.ts';
import type { Tracker } from './tracker.ts';
import type { Watch } from './watch.ts';

export type Traffic = Pick<Control, 'sessions' | 'purge' | 'explain' | 'reading'>;

/** Returns these powers of Control. */
export function createTraffic(core: Core, tracker: Tracker, watch: Watch): Traffic {
  return {
    reading: () => asked(core.reading.get()),
    async sessions(query) {
      const page = { limit: sessionLimit(query.limit), ...(query.cursor === undefined ? {} : { cursor: query.cursor }) };
      return asked(core.engine.sessions(sessionFilter(query), page));
    },
    async purge(query, who) {
      const filter = sessionFilter(query);
      const blackholed = query.blackholed === true;
      if (blackholed && query.client !== undefined) throw new Refusal('BAD_REQUEST', 'blackholed goes with director and server, not with client', { cure: 'leave one of them out' });
      const count = await asked(blackholed ? purgeBlackholed(core, watch.blackholes(), filter) : core.engine.purge(filter));
      core.reading.forget();
      const what = Object.entries(filter).map(([key, value]) => `${key} ${value}`).join(', ');
      core.events.add({ kind: 'purge', who, text: `purged ${count} sessions (${blackholed ? `blackholed${what === '' ? '' : `, ${what}`}` : what === '' ? 'all' : what})`, audit: true });
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

async function asked<T>(work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    if (error instanceof Refusal) throw error;
    const cure = error instanceof EngineError ? error.cure : 'try again; if it stays, restart the service lvs';
    throw new Refusal('APPLY_FAILED', `the engine refused: ${error instanceof Error ? error.message : String(error)}`, { cure, cause: error });
  }
}
