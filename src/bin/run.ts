/**
 * `weir run`: the wiring of store, health, engine, daemon and API, from options to the end of the process.
 * What was started is ended in the opposite order, also when the start fails half-way.
 */
import { existsSync } from 'node:fs';
import { readFile, rename, rm } from 'node:fs/promises';
import { release } from 'node:os';
import { join, relative, resolve } from 'node:path';
import { createApp } from '../api/app.ts';
import { ADMIN, openAuth, type Auth } from '../api/auth/auth.ts';
import { listen } from '../api/listen.ts';
import { createLog } from '../api/log.ts';
import { readWebFiles, type WebFiles } from '../api/web.ts';
import type { DaemonOptions, Io } from '../cli/command.ts';
import { API_FILE, stateDirectories } from '../cli/connection.ts';
import { documentsOf } from '../cli/documents.ts';
import { CliError } from '../cli/failure.ts';
import { clean } from '../cli/text.ts';
import type { Documents } from '../client/types.ts';
import { systemClock } from '../clock/clock.ts';
import { runCommand } from '../command/command.ts';
import { Refusal } from '../daemon/control.ts';
import { createDaemon, type Daemon, type DaemonOptions as MadeWith } from '../daemon/daemon.ts';
import { selectEngine } from '../engine/select.ts';
import type { EngineName } from '../engine/engine.ts';
import { createHealthService } from '../health/health-service.ts';
import { createNatTable } from '../nat/nft.ts';
import { fileLedger } from '../services/ledger.ts';
import { createSysctls, procSysctls } from '../services/sysctl.ts';
import { etagOf } from '../store/documents.ts';
import { realFiles } from '../store/files.ts';
import { realProcesses } from '../store/lock.ts';
import { openStore, type Store } from '../store/store.ts';
import { banner } from './banner.ts';
import { startDemo } from './demo.ts';
import { engineCandidates, parseDocuments } from './engines.ts';
import { issuesHere } from './host-facts.ts';
import { catchSignal, reload } from './hangup.ts';
import { privilegesView } from './limit.ts';
import { HEALTH_FILE, keepHealth, readKept, type KeepOptions } from './kept-health.ts';
import { createManager } from './manager.ts';
import { readConfiguration, readOr, readSettings, type Settings } from './settings.ts';
import { startFailure } from './start-failure.ts';
import { serveSuccessors, startSuccessor, takeOver, takenOverOnce, type Takeover } from './takeover.ts';
import type { ApiPlace } from '../takeover/messages.ts';

/** What the wiring is given beside its options. */
export interface RunContext {
  readonly io: Io;
  readonly version: string;
  /** Where package.json is: a clone's root. */
  readonly packageDirectory: string;
}

type Log = ReturnType<typeof createLog>;
type Undo = (() => Promise<void>)[];
type CreateEngine = MadeWith['createEngine'];

/** Runs the daemon until the signal of `io`; returns the exit code. Throws CliError when it cannot start, with nothing left running. */
export async function runDaemon(options: DaemonOptions, context: RunContext): Promise<number> {
  const { io, version } = context;
  const undo: Undo = [];
  const successor = createSuccessor();
  // A terminal shows events as lines, so its log tells of trouble alone; a service manager gets all, one JSON record a line.
  const log = createLog({ level: io.env['WEIR_LOG'] ?? (io.errIsTty ? 'warn' : 'info'), destination: { write: (line: string) => io.err(line) } });
  const hangups = catchSignal('SIGHUP', undo);
  const upgrades = catchSignal('SIGUSR2', undo);
  try {
    const settings = await readSettings(options);
    const [stateDirectory] = stateDirectories({ state: options.state, env: io.env });
    const takeover = await takeOver(resolve(stateDirectory), options.takeover, version);
    // Last of all: the weir that was taken over goes on when this end closes before `done`.
    undo.push(async () => takeover?.running.close());
    const given = takeover !== null || options.files.length === 0 ? null : await readConfiguration(options.files, io);
    const store = await openState(options, context, log, undo);
    const initial = given ?? (options.demo && store.state() === null ? await demoConfiguration(context) : null);
    if (options.demo) await startDemoServers(undo);
    const kept = takeover === null ? keptLine(store, given) : takenLine(options);
    const daemon = await startDaemon({ options, context, store, initial, takeover, successor, log, undo });
    const auth = await openAccounts(store.dir, settings.password, log, undo, successor);
    const web = readWebFiles(join(context.packageDirectory, 'dist/web'));
    const api = await startApi({ daemon, auth: auth.auth, settings, inherited: takeover?.apiSocket(settings.address) ?? null, context, web, log, undo });
    const { url } = api;
    await writeApiFile(store.dir, url);
    undo.push(() => removeApiFile(store.dir));
    await takeover?.running.done();
    await serveSuccessors({
      directory: store.dir, version, demo: options.demo, daemon, api, undo,
      onGiven: (pid, pauseMs) => successor.set(pid, pauseMs),
      onFailure: (error) => {
        log.warn({ err: error }, error.message);
        // The successor may have put its own in the place.
        void writeApiFile(store.dir, url).catch((cause: unknown) => log.error({ err: cause }, 'the CLI will not find this weir'));
      },
    });
    io.out(banner({
      version, url, stateDirectory: shownPath(store.dir), password: auth.password, status: await daemon.status(),
      demo: options.demo, pages: web !== null, command: shownPath(process.argv[1] ?? 'weir'), kept,
    }));
    showEvents(daemon, io, log, undo);
    const manager = createManager({ env: io.env, pid: process.pid, clock: systemClock, monotonicUs: () => process.hrtime.bigint() / 1000n, answers: () => daemon.reading() });
    undo.push(async () => manager.close());
    hangups.serve(async () => {
      manager.reloading();
      await reload({ daemon, files: options.files, io });
      manager.ready();
    });
    upgrades.serve(async () => startSuccessor((text) => log.warn(text)));
    manager.ready();
    await Promise.race([aborted(io.signal), successor.taken]);
    // The service goes on with a successor: only the last of them stops it.
    if (successor.pid !== null) io.err(`weir: process ${successor.pid} has taken over; datagrams waited for ${Math.ceil(successor.pauseMs)} ms\n`);
    else manager.stopping();
    if (successor.pid === null && io.errIsTty) io.err('weir stops…\n');
    return 0;
  } catch (error) {
    throw startFailure(error);
  } finally {
    for (const step of undo.toReversed()) await step().catch((error: unknown) => log.error({ err: error }, 'while stopping'));
  }
}

