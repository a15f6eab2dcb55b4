/** One bench at a time on a machine: two would measure each other. */
import { closeSync, openSync, readFileSync, rmSync, existsSync, writeSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

export interface LockOptions {
  readonly path: string;
  readonly signal: AbortSignal;
  readonly progress: (line: string) => void;
  readonly waitMs?: number;
  readonly isAlive?: (pid: number) => boolean;
}

const POLL_MS = 500;
const MOST_WAIT_MS = 60 * 60_000;

/** Returns a function that gives the lock back, once it is ours. Waits for a holder that lives, at most `waitMs` (an hour); takes over from a dead one. Rejects when the wait is over or `signal` aborts. */
export async function takeLock(options: LockOptions): Promise<() => void> {
  const { path, signal, progress, waitMs = MOST_WAIT_MS, isAlive = alive } = options;
  let told: number | null = null;
  for (let waited = 0; ; waited += POLL_MS) {
    signal.throwIfAborted();
    if (tryTake(path)) return () => rmSync(path, { force: true });
    const holder = Number(readOr(path));
    // An empty file is one being written.
    if (holder > 0 && !isAlive(holder)) {
      rmSync(path, { force: true });
      continue;
    }
    if (waited >= waitMs) throw new Error(`another bench (process ${holder}) still runs; wait for it, or end it, and try again (${path})`);
    if (told !== holder) progress(`another bench (process ${holder}) runs; waiting for it to end`);
    told = holder;
    await sleep(POLL_MS, undefined, { signal });
  }
}

function tryTake(path: string): boolean {
  let fd: number;
  try {
    fd = openSync(path, 'wx', 0o644);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
  writeSync(fd, String(process.pid));
  closeSync(fd);
  return true;
}

function readOr(path: string): string {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch {
    return '';
  }
}

function alive(pid: number): boolean {
  return existsSync(`/proc/${pid}`);
}
