/**
 * What the daemon's parts share: the running configuration, the overrides, the engine, and the one way to bring the data plane to
 * what they ask for. Invariants: `running` and `overrides` are changed only inside `queue`, and only after the data plane took it; the data
 * plane is changed only inside `plane`, where nothing waits for a disk (docs/adr/0026). What is in `queue` may wait for `plane`, never the reverse.
 */
import type { Documents } from '../client/types.ts';
import type { Clock } from '../clock/clock.ts';
import type { Issue } from '../config/issue.ts';
import type { Config, Director, Server } from '../config/model.ts';
import { EngineError, type Engine, type EngineName, type Reading } from '../engine/engine.ts';
import type { HealthService } from '../health/health.ts';
import type { NatTable } from '../nat/nft.ts';
import { configuredServerKey, desire, type OverrideAction } from '../plan/desire.ts';
import type { Desired } from '../plan/desired.ts';
import { diff } from '../plan/diff.ts';
import type { Plan } from '../plan/plan.ts';
import type { SharedReading } from '../stats/reading.ts';
import { StoreError } from '../store/error.ts';
import type { Store, StoredOverride } from '../store/store.ts';
import { Refusal } from './control.ts';
import type { EventLog } from './events.ts';
import { applyNat, natPlanFor, NO_NAT_CHANGE, type NatChange } from './nat.ts';
import type { Queue } from './queue.ts';

export interface Parsed {
  readonly config: Config | null;
  readonly issues: readonly Issue[];
}

/** A configuration that the data plane runs. `issues` are of the text alone, without what the host lacks. */
export interface Running {
  readonly documents: Documents;
  readonly etag: string;
  readonly revision: number;
  readonly config: Config;
  readonly issues: readonly Issue[];
}

/** A running configuration that is taken back unless somebody confirms it. */
export interface Pending {
  readonly previous: Running;
  readonly revision: number;
  readonly deadlineMs: number;
  readonly cancel: () => void;
}

export type Overrides = ReadonlyMap<string, StoredOverride>;

/** What the data plane is held to. */
export interface InForce {
  readonly config: Config;
  readonly overrides: Overrides;
}

export interface Core {
  readonly store: Store;
  readonly clock: Clock;
  readonly health: HealthService;
  readonly events: EventLog;
  /** Changes that people ask for. */
  readonly queue: Queue;
  /** Changes of the data plane, whoever they come from. */
  readonly plane: Queue;
  readonly reading: SharedReading;
  /** Parses and checks a configuration, with what this host lacks for it. */
  readonly parse: (documents: Documents) => Parsed;
  /** The same without a look at the host. */
  readonly parseText: (documents: Documents) => Parsed;
  /** The table of NAT rules; null: this program was made without one. */
  readonly nat: NatTable | null;
  /** True while the table is not what the running configuration says: the next pass puts it right. */
  natOwed: boolean;
  engine: Engine;
  engineWhy: string;
  /** The engine that was asked for when this one was made; null: there is none that works. */
  engineWanted: 'auto' | EngineName | null;
  running: Running;
  overrides: Overrides;
  /** What the data plane has taken and the disk has not: it becomes `running` and `overrides`, or is taken back. Null: they are in force. */
  acting: InForce | null;
  /** Another process has the traffic: what this one would change is not its own any more. */
  given: boolean;
  /** `stopped`: the service lvs was stopped, the data plane is empty. */
  lvs: 'running' | 'stopped';
  pending: Pending | null;
  /** Asks the runner for a pass. */
  trigger(): void;
  /** Called when `running` or `overrides` changed: health, states and views follow. */
  changed(): void;
  /** Warnings of services that must be restarted for the running configuration to be in force. */
  restarts(): readonly Issue[];
  /** Called when the data plane does what a plan asked: nothing is owed to it. */
  settled(): void;
}

/** Returns the key of an override: it holds for a server's name. */
export function overrideKey(director: string, server: string): string {
  return `${director}|${server}`;
}

/** A parsed server belongs to one director, and its key is asked for with each state, view and pass. */
const healthKeys = new WeakMap<Server, string>();

/** Returns the key health knows a server by. */
export function healthKey(director: Director, server: Server): string {
  let key = healthKeys.get(server);
  if (key === undefined) healthKeys.set(server, (key = `${director.name}|${configuredServerKey(server)}`));
  return key;
}

/** Returns an operator's override of a server, or null. */
export function overrideOf(overrides: Overrides, director: string, server: string): OverrideAction | null {
  return overrides.get(overrideKey(director, server))?.action ?? null;
}

