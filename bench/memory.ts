/** What a process and its sockets take, read from /proc. */
import { readFileSync, readdirSync } from 'node:fs';

/** Bytes of one moment. */
export interface MemoryUse {
  /** Resident memory of the process and its children, each page shared between them counted for its share. */
  readonly processBytes: number;
  /** Kernel slab of the whole machine: sockets live there, and strangers do too. */
  readonly slabBytes: number;
  /** UDP sockets in the subject's network namespace. */
  readonly udpSockets: number;
  readonly descriptors: number;
}

/** Returns the use of `pid` and its children now. Throws when the process is gone. */
export function readMemory(pid: number): MemoryUse {
  const family = [pid, ...childrenOf(pid)];
  return {
    processBytes: family.reduce((total, one) => total + pssBytes(one), 0),
    slabBytes: field(readFileSync('/proc/meminfo', 'utf8'), /^Slab:\s+(\d+) kB/m) * 1024,
    udpSockets: field(readFileSync(`/proc/${pid}/net/sockstat`, 'utf8'), /^UDP: inuse (\d+)/m),
    descriptors: family.reduce((total, one) => total + readdirSync(`/proc/${one}/fd`).length, 0),
  };
}

function pssBytes(pid: number): number {
  return field(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'), /^Pss:\s+(\d+) kB/m) * 1024;
}

function childrenOf(pid: number): number[] {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim();
  return children === '' ? [] : children.split(' ').map(Number);
}

function field(text: string, pattern: RegExp): number {
  return Number(pattern.exec(text)?.[1] ?? 0);
}
