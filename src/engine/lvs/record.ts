/**
 * What the kernel cannot tell: names, policies, and which services are weir's. Kept in a file of /run, which like ip_vs itself does
 * not survive a reboot; bound to the boot and the network namespace it speaks of. Written to a new name, then renamed.
 */
import { mkdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import type { Desired } from '../../plan/desired.ts';
import type { IpvsTimeouts } from './ipvs.ts';
import type { Hold } from './target.ts';

export interface LvsRecord {
  readonly desired: Desired;
  /** Keys of the services that are weir's; while an apply is under way, of old and new ones. */
  readonly owned: readonly string[];
  readonly holds: readonly Hold[];
  /** What was set before weir changed it, for `close('remove')`. */
  readonly before: { readonly sysctls: Readonly<Record<string, string>>; readonly timeouts: IpvsTimeouts | null };
}

export const EMPTY_RECORD: LvsRecord = { desired: { directors: [] }, owned: [], holds: [], before: { sysctls: {}, timeouts: null } };

export interface RecordFile {
  /** Returns the record; the empty one when there is none, or it speaks of another boot or namespace. Throws when it cannot be read. */
  load(): LvsRecord;
  save(record: LvsRecord): void;
  remove(): void;
}

const VERSION = 1;

/** Returns the record of this network namespace, at `path` or below /run/weir. */
export function recordFile(path?: string): RecordFile {
  const netns = readOr(() => String(statSync('/proc/self/ns/net').ino));
  const place = `${readOr(() => readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim())} ${netns}`;
  const file = path ?? `/run/weir/lvs-${netns}.json`;
  return {
    load() {
      let text: string;
      try {
        text = readFileSync(file, 'utf8');
      } catch (error) {
        if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return EMPTY_RECORD;
        throw error;
      }
      const parsed = JSON.parse(text) as LvsRecord & { version?: number; place?: string };
      if (parsed.version !== VERSION || parsed.place !== place) return EMPTY_RECORD;
      return { desired: parsed.desired, owned: parsed.owned, holds: parsed.holds, before: parsed.before };
    },
    save(record) {
      mkdirSync(dirname(file), { recursive: true, mode: 0o755 });
      writeFileSync(`${file}.new`, JSON.stringify({ version: VERSION, place, ...record }), { mode: 0o600 });
      renameSync(`${file}.new`, file);
    },
    remove: () => rmSync(file, { force: true }),
  };
}

function readOr(read: () => string): string {
  try {
    return read();
  } catch {
    return 'unknown';
  }
}
