/** What a process, its sockets, its BPF maps and the kernel take, read from /proc. */
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
    slabBytes: readMachine().slabBytes,
    udpSockets: field(readFileSync(`/proc/${pid}/net/sockstat`, 'utf8'), /^UDP: inuse (\d+)/m),
    descriptors: family.reduce((total, one) => total + readdirSync(`/proc/${one}/fd`).length, 0),
  };
}

/** Of the whole machine, strangers included. */
export interface MachineMemory {
  readonly availableBytes: number;
  readonly slabBytes: number;
}

/** Returns what /proc/meminfo says now. */
export function readMachine(): MachineMemory {
  const text = readFileSync('/proc/meminfo', 'utf8');
  return { availableBytes: field(text, /^MemAvailable:\s+(\d+) kB/m) * 1024, slabBytes: field(text, /^Slab:\s+(\d+) kB/m) * 1024 };
}

/** A BPF map, as the kernel accounts for it. */
export interface MapUse {
  readonly id: number;
  /** Number of the kernel's enum bpf_map_type. */
  readonly type: number;
  readonly keyBytes: number;
  readonly valueBytes: number;
  readonly capacity: number;
  /** All of it that is allocated now: the whole map where it is preallocated. */
  readonly bytes: number;
}

/** Returns the BPF maps that `pid` and its children hold open, each once, largest first. */
export function readMaps(pid: number): readonly MapUse[] {
  const maps = new Map<number, MapUse>();
  for (const one of [pid, ...childrenOf(pid)]) {
    for (const fd of readdirSync(`/proc/${one}/fdinfo`)) {
      const map = parseMap(readOr(`/proc/${one}/fdinfo/${fd}`));
      if (map !== null) maps.set(map.id, map);
    }
  }
  return [...maps.values()].toSorted((a, b) => b.bytes - a.bytes);
}

/** Returns the map that a file of /proc/PID/fdinfo tells of (kernel/bpf/syscall.c, bpf_map_show_fdinfo); null for other descriptors. */
export function parseMap(fdinfo: string): MapUse | null {
  if (!/^map_id:/m.test(fdinfo)) return null;
  const of = (name: string) => field(fdinfo, new RegExp(`^${name}:\\s+(\\d+)`, 'm'));
  return { id: of('map_id'), type: of('map_type'), keyBytes: of('key_size'), valueBytes: of('value_size'), capacity: of('max_entries'), bytes: of('memlock') };
}

function pssBytes(pid: number): number {
  return field(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'), /^Pss:\s+(\d+) kB/m) * 1024;
}

function childrenOf(pid: number): number[] {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim();
  return children === '' ? [] : children.split(' ').map(Number);
}

/** Descriptors come and go while they are listed. */
function readOr(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

function field(text: string, pattern: RegExp): number {
  return Number(pattern.exec(text)?.[1] ?? 0);
}
