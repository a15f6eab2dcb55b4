/** The service `lvs`: the data plane as a part that starts, stops and restarts, whatever engine it is. */
import type { Config } from '../config/model.ts';
import { EngineError, type Engine, type EngineName } from '../engine/engine.ts';
import type { Lifecycle } from '../services/registry.ts';
import type { Sysctls } from '../services/sysctl.ts';
import { natActsOnBalanced } from '../plan/desire.ts';
import type { Behind } from './network.ts';
import { Refusal } from './control.ts';
import { carryOut, desiredFor, planTo, type Core } from './core.ts';
import { refuseUnsupported } from './apply.ts';

export type EngineWanted = 'auto' | EngineName;
export type MakeEngine = (wanted: EngineWanted) => Promise<{ readonly engine: Engine; readonly why: string }>;

/** Returns the engine a configuration asks for in `service lvs`. */
export function engineWantedBy(config: Config): EngineWanted {
  return config.services.find((s) => s.name === 'lvs')?.engine ?? 'auto';
}

/** Makes an engine; EngineError becomes Refusal APPLY_FAILED with its cure. */
export async function makeEngine(make: MakeEngine, wanted: EngineWanted): Promise<{ readonly engine: Engine; readonly why: string }> {
  try {
    return await make(wanted);
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    throw new Refusal('APPLY_FAILED', message, { cure: error instanceof EngineError ? error.cure : 'see the message', cause: error });
  }
}

/** The service's part and what it does beside the engine: the switches its keywords stand for. */
export interface LvsService {
  readonly part: Lifecycle;
  /** Sets the switches of the running configuration where the engine is the kernel's LVS. Throws Refusal APPLY_FAILED. */
  setSwitches(): void;
  undoSwitches(): void;
  /** True while the kernel lets NAT rules act on what LVS balances. */
  natActs(): boolean;
  behind(): readonly Behind[];
}

const CONNTRACK = 'net.ipv4.vs.conntrack';

/** Returns the service. Its actions run inside the daemon's queue, and what they do to the data plane inside its own; `wanted` says which engine the running configuration asks for. */
export function lvsPart(core: Core, options: { readonly wanted: () => EngineWanted; readonly make: MakeEngine; readonly sysctls: Sysctls | null }): LvsService {
  /** What `conntrack` said when it was put into force; null: the engine has no such switch. */
  let conntrack: boolean | null = null;

  function setSwitches(): void {
    if (options.sysctls === null || core.engine.name !== 'lvs') {
      undoSwitches();
      return;
    }
    const on = natActsOnBalanced(core.running.config);
    try {
      options.sysctls.want({ [CONNTRACK]: on ? '1' : '0' });
    } catch (error) {
      const cure = error instanceof Error && 'cure' in error && typeof error.cure === 'string' ? error.cure : 'see the message';
      throw new Refusal('APPLY_FAILED', error instanceof Error ? error.message : String(error), { cure, cause: error });
    }
    conntrack = on;
  }

  function undoSwitches(): void {
    // The ledger knows also what an earlier run of weir has set.
    options.sysctls?.undo();
    conntrack = null;
  }

  async function become(lvs: Core['lvs']): Promise<void> {
    const before = core.lvs;
    core.lvs = lvs;
    try {
      if (lvs === 'running') setSwitches();
      await carryOut(core, await planTo(core, desiredFor(core, core.running.config), core.running.config));
      if (lvs === 'stopped') undoSwitches();
    } catch (error) {
      core.lvs = before;
      throw error;
    }
  }

  const part: Lifecycle = {
    name: 'lvs',
    instance: null,
    text: () => `engine ${core.engine.name}: ${core.engineWhy}${conntrack === null ? '' : `; conntrack ${conntrack ? 'on' : 'off'}`}`,
    start: () => core.plane.run(() => become('running')),
    stop: () => core.plane.run(() => become('stopped')),
    reload: () => core.plane.run(() => become(core.lvs)),
    restart: () => core.plane.run(async () => {
      const wanted = options.wanted();
      if (wanted !== core.engineWanted || !(await answers(core.engine))) await replaceEngine(core, wanted, options.make);
      await become('running');
    }),
  };
  return {
    part, setSwitches, undoSwitches,
    natActs: () => conntrack === true,
    behind() {
      const on = natActsOnBalanced(core.running.config);
      return conntrack === null || conntrack === on ? [] : [{ service: 'lvs', text: `conntrack is ${on ? 'on' : 'off'} in the configuration and ${conntrack ? 'on' : 'off'} in the kernel` }];
    },
  };
}

/** An engine that cannot say what it does is past repair: a restart makes a new one. */
async function answers(engine: Engine): Promise<boolean> {
  try {
    await engine.observe();
    return true;
  } catch {
    return false;
  }
}

/** Puts another engine in place: made and probed while the old one works, which ends only then; a new one that cannot take over gives way to the old kind. */
async function replaceEngine(core: Core, wanted: EngineWanted, make: MakeEngine): Promise<void> {
  const made = await makeEngine(make, wanted);
  const old = { engine: core.engine, why: core.engineWhy, wanted: core.engineWanted };
  const use = (next: typeof old): void => {
    core.engine = next.engine;
    core.engineWhy = next.why;
    core.engineWanted = next.wanted;
    core.reading.forget();
  };
  const desired = desiredFor(core, core.running.config);
  use({ ...made, wanted });
  try {
    await refuseUnsupported(core, core.running.config, desired);
  } catch (error) {
    use(old);
    await made.engine.close('leave');
    throw error;
  }
  // A broken engine may not even close; what it held, the new one finds out.
  await old.engine.close('remove').catch((error: unknown) => core.events.add({ kind: 'engine-fault', who: 'weir', service: 'lvs', text: `engine ${old.engine.name} did not close: ${String(error)}` }));
  try {
    await carryOut(core, await planTo(core, desired, core.running.config));
  } catch (error) {
    await made.engine.close('remove').catch(() => undefined);
    // Null until the old kind is back: a later restart must not take the closed engine for the one that is wanted.
    core.engineWanted = null;
    use({ ...(await makeEngine(make, old.wanted ?? wanted)), wanted: old.wanted ?? wanted });
    core.trigger();
    throw error;
  }
}
