/** What was measured on: figures without it mean nothing. */
import { readFileSync } from 'node:fs';
import { cpus, loadavg, release, totalmem } from 'node:os';
import { tryRun } from './command.ts';

/** The machine, as text for people and fields for JSON. */
export interface Machine {
  readonly cpu: string;
  readonly cpus: number;
  readonly memoryMb: number;
  readonly kernel: string;
  readonly node: string;
  readonly os: string;
  /** 1-minute load average when asked: others on the machine make figures worse. */
  readonly load: number;
  /** `ulimit -Hn`: the most sockets a process of a subject can have. */
  readonly descriptors: number;
  /** Current git revision; null outside a clone. */
  readonly revision: string | null;
}

/** Returns what this machine is, now. */
export function describeMachine(): Machine {
  let os = 'unknown';
  try {
    os = /^PRETTY_NAME="?([^"\n]*)/m.exec(readFileSync('/etc/os-release', 'utf8'))?.[1] ?? os;
  } catch {
    // A system without os-release is measured all the same.
  }
  const all = cpus();
  return {
    cpu: all[0]?.model ?? 'unknown',
    cpus: all.length,
    memoryMb: Math.round(totalmem() / 1e6),
    kernel: release(),
    node: process.versions.node,
    os,
    load: loadavg()[0] ?? 0,
    descriptors: hardDescriptors(),
    revision: tryRun('git', ['-C', import.meta.dirname, 'rev-parse', '--short', 'HEAD'])?.trim() ?? null,
  };
}

/** Returns one line for the head of the output. */
export function machineText(machine: Machine): string {
  return `${machine.cpus} x ${machine.cpu}, ${machine.memoryMb} MB, ${machine.os}, Linux ${machine.kernel}, Node ${machine.node}, ${machine.descriptors} descriptors, revision ${machine.revision ?? 'unknown'}, load ${machine.load.toFixed(2)}`;
}

/** Returns a warning when others use the CPUs; empty when nobody does. */
export function loadWarning(machine: Machine): readonly string[] {
  return machine.load > 0.5 ? [`the load average is ${machine.load.toFixed(2)}: others use the CPUs, and figures will be lower than they could be`] : [];
}

/** Returns `ulimit -Hn`, or 0 where it cannot be read. */
export function hardDescriptors(): number {
  try {
    return Number(/^Max open files\s+\d+\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1] ?? 0);
  } catch {
    return 0;
  }
}
