/** From what is stored, and the FILE weir was started with, to a running data plane. */
import type { Documents } from '../client/types.ts';
import { etagOf } from '../store/documents.ts';
import type { Config } from '../config/model.ts';
import type { HealthMemory } from '../health/health.ts';
import type { StateChange, Store } from '../store/store.ts';
import { refuseUnsupported, requireConfig } from './apply.ts';
import { carryOut, desiredFor, planTo, stored, type Core } from './core.ts';
import { makeEngine, type EngineWanted, type LvsService, type MakeEngine } from './lvs.ts';
import type { NetworkServices } from './network.ts';
import { overridesOf } from './overrides.ts';
import type { Inheritance } from './handover.ts';
import { overriddenTargets } from './targets.ts';

const EMPTY: Documents = { layer4: '', nat: '', services: '' };

/** Makes `core` run what was saved, or `initial` when it is new, or what ran when there is an inheritance. Throws Refusal or StoreError, having stored nothing. */
export async function startUp(
  core: Core,
  options: {
    readonly initial: Documents | null; readonly inheritance: Inheritance | null; readonly remembered: readonly HealthMemory[]; readonly wanted: () => EngineWanted; readonly make: MakeEngine;
    readonly networks: Pick<NetworkServices, 'start'>; readonly lvs: Pick<LvsService, 'setSwitches'>;
  },
): Promise<void> {
  const { store } = core;
  const { inheritance } = options;
  const { documents, change, revision } = startingPoint(store, options.initial, inheritance !== null);
  const { config } = requireConfig(core, documents, 'the configuration to start with');
  core.overrides = overridesOf(store.state()?.overrides ?? []);
  core.lvs = inheritance?.lvs ?? (config.services.find((s) => s.name === 'lvs')?.autostart === false ? 'stopped' : 'running');
  core.running = { documents, etag: etagOf(documents), config, issues: core.parseText(documents).issues, revision };
  // Who will not be checked could not come back.
  const known = inheritance?.health ?? (checksAtStart(config) ? options.remembered : []);
  if (inheritance !== null || known.length > 0) {
    // Before the first plan: a server that is down must not take sessions until its next check.
    core.health.remember(known);
    core.health.setTargets(overriddenTargets(config, core.overrides));
  }
  // First, because a VIP must be on an interface before an engine can listen on it.
  await options.networks.start();
  const wanted = options.wanted();
  const made = await makeEngine(options.make, wanted);
  core.engine = made.engine;
  core.engineWhy = made.why;
  core.engineWanted = wanted;
  const desired = desiredFor(core, config);
  if (core.lvs === 'running') options.lvs.setSwitches();
  await refuseUnsupported(core, config, desired);
  const prepared = change && (await stored(store.prepare(change)));
  try {
    await carryOut(core, await planTo(core, desired, config));
  } catch (error) {
    await prepared?.abort();
    throw error;
  }
  if (prepared) await stored(prepared.commit());
  core.running = { ...core.running, revision: prepared?.revision?.revision ?? revision };
}

/** Whether servers are checked from the start on: unless `service health` says `no autostart`. */
export function checksAtStart({ services }: Pick<Config, 'services'>): boolean {
  return services.find((s) => s.name === 'health')?.autostart !== false;
}

/** Returns which documents run at the start, and what the store must learn of it (null: nothing). */
function startingPoint(store: Store, initial: Documents | null, goesOn: boolean): { readonly documents: Documents; readonly change: StateChange | null; readonly revision: number } {
  const state = store.state();
  if (state && goesOn) return { documents: state.running.documents, change: null, revision: state.running.revision };
  const start = (note: string): NonNullable<StateChange['revision']> => ({ who: 'weir', what: 'start', note });
  if (!state || (initial && etagOf(initial) !== state.imported)) {
    const documents = initial ?? EMPTY;
    const note = !state ? 'first start' : 'the FILE weir was started with has changed; what was saved before is kept as a revision';
    return { documents, change: { edited: documents, running: documents, saved: documents, imported: initial && etagOf(initial), revision: start(note) }, revision: 0 };
  }
  const { running, saved } = state;
  if (running.etag === saved.etag) return { documents: saved.documents, change: null, revision: running.revision };
  return { documents: saved.documents, change: { running: saved.documents, revision: start(`saved revision ${saved.revision}; revision ${running.revision} ran unsaved before`) }, revision: 0 };
}
