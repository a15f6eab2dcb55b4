/**
 * Loaded into the weir under test (`node --import`): says how many timers its main thread has and how much heap it holds after a collection, which a
 * leak cannot hide from, and lets a packet thread die on SIGPWR, by taking the epoll away that it waits on. Everything else of that process is as it is delivered.
 */
import { renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { isMainThread } from 'node:worker_threads';
import { breakEpoll, packetEpolls } from '../fixtures/packet-epolls.ts';

/** What it says, in `<directory>/<pid>.json`. */
export interface Inside {
  readonly timers: number;
  readonly heapMiB: number;
  /** Packet threads told to die so far. */
  readonly workersKilled: number;
}

export const INSIDE_DIRECTORY = 'WEIR_SOAK_INSIDE';
/** A collection of such a heap takes some 20 ms of the main thread, which moves no datagram. */
const EVERY_MS = 5_000;

const directory = process.env[INSIDE_DIRECTORY];
if (isMainThread && directory !== undefined) {
  let workersKilled = 0;
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  const tell = (): void => {
    collect();
    const path = join(directory, `${process.pid}.json`);
    const timers = process.getActiveResourcesInfo().filter((resource) => resource === 'Timeout').length;
    writeFileSync(`${path}.new`, JSON.stringify({ timers, heapMiB: process.memoryUsage().heapUsed / 2 ** 20, workersKilled } satisfies Inside));
    renameSync(`${path}.new`, path);
  };
  process.on('SIGPWR', () => {
    const epolls = packetEpolls();
    const victim = epolls[workersKilled % Math.max(1, epolls.length)];
    if (victim === undefined) return;
    breakEpoll(victim);
    workersKilled++;
    tell();
  });
  setInterval(tell, EVERY_MS).unref();
}