/** Returns what the data plane shall do for a configuration; nothing while the service lvs is stopped. */
export function desiredFor(core: Core, config: Config, overrides: Overrides = core.overrides): Desired {
  if (core.lvs === 'stopped') return { directors: [] };
  return desire(config, {
    healthOf: (director, server) => core.health.health(healthKey(director, server)).state,
    overrideOf: (director, server) => overrideOf(overrides, director, server),
    weightPercentOf: (director, server) => core.health.health(healthKey(director, server)).weightPercent,
  });
}

/** What an apply changes: the engine's steps, and the NAT table's. */
export interface WholePlan extends Plan {
  readonly nat: NatChange;
}

/**
 * Returns the plan from what the data plane does now; the NAT table is looked at only when `natConfig` says whose rules it shall hold,
 * since health and overrides do not change it. Throws Refusal APPLY_FAILED when the engine or the kernel cannot tell.
 */
export async function planTo(core: Core, desired: Desired, natConfig: Config | null = null): Promise<WholePlan> {
  try {
    const plan = diff(desired, await core.engine.observe());
    return { ...plan, nat: natConfig === null ? NO_NAT_CHANGE : await natPlanFor(core, natConfig) };
  } catch (error) {
    throw applyRefusal(error, 'the engine could not say what it does now');
  }
}

/**
 * Brings the data plane to a plan's end, touching nothing when it has no steps. NAT rules go first, in one transaction; they are put back
 * when the engine refuses. Throws Refusal APPLY_FAILED; a part that landed is taken back soon.
 */
export async function carryOut(core: Core, plan: WholePlan): Promise<void> {
  const back = await applyNat(core, plan.nat);
  if (plan.steps.length === 0) return core.settled();
  try {
    await core.engine.apply(plan);
    core.settled();
  } catch (error) {
    await back();
    if (error instanceof EngineError && error.landed.length > 0) core.trigger();
    throw applyRefusal(error, 'the engine refused the change');
  } finally {
    core.reading.forget();
  }
}

/** Returns the engine's counters, or null and why: status must answer even when the engine does not. */
export async function readingOrNull(core: Core): Promise<{ readonly reading: Reading | null; readonly error: Error | null }> {
  let cancel = (): void => undefined;
  const late = new Promise<never>((_, reject) => {
    cancel = core.clock.after(READING_TIMEOUT_MS, () => reject(new Error(`no answer within ${READING_TIMEOUT_MS} ms`)));
  });
  try {
    return { reading: await Promise.race([core.reading.get(), late]), error: null };
  } catch (error) {
    return { reading: null, error: error instanceof Error ? error : new Error(String(error)) };
  } finally {
    cancel();
  }
}

const READING_TIMEOUT_MS = 2000;

/** Brings the data plane to what is in force when its turn has come. Throws Refusal APPLY_FAILED. */
export function follow(core: Core, nat: 'also nat' | 'nat when owed'): Promise<void> {
  return core.plane.run(async () => {
    if (core.given) return;
    const { config, overrides } = core.acting ?? { config: core.running.config, overrides: core.overrides };
    const natConfig = nat === 'also nat' || core.natOwed ? config : null;
    await carryOut(core, await planTo(core, desiredFor(core, config, overrides), natConfig));
    if (natConfig !== null) core.natOwed = false;
  });
}

/** Brings the data plane to `next`, which is `acting` from then on; returns the plan that was carried out. Throws Refusal APPLY_FAILED, with `acting` as it was. */
export function act(core: Core, next: InForce, nat: 'also nat' | 'without nat'): Promise<WholePlan> {
  return core.plane.run(async () => {
    const plan = await planTo(core, desiredFor(core, next.config, next.overrides), nat === 'also nat' ? next.config : null);
    await carryOut(core, plan);
    core.acting = next;
    return plan;
  });
}

/** Runs something on the store; a StoreError becomes Refusal STORE_FAILED with its cure. */
export async function stored<T>(work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    if (error instanceof StoreError) throw new Refusal('STORE_FAILED', error.message, { cure: error.cure, cause: error });
    throw error;
  }
}

function applyRefusal(error: unknown, what: string): Refusal {
  if (error instanceof Refusal) return error;
  const message = error instanceof Error ? error.message : String(error);
  if (!(error instanceof EngineError)) return new Refusal('APPLY_FAILED', `${what}: ${message}`, { cure: 'try again; if it stays, restart the service lvs', cause: error });
  const landed = error.landed.length === 0 ? '' : ` (changed and being taken back: ${error.landed.join('; ')})`;
  return new Refusal('APPLY_FAILED', `${what}: ${message}${landed}`, { cure: error.cure, cause: error });
}
