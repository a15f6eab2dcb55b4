/** The switches under net.ipv4.vs that this engine needs: set, with what was there before handed back. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** Replaceable in tests. */
export interface Sysctls {
  /** Returns the value; null where this kernel has no such switch. */
  get(name: string): string | null;
  set(name: string, value: string): void;
}

/** Always on: a server that is gone lets its sessions go at once, and persistence does not lead back to one that drains. */
export const ALWAYS: Readonly<Record<string, string>> = { expire_nodest_conn: '1', expire_quiescent_template: '1' };

/** Returns those of this network namespace. */
export function procSysctls(folder = '/proc/sys/net/ipv4/vs'): Sysctls {
  return {
    get(name) {
      try {
        return readFileSync(join(folder, name), 'utf8').trim();
      } catch {
        return null;
      }
    },
    set: (name, value) => writeFileSync(join(folder, name), `${value}\n`),
  };
}
