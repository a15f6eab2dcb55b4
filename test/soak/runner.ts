/** Carries a soak out: starts everything, lets the planned events happen, notes what really did, and says what became of it. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { StatusView } from '../../src/client/types.ts';
import { splitDocuments } from '../../src/config/documents.ts';
import { until } from '../contract/mailbox.ts';
import { start, type Running } from '../fixtures/process.ts';
import type { Scope } from '../fixtures/scope.ts';
import { ROOT } from '../house/root.ts';
import { attribute, type Attribution } from './attribution.ts';
import { Backends } from './backends.ts';
import { Daemon } from './daemon.ts';
import type { EventKind, SoakEvent } from './events.ts';
import type { Sample } from './growth.ts';
import { causesOf, type Happening } from './history.ts';
import { Ledger, lostText } from './ledger.ts';
import { SESSION_IDLE_MS, configurationText, firstConfiguration, type Configuration, type State } from './model.ts';
import type { Place } from './place.ts';
import { socketDrops } from './processes.ts';
import { countedBetween, countersOf, READING_AGE_MS, type Counters } from './readings.ts';
import { monotonicMs, type Lane, type LoadCommand, type LoadReport } from './wire.ts';

/** Six directors: 96 datagrams/s of clients that stay, 36 of such that come and go; with the answers some 260. */
const LOAD = { fixedClients: 4, everyMs: 120, newEveryMs: 400 };
const POLL_MS = 1_000;
/** Unexplained losses told of in a line of progress. */
const SHOWN = 20;
/** Beyond the round trip and the lateness of timers, what signals and clocks of processes may be apart. */
const SLACK_MS = 250;
const SLACK_MOST_MS = 3_000;
/** A server that dies in silence is found out by so many timers one after the other (two intervals, two timeouts): each may be late. */
const TIMERS = 4;
const START_MS = 60_000;
/** On a machine so slow that events come this late, those that nothing later builds on are left out, so that a soak ends when it shall. */
const LATE_MS = 5_000;
const MAY_BE_LEFT_OUT: ReadonlySet<EventKind> = new Set(['takeover', 'daemon-killed', 'worker-killed', 'flood', 'readers-hang', 'read-all', 'purge', 'checks-muted']);
const LEFT_OUT = 'left out, the machine was late';
/** Sessions that moved away linger so long (src/engine/userspace/forwarder.ts), then a sweep takes a second. */
const IDLE_MS = SESSION_IDLE_MS + 20_000;

export interface SoakOptions {
  readonly place: Place;
  readonly events: readonly SoakEvent[];
  readonly durationMs: number;
  readonly progressMs: number;
  readonly onProgress: (line: string) => void;
}

export interface Outcome {
  /** Monotonic time of the first datagram, from which times are shown. */
  readonly beginMs: number;
  readonly events: Readonly<Record<string, number>>;
  readonly totals: Ledger['totals'];
  readonly attribution: Attribution;
  readonly samples: readonly Sample[];
  /** Before any traffic, and after the last session had ended. */
  readonly idle: { readonly before: Sample; readonly after: Sample };
  /** What must not be, in words: sessions or alarms left over, answers to nobody, clients that failed. */
  readonly faults: readonly string[];
  /** The last things that happened, for who looks into a failure. */
  readonly recent: readonly string[];
}

export async function runSoak(scope: Scope, options: SoakOptions): Promise<Outcome> {
  const soak = new Soak(scope, options);
  return soak.run();
}

