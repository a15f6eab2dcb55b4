/**
 * Loaded into the weir under test (`node --import`): says how many timers and how much heap its main thread has, and lets a packet thread die on
 * SIGPWR, by closing the epoll it waits on. Everything else of that process is as it is delivered.
 */
import { closeSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { isMainThread } from 'node:worker_threads';
import { packetEpolls } from '../fixtures/packet-epolls.ts';

/** What it says, in `<directory>/<pid>.json`. */
export interface Inside {
  readonly timers: number;
  readonly heapMiB: number;
  /** Packet threads told to die so far. */
  readonly workersKilled: number;
}

export const INSIDE_DIRECTORY = 'WEIR_SOAK_INSIDE';
const EVERY_MS = 2_000;

const directory = process.env[INSIDE_DIRECTORY];
if (isMainThread && directory !== undefined) {
  let workersKilled = 0;
  const tell = (): void => {
    const path = join(directory, `${process.pid}.json`);
    const timers = process.getActiveResourcesInfo().filter((resource) => resource === 'Timeout').length;
    writeFileSync(`${path}.new`, JSON.stringify({ timers, heapMiB: process.memoryUsage().heapUsed / 2 ** 20, workersKilled } satisfies Inside));
    renameSync(`${path}.new`, path);
  };
  process.on('SIGPWR', () => {
    const epolls = packetEpolls();
    const victim = epolls[workersKilled % Math.max(1, epolls.length)];
    if (victim === undefined) return;
    closeSync(victim);
    workersKilled++;
    tell();
  });
  setInterval(tell, EVERY_MS).unref();
}
