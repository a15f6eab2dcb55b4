/** The Linux fast path as the engine starts it: one worker a core, woken by eventfd. */
import { isUnspecified } from '../../../net/ip.ts';
import type { Limits, Platform } from '../engine.ts';
import { listenersOf } from '../listeners.ts';
import type { SharedBuffers } from '../shared.ts';
import { startWorker } from '../workers.ts';
import { Descriptors, descriptorTable } from './descriptors.ts';
import { keepLargeBlocksApart, loadLibc, Memory, raiseOpenFiles, reserveDescriptors } from './libc.ts';
import { Sockets } from './sockets.ts';

const EFD_NONBLOCK_CLOEXEC = 0o4000 | 0o2000000;
/** Descriptors left for everything that is not an upstream socket; half of them where there are few. */
const SPARE_FILES = 2048;

/** Returns the fast path's platform. Throws where it cannot work: not Linux, no koffi, no such libc. */
export function linuxPlatform(workers: number, shared: SharedBuffers, wanted: Limits, heapMb: number): Platform {
  const libc = loadLibc();
  keepLargeBlocksApart(libc);
  const files = raiseOpenFiles(libc);
  const limits = { ...wanted, max_upstream_sockets: Math.min(wanted.max_upstream_sockets, Math.max(Math.floor(files / 2), files - SPARE_FILES)) };
  reserveDescriptors(libc, Math.min(files, limits.max_upstream_sockets + SPARE_FILES));
  const sockets = new Sockets(libc);
  const descriptors = descriptorTable(files);
  /** By worker: listeners of a dead one, for the one that takes its place. */
  const left: number[][] = Array.from({ length: workers }, () => []);
  const keepListeners = (index: number): void => void left[index]!.push(...new Descriptors(descriptors, index).inherit((fd) => sockets.close(fd)));
  const one = new Memory(8);
  one.words[0] = 1;
  const wakeFds = Array.from({ length: workers }, () => libc.eventfd(0, EFD_NONBLOCK_CLOEXEC));
  return {
    io: 'linux',
    notes: [`${workers} worker${workers === 1 ? '' : 's'} over epoll, recvmmsg and sendmmsg`],
    workers,
    limits: { ...limits },
    startWorker: (index, on) => startWorker({
      heapMb,
      setup: {
        index, shared, io: 'linux', wakeFd: wakeFds[index], descriptors, listeners: left[index]!.splice(0),
        maxSessions: Math.ceil(limits.max_sessions / workers), maxSockets: Math.floor(limits.max_upstream_sockets / workers),
      },
      wake: () => void libc.write(wakeFds[index], one.address, 8),
      onRefused: on.refused,
      onDeath: (detail) => {
        keepListeners(index);
        on.death(detail);
      },
    }).catch((error: unknown) => {
      keepListeners(index);
      throw error;
    }),
    // SO_REUSEPORT would let weir share a port with a second weir without a word: bind once without it to find out.
    probeListeners: (wanted, current) => {
      const own = listenersOf(current);
      for (const { ip, port, key } of listenersOf(wanted)) {
        const overlapsOwn = own.some((o) => o.key === key || (o.port === port && (isUnspecified(o.ip) || isUnspecified(ip))));
        if (!overlapsOwn) sockets.close(sockets.openListener(ip, port, false));
      }
    },
    abandon: (index) => left[index]!.splice(0).forEach((fd) => sockets.close(fd)),
    later: (work, ms) => void setTimeout(work, ms).unref(),
    close: () => wakeFds.forEach((fd) => sockets.close(fd)),
  };
}