class Soak {
  readonly #scope: Scope;
  readonly #options: SoakOptions;
  readonly #ledger = new Ledger();
  readonly #history: Happening[] = [];
  readonly #samples: Sample[] = [];
  readonly #late: { readonly atMs: number; readonly lateMs: number }[] = [];
  readonly #faults: string[] = [];
  readonly #recent: string[] = [];
  readonly #counts = new Map<string, number>();
  #state: State = { running: firstConfiguration(), saved: firstConfiguration(), overrides: new Map() };
  #counters: Counters | null = null;
  #overflow = 0;
  #overflowAt = 0;
  #ports: ReadonlySet<number> = new Set();
  #load!: Running;
  #backends!: Backends;
  #daemon!: Daemon;
  #lanes: readonly Lane[] = [];
  #beginMs = 0;
  /** Unexplained losses that were told of. */
  readonly #shown = new Set<number>();
  #stopped = false;
  #foundDead = false;
  /** Nobody may read weir's counters while it is between two processes. */
  #pollable = true;
  #polling: Promise<void> = Promise.resolve();

  constructor(scope: Scope, options: SoakOptions) {
    this.#scope = scope;
    this.#options = options;
  }

  async run(): Promise<Outcome> {
    const { place, events, durationMs } = this.#options;
    this.#backends = await Backends.start(this.#scope, place, (id, server, atMs) => this.#ledger.got(id, server, atMs));
    this.#daemon = await Daemon.start(this.#scope, place, configurationText(this.#state.running, place));
    await this.#allUp();
    const before = await this.#idleSample();
    await this.#startLoad();
    this.#beginMs = monotonicMs();
    const timers = [setInterval(() => this.#poll(), POLL_MS), setInterval(() => this.#progress(), this.#options.progressMs)];
    this.#scope.defer(() => timers.forEach((timer) => clearInterval(timer)));
    for (const event of events) {
      await this.#until(event.atMs);
      if (monotonicMs() - this.#beginMs - event.atMs > LATE_MS && MAY_BE_LEFT_OUT.has(event.kind)) {
        this.#counts.set(LEFT_OUT, (this.#counts.get(LEFT_OUT) ?? 0) + 1);
        continue;
      }
      await this.#happen(event);
      if (this.#isDead()) break;
    }
    if (!this.#isDead()) await this.#until(durationMs);
    await this.#stopLoad();
    const after = this.#isDead() ? before : await this.#rest();
    timers.forEach((timer) => clearInterval(timer));
    await this.#polling;
    const attribution = attribute(this.#ledger.lost(), causesOf(this.#history), (atMs) => this.#slackMs(atMs));
    return { beginMs: this.#beginMs, events: Object.fromEntries(this.#counts), totals: this.#ledger.totals, attribution, samples: this.#samples, idle: { before, after }, faults: this.#faults, recent: this.#recent };
  }

  async #allUp(): Promise<void> {
    await until('all servers up', () => this.#daemon.client.servers(), (servers) => servers.every((s) => s.sorry || s.state === 'up'), START_MS);
  }

  async #startLoad(): Promise<void> {
    const { place } = this.#options;
    this.#lanes = this.#state.running.directors.map(({ name, kind, family }) => ({ director: name, kind, family, vip: place.vip(name, family) }));
    this.#load = await start(this.#scope, [...place.on.clients, process.execPath, join(ROOT, 'dist/test/soak/load.js')], { keep: 1 << 12, onLine: (line) => line === 'ready' || this.#report(JSON.parse(line) as LoadReport) });
    await this.#load.match(/^ready$/m, START_MS);
    this.#tell({ op: 'begin', lanes: this.#lanes, clientIps: { 4: place.clientIp(4), 6: place.clientIp(6) }, ...LOAD });
  }

  #tell(command: LoadCommand): void {
    this.#load.write(JSON.stringify(command));
  }

  #report(report: LoadReport): void {
    for (const [id, lane, flow, sentMs] of report.sent) {
      const { director, kind } = this.#lanes[lane];
      this.#ledger.sent({ id, director, kind, flow, sentMs });
    }
    for (const [id, server, atMs] of report.answered) this.#ledger.answered(id, server, atMs);
    for (const stray of report.strays) {
      this.#ledger.stray();
      this.#fault(stray);
    }
    for (const failure of report.failed) this.#fault(failure);
    if (report.ports !== null) this.#ports = new Set(report.ports);
    this.#late.push({ atMs: report.atMs, lateMs: report.lateMs });
    this.#stopped = report.stopped;
  }

  /** Reads weir's counters, notes what they counted, and takes the size of its process. */
  #poll(): void {
    if (!this.#pollable) return;
    this.#polling = this.#polling.then(async () => void (await this.#read())).catch((error: unknown) => {
      if (this.#pollable) this.#fault(`the API: ${String(error)}`);
    });
  }

  async #read(): Promise<StatusView> {
    const askedMs = monotonicMs();
    const status = await this.#daemon.client.status();
    const counters = countersOf(status, askedMs, monotonicMs());
    this.#history.push(...countedBetween(this.#counters, counters, this.#beginMs));
    this.#counters = counters;
    this.#sockets();
    this.#ledger.turn(monotonicMs());
    const sample = this.#daemon.sample(status.engine.gauges['upstream_sockets'] ?? 0);
    if (sample !== null) this.#samples.push(sample);
    return status;
  }

  /** What the sockets of clients and servers could not hold. A server that was killed takes its count along: its death explains those. */
  #sockets(): void {
    const drops = socketDrops(this.#load.pid, this.#ports) + socketDrops(this.#backends.pid, this.#backends.ports);
    const nowMs = monotonicMs();
    if (drops > this.#overflow) this.#history.push({ kind: 'counted', reason: "a client's or server's socket overflowed", director: null, fromMs: this.#overflowAt, toMs: nowMs, count: drops - this.#overflow });
    this.#overflow = drops;
    this.#overflowAt = nowMs;
  }

  /** Reads counters that hold all that happened until now. */
  async #countUp(): Promise<void> {
    await this.#polling;
    await sleep(READING_AGE_MS);
    await this.#read();
  }

  async #happen(event: SoakEvent): Promise<void> {
    const fromMs = monotonicMs();
    try {
      const note = await this.#act(event);
      this.#counts.set(event.kind, (this.#counts.get(event.kind) ?? 0) + 1);
      this.#remember(`${event.kind}${note === '' ? '' : ` ${note}`} (${Math.round(monotonicMs() - fromMs)} ms)`, fromMs);
    } catch (error) {
      this.#remember(`${event.kind} failed: ${String(error)}`, fromMs);
      this.#fault(`${event.kind} at ${this.#at(fromMs)}: ${error instanceof Error ? error.message : String(error)}`);
    }
  }

