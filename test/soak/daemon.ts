/** The weir of a soak: one state directory, and one process after the other that runs on it. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Client } from '../../src/client/types.ts';
import { until } from '../contract/mailbox.ts';
import { clientOf } from '../fixtures/api-token.ts';
import { temporaryDirectory } from '../fixtures/process.ts';
import type { Scope } from '../fixtures/scope.ts';
import { startWeir, type Weir } from '../fixtures/weir.ts';
import { ROOT } from '../house/root.ts';
import { INSIDE_DIRECTORY, type Inside } from './inside.ts';
import type { Place } from './place.ts';
import { isRunning, processSize } from './processes.ts';
import type { Sample } from './growth.ts';
import { monotonicMs } from './wire.ts';

/** What a loaded machine may take for a start or a handover. */
const PATIENCE_MS = 60_000;

export class Daemon {
  readonly #scope: Scope;
  readonly #place: Place;
  readonly #inside: string;
  #weir: Weir;
  #pid: number;
  /** The text of FILE as it was loaded last. */
  #file: string;

  private constructor(scope: Scope, place: Place, inside: string, weir: Weir, file: string) {
    this.#scope = scope;
    this.#place = place;
    this.#inside = inside;
    this.#weir = weir;
    this.#pid = weir.process.pid;
    this.#file = file;
  }

  /** Starts the first one, with this configuration. */
  static async start(scope: Scope, place: Place, conf: string): Promise<Daemon> {
    const inside = await temporaryDirectory(scope);
    return new Daemon(scope, place, inside, await startWeir(scope, options(place, inside, conf)), conf);
  }

  get pid(): number {
    return this.#pid;
  }

  get client(): Client {
    return this.#weir.client;
  }

  get state(): string {
    return this.#weir.state;
  }

  isRunning(): boolean {
    return isRunning(this.#pid);
  }

  output(): string {
    return this.#weir.process.output();
  }

  /** Kills it and starts another on what it left. */
  async killAndStart(): Promise<void> {
    const pid = this.#pid;
    process.kill(pid, 'SIGKILL');
    await until('the end of the process', async () => isRunning(pid), (runs) => !runs, PATIENCE_MS);
    this.#become(await startWeir(this.#scope, { ...options(this.#place, this.#inside, this.#file), state: this.#weir.state }));
  }

  /** Starts another that takes over, and waits for the end of the old one. */
  async takeOver(by: 'run' | 'signal'): Promise<void> {
    const old = this.#pid;
    if (by === 'run') {
      this.#become(await startWeir(this.#scope, { ...options(this.#place, this.#inside, this.#file), state: this.#weir.state, args: [...WORKERS, '--takeover'] }));
    } else {
      const before = this.#said(TAKEN).length;
      process.kill(old, 'SIGUSR2');
      const said = await until('a takeover by SIGUSR2', async () => this.#said(TAKEN), (all) => all.length > before, PATIENCE_MS);
      const pid = Number(said.at(-1)?.[1]);
      this.#scope.defer(() => {
        if (isRunning(pid)) process.kill(pid, 'SIGKILL');
      });
      // The process that started it has its output, and ends with it.
      this.#pid = pid;
      if (this.#place.on.balancer.length === 0) this.#weir = { ...this.#weir, client: await clientOf(this.#weir.state) };
    }
    await until('the end of the process that was taken over', async () => isRunning(old), (runs) => !runs, PATIENCE_MS);
  }

  /** Writes FILE and has it loaded. Throws what weir says unless it runs and is saved. */
  async reload(conf: string): Promise<void> {
    await this.#weir.file('weir.conf', conf);
    const before = this.#said(RELOADED).length;
    process.kill(this.#pid, 'SIGHUP');
    const [, how] = (await until('an answer to SIGHUP', async () => this.#said(RELOADED), (all) => all.length > before, PATIENCE_MS)).at(-1) ?? [];
    if (how !== 'FILE runs') throw new Error(`SIGHUP: ${this.output().slice(-2000)}`);
    this.#file = conf;
  }

  /** Lets one of its packet threads die, and waits until another has its place; returns when that was seen. */
  async killWorker(): Promise<void> {
    const last = (await this.client.events({ last: 1 })).at(-1)?.seq ?? 0;
    process.kill(this.#pid, 'SIGPWR');
    await until('a packet worker that died to be started again', () => this.client.events({ since: last }), (events) => events.some(({ kind, text }) => kind === 'engine-recovered' && /started again/.test(text)), PATIENCE_MS);
  }

  /** Returns how big it is; null while there is none. `sockets`: of its engine, to servers. */
  sample(sockets: number): Sample | null {
    const size = processSize(this.#pid);
    if (size === null) return null;
    let inside: Pick<Inside, 'timers' | 'heapMiB'>;
    try {
      inside = JSON.parse(readFileSync(join(this.#inside, `${this.#pid}.json`), 'utf8')) as Inside;
    } catch {
      return null;
    }
    return { atMs: monotonicMs(), pid: this.#pid, rssMiB: size.rssMiB, threads: size.threads, fds: size.fds - sockets, timers: inside.timers, heapMiB: inside.heapMiB };
  }

  #become(weir: Weir): void {
    this.#weir = weir;
    this.#pid = weir.process.pid;
  }

  #said(pattern: RegExp): readonly RegExpMatchArray[] {
    return [...this.#weir.process.output().matchAll(pattern)];
  }
}

const TAKEN = /process (\d+) has taken over/g;
const RELOADED = /SIGHUP: (FILE runs|nothing was changed)/g;
const WORKERS = ['--workers', '2'];

function options(place: Place, inside: string, conf: string): Parameters<typeof startWeir>[1] {
  return {
    conf, engine: place.engine, prefix: place.on.balancer, args: WORKERS,
    env: { NODE_OPTIONS: `--import ${join(ROOT, 'dist/test/soak/inside.js')}`, [INSIDE_DIRECTORY]: inside },
  };
}