/** Whether another process has taken over: what is on disk and in the kernel is its own then. */
interface Successor {
  readonly pid: number | null;
  /** How long no datagram moved. */
  readonly pauseMs: number;
  readonly taken: Promise<void>;
  set(pid: number, pauseMs: number): void;
}

function createSuccessor(): Successor {
  let pid: number | null = null;
  let pauseMs = 0;
  let resolveTaken = (): void => undefined;
  const taken = new Promise<void>((done) => (resolveTaken = done));
  return {
    get pid() {
      return pid;
    },
    get pauseMs() {
      return pauseMs;
    },
    taken,
    set(of, forMs) {
      pid = of;
      pauseMs = forMs;
      resolveTaken();
    },
  };
}

async function demoConfiguration({ packageDirectory }: RunContext): Promise<Documents> {
  const file = join(packageDirectory, 'examples/first.conf');
  return { layer4: '', nat: '', services: '', ...documentsOf([{ file, text: (await readOr(file, 'example')).toString('utf8') }]) };
}

async function openState(options: DaemonOptions, { io }: RunContext, log: Log, undo: Undo): Promise<Store> {
  const [directory] = stateDirectories({ state: options.state, env: io.env });
  const store = await openStore({
    dir: resolve(directory), files: realFiles, processes: realProcesses, now: () => Date.now(),
    onWarning: (problem) => log.warn({ path: problem.path, cure: problem.cure }, problem.message),
  });
  undo.push(() => store.close());
  return store;
}

async function startDemoServers(undo: Undo): Promise<void> {
  try {
    const demo = await startDemo();
    undo.push(() => demo.close());
  } catch (error) {
    throw new CliError('failed', `the demo servers cannot start: ${messageOf(error)}`, { cure: 'free UDP ports 8001-8003 of 127.0.0.1, or run your own configuration: npm start -- FILE', cause: error });
  }
}

function takenLine({ files }: DaemonOptions): string {
  return `what ran goes on: sockets, sessions and counters are here${files.length === 0 ? '' : '; FILE was not looked at (SIGHUP loads it)'}`;
}

/** Returns the line that says whether FILE or what was saved runs; null when there is no doubt. */
function keptLine(store: Store, given: Documents | null): string | null {
  const state = store.state();
  if (state === null || given === null) return null;
  const { saved, imported } = state;
  const same = (a: Documents, b: Documents): boolean => a.layer4 === b.layer4 && a.nat === b.nat && a.services === b.services;
  if (same(saved.documents, given)) return null;
  if (etagOf(given) === imported) return `FILE is as it was when last loaded, so what was saved since (revision ${saved.revision}) runs; weir apply FILE --save goes back to FILE`;
  return `FILE is new or has changed: it runs and is saved; what was saved before is kept as revision ${saved.revision}`;
}

