/** The worker threads: started, asked, woken, and started again when one dies. */
import { MessageChannel, Worker, type MessagePort } from 'node:worker_threads';
import type { FromWorker, ToWorker, WorkerSetup } from './protocol.ts';

/** A question without its number; `ask` gives it one. */
export type Question = ToWorker extends infer T ? (T extends { id: number } ? Omit<T, 'id'> : never) : never;

export interface WorkerHandle {
  readonly index: number;
  /** Resolves with the worker's answer (also a `failed` one); rejects when the worker dies first. */
  ask(question: Question): Promise<FromWorker>;
  /** Ends the worker after its `stop` answer. */
  stop(): Promise<void>;
}

/** Sessions, ports and payloads lie outside the heap of JavaScript, so a worker that fills this one has a fault: it ends, and the process lives. */
export const WORKER_HEAP_MB = 512;

export interface WorkerOptions {
  readonly setup: WorkerSetup;
  readonly heapMb: number;
  /** Wakes a worker that sleeps in epoll; nothing on the portable path. */
  readonly wake: () => void;
  readonly onRefused: (serverSlot: number, detail: string) => void;
  /** Called when the thread ended without being told to, once it was up. */
  readonly onDeath: (detail: string) => void;
}

/** Returns a worker that is ready for questions. Rejects when it does not come up. */
export function startWorker(options: WorkerOptions): Promise<WorkerHandle> {
  const { port1: port, port2 } = new MessageChannel();
  const worker = new Worker(new URL('./worker.js', import.meta.url), {
    workerData: { setup: options.setup, port: port2 }, transferList: [port2], name: `weir-packets-${options.setup.index}`, resourceLimits: { maxOldGenerationSizeMb: options.heapMb },
  });
  return new Promise((resolve, reject) => {
    const handle = new Handle(options, port, worker, (h) => resolve(h), reject);
    void handle;
  });
}

class Handle implements WorkerHandle {
  readonly index: number;
  readonly #options: WorkerOptions;
  readonly #port: MessagePort;
  readonly #worker: Worker;
  readonly #waiting = new Map<number, { resolve(answer: FromWorker): void; reject(error: Error): void }>();
  #nextId = 1;
  #stopping = false;
  #dead = false;
  #ready = false;

  constructor(options: WorkerOptions, port: MessagePort, worker: Worker, ready: (handle: Handle) => void, failed: (error: Error) => void) {
    this.index = options.setup.index;
    this.#options = options;
    this.#port = port;
    this.#worker = worker;
    let cause = 'it ended without a word';
    port.on('message', (message: FromWorker) => {
      if (message.type === 'ready') {
        this.#ready = true;
        ready(this);
      } else if (message.type === 'refused') options.onRefused(message.serverSlot, message.detail);
      else if (message.type !== 'fault') this.#answered(message);
    });
    worker.on('error', (error) => {
      cause = error instanceof Error ? error.message : String(error);
    });
    worker.on('exit', (code) => {
      this.#dead = true;
      const error = new Error(`packet worker ${this.index} died (exit ${code}): ${cause}`);
      for (const { reject } of this.#waiting.values()) reject(error);
      this.#waiting.clear();
      port.close();
      failed(error);
      if (this.#ready && !this.#stopping) options.onDeath(error.message);
    });
  }

  ask(question: Question): Promise<FromWorker> {
    if (this.#dead) return Promise.reject(new Error(`packet worker ${this.index} is gone`));
    const id = this.#nextId++;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      this.#port.postMessage({ ...question, id });
      this.#options.wake();
    });
  }

  async stop(): Promise<void> {
    if (this.#dead) return;
    this.#stopping = true;
    const exit = new Promise<void>((resolve) => void this.#worker.once('exit', () => resolve()));
    await this.ask({ type: 'stop' });
    await exit;
  }

  #answered(message: Exclude<FromWorker, { type: 'ready' | 'refused' | 'fault' }>): void {
    const waiting = this.#waiting.get(message.id);
    this.#waiting.delete(message.id);
    waiting?.resolve(message);
  }
}
