/**
 * The running process's side of a takeover: a socket in the state directory, for processes of the same user. One successor at a time is led
 * through the steps; whatever goes wrong before its `done`, this process goes on. A successor that stops answering while the traffic
 * stands still is killed, because two processes must never read the same sockets.
 */
import { once } from 'node:events';
import { chmod, rm } from 'node:fs/promises';
import { closeSync, writeSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import type { Estate } from '../daemon/handover.ts';
import type { EngineHandover } from '../engine/engine.ts';
import { TAKEOVER_PROTOCOL, TakeoverRefused, messageOf, type ApiPlace, type Message, type MessageOf, type Step } from './messages.ts';
import { EAGAIN, ETOOMANYREFS, MOST_DESCRIPTORS, UnixError, loadUnix, type Credentials, type Unix } from './unix.ts';

/** How long the successor may take: to say who it is, to get ready, to have the traffic, to serve. */
const LIMIT_MS = { hello: 5_000, freeze: 60_000, running: 10_000, done: 30_000 } as const;
const SEND_LIMIT_MS = 5_000;
const LINE_MAX = 4096;
const LINES_MAX = 8;

export interface GiverOptions {
  readonly path: string;
  readonly version: string;
  /** Why this process cannot be taken over; null: it can. */
  readonly refusal: string | null;
  /** Daemon.handOver. */
  readonly handOver: (pid: number, give: (estate: Estate) => Promise<void>) => Promise<void>;
  /** The API's listening socket, and where it listens. */
  readonly api: ApiPlace & { readonly descriptor: number };
  /** The successor has everything: this process has only to end, and must take nothing away. `pauseMs` is how long no datagram moved. */
  readonly onGiven: (pid: number, pauseMs: number) => void;
  /** A takeover did not come about; the daemon's events tell it where it got that far. */
  readonly onFailure: (error: Error) => void;
}

/** Listens for a successor. Rejects when the socket cannot be made. `close` takes it away. */
export async function awaitSuccessor(options: GiverOptions): Promise<{ close(): Promise<void> }> {
  const unix = loadUnix();
  let busy = false;
  // The lock of the directory is ours, so what lies there is a dead process's.
  await rm(options.path, { force: true });
  const server = createServer((socket) => {
    socket.on('error', () => undefined);
    if (busy) return void refuse(socket, new TakeoverRefused('another process is taking over', 'wait for it to end'));
    busy = true;
    give(socket, server, unix, options).catch(async (error: unknown) => {
      const e = error instanceof Error ? error : new Error(String(error));
      await refuse(socket, e);
      options.onFailure(e);
    }).finally(() => {
      busy = false;
      socket.destroy();
    });
  });
  const before = process.umask(0o077);
  try {
    server.listen(options.path);
    await once(server, 'listening');
  } finally {
    process.umask(before);
  }
  await chmod(options.path, 0o600);
  server.unref();
  return { close: async () => letGo(server) };
}

async function give(socket: Socket, server: Server, unix: Unix, options: GiverOptions): Promise<void> {
  const descriptor = (socket as unknown as { readonly _handle: { readonly fd: number } })._handle.fd;
  const peer = unix.peer(descriptor);
  const own = process.geteuid?.();
  if (peer.uid !== own && peer.uid !== 0) throw new TakeoverRefused(`this weir runs as user ${own}, who asks is user ${peer.uid}`, 'take over as the user that runs weir');
  const line = lineOf(socket, peer);
  const hello = await line.expect('hello');
  if (hello.protocol !== TAKEOVER_PROTOCOL) {
    throw new TakeoverRefused(`weir ${options.version} hands over by protocol ${TAKEOVER_PROTOCOL}, weir ${hello.version} takes over by ${hello.protocol}`, 'restart weir instead: its sessions end');
  }
  if (options.refusal !== null) throw new TakeoverRefused(options.refusal, 'stop it and start the new one');
  let pauseMs = 0;
  await options.handOver(peer.pid, async (estate) => {
    const { terms, lvs, health } = estate;
    await line.send({ step: 'ready', version: options.version, pid: process.pid, terms, lvs, health });
    await line.expect('freeze');
    const stoppedAt = performance.now();
    await estate.freeze(async (engine) => {
      const { descriptor: apiSocket, ...api } = options.api;
      await sendEstate(descriptor, unix, engine, apiSocket);
      await line.send({ step: 'frozen', parts: engine.parts.map((part) => part.length), sockets: engine.descriptors.length, api });
      await line.expect('running');
      pauseMs = performance.now() - stoppedAt;
      await line.expect('done');
    });
  });
  // The successor makes a socket of its own under this name once it has heard `bye`.
  letGo(server);
  await line.send({ step: 'bye' }).catch(() => undefined);
  options.onGiven(peer.pid, pauseMs);
}

/** Sends the engine's parts as a file in memory, the API's socket, and the engine's sockets. */
async function sendEstate(socket: number, unix: Unix, engine: EngineHandover, api: number): Promise<void> {
  const file = unix.memoryFile();
  try {
    for (const part of engine.parts) for (let at = 0; at < part.length;) at += writeSync(file, part, at, Math.min(part.length - at, 1 << 30));
    const all = [file, api, ...engine.descriptors];
    const end = performance.now() + SEND_LIMIT_MS;
    for (let from = 0; from < all.length;) {
      const some = all.slice(from, from + MOST_DESCRIPTORS);
      try {
        unix.sendDescriptors(socket, some);
        from += some.length;
      } catch (error) {
        // The successor has to take some first.
        if (!(error instanceof UnixError) || (error.errno !== EAGAIN && error.errno !== ETOOMANYREFS) || performance.now() > end) throw error;
        await delay(1);
      }
    }
  } finally {
    closeSync(file);
  }
}

interface Line {
  send(message: Message): Promise<void>;
  /** Resolves with the next message, which must be that step. Rejects with TakeoverRefused otherwise, at the other end's end, and when it takes too long: then the successor is killed if the traffic stands still. */
  expect<S extends keyof typeof LIMIT_MS & Step>(step: S): Promise<MessageOf<S>>;
}

function lineOf(socket: Socket, peer: Credentials): Line {
  let rest = '';
  const received: string[] = [];
  let ended = false;
  let wake = (): void => undefined;
  socket.setEncoding('utf8').on('data', (text: string) => {
    const lines = `${rest}${text}`.split('\n');
    rest = lines.pop() ?? '';
    received.push(...lines);
    // What a successor says is short: this is no successor.
    if (rest.length > LINE_MAX || received.length > LINES_MAX) socket.destroy();
    wake();
  });
  socket.once('close', () => {
    ended = true;
    wake();
  });
  return {
    send: (message) => new Promise((resolve, reject) => {
      if (ended) return reject(new TakeoverRefused(`process ${peer.pid} is gone`, 'start the takeover again'));
      socket.write(`${JSON.stringify(message)}\n`, (error) => (error ? reject(error) : resolve()));
    }),
    async expect(step) {
      const limit = delay(LIMIT_MS[step], 'late' as const, { ref: false });
      while (received.length === 0) {
        if (ended) throw new TakeoverRefused(`process ${peer.pid} ended before the step '${step}'`, 'start the takeover again; the log of that process says more');
        const woken = new Promise<'woken'>((resolve) => (wake = () => resolve('woken')));
        if ((await Promise.race([woken, limit])) !== 'late') continue;
        if (step === 'running' || step === 'done') kill(peer.pid);
        throw new TakeoverRefused(`process ${peer.pid} did not come to the step '${step}' within ${LIMIT_MS[step] / 1000} s`, 'start the takeover again when the machine is less busy');
      }
      return messageOf(received.shift() ?? '', step);
    },
  };
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It is gone already, which is what was wanted.
  }
}

async function refuse(socket: Socket, error: Error): Promise<void> {
  const cure = 'cure' in error && typeof error.cure === 'string' ? error.cure : 'see the log of the running weir';
  await new Promise<void>((resolve) => socket.end(`${JSON.stringify({ step: 'refused', message: error.message, cure } satisfies Message)}\n`, () => resolve()));
}

// The name is gone at once; the server itself ends with its last connection, which may be the one this is said on.
function letGo(server: Server): void {
  if (server.listening) server.close();
}
