/**
 * Files in memory with a crash model, for tests of everything that keeps state. A crash can be set at any operation, before it,
 * after it, or in the middle of a write; afterwards `survivors()` gives every disk that could be found at the next start:
 * for each directory, the names as last synced or as last seen.
 */
import type { Files } from './files.ts';

export interface CrashPoint {
  /** 0-based number of the changing operation. */
  readonly at: number;
  readonly how: 'before' | 'torn' | 'after';
}

export interface MemoryFiles extends Files {
  /** Changing operations so far, as `op path`. */
  readonly operations: readonly string[];
  crash: CrashPoint | null;
  /** Makes the changing operations that `when` picks fail as a full disk would, having done nothing. */
  fail: ((operation: string) => boolean) | null;
  survivors(): readonly MemoryFiles[];
  /** Returns a file's text; throws when it is not there. */
  text(path: string): string;
  put(path: string, text: string): void;
  paths(): readonly string[];
}

/** The process died here, as far as the caller can tell. */
export class Crash extends Error {
  constructor(operation: string) {
    super(`killed at ${operation}`);
    this.name = 'Crash';
  }
}

interface Inode { bytes: Uint8Array }

/** Returns files that hold `initial`, all of it durable. */
export function createMemoryFiles(initial: ReadonlyMap<string, Uint8Array> = new Map()): MemoryFiles {
  const names = new Map<string, Inode>([...initial].map(([path, bytes]) => [path, { bytes }]));
  let durable = new Map(names);
  const operations: string[] = [];
  let dead = false;

  function change(operation: string, work: () => void, torn: () => void = () => undefined): void {
    if (dead) throw new Crash(operation);
    const number = operations.length;
    if (files.fail?.(operation)) throw Object.assign(new Error(`ENOSPC: no space left on device, ${operation}`), { code: 'ENOSPC' });
    operations.push(operation);
    const point = files.crash;
    if (point?.at !== number) return work();
    dead = true;
    if (point.how === 'after') work();
    if (point.how === 'torn') torn();
    throw new Crash(operation);
  }

  function node(path: string): Inode {
    let inode = names.get(path);
    if (!inode) names.set(path, (inode = { bytes: new Uint8Array() }));
    return inode;
  }

  function write(path: string, bytes: Uint8Array): void {
    node(path).bytes = Uint8Array.from(bytes);
  }

  function append(path: string, bytes: Uint8Array): void {
    const inode = node(path);
    inode.bytes = Uint8Array.from([...inode.bytes, ...bytes]);
  }

  const half = (bytes: Uint8Array): Uint8Array => bytes.subarray(0, Math.floor(bytes.length / 2));

  const files: MemoryFiles = {
    operations,
    crash: null,
    fail: null,
    makeDir: async () => undefined,
    list: async (dir) => [...names.keys()].filter((p) => dirOf(p) === dir).map((p) => p.slice(dir.length + 1)).sort(),
    read: async (path) => names.get(path)?.bytes ?? null,
    writeSynced: async (path, bytes) => change(`write ${path}`, () => write(path, bytes), () => write(path, half(bytes))),
    appendSynced: async (path, bytes) => change(`append ${path}`, () => append(path, bytes), () => append(path, half(bytes))),
    async createExclusive(path, bytes) {
      if (names.has(path)) return false;
      change(`create ${path}`, () => write(path, bytes), () => write(path, half(bytes)));
      return true;
    },
    rename: async (from, to) =>
      change(`rename ${from} ${to}`, () => {
        const inode = names.get(from);
        if (!inode) throw Object.assign(new Error(`ENOENT: no such file, rename ${from}`), { code: 'ENOENT' });
        names.delete(from);
        names.set(to, inode);
      }),
    remove: async (path) => change(`remove ${path}`, () => void names.delete(path)),
    truncate: async (path, size) =>
      change(`truncate ${path}`, () => {
        const inode = node(path);
        inode.bytes = inode.bytes.slice(0, size);
      }),
    syncDir: async (dir) =>
      change(`sync ${dir}`, () => {
        const kept = [...durable].filter(([p]) => dirOf(p) !== dir);
        durable = new Map([...kept, ...[...names].filter(([p]) => dirOf(p) === dir)]);
      }),
    survivors() {
      const dirs = [...new Set([...names.keys(), ...durable.keys()].map(dirOf))];
      return Array.from({ length: 2 ** dirs.length }, (_, mask) => {
        const found = new Map<string, Uint8Array>();
        dirs.forEach((dir, bit) => {
          for (const [path, inode] of (mask >> bit) & 1 ? names : durable) if (dirOf(path) === dir) found.set(path, inode.bytes);
        });
        return createMemoryFiles(found);
      });
    },
    text(path) {
      const inode = names.get(path);
      if (!inode) throw new Error(`no file ${path}; there are ${[...names.keys()].join(', ')}`);
      return new TextDecoder().decode(inode.bytes);
    },
    put: (path, text) => write(path, new TextEncoder().encode(text)),
    paths: () => [...names.keys()].sort(),
  };
  return files;
}

function dirOf(path: string): string {
  return path.slice(0, path.lastIndexOf('/'));
}
