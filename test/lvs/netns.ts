/** Sockets in other network namespaces from this one process: the main thread steps into the namespace for the length of a bind. */
import { execFileSync } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import koffi from 'koffi';
import type { Scope } from '../fixtures/scope.ts';

const CLONE_NEWNET = 0x40000000;

/** A named network namespace. */
export interface Netns {
  readonly name: string;
  /** Runs `work` in the namespace: what it opens before it returns belongs there. */
  within<T>(work: () => T): T;
  /** Runs one program in the namespace; returns its stdout. */
  run(file: string, ...args: string[]): string;
  close(): void;
}

let setns: ((fd: number, kind: number) => number) | undefined;

/** Makes a namespace with its loopback up. */
export function createNetns(name: string): Netns {
  setns ??= koffi.load('libc.so.6').func('int setns(int, int)');
  sh('ip', 'netns', 'add', name);
  sh('ip', '-n', name, 'link', 'set', 'lo', 'up');
  const [home, there] = [openSync('/proc/self/ns/net', 'r'), openSync(`/run/netns/${name}`, 'r')];
  const enter = (fd: number): void => {
    if (setns!(fd, CLONE_NEWNET) !== 0) throw new Error(`setns ${name} failed with ${koffi.errno()}`);
  };
  return {
    name,
    within(work) {
      enter(there);
      try {
        return work();
      } finally {
        enter(home);
      }
    },
    run: (file, ...args) => sh('ip', 'netns', 'exec', name, file, ...args),
    close() {
      closeSync(there);
      closeSync(home);
      sh('ip', 'netns', 'delete', name);
    },
  };
}

/** Makes one that is gone with the scope. */
export function netnsOf(scope: Scope, name: string): Netns {
  const netns = createNetns(name);
  scope.defer(() => netns.close());
  return netns;
}

/** Runs one program to its end; returns its stdout. Throws with its stderr. */
export function sh(file: string, ...args: string[]): string {
  return execFileSync(file, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
}

/** The same with input. */
export function shInput(input: string, file: string, ...args: string[]): string {
  return execFileSync(file, args, { encoding: 'utf8', input, stdio: ['pipe', 'pipe', 'pipe'] });
}
