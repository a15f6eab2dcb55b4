/** Kernel switches that a service sets: what was there before is kept on the ledger and put back, each at most once. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Ledger } from './ledger.ts';

/** Where switches live; `net.ipv4.vs.conntrack` by its dotted name. */
export interface SysctlFiles {
  /** Returns the value; null where this kernel has no such switch. */
  get(name: string): string | null;
  set(name: string, value: string): void;
}

export interface Sysctls {
  /** Makes each switch so, or none and an Error with `cure`. Returns the names that changed. */
  want(values: Readonly<Record<string, string>>): readonly string[];
  /** Puts back what was there before, unless somebody has changed it since. */
  undo(): void;
}

/** Returns the switches of this process's network namespace. */
export function procSysctls(root = '/proc/sys'): SysctlFiles {
  const path = (name: string): string => join(root, ...name.split('.'));
  return {
    get(name) {
      try {
        return readFileSync(path(name), 'utf8').trim();
      } catch {
        return null;
      }
    },
    set: (name, value) => writeFileSync(path(name), `${value}\n`),
  };
}

/** Returns the switches with their way back, remembered on `ledger` across restarts of weir. */
export function createSysctls({ files, ledger }: { readonly files: SysctlFiles; readonly ledger: Ledger }): Sysctls {
  function put(name: string, value: string): void {
    try {
      files.set(name, value);
    } catch (error) {
      throw withCure(`${name} cannot be set to ${value}: ${error instanceof Error ? error.message : String(error)}`, 'run weir as root');
    }
    if (files.get(name) !== value) throw withCure(`${name} does not take ${value}: it reads ${files.get(name) ?? 'nothing'}`, 'see the kernel log (dmesg)');
  }

  return {
    want(values) {
      const done: { readonly name: string; readonly before: string }[] = [];
      try {
        for (const [name, value] of Object.entries(values)) {
          const before = files.get(name);
          if (before === null) throw withCure(`this kernel has no switch ${name}`, name.startsWith('net.ipv4.vs.') ? 'load LVS: modprobe ip_vs' : 'use a kernel that has it');
          if (before === value) continue;
          done.push({ name, before });
          put(name, value);
        }
      } catch (error) {
        for (const { name, before } of done.toReversed()) if (files.get(name) !== before) files.set(name, before);
        throw error;
      }
      if (done.length === 0) return [];
      const kept = ledger.read().sysctls;
      const next = { ...kept };
      // The first value seen is the one to go back to.
      for (const { name, before } of done) next[name] = { before: kept[name]?.before ?? before, set: values[name] ?? '' };
      ledger.write({ ...ledger.read(), sysctls: next });
      return done.map(({ name }) => name);
    },
    undo() {
      const { sysctls } = ledger.read();
      for (const [name, { before, set }] of Object.entries(sysctls)) {
        if (files.get(name) === set && set !== before) put(name, before);
      }
      if (Object.keys(sysctls).length > 0) ledger.write({ ...ledger.read(), sysctls: {} });
    },
  };
}

function withCure(message: string, cure: string): Error {
  return Object.assign(new Error(message), { cure });
}
