/**
 * The successor's side of a takeover. It asks by system calls that do not wait, because Node.js would drop the descriptors that come with the
 * bytes; it is a process at its start, which has nothing else to do.
 */
import { closeSync, fstatSync, readSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import type { EngineHandover } from '../engine/engine.ts';
import { TAKEOVER_PROTOCOL, TakeoverRefused, messageOf, type ApiPlace, type Message, type MessageOf, type Step } from './messages.ts';
import { UnixError, loadUnix, type Unix } from './unix.ts';

const POLL_MS = 1;
/** Above what the running process may take for a step: its word comes first. */
const LIMIT_MS = 70_000;
const ENOENT = 2;
const ECONNREFUSED = 111;
const EACCES = 13;

export interface Running {
  /** What the running process said of itself. */
  readonly is: MessageOf<'ready'>;
  /** Has it stop its traffic. Returns what its engine left and the API's socket, under the numbers they have here. */
  freeze(): Promise<{ readonly engine: EngineHandover; readonly api: ApiPlace & { readonly descriptor: number } }>;
  /** Says that the traffic is here. */
  running(): void;
  /** Says that this process serves; resolves once the other one has let go of the socket in the state directory, or is gone. */
  done(): Promise<void>;
  close(): void;
}

/** Nobody listens there: there is no weir to take over from. */
export class NothingRuns extends TakeoverRefused {}

/** Asks the weir behind `path` to hand over. Rejects with NothingRuns or TakeoverRefused; the other one goes on then. */
export async function askRunning(path: string, version: string): Promise<Running> {
  const unix = loadUnix();
  const socket = connect(unix, path);
  const peer = unix.peer(socket);
  const own = process.geteuid?.();
  const line = new Line(unix, socket, peer.pid);
  try {
    if (peer.uid !== own && peer.uid !== 0) throw new TakeoverRefused(`the weir there runs as user ${peer.uid}, this is user ${own}`, 'take over as the user that runs weir');
    line.send({ step: 'hello', protocol: TAKEOVER_PROTOCOL, version });
    const is = await line.expect('ready');
    return {
      is,
      async freeze() {
        line.send({ step: 'freeze' });
        const { parts, sockets, api } = await line.expect('frozen');
        const [file, apiSocket, ...descriptors] = line.descriptors;
        if (file === undefined || apiSocket === undefined || descriptors.length !== sockets) throw new TakeoverRefused(`${descriptors.length} of ${sockets} sockets came over`, 'raise the limit of open files (ulimit -n) and start the takeover again');
        const bytes = contentOf(file);
        if (parts.reduce((sum, length) => sum + length, 0) !== bytes.length) throw new TakeoverRefused(`${bytes.length} bytes came over, in parts of ${parts.join(', ')}`, 'start the takeover again');
        let from = 0;
        closeSync(file);
        return { engine: { parts: parts.map((length) => bytes.subarray(from, (from += length))), descriptors }, api: { ...api, descriptor: apiSocket } };
      },
      running: () => line.send({ step: 'running' }),
      async done() {
        line.send({ step: 'done' });
        // Its end would do as well: everything is here.
        await line.expect('bye').catch(() => undefined);
      },
      close: () => line.close(),
    };
  } catch (error) {
    line.close();
    throw error;
  }
}

function connect(unix: Unix, path: string): number {
  try {
    return unix.connect(path);
  } catch (error) {
    const errno = error instanceof UnixError ? error.errno : 0;
    if (errno === ENOENT || errno === ECONNREFUSED) throw new NothingRuns(`no weir to take over from: nobody answers at ${path}`, 'start without --takeover', error);
    const cure = errno === EACCES ? 'take over as the user that runs weir' : 'see the message';
    throw new TakeoverRefused(`cannot reach the running weir at ${path}: ${error instanceof Error ? error.message : String(error)}`, cure, error);
  }
}

function contentOf(file: number): Uint8Array {
  const bytes = Buffer.allocUnsafeSlow(fstatSync(file).size);
  for (let at = 0; at < bytes.length;) {
    const got = readSync(file, bytes, at, Math.min(bytes.length - at, 1 << 30), at);
    if (got === 0) throw new TakeoverRefused(`the sessions end after ${at} of ${bytes.length} bytes`, 'start the takeover again');
    at += got;
  }
  return bytes;
}

class Line {
  /** All that came, in order. */
  readonly descriptors: number[] = [];
  readonly #unix: Unix;
  readonly #socket: number;
  readonly #pid: number;
  readonly #chunks: Buffer[] = [];
  #closed = false;

  constructor(unix: Unix, socket: number, pid: number) {
    this.#unix = unix;
    this.#socket = socket;
    this.#pid = pid;
  }

  send(message: Message): void {
    try {
      this.#unix.send(this.#socket, `${JSON.stringify(message)}\n`);
    } catch (error) {
      // What it said last tells more than a broken pipe; `expect` will find its end.
      if (message.step === 'hello' || message.step === 'freeze') throw new TakeoverRefused(`process ${this.#pid} is gone`, 'start without --takeover', error);
    }
  }

  async expect<S extends Step>(step: S): Promise<MessageOf<S>> {
    const end = performance.now() + LIMIT_MS;
    for (;;) {
      const line = this.#takeLine();
      if (line !== null) return messageOf(line, step);
      const got = this.#unix.receive(this.#socket);
      if (got === null) {
        if (performance.now() > end) throw new TakeoverRefused(`process ${this.#pid} did not come to the step '${step}' within ${LIMIT_MS / 1000} s`, 'look at its log');
        await delay(POLL_MS);
        continue;
      }
      this.descriptors.push(...got.descriptors);
      if (got.bytes.length === 0) throw new TakeoverRefused(`process ${this.#pid} ended before the step '${step}'`, 'start without --takeover if no weir runs any more');
      this.#chunks.push(got.bytes);
    }
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    closeSync(this.#socket);
  }

  #takeLine(): string | null {
    const last = this.#chunks.at(-1)?.indexOf(10) ?? -1;
    if (last < 0 && this.#chunks.length <= 1) return null;
    const all = Buffer.concat(this.#chunks);
    const end = all.indexOf(10);
    this.#chunks.splice(0, this.#chunks.length, ...(end < 0 ? [all] : [all.subarray(end + 1)]));
    return end < 0 ? null : all.toString('utf8', 0, end).trim();
  }
}
