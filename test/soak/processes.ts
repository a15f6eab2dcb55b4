/** What Linux says of a process: memory, descriptors, threads, and what its sockets could not hold (man 5 proc). */
import { readdirSync, readFileSync } from 'node:fs';

/** Returns resident memory, open descriptors and threads; null when the process is gone. */
export function processSize(pid: number): { readonly rssMiB: number; readonly fds: number; readonly threads: number } | null {
  try {
    const status = readFileSync(`/proc/${pid}/status`, 'utf8');
    const field = (name: string): number => Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(status)?.[1] ?? 0);
    return { rssMiB: field('VmRSS') / 1024, threads: field('Threads'), fds: readdirSync(`/proc/${pid}/fd`).length };
  } catch {
    return null;
  }
}

/** Returns whether a process runs; one that has ended and waits for its parent does not. */
export function isRunning(pid: number): boolean {
  try {
    return !/^State:\s+[ZX]/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
}

/** Returns how many datagrams the kernel dropped at UDP sockets of these local ports, in the network namespace of a process. */
export function socketDrops(pid: number, ports: ReadonlySet<number>): number {
  let drops = 0;
  for (const table of ['udp', 'udp6']) {
    let text: string;
    try {
      text = readFileSync(`/proc/${pid}/net/${table}`, 'utf8');
    } catch {
      continue;
    }
    for (const line of text.split('\n').slice(1)) {
      const fields = line.trim().split(/\s+/);
      if (ports.has(Number.parseInt(fields[1]?.split(':')[1] ?? '', 16))) drops += Number(fields.at(-1));
    }
  }
  return drops;
}
