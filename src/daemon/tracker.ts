/** What each server and director is for people, and since when: the daemon's memory of states, from which events are made. */
import type { DirectorView } from '../client/types.ts';
import type { ServerState } from '../balance/terms.ts';
import type { Director, Server } from '../config/model.ts';
import type { Health } from '../health/health.ts';
import { judgeServer, type Judgement } from '../plan/desire.ts';
import type { StoredOverride } from '../store/store.ts';
import { healthKey, overrideKey, type Core } from './core.ts';

export interface ServerStatus {
  readonly state: ServerState;
  readonly reason: string;
  readonly sinceMs: number;
}

export interface Tracker {
  server(director: Director, server: Server): ServerStatus;
  /** The state alone, for those who ask about every server once a second. */
  state(director: Director, server: Server): ServerState;
  director(director: Director): DirectorView['state'];
  /** Looks at every server again; servers that are gone are forgotten. Tells directors whose state changed. */
  refresh(): void;
  /** Looks at one server again, at once. */
  refreshServer(director: Director, server: Server): void;
  /** Looks again at the state of one director as a whole. */
  refreshDirector(director: Director): void;
}

interface Judged {
  readonly state: ServerState;
  readonly cause: Judgement['cause'];
  readonly health: Health;
  readonly override: StoredOverride | null;
}

type Known = Map<string, { state: ServerState; sinceMs: number }>;

/** Returns a tracker of `core`'s running configuration. `onDirector` is called for each change of a director's state, not for its first. */
export function createTracker(
  core: Core,
  onDirector: (director: Director, from: DirectorView['state'], to: DirectorView['state']) => void,
): Tracker {
  let servers: Known = new Map();
  let directors = new Map<string, DirectorView['state']>();

  function judge(director: Director, server: Server): Judged {
    const health = core.health.health(healthKey(director, server));
    const override = core.overrides.size === 0 ? null : (core.overrides.get(overrideKey(director.name, server.name)) ?? null);
    const { shown, cause } = judgeServer(server, { health: health.state, override: override?.action ?? null, inhibit: director.check.inhibit });
    return { state: shown, cause, health, override };
  }

  function note(director: Director, server: Server, into: Known): void {
    const key = healthKey(director, server);
    const { state, cause, health } = judge(director, server);
    const known = servers.get(key);
    // Seen for the first time: health may know it from a predecessor (docs/adr/0017).
    const sinceMs = known === undefined && cause === 'health' && health.sinceMs > 0 ? health.sinceMs : core.clock.now();
    into.set(key, known?.state === state ? known : { state, sinceMs });
  }

  function directorState(director: Director): DirectorView['state'] {
    let [usable, down, sorry] = [false, false, false];
    for (const server of director.servers) {
      const { state, health } = judge(director, server);
      // A sorry server of weight 0 still serves: it is chosen for being sorry.
      if (server.sorry) sorry ||= takesNew(state);
      else if (state === 'down') down = true;
      else usable ||= takesNew(state) && server.weight > 0 && health.weightPercent > 0;
    }
    if (usable) return down ? 'degraded' : 'up';
    return sorry ? 'sorry' : 'down';
  }

  function tell(director: Director, into: Map<string, DirectorView['state']>): void {
    const to = directorState(director);
    const from = directors.get(director.name);
    into.set(director.name, to);
    if (from !== undefined && from !== to) onDirector(director, from, to);
  }

  return {
    server(director, server) {
      const judged = judge(director, server);
      const known = servers.get(healthKey(director, server));
      const sinceMs = known?.state === judged.state ? known.sinceMs : core.clock.now();
      return { state: judged.state, reason: reasonText(director, server, judged), sinceMs };
    },
    state: (director, server) => judge(director, server).state,
    director: directorState,
    refresh() {
      const nextServers: Known = new Map();
      const nextDirectors = new Map<string, DirectorView['state']>();
      for (const director of core.running.config.directors) {
        for (const server of director.servers) note(director, server, nextServers);
        tell(director, nextDirectors);
      }
      servers = nextServers;
      directors = nextDirectors;
    },
    refreshServer: (director, server) => note(director, server, servers),
    refreshDirector: (director) => tell(director, directors),
  };
}

/** True for the states that take new sessions. */
export function takesNew(state: ServerState): boolean {
  return state === 'up' || state === 'unknown';
}

function reasonText(director: Director, server: Server, judged: Judged): string {
  const { state, cause, health, override } = judged;
  const by = override === null ? '' : `${DONE[override.action]} by ${override.who}`;
  if (cause === 'config') return `${state === 'drain' ? 'drain' : 'disabled'} in the configuration`;
  if (cause === 'override' && override?.action !== 'enable') return by;
  const seen = server.sorry ? 'sorry server, not checked' : health.reason;
  if (cause === 'override') return `${by}; ${seen}`;
  const inhibit = state === 'down' && director.check.inhibit ? '; inhibit: its sessions are kept as in drain' : '';
  return `${seen}${inhibit}${override?.action === 'drain' ? `; ${by}` : ''}`;
}

const DONE = { drain: 'drained', disable: 'disabled', enable: 'enabled' } as const;
