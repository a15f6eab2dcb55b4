/**
 * What weir has put into this host's network and must take away again: addresses, routes, switches. Bound to the boot and the network
 * namespace it speaks of, like all of that; kept in /run, so that a restart of weir knows its own. Written to a new name, then renamed.
 */
import { mkdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';

export interface LedgerEntries {
  /** By interface: addresses as `192.0.2.1/24`, routes as `network/routeText` spells them. */
  readonly interfaces: Readonly<Record<string, { readonly addresses: readonly string[]; readonly routes: readonly string[] }>>;
  readonly sysctls: Readonly<Record<string, { readonly before: string; readonly set: string }>>;
}

export interface Ledger {
  read(): LedgerEntries;
  /** Throws when it cannot be written: nothing may be done that could not be undone. */
  write(entries: LedgerEntries): void;
}

export const NO_ENTRIES: LedgerEntries = { interfaces: {}, sysctls: {} };
const VERSION = 1;

/** Returns a ledger in memory, for tests and hosts without /run. */
export function memoryLedger(): Ledger {
  let entries = NO_ENTRIES;
  return { read: () => entries, write: (next) => void (entries = next) };
}

/** Returns the ledger of this network namespace, at `path` or below /run/weir. A file that cannot be read counts as empty. */
export function fileLedger(path?: string): Ledger {
  const namespace = readOr(() => String(statSync('/proc/self/ns/net').ino));
  const place = `${readOr(() => readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim())} ${namespace}`;
  const file = path ?? `/run/weir/services-${namespace}.json`;
  let kept: LedgerEntries | null = null;
  return {
    read() {
      if (kept) return kept;
      kept = NO_ENTRIES;
      try {
        const parsed = JSON.parse(readFileSync(file, 'utf8')) as LedgerEntries & { version?: number; place?: string };
        if (parsed.version === VERSION && parsed.place === place) kept = { interfaces: parsed.interfaces, sysctls: parsed.sysctls };
      } catch {
        // No file, or not ours to read: weir has put nothing there.
      }
      return kept;
    },
    write(entries) {
      kept = entries;
      if (Object.keys(entries.interfaces).length + Object.keys(entries.sysctls).length === 0) return rmSync(file, { force: true });
      mkdirSync(dirname(file), { recursive: true, mode: 0o755 });
      writeFileSync(`${file}.new`, JSON.stringify({ version: VERSION, place, ...entries }), { mode: 0o600 });
      renameSync(`${file}.new`, file);
    },
  };
}

function readOr(read: () => string): string {
  try {
    return read();
  } catch {
    return 'unknown';
  }
}