  /** Whether weir is gone though nobody killed it: there is no point in going on. */
  #isDead(): boolean {
    if (this.#daemon.isRunning()) return false;
    if (!this.#foundDead) this.#fault(`weir (process ${this.#daemon.pid}) ended by itself; the end of what it said:\n${this.#daemon.output().slice(-3000)}`);
    this.#foundDead = true;
    return true;
  }

  async #act(event: SoakEvent): Promise<string> {
    const { client } = this.#daemon;
    switch (event.kind) {
      case 'apply':
      case 'reload':
        await this.#configure(event.configuration, event.kind);
        return event.what;
      case 'save':
        await client.save();
        this.#state = { ...this.#state, saved: this.#state.running };
        return '';
      case 'override':
        return this.#override(event);
      case 'purge':
        return `${event.director}: ${await client.purge({ director: event.director })} sessions`;
      case 'server-killed':
        this.#history.push({ kind: event.kind, server: event.server, atMs: monotonicMs() });
        await this.#backends.kill(event.server);
        return event.server;
      case 'server-stopped':
        this.#history.push({ kind: event.kind, server: event.server, atMs: monotonicMs() });
        this.#backends.stop(event.server);
        return event.server;
      case 'server-back':
        await this.#backends.back(event.server);
        this.#history.push({ kind: event.kind, server: event.server, atMs: monotonicMs() });
        return event.server;
      case 'checks-muted':
        this.#backends.mute(event.server, event.forMs);
        return `${event.server} for ${event.forMs} ms`;
      case 'flood':
        this.#tell({ op: 'flood', director: event.director, clients: event.clients });
        return `${event.director} by ${event.clients}`;
      case 'readers-hang':
        return this.#hang(event.readers, event.forMs);
      case 'read-all':
        return this.#readAll();
      case 'worker-killed': {
        const fromMs = monotonicMs();
        await this.#daemon.killWorker();
        this.#history.push({ kind: 'worker-down', fromMs, toMs: monotonicMs() });
        return '';
      }
      case 'daemon-killed':
        return this.#killDaemon();
      case 'takeover':
        await this.#between(() => this.#daemon.takeOver(event.by));
        return `by ${event.by}`;
    }
  }

