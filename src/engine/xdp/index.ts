/** The xdp engine of this host: the real kernel, programs and files behind XdpEngine. */
import { randomInt } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setImmediate, setTimeout } from 'node:timers/promises';
import { runCommand } from '../../command/command.ts';
import type { Engine, EngineEvent } from '../engine.ts';
import { CONSTANTS } from './abi/spec.ts';
import { watchHost } from './changes.ts';
import { XdpEngine } from './engine.ts';
import type { XdpMode } from './libbpf.ts';
import { openKernel, tryKernel, tryNative, unpinAll } from './maps.ts';
import { stripsTags } from './offloads.ts';
import { netnsId, recordFile } from './record.ts';

export interface XdpOptions {
  readonly onEvent: (event: EngineEvent) => void;
  /** Interfaces to run on; default: those that hold the VIPs, those the ways to servers leave by, those of default routes. */
  readonly interfaces?: readonly string[];
  /** generic: everywhere. native: probe() refuses where a driver of the default routes has no native XDP. Else native where every driver can, else generic. */
  readonly mode?: XdpMode;
  /** Session records of a new table, a power of two; default 2^20 (160 MiB). */
  readonly sessions?: number;
  /** A directory on a BPF file system; default /sys/fs/bpf/weir/<network namespace>. */
  readonly pinDirectory?: string;
  /** Default /run/weir/xdp-<network namespace>.json. */
  readonly recordPath?: string;
  /** The compiled program; default dist/bpf/weir.bpf.o of this build. */
  readonly objectPath?: string;
  /** For tests: called before each step of an apply. */
  readonly onStep?: (text: string) => void;
}

/** Returns the engine; nothing is loaded before it is needed. Rejects with RangeError when `sessions` is no power of two. */
export function createXdpEngine(options: XdpOptions): Promise<Engine> {
  const sessions = options.sessions ?? CONSTANTS.DEFAULT_SESSIONS;
  if (sessions < MIN_SESSIONS || sessions > MAX_SESSIONS || (sessions & (sessions - 1)) !== 0) return Promise.reject(new RangeError(`sessions: a power of two from ${MIN_SESSIONS} to ${MAX_SESSIONS}, got ${sessions}`));
  const pinDirectory = options.pinDirectory ?? `/sys/fs/bpf/weir/${netnsId()}`;
  const objectPath = options.objectPath ?? OBJECT;
  return Promise.resolve(new XdpEngine({
    openKernel: () => openKernel({ objectPath, pinDirectory, sessions }),
    pinned: () => existsSync(pinDirectory) && readdirSync(pinDirectory).length > 0,
    unpinAll: () => unpinAll(pinDirectory),
    tryKernel: () => tryKernel(objectPath),
    tryNative: (devices) => tryNative(objectPath, pinDirectory, devices),
    watch: watchHost,
    record: recordFile(options.recordPath),
    run: runCommand,
    forwarding(family, device) {
      const text = readOr(`/proc/sys/net/ipv${family}/conf/${device}/forwarding`);
      return text === '' ? null : text === '1';
    },
    stripsTags,
    interfaces: options.interfaces,
    mode: options.mode,
    turn: () => setImmediate(),
    random: () => randomInt(2 ** 32),
    wait: (ms) => setTimeout(ms),
    ...(options.onStep === undefined ? {} : { onStep: options.onStep }),
    onEvent: options.onEvent,
    nowMs: () => Date.now(),
    every(ms, callback) {
      const timer = setInterval(callback, ms);
      timer.unref();
      return () => clearInterval(timer);
    },
  }));
}

const OBJECT = join(import.meta.dirname, '../../../bpf/weir.bpf.o');
const MIN_SESSIONS = 64;
const MAX_SESSIONS = 1 << 24;

function readOr(path: string): string {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch {
    return '';
  }
}
