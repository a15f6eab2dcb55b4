/** The servers of a soak: processes that can be killed (ICMP answers for them), stopped (nobody does) and brought back. */
import { join } from 'node:path';
import { start, type Running } from '../fixtures/process.ts';
import { Scope } from '../fixtures/scope.ts';
import { ROOT } from '../house/root.ts';
import { BACKENDS, SPARE } from './model.ts';
import type { Place } from './place.ts';

/** How long a process may take to begin on a loaded machine. */
const START_MS = 30_000;

export class Backends {
  readonly #place: Place;
  readonly #onGot: (id: number, server: string, atMs: number) => void;
  readonly #processes = new Map<string, Running>();
  readonly #scope: Scope;

  private constructor(scope: Scope, place: Place, onGot: (id: number, server: string, atMs: number) => void) {
    this.#scope = scope;
    this.#place = place;
    this.#onGot = onGot;
  }

  /** Starts all of them; `onGot` hears of every datagram. */
  static async start(scope: Scope, place: Place, onGot: (id: number, server: string, atMs: number) => void): Promise<Backends> {
    const backends = new Backends(scope, place, onGot);
    for (const name of [...BACKENDS, SPARE]) await backends.#begin(name);
    return backends;
  }

  get ports(): ReadonlySet<number> {
    return new Set([...BACKENDS, SPARE].flatMap((name) => [this.#place.server(name, 4).port, this.#place.server(name, 6).port]));
  }

  /** A process that sees the network as the servers do. */
  get pid(): number {
    return this.#processes.get(SPARE)?.pid ?? 0;
  }

  /** Ends one at once: what it has not read is lost, what comes is refused by ICMP. */
  async kill(name: string): Promise<void> {
    this.#processes.get(name)?.signal('SIGKILL');
    await this.#processes.get(name)?.exit;
    this.#processes.delete(name);
  }

  /** Stops one: what comes waits in its socket. */
  stop(name: string): void {
    this.#processes.get(name)?.signal('SIGSTOP');
  }

  /** Brings one back, however it went; resolves once it reads. */
  async back(name: string): Promise<void> {
    const stopped = this.#processes.get(name);
    if (stopped === undefined) await this.#begin(name);
    else stopped.signal('SIGCONT');
  }

  mute(name: string, forMs: number): void {
    this.#processes.get(name)?.write(`mute ${forMs}`);
  }

  async #begin(name: string): Promise<void> {
    const at = [this.#place.server(name, 4), this.#place.server(name, 6)];
    const process = await start(this.#scope, [...this.#place.on.servers, globalThis.process.execPath, join(ROOT, 'dist/test/soak/server.js'), name, ...at.map(({ ip, port }) => `${ip}/${port}`)], {
      keep: 1 << 12,
      onLine: (line) => {
        const [id = '', atMs = ''] = line.split(' ');
        if (id !== 'ready') this.#onGot(Number(id), name, Number(atMs));
      },
    });
    await process.match(/^ready$/m, START_MS);
    this.#processes.set(name, process);
    // One that is stopped does not hear of its end.
    this.#scope.defer(() => process.signal('SIGKILL'));
  }
}