  async #configure(configuration: Configuration, how: 'apply' | 'reload'): Promise<void> {
    const text = configurationText(configuration, this.#options.place);
    const gone = this.#state.running.directors.some((d) => !configuration.directors.some((next) => next.name === d.name));
    // Its counters go with a director.
    if (gone) await this.#countUp();
    const before = this.#state;
    const fromMs = gone ? monotonicMs() - READING_AGE_MS : monotonicMs();
    if (how === 'reload') {
      await this.#daemon.reload(text);
    } else {
      await this.#daemon.client.edit(splitDocuments(text));
      await this.#daemon.client.apply();
    }
    this.#state = { ...before, running: configuration, saved: how === 'reload' ? configuration : before.saved };
    this.#history.push({ kind: 'changed', fromMs, toMs: monotonicMs(), before, after: this.#state });
  }

  async #override({ director, server, action }: SoakEvent & { kind: 'override' }): Promise<string> {
    const there = this.#state.running.directors.some((d) => d.name === director && d.servers.some((s) => s.name === server));
    const before = this.#state;
    const fromMs = monotonicMs();
    const overrides = new Map(before.overrides);
    const key = `${director}/${server}`;
    if (action === 'reset') overrides.delete(key);
    else overrides.set(key, action);
    // Gone since the plan was made, with a kill: what was said of it is kept by its name, and does no harm.
    if (!there) return `${key} ${action}: not there`;
    await this.#daemon.client.override(director, server, action);
    this.#state = { ...before, overrides };
    this.#history.push({ kind: 'changed', fromMs, toMs: monotonicMs(), before, after: this.#state });
    return `${key} ${action}`;
  }

  async #killDaemon(): Promise<string> {
    await this.#countUp();
    const before = this.#state;
    const fromMs = monotonicMs() - READING_AGE_MS;
    await this.#between(() => this.#daemon.killAndStart());
    const toMs = monotonicMs();
    if (this.#options.place.ownsTraffic) this.#history.push({ kind: 'daemon-down', fromMs, toMs });
    // A restart runs what was saved.
    this.#state = { ...before, running: before.saved };
    this.#history.push({ kind: 'changed', fromMs, toMs, before, after: this.#state }, { kind: 'health-anew', fromMs, toMs });
    return `pid ${this.#daemon.pid}`;
  }

  /** One process ends and another begins: nobody asks meanwhile. */
  async #between(act: () => Promise<void>): Promise<void> {
    this.#pollable = false;
    await this.#polling;
    try {
      await act();
    } finally {
      this.#pollable = true;
    }
  }

  async #hang(readers: number, forMs: number): Promise<string> {
    const { url } = JSON.parse(await readFile(join(this.#daemon.state, 'api.json'), 'utf8')) as { url: string };
    const token = (await readFile(join(this.#daemon.state, 'cli.token'), 'utf8')).trim();
    await start(this.#scope, [...this.#options.place.on.balancer, process.execPath, join(ROOT, 'dist/test/soak/hang.js'), url, token, String(readers), String(forMs)]);
    return `${readers} for ${forMs} ms`;
  }

  async #readAll(): Promise<string> {
    const { client } = this.#daemon;
    let sessions = 0;
    let cursor: string | undefined;
    do {
      const page = await client.sessions({ limit: 50, ...(cursor === undefined ? {} : { cursor }) });
      sessions += page.sessions.length;
      cursor = page.next ?? undefined;
    } while (cursor !== undefined);
    await Promise.all([client.metrics(), client.series(), client.events(), client.revisions(), client.plan(), client.nat(), client.services()]);
    return `${sessions} sessions`;
  }

  async #stopLoad(): Promise<void> {
    this.#tell({ op: 'stop' });
    await until('the end of the load', async () => this.#stopped, Boolean, START_MS);
  }

  /** All servers are back, nobody sends: waits for the last session to end. */
  async #rest(): Promise<Sample> {
    const left = ({ directors }: StatusView): number => directors.reduce((sum, d) => sum + d.sessions + d.servers.reduce((more, server) => more + server.sessions, 0), 0);
    const end = monotonicMs() + IDLE_MS + this.#worstMs();
    for (;;) {
      await sleep(POLL_MS);
      const status = await this.#daemon.client.status();
      const sessions = left(status);
      if (sessions === 0) {
        if (status.blackholes.length > 0) this.#fault(`alarms that stand after all: ${status.blackholes.map(({ text }) => text).join('; ')}`);
        break;
      }
      if (monotonicMs() < end) continue;
      this.#fault(`${sessions} sessions are left ${IDLE_MS} ms after the last datagram; each ends after ${SESSION_IDLE_MS} ms`);
      break;
    }
    return this.#idleSample();
  }

  async #idleSample(): Promise<Sample> {
    return until('a look at the process', async () => this.#daemon.sample((await this.#daemon.client.status()).engine.gauges['upstream_sockets'] ?? 0), (sample) => sample !== null, START_MS) as Promise<Sample>;
  }

  #slackMs(atMs: number): number {
    const late = Math.max(0, ...this.#late.filter((l) => Math.abs(l.atMs - atMs) < 2_000).map(({ lateMs }) => lateMs));
    return Math.min(SLACK_MOST_MS, SLACK_MS + TIMERS * late + 3 * this.#ledger.roundTripMs(atMs));
  }

  #worstMs(): number {
    return Math.max(0, ...this.#late.map(({ lateMs }) => lateMs));
  }

  #progress(): void {
    const { sent, answered } = this.#ledger.totals;
    const lost = attribute(this.#ledger.lost().filter(({ sentMs }) => sentMs < monotonicMs() - 5_000), causesOf(this.#history), (atMs) => this.#slackMs(atMs));
    for (const one of lost.unexplained.filter(({ id }) => !this.#shown.has(id)).slice(0, SHOWN)) this.#options.onProgress(`  not explained: ${lostText(one, this.#beginMs)}`);
    for (const { id } of lost.unexplained) this.#shown.add(id);
    const last = this.#samples.at(-1);
    const reasons = Object.values(lost.byReason).reduce((sum, n) => sum + n, 0);
    this.#options.onProgress(`${this.#at(monotonicMs())}  ${[...this.#counts.values()].reduce((sum, n) => sum + n, 0)} events, ${sent} sent, ${answered} answered, ${reasons} lost and explained, ${lost.unexplained.length} unexplained, pid ${last?.pid} ${last?.rssMiB.toFixed(0)} MiB ${last?.fds} fds`);
  }

  #remember(text: string, atMs: number): void {
    this.#recent.push(`${this.#at(atMs)}  ${text}`);
    if (this.#recent.length > 400) this.#recent.shift();
  }

  #fault(text: string): void {
    if (this.#faults.length < 50) this.#faults.push(text);
  }

  #at(ms: number): string {
    return `${((ms - this.#beginMs) / 1000).toFixed(1)} s`;
  }

  async #until(atMs: number): Promise<void> {
    const wait = this.#beginMs + atMs - monotonicMs();
    if (wait > 0) await sleep(wait);
  }
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