async function startDaemon(o: {
  readonly options: DaemonOptions; readonly context: RunContext; readonly store: Store; readonly initial: Documents | null; readonly takeover: Takeover | null; readonly successor: Successor; readonly log: Log; readonly undo: Undo;
}): Promise<Daemon> {
  const { options, store, initial, takeover, log } = o;
  const makeEngine = ({ wanted, context, onEvent }: Parameters<CreateEngine>[0]): ReturnType<CreateEngine> => selectEngine({ wanted, context, candidates, onEvent });
  const ledger = fileLedger();
  const candidates = engineCandidates(options);
  const health = createHealthService({ log: (text) => log.warn(text), ...(options.checks === undefined ? {} : { programsDirectory: resolve(options.checks) }) });
  const keep: KeepOptions = { path: join(store.dir, HEALTH_FILE), files: realFiles, clock: systemClock, version: o.context.version, log: (text) => log.warn(text) };
  const daemon = createDaemon({
    store, initial,
    inheritance: takeover?.running.is ?? null,
    remembered: takeover === null ? await readKept(keep) : [],
    createEngine: takeover === null ? makeEngine : takenOverOnce(takeover, options.sessions, makeEngine),
    engineWanted: engineName(options.engine),
    health,
    parse: parseDocuments,
    nat: createNatTable({ run: runCommand, release: release() }),
    host: { run: runCommand, ledger, sysctls: createSysctls({ files: procSysctls(), ledger }) },
    hostIssues: (config, { engine, answered }) => issuesHere(config, engine ?? undefined, answered),
    clock: systemClock,
    version: o.context.version,
    privileges: privilegesView(),
  });
  await daemon.start();
  const kept = keepHealth(health, keep);
  o.undo.push(() => daemon.stop('leave'));
  o.undo.push(() => kept.stop());
  // From then on it is the successor's file.
  void o.successor.taken.then(() => kept.stop());
  return daemon;
}

function engineName(text: string | undefined): 'auto' | EngineName | null {
  return text === 'auto' || text === 'userspace' || text === 'xdp' || text === 'lvs' ? text : null;
}

/** Opens accounts and tokens; `password` of the result is the generated one, to be shown this once. */
async function openAccounts(directory: string, wanted: string | null, log: Log, undo: Undo, successor: Successor): Promise<{ readonly auth: Auth; readonly password: string | null }> {
  const auth = await openAuth({ directory, warn: (text) => log.warn(text) });
  // Closing writes when tokens were last used, and would undo what a successor has written since.
  undo.push(async () => (successor.pid === null ? auth.close() : undefined));
  const { adminPassword } = await auth.bootstrap();
  if (adminPassword === null || wanted === null) return { auth, password: adminPassword };
  await auth.passwd({ user: ADMIN, oldPassword: null, newPassword: wanted });
  return { auth, password: null };
}

async function startApi(o: { readonly daemon: Daemon; readonly auth: Auth; readonly settings: Settings; readonly inherited: number | null; readonly context: RunContext; readonly web: WebFiles | null; readonly log: Log; readonly undo: Undo }): Promise<ApiPlace & { readonly url: string; readonly descriptor: number }> {
  const { settings } = o;
  if (o.web === null) o.context.io.err('the web pages are not built, so there are none: npm run build makes them (the API and the CLI work without)\n');
  const app = createApp({ web: o.web, control: o.daemon, auth: o.auth, log: o.log, version: o.context.version, allowedHosts: [], ...(settings.tls === undefined ? {} : { tls: settings.tls }) });
  o.undo.push(async () => {
    await app.close();
  });
  const url = await listen(app, { address: settings.address, tls: settings.tls !== undefined, insecure: settings.insecure, inherited: o.inherited });
  o.daemon.register({ name: 'api', instance: null, text: () => url, start: async () => {}, stop: () => refuseStop() }, 'running');
  const { port } = new URL(url);
  // Node.js keeps it, and has no word for it.
  const { fd } = (app.server as unknown as { readonly _handle: { readonly fd: number } })._handle;
  return { url, address: settings.address.ip.text, port: Number(port), descriptor: fd };
}

async function refuseStop(): Promise<void> {
  throw new Refusal('BAD_REQUEST', 'the API cannot stop itself', { cure: 'end `weir run` (SIGTERM), or start it with another --api' });
}

/** Tells the CLI where the API is. */
async function writeApiFile(directory: string, url: string): Promise<void> {
  const path = join(directory, API_FILE);
  await realFiles.writeSynced(`${path}.new`, Buffer.from(`${JSON.stringify({ url, pid: process.pid })}\n`));
  await rename(`${path}.new`, path);
}

/** Takes the file away again, unless it is a successor's by now. */
async function removeApiFile(directory: string): Promise<void> {
  const path = join(directory, API_FILE);
  const { pid } = JSON.parse(await readFile(path, 'utf8')) as { readonly pid?: unknown };
  if (pid === process.pid) await rm(path, { force: true });
}

function showEvents(daemon: Daemon, io: Io, log: Log, undo: Undo): void {
  const stop = daemon.subscribe({
    event(event) {
      if (io.outIsTty) io.out(`${clean(`${new Date(event.atMs).toLocaleTimeString('en-GB')}  ${event.text}`)}\n`);
      else log.info({ seq: event.seq, kind: event.kind, who: event.who }, event.text);
    },
  });
  undo.push(async () => stop());
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((done) => {
    if (signal.aborted) return done();
    signal.addEventListener('abort', () => done(), { once: true });
  });
}

/** Returns the path from here when that is the shorter one. */
function shownPath(path: string): string {
  const near = relative(process.cwd(), path);
  const shown = near.startsWith('..') ? path : `./${near}`;
  return existsSync(path) && shown.length < path.length ? shown : path;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
