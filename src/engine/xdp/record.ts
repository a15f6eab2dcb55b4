/**
 * What the maps cannot tell: names, whose rows are whose, counters of rows that were given away, what was changed on the host. Kept in
 * a file of /run, which like the maps does not survive a reboot; bound to the boot and the network namespace it speaks of. Written to
 * a new name, synced and renamed: before the first step of an apply with what it will make true, and after the last.
 */
import { closeSync, fsyncSync, mkdirSync, openSync, readFileSync, renameSync, rmSync, statSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import type { Desired } from '../../plan/desired.ts';
import { ABI_VERSION } from './abi/spec.ts';
import type { BaseCounters } from './counters.ts';
import type { Slots } from './slots.ts';

export interface XdpRecord {
  /** What is to be true; while `phase` is `applying` perhaps not yet. */
  readonly desired: Desired;
  readonly phase: 'applying' | 'settled';
  readonly slots: Slots;
  /** Counters of rows that were given away, by director name. */
  readonly bases: Readonly<Record<string, BaseCounters>>;
  readonly epoch: string;
  /** Neighbour entries that weir asked the kernel to keep resolved. */
  readonly neighbours: readonly { readonly ip: string; readonly device: string }[];
}

export interface RecordFile {
  /** Returns the record; null when there is none, or it speaks of another boot, namespace or version. Throws when it cannot be read. */
  load(): XdpRecord | null;
  save(record: XdpRecord): void;
  remove(): void;
}

/** Returns the inode that names this network namespace, as text; `unknown` where there is no /proc. */
export function netnsId(): string {
  return readOr(() => String(statSync('/proc/thread-self/ns/net').ino));
}

/** Returns the record of this network namespace, at `path` or below /run/weir. */
export function recordFile(path?: string): RecordFile {
  const netns = netnsId();
  const place = `${readOr(() => readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim())} ${netns} abi ${ABI_VERSION}`;
  const file = path ?? `/run/weir/xdp-${netns}.json`;
  return {
    load() {
      let text: string;
      try {
        text = readFileSync(file, 'utf8');
      } catch (error) {
        if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return null;
        throw error;
      }
      const { place: where, ...record } = JSON.parse(text) as XdpRecord & { place?: string };
      return where === place ? record : null;
    },
    save(record) {
      mkdirSync(dirname(file), { recursive: true, mode: 0o755 });
      const fd = openSync(`${file}.new`, 'w', 0o600);
      try {
        writeSync(fd, JSON.stringify({ place, ...record }));
        fsyncSync(fd);
      } finally {
        closeSync(fd);
      }
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
