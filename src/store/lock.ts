/** One daemon per state directory: a lock file that names its owner, taken over when that process is gone. */
import { readFileSync } from 'node:fs';
import { StoreError } from './error.ts';
import { replaceFile, type Files } from './files.ts';

/** What the lock needs to know of processes. */
export interface Processes {
  readonly pid: number;
  /** Returns a text that identifies this life of `pid` (boot and start time), or null when no such process lives. */
  lifeOf(pid: number): string | null;
}

/** The processes of this machine; elsewhere than on Linux a life is told by its pid alone. */
export const realProcesses: Processes = Object.freeze({
  pid: process.pid,
  lifeOf(pid: number): string | null {
    try {
      const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
      // Field 22 counts from the last ')': the command before it may hold spaces and brackets.
      const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
      // A process that has ended and that nobody has waited for, as where process 1 of a container does not: it holds nothing.
      if (fields[0] === 'Z' || fields[0] === 'X') return null;
      const startTicks = fields[19] ?? '?';
      return `${readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim()}/${startTicks}`;
    } catch {
      return process.platform === 'linux' ? null : signalled(pid);
    }
  },
});

export interface Lock {
  /**
   * Throws StoreError when the lock is another's by now. Two containers that share a directory cannot see each other's processes, so
   * the second takes the lock of the first for stale; asked before each change, this keeps them from mixing their states.
   */
  requireHeld(): Promise<void>;
  /** Makes the lock another living process's, which finds it held for itself; `requireHeld` throws from then on. Throws StoreError. */
  lend(pid: number): Promise<void>;
  /** Takes a lent lock back. Throws StoreError when a third process has it by now. */
  takeBack(): Promise<void>;
  /** Gives the lock back, if it is still held. Safe to call twice. */
  release(): Promise<void>;
}

/** Takes the lock of `dir`. Throws StoreError naming the process that holds it. */
export async function takeLock(files: Files, dir: string, processes: Processes): Promise<Lock> {
  const path = `${dir}/lock`;
  const mine = JSON.stringify({ pid: processes.pid, life: processes.lifeOf(processes.pid) });
  const bytes = new TextEncoder().encode(`${mine}\n`);
  for (let attempt = 0; attempt < 5; attempt++) {
    if (await files.createExclusive(path, bytes)) return heldLock(files, dir, processes, mine);
    const held = await textOf(files, path);
    if (held === null) continue;
    if (held === lentText(processes.pid, processes.lifeOf(processes.pid))) {
      await replaceFile(files, dir, 'lock', bytes);
      return heldLock(files, dir, processes, mine);
    }
    const owner = ownerOf(held);
    if (owner && processes.lifeOf(owner.pid) === owner.life) {
      throw new StoreError(path, `another weir uses this directory: process ${owner.pid}`, `stop process ${owner.pid}, or choose another directory with --state DIR`);
    }
    await takeAside(files, path, `${path}.stale-${processes.pid}`, held);
  }
  throw new StoreError(path, 'the lock changes hands faster than it can be taken', 'stop the other weir processes that start on this directory');
}

/** What the lock says while a predecessor has lent it to a process that has not taken it yet (docs/adr/0017). */
function lentText(pid: number, life: string | null): string {
  return JSON.stringify({ pid, life, lent: true });
}

function heldLock(files: Files, dir: string, processes: Processes, mine: string): Lock {
  const path = `${dir}/lock`;
  const write = (text: string): Promise<void> => replaceFile(files, dir, 'lock', new TextEncoder().encode(`${text}\n`));
  let lentTo: { readonly pid: number; readonly life: string } | null = null;
  const requireHeld = async (): Promise<void> => {
    const held = await textOf(files, path);
    if (held === mine) return;
    const by = held === null ? 'the lock is gone' : `another weir has taken this directory: process ${ownerOf(held)?.pid ?? '?'}`;
    throw new StoreError(path, by, 'stop one of the two, or give each its own directory with --state DIR');
  };
  return {
    requireHeld,
    async lend(pid) {
      await requireHeld();
      const life = processes.lifeOf(pid);
      if (life === null) throw new StoreError(path, `there is no process ${pid} to lend the directory to`, 'start the takeover again');
      lentTo = { pid, life };
      await write(lentText(pid, life));
    },
    async takeBack() {
      const held = await textOf(files, path);
      const owner = held === null || held === mine ? null : ownerOf(held);
      const stranger = owner && (owner.pid !== lentTo?.pid || owner.life !== lentTo.life) ? owner : null;
      if (stranger && processes.lifeOf(stranger.pid) === stranger.life) await requireHeld();
      if (held !== mine) await write(mine);
      lentTo = null;
    },
    async release() {
      if ((await textOf(files, path)) === mine) await files.remove(path);
    },
  };
}

/** Moves a stale lock away; gives it back when, in between, another process had taken over. */
async function takeAside(files: Files, path: string, aside: string, stale: string): Promise<void> {
  try {
    await files.rename(path, aside);
  } catch {
    return;
  }
  const moved = await textOf(files, aside);
  if (moved !== null && moved !== stale) await files.createExclusive(path, new TextEncoder().encode(`${moved}\n`));
  await files.remove(aside);
}

async function textOf(files: Files, path: string): Promise<string | null> {
  const bytes = await files.read(path);
  return bytes === null ? null : new TextDecoder().decode(bytes).trim();
}

function ownerOf(text: string): { pid: number; life: string } | null {
  try {
    const owner = JSON.parse(text) as { pid?: unknown; life?: unknown };
    return typeof owner.pid === 'number' && typeof owner.life === 'string' ? { pid: owner.pid, life: owner.life } : null;
  } catch {
    return null;
  }
}

function signalled(pid: number): string | null {
  try {
    process.kill(pid, 0);
    return `pid-${pid}`;
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM' ? `pid-${pid}` : null;
  }
}
