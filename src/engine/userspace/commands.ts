/** Carries out the main thread's messages in a worker, whichever loop the worker runs. */
import type { Ip } from '../../net/ip.ts';
import type { Forwarder } from './forwarder.ts';
import { explainIn, pageSessions, pinSessions, purgeSessions } from './inspect.ts';
import type { FromWorker, SlottedDirector, ToWorker } from './protocol.ts';

/** A loop, as the commands see it. */
export interface WorkerIo {
  readonly forwarder: Forwarder;
  /** Opens what the new state needs; throws with a `cure` and has opened nothing. */
  prepare(directors: readonly SlottedDirector[]): void | Promise<void>;
  commit(): void;
  abort(): void;
  /** Absent where sockets cannot be given to another process. */
  readonly succession?: Succession;
  /** Brings the counters kept elsewhere into shared memory. */
  refresh(): void;
  close(): void;
  now(): number;
  sourcePort(upstream: number): number;
  vipOf(listener: number): { readonly ip: Ip; readonly port: number };
  /** The client of session `from` has another session `to` now: replies there go to the same address. */
  sameClient(from: number, to: number): void;
}

/** How a loop gives its work to a loop of another process, and takes it from one. */
export interface Succession {
  freeze(): { readonly state: Uint8Array; readonly descriptors: readonly number[] };
  thaw(): void;
  adopt(directors: readonly SlottedDirector[], state: Uint8Array, fds: readonly number[]): void;
  join(): void;
}

/** Returns the answer to a message. Never throws: what goes wrong is a `failed` answer. */
export async function answer(io: WorkerIo, message: ToWorker): Promise<FromWorker> {
  try {
    if (message.type === 'prepare') await io.prepare(message.directors);
    return answerNow(io, message);
  } catch (error) {
    return failure(message.id, error);
  }
}

/** As `answer`, for loops that do everything at once. */
export function answerSync(io: WorkerIo, message: ToWorker): FromWorker {
  try {
    if (message.type === 'prepare') void io.prepare(message.directors);
    return answerNow(io, message);
  } catch (error) {
    return failure(message.id, error);
  }
}

function answerNow(io: WorkerIo, message: ToWorker): FromWorker {
  const { id } = message;
  switch (message.type) {
    case 'prepare':
      break;
    case 'commit':
      io.commit();
      break;
    case 'abort':
      io.abort();
      break;
    case 'refresh':
      io.refresh();
      break;
    case 'freeze':
      return { type: 'frozen', id, ...successionOf(io).freeze() };
    case 'thaw':
      successionOf(io).thaw();
      break;
    case 'adopt':
      successionOf(io).adopt(message.directors, message.state, message.fds);
      break;
    case 'join':
      successionOf(io).join();
      break;
    case 'stop':
      io.close();
      break;
    case 'sessions':
      return { type: 'sessions', id, ...pageSessions(io.forwarder, io, message.filter, message.from, message.limit) };
    case 'purge':
      return { type: 'purged', id, count: purgeSessions(io.forwarder, io.now(), message.filter) };
    case 'pin':
      return { type: 'pinned', id, ...pinSessions(io.forwarder, io, message) };
    case 'explain':
      io.now();
      return { type: 'explained', id, explanation: explainIn(io.forwarder, io, message.client, message.vip) };
  }
  return { type: 'done', id };
}

function successionOf(io: WorkerIo): Succession {
  if (io.succession === undefined) throw new Error('this loop keeps its sockets to itself');
  return io.succession;
}

function failure(id: number, error: unknown): FromWorker {
  const e = error instanceof Error ? error : new Error(String(error));
  return { type: 'failed', id, message: e.message, cure: 'cure' in e && typeof e.cure === 'string' ? e.cure : 'this is a fault of weir: please report it with the log' };
}
