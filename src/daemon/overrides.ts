/** Operators' overrides of servers: taken by the data plane first, then made durable, so that a refusal has changed nothing. */
import type { ServerView } from '../client/types.ts';
import type { Director, Server } from '../config/model.ts';
import { nearest } from '../config/nearest.ts';
import type { StoredOverride } from '../store/store.ts';
import { Refusal } from './control.ts';
import { act, follow, overrideKey, stored, type Core, type Overrides } from './core.ts';

const WORDS = { drain: 'drained', disable: 'disabled', enable: 'enabled', reset: 'reset to the configuration' } as const;

/** Sets or resets the override of a server. Throws Refusal NOT_FOUND, BAD_REQUEST, APPLY_FAILED or STORE_FAILED. */
export function setOverride(
  core: Core,
  request: { readonly director: string; readonly server: string; readonly action: keyof typeof WORDS; readonly who: string },
): Promise<void> {
  return core.queue.run(async () => {
    const { action, who } = request;
    if (!Object.hasOwn(WORDS, action)) throw new Refusal('BAD_REQUEST', `an action must be drain, disable, enable or reset, found ${String(action)}`, { cure: 'use one of these' });
    const { director, server } = findServer(core, request.director, request.server);
    const key = overrideKey(director.name, server.name);
    const next = new Map(core.overrides);
    if (action === 'reset') next.delete(key);
    else next.set(key, { director: director.name, server: server.name, action, who, atMs: core.clock.now() });
    if (next.get(key)?.action === core.overrides.get(key)?.action) return;
    await takeOverrides(core, next);
    core.events.add({ kind: 'override', who, service: 'lvs', text: `server ${director.name}/${server.name} ${WORDS[action]}`, director: director.name, server: server.name, audit: true });
  });
}

/** Returns a director and server of the running configuration. Throws Refusal NOT_FOUND with the nearest name. */
export function findServer(core: Core, directorName: string, serverName: string): { readonly director: Director; readonly server: Server } {
  const { directors } = core.running.config;
  const director = directors.find((d) => d.name === directorName);
  if (!director) throw notFound('director', directorName, directors.map((d) => d.name));
  const server = director.servers.find((s) => s.name === serverName);
  if (!server) throw notFound(`server in director ${directorName}`, serverName, director.servers.map((s) => s.name));
  return { director, server };
}

/** Returns the refusal of an unknown name: what there is instead. */
export function notFound(what: string, name: string, known: readonly string[]): Refusal {
  const near = nearest(name, known);
  const list = known.length === 0 ? 'there is none' : `there ${known.length === 1 ? 'is' : 'are'} ${known.slice(0, 10).join(', ')}${known.length > 10 ? ', …' : ''}`;
  return new Refusal('NOT_FOUND', `no ${what} is called ${name}`, { cure: near === undefined ? list : `did you mean ${near}?` });
}

/** Returns the overrides as the store keeps them. */
export function overridesOf(list: readonly StoredOverride[]): Overrides {
  return new Map(list.map((o) => [overrideKey(o.director, o.server), o]));
}

/** Returns one server's view out of all. */
export function pickView(views: readonly ServerView[], director: string, server: string): ServerView | undefined {
  return views.find((v) => v.director === director && v.name === server);
}

async function takeOverrides(core: Core, next: Overrides): Promise<void> {
  await act(core, { config: core.running.config, overrides: next }, 'without nat');
  try {
    await stored(core.store.commit({ overrides: [...next.values()] }));
  } catch (error) {
    core.acting = null;
    await follow(core, 'nat when owed').catch(() => core.trigger());
    throw error;
  }
  core.overrides = next;
  core.acting = null;
  core.changed();
}
