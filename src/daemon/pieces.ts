/** What the daemon is put together from and what stands by itself: the health service, the index of servers, the parse cache. */
import type { Documents } from '../client/types.ts';
import type { Config, Director, Server } from '../config/model.ts';
import type { Engine } from '../engine/engine.ts';
import type { HealthService } from '../health/health.ts';
import type { Lifecycle } from '../services/registry.ts';
import { etagOf } from '../store/documents.ts';
import { healthKey, overrideKey, type Parsed } from './core.ts';

/** Returns the service `health`. */
export function healthPart(health: HealthService): Lifecycle {
  return {
    name: 'health',
    instance: null,
    text() {
      const { targets, done, failed } = health.counters();
      return `${targets === 1 ? '1 server' : `${targets} servers`} checked, ${done} checks done, ${failed} failed; while stopped, states stay as they are`;
    },
    start: async () => health.start(),
    stop: () => health.stop(),
  };
}

/** Returns servers by the keys of overrides and of health. */
export function indexOf(config: Config): Map<string, { readonly director: Director; readonly server: Server }> {
  const index = new Map<string, { readonly director: Director; readonly server: Server }>();
  for (const director of config.directors) {
    for (const server of director.servers) {
      const entry = { director, server };
      index.set(overrideKey(director.name, server.name), entry);
      index.set(healthKey(director, server), entry);
    }
  }
  return index;
}

/** Returns a parser that keeps the last few parsed configurations: edited and running are asked for again and again. */
export function parseCache(parse: (documents: Documents) => Parsed): (documents: Documents) => Parsed {
  const kept = new Map<string, Parsed>();
  return (documents) => {
    const etag = etagOf(documents);
    const found = kept.get(etag) ?? parse(documents);
    kept.delete(etag);
    kept.set(etag, found);
    if (kept.size > 3) kept.delete(kept.keys().next().value as string);
    return found;
  };
}

/** Returns what stands in for the engine before start: a call is a fault of the caller. */
export function notStarted(): Engine {
  const refuse = async (): Promise<never> => {
    throw new Error('the daemon has not started');
  };
  return {
    name: 'userspace', probe: refuse, observe: refuse, apply: refuse, read: refuse, sessions: refuse, purge: refuse, explain: refuse,
    unsupported: () => [],
    close: async () => undefined,
  };
}
