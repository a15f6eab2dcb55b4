/** The daemon gives its work to one of another process: what goes along beside the engine's, and in which order it can still be taken back. */
import type { EngineHandover } from '../engine/engine.ts';
import type { HealthMemory } from '../health/health.ts';
import { Refusal } from './control.ts';
import { stored, type Core } from './core.ts';

/** What a successor's daemon starts with instead of what was saved: the running configuration is in the store. */
export interface Inheritance {
  readonly lvs: Core['lvs'];
  readonly health: readonly HealthMemory[];
}

export interface Estate extends Inheritance {
  /** The engine's terms (Succession.terms). */
  readonly terms: string;
  /** Stops the traffic and gives the engine's work to `give`, as Succession.handOver does. */
  freeze(give: (handover: EngineHandover) => Promise<void>): Promise<void>;
}

/**
 * Lets `give` hand everything to process `pid`: while it runs nothing is changed and the state directory is lent to that process. When it
 * resolves, the successor has the traffic; when it rejects, all is as it was, and the error is passed on. Throws Refusal before anything is
 * touched when this is no time for it. Call it inside the daemon's queue.
 */
export async function handOver(core: Core, pid: number, give: (estate: Estate) => Promise<void>): Promise<void> {
  const { succession } = core.engine;
  if (succession === undefined) {
    throw new Refusal('BAD_REQUEST', `the engine ${core.engine.name} does not hand over`, {
      cure: core.engine.name === 'userspace' ? 'without the Linux fast path, restart weir: its sessions end' : 'stop weir and start the new one: the kernel carries the traffic meanwhile',
    });
  }
  if (core.pending !== null) throw new Refusal('CONFIRM_PENDING', `revision ${core.pending.revision} still waits to be confirmed`, { cure: 'weir confirm, or wait until it is taken back' });
  const terms = await succession.terms();
  core.events.add({ kind: 'handover', who: 'weir', text: `process ${pid} asks to take over`, audit: true });
  await core.events.flush();
  let lent = false;
  try {
    await stored(core.store.lend(pid));
    lent = true;
    await core.plane.run(async () => {
      await give({ terms, lvs: core.lvs, health: core.health.memory(), freeze: (giveEngine) => succession.handOver(giveEngine) });
      core.given = true;
    });
  } catch (error) {
    if (lent) await stored(core.store.takeBack());
    core.events.add({ kind: 'handover-failed', who: 'weir', text: `process ${pid} did not take over: ${error instanceof Error ? error.message : String(error)}; this process goes on`, audit: true });
    throw error;
  }
}
