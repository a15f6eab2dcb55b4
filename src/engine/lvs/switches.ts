/** What ip_vs has one of for all services: its timeouts and the switches under net.ipv4.vs. Set where they differ, and given back at the end. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Ipvs, IpvsTimeouts } from './ipvs.ts';
import type { LvsRecord } from './record.ts';
import type { Target } from './target.ts';

/** Replaceable in tests. */
export interface Sysctls {
  /** Returns the value; null where this kernel has no such switch. */
  get(name: string): string | null;
  set(name: string, value: string): void;
}

/** `conntrack` is not among them: it is the keyword of `service lvs`, which sets it. Always on: a server that is gone lets its sessions go at once, and persistence does not lead back to one that drains. */
const ALWAYS: Readonly<Record<string, string>> = { expire_nodest_conn: '1', expire_quiescent_template: '1' };

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

export interface Switches {
  readonly kernel: Ipvs;
  readonly sysctls: Sysctls;
  readonly target: Target;
}

/** Returns what was set before weir first changed anything: what is remembered already, and what is about to be changed for the first time. */
export function remembered({ kernel, sysctls, target }: Switches, before: LvsRecord['before']): LvsRecord['before'] {
  const old: Record<string, string> = { ...before.sysctls };
  for (const name of Object.keys(ALWAYS)) {
    const value = name in old ? null : sysctls.get(name);
    if (value !== null) old[name] = value;
  }
  const touches = target.udpTimeoutS !== null || target.tcpTimeoutS !== null;
  return { sysctls: old, timeouts: before.timeouts ?? (touches ? kernel.timeouts() : null) };
}

/** Sets what differs; what takes each back goes to `done`. */
export function setSwitches({ kernel, sysctls, target }: Switches, before: LvsRecord['before'], done: (() => void)[]): void {
  const now = kernel.timeouts();
  const wanted: IpvsTimeouts = { tcp: target.tcpTimeoutS ?? before.timeouts?.tcp ?? now.tcp, tcpFin: now.tcpFin, udp: target.udpTimeoutS ?? before.timeouts?.udp ?? now.udp };
  if (wanted.tcp !== now.tcp || wanted.udp !== now.udp) {
    kernel.setTimeouts(wanted);
    done.push(() => kernel.setTimeouts(now));
  }
  for (const [name, value] of Object.entries(ALWAYS)) {
    const old = sysctls.get(name);
    if (old === null || old === value) continue;
    sysctls.set(name, value);
    done.push(() => sysctls.set(name, old));
  }
}
