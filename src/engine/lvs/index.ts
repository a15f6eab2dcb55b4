/** Makes the lvs engine of this host. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { EngineEvent } from '../engine.ts';
import { procConnections } from './connections.ts';
import { LvsEngine } from './engine.ts';
import { openIpvs } from './ipvs.ts';
import { runNft } from './marks.ts';
import { recordFile } from './record.ts';
import { procSysctls } from './switches.ts';

export interface LvsOptions {
  readonly onEvent: (event: EngineEvent) => void;
  /** Where the record of what weir set is kept; by default below /run/weir, one for each network namespace. */
  readonly recordPath?: string;
}

/** Returns the engine; the kernel is asked for ip_vs at the first call that needs it. */
export async function createLvsEngine(options: LvsOptions): Promise<LvsEngine> {
  return new LvsEngine({
    openIpvs,
    sysctls: procSysctls(),
    record: recordFile(options.recordPath),
    nft: runNft,
    connections: procConnections,
    onEvent: options.onEvent,
    nowMs: Date.now,
    wait: (ms) => sleep(ms),
    after(ms, callback) {
      const timer = setTimeout(callback, ms);
      timer.unref();
      return () => clearTimeout(timer);
    },
  });
}
