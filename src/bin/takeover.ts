/** `weir run --takeover`, and its counterpart in a weir that runs: wiring of src/takeover to store, daemon and API. */
import { spawn } from 'node:child_process';
import { closeSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { ListenAddress } from '../api/listen.ts';
import type { DaemonOptions } from '../cli/command.ts';
import { API_FILE } from '../cli/connection.ts';
import { CliError } from '../cli/failure.ts';
import type { Daemon, DaemonOptions as MadeWith } from '../daemon/daemon.ts';
import { EngineError } from '../engine/engine.ts';
import type { Predecessor } from '../engine/userspace/engine.ts';
import { createUserspaceEngine } from '../engine/userspace/index.ts';
import { awaitSuccessor } from '../takeover/giver.ts';
import { TAKEOVER_SOCKET, TakeoverRefused } from '../takeover/messages.ts';
import { NothingRuns, askRunning, type Running } from '../takeover/taker.ts';

const STOP_LIMIT_MS = 30_000;
const STOP_POLL_MS = 50;

type CreateEngine = MadeWith['createEngine'];
type ApiSocket = Awaited<ReturnType<Running['freeze']>>['api'];

/** The weir that is taken over. */
export interface Takeover {
  readonly running: Running;
  readonly predecessor: Predecessor;
  /** Returns the API's socket if it listens where this process shall; call after the engine was made. Closes it otherwise. */
  apiSocket(wanted: ListenAddress): number | null;
}

/** Asks the weir of the state directory to hand over; null when it was to be stopped instead, or none runs and that is fine. Throws TakeoverRefused or CliError. */
export async function takeOver(directory: string, how: DaemonOptions['takeover'], version: string): Promise<Takeover | null> {
  if (how === null) return null;
  try {
    const running = await askRunning(join(directory, TAKEOVER_SOCKET), version);
    let api: ApiSocket | null = null;
    return {
      running,
      predecessor: {
        terms: running.is.terms,
        async freeze() {
          const frozen = await running.freeze();
          ({ api } = frozen);
          return frozen.engine;
        },
      },
      apiSocket({ ip, port }) {
        if (api === null) return null;
        if (api.address === ip.text && (port === api.port || port === 0)) return api.descriptor;
        closeSync(api.descriptor);
        return null;
      },
    };
  } catch (error) {
    if (how !== 'or-restart' || !(error instanceof TakeoverRefused)) throw error;
    if (!(error instanceof NothingRuns)) await stopRunning(directory);
    return null;
  }
}

/** Returns a maker of engines whose first is the one that takes over, with room for `sessions`; later ones are made as `otherwise` does. */
export function takenOverOnce(takeover: Takeover, sessions: number | undefined, otherwise: CreateEngine): CreateEngine {
  const { running, predecessor } = takeover;
  let taken = false;
  return async (wanted) => {
    if (taken) return otherwise(wanted);
    if (wanted.wanted !== 'auto' && wanted.wanted !== 'userspace') {
      throw new EngineError(`the running weir moves its traffic itself, and cannot hand it to engine ${wanted.wanted}`, { cure: 'restart weir instead, or take over without --engine' });
    }
    const engine = await createUserspaceEngine({ onEvent: wanted.onEvent, predecessor, ...(sessions === undefined ? {} : { maxSessions: sessions }) });
    taken = true;
    running.running();
    return { engine, why: `taken over from process ${running.is.pid} (weir ${running.is.version})` };
  };
}

/** Ends the weir of the directory as SIGTERM does, and waits for its end. */
async function stopRunning(directory: string): Promise<void> {
  const { pid } = JSON.parse(await readFile(join(directory, API_FILE), 'utf8')) as { readonly pid: number };
  process.kill(pid, 'SIGTERM');
  for (let waited = 0; waited < STOP_LIMIT_MS; waited += STOP_POLL_MS) {
    try {
      process.kill(pid, 0);
    } catch {
      return;
    }
    await delay(STOP_POLL_MS);
  }
  throw new CliError('failed', `process ${pid} did not end within ${STOP_LIMIT_MS / 1000} s`, { cure: `look at its log; kill -9 ${pid} ends it` });
}

/** Lets a successor take over from now on. Resolves when none can, having said why: weir runs all the same. */
export async function serveSuccessors(o: {
  readonly directory: string; readonly version: string; readonly demo: boolean; readonly daemon: Daemon; readonly api: ApiSocket;
  readonly onGiven: (pid: number, pauseMs: number) => void; readonly onFailure: (error: Error) => void; readonly undo: (() => Promise<void>)[];
}): Promise<void> {
  if (process.platform !== 'linux') return;
  try {
    const server = await awaitSuccessor({
      path: join(o.directory, TAKEOVER_SOCKET),
      version: o.version,
      refusal: o.demo ? 'the demo servers are part of the process that runs' : null,
      handOver: (pid, give) => o.daemon.handOver(pid, give),
      api: o.api,
      onGiven: o.onGiven,
      onFailure: o.onFailure,
    });
    o.undo.push(() => server.close());
  } catch (error) {
    o.onFailure(new Error(`no successor can take over (weir run --takeover): ${error instanceof Error ? error.message : String(error)}`, { cause: error }));
  }
}

/** Starts the program that is on disk now as a successor of this process, with the same words, output and environment. */
export function startSuccessor(onEnd: (text: string) => void): void {
  const words = process.argv.slice(1).filter((word) => !word.startsWith('--takeover'));
  const child = spawn(process.execPath, [...process.execArgv, ...words, '--takeover'], { stdio: ['ignore', 'inherit', 'inherit'], detached: true });
  child.once('error', (error) => onEnd(`the successor could not be started: ${error.message}`));
  child.once('exit', (code, signal) => onEnd(`the successor ended (${signal ?? `exit code ${code}`}); this process goes on`));
  child.unref();
}
