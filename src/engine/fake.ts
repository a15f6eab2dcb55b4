/**
 * An engine in memory, faithful to the contract: transactional, monotonic, and strict with its caller. Calls that overlap or
 * come after close throw, because the daemon promises to serialise them. Tests inject sessions, failures and evidence.
 */
import { DROP_ID, type DropReason } from './drops.ts';
import {
  EngineError,
  type Engine, type EngineEvent, type EngineName, type Explanation, type ExplainQuery, type PageRequest, type PinRequest, type Probe, type Reading,
  type SessionFilter, type SessionPage, type SessionView, type Unsupported,
} from './engine.ts';
import { pinTarget } from './pin-target.ts';
import { RESPONSE_BUCKETS, responseBucket } from './response-times.ts';
import { hostPortText } from '../net/endpoint.ts';
import { applySteps, diff } from '../plan/diff.ts';
import { serverKey, type Desired, type DesiredDirector, type DesiredServer } from '../plan/desired.ts';
import type { Plan } from '../plan/plan.ts';

/** Every way in which a test can make the fake misbehave; all may be changed while it runs. */
export interface FakeFaults {
  /** Fails apply at this step (0-based; a plan with fewer steps fails at its last). `landed` true leaves the steps before it changed. */
  applyAt?: { readonly step: number; readonly landed?: boolean; readonly message?: string; readonly cure?: string } | null;
  observe?: Error | null;
  read?: Error | null;
  pin?: Error | null;
}

export interface FakeEngine extends Engine {
  /** Every plan that was applied, in order. */
  readonly applied: readonly Plan[];
  /** Every call by name, in order. */
  readonly calls: readonly string[];
  readonly faults: FakeFaults;
  readonly closed: 'leave' | 'remove' | null;
  /** What the data plane does now: observe() for tests, which need not take turns. */
  readonly current: Desired;
  /** Puts `count` live sessions on a server. Throws when there is no such server. */
  addSessions(director: string, server: string, count: number): void;
  /** Counts traffic as if clients had sent it and the server answered, each reply after `replyMs` (default 1). */
  traffic(director: string, server: string, packets: { readonly in: number; readonly out: number; readonly replyMs?: number }): void;
  drop(director: string, reason: DropReason, count: number): void;
  /** Tells what ICMP port-unreachable from a server would tell. */
  refuse(director: string, server: string, detail?: string): void;
  /** Starts counters again under another epoch. */
  restartCounters(): void;
  /** Changes the data plane behind the daemon's back. */
  tamper(change: (now: Desired) => Desired): void;
}

interface Counters { packetsIn: number; bytesIn: number; packetsOut: number; bytesOut: number; created: number; moved: number; responseTimes: number[] }
interface FakeSession { readonly id: number; readonly director: string; serverKey: string; readonly client: string }

/** Returns an empty fake. `unsupported` defaults to "can do all"; each call yields once before it works, as a real engine would. */
export function createFakeEngine(options: {
  readonly name?: EngineName;
  readonly onEvent?: (event: EngineEvent) => void;
  readonly now?: () => number;
  readonly probe?: Probe;
  readonly unsupported?: (desired: Desired) => readonly Unsupported[];
} = {}): FakeEngine {
  const now = options.now ?? ((): number => 0);
  const faults: FakeFaults = {};
  const applied: Plan[] = [];
  const calls: string[] = [];
  let current: Desired = { directors: [] };
  let sessions: FakeSession[] = [];
  let nextSession = 1;
  let epoch = 1;
  let busy: string | null = null;
  let closed: 'leave' | 'remove' | null = null;
  const counters = new Map<string, Counters>();
  const drops = new Map<string, Partial<Record<DropReason, number>>>();

  async function exclusive<T>(name: string, work: () => T): Promise<T> {
    if (busy !== null) throw new Error(`${name} called while ${busy} runs: the daemon must serialise engine calls`);
    if (closed !== null) throw new Error(`${name} called after close`);
    busy = name;
    calls.push(name);
    try {
      await new Promise<void>((resolve) => setImmediate(resolve));
      return work();
    } finally {
      busy = null;
    }
  }

  function countersOf(director: string, key: string): Counters {
    const id = `${director}|${key}`;
    let entry = counters.get(id);
    if (!entry) counters.set(id, (entry = { packetsIn: 0, bytesIn: 0, packetsOut: 0, bytesOut: 0, created: 0, moved: 0, responseTimes: Array.from({ length: RESPONSE_BUCKETS }, () => 0) }));
    return entry;
  }

  function find(director: string, server: string): { director: DesiredDirector; server: DesiredServer } {
    const d = current.directors.find((x) => x.name === director);
    const s = d?.servers.find((x) => x.name === server);
    if (!d || !s) throw new Error(`the fake has no server ${director}/${server}`);
    return { director: d, server: s };
  }

  function apply(plan: Plan): void {
    const reached = applySteps(current, plan.steps);
    if (diff(plan.next, reached).steps.length > 0) throw new EngineError('the steps of the plan do not lead to plan.next', { cure: 'plan again from observe()' });
    const fault = faults.applyAt;
    if (fault) {
      const done = plan.steps.slice(0, Math.min(fault.step, Math.max(0, plan.steps.length - 1)));
      if (fault.landed) settleOn(applySteps(current, done));
      throw new EngineError(fault.message ?? `step ${done.length} failed: ${plan.steps[done.length]?.text ?? 'nothing to do'}`, {
        cure: fault.cure ?? 'free the port and apply again',
        landed: fault.landed ? done.map((s) => s.text) : [],
      });
    }
    settleOn(plan.next);
    applied.push(plan);
  }

  function settleOn(next: Desired): void {
    const directors = new Map(next.directors.map((d) => [d.name, d]));
    sessions = sessions.filter((session) => {
      const director = directors.get(session.director);
      if (!director) return false;
      const server = director.servers.find((s) => serverKey(s) === session.serverKey);
      const action = !server || server.state === 'disabled' ? director.on.remove : server.state === 'down' ? director.on.down : server.state === 'drain' ? director.on.drain : null;
      if (action === null || action.kind === 'keep') return true;
      countersOf(session.director, session.serverKey).moved++;
      const target = action.kind === 'move' ? pick(director) : undefined;
      if (!target) return false;
      session.serverKey = serverKey(target);
      return true;
    });
    current = next;
  }

  function view(session: FakeSession): SessionView {
    const director = current.directors.find((d) => d.name === session.director);
    const [name = '', ip = '', port = '0'] = session.serverKey.split('|');
    return {
      director: session.director, client: session.client, vip: director?.vip ? hostPortText(director.vip, director.ports?.first ?? 0) : '',
      server: name, serverAddress: ip.includes(':') ? `[${ip}]:${port}` : `${ip}:${port}`, sourcePort: 20_000 + session.id,
      ageMs: 0, idleMs: 0, expiresInMs: 30_000, outstanding: 0, packetsIn: 0, bytesIn: 0, packetsOut: 0, bytesOut: 0,
    };
  }

  function matches(session: FakeSession, filter: SessionFilter): boolean {
    if (filter.director !== undefined && filter.director !== session.director) return false;
    if (filter.server !== undefined && filter.server !== session.serverKey.split('|')[0]) return false;
    return filter.client === undefined || session.client === filter.client || session.client.startsWith(`${filter.client}:`);
  }

  function read(): Reading {
    if (faults.read) throw faults.read;
    const directors = current.directors.map((d) => {
      const servers = d.servers.map((s) => {
        const c = countersOf(d.name, serverKey(s));
        const live = sessions.filter((x) => x.director === d.name && x.serverKey === serverKey(s)).length;
        return {
          name: s.name, address: hostPortText(s.ip, s.port), sessions: live, sessionsCreated: c.created, sessionsMoved: c.moved, unanswered: 0, icmpErrors: 0,
          responseTimes: [...c.responseTimes], packetsIn: c.packetsIn, bytesIn: c.bytesIn, packetsOut: c.packetsOut, bytesOut: c.bytesOut,
        };
      });
      const own = drops.get(d.name) ?? {};
      const dropped = Object.values(own).reduce((a, b) => a + b, 0);
      const sum = (of: (s: (typeof servers)[number]) => number): number => servers.reduce((a, s) => a + of(s), 0);
      return {
        name: d.name, sessions: sessions.filter((x) => x.director === d.name).length, sessionsCreated: sum((s) => s.sessionsCreated), drops: { ...own }, servers,
        packetsIn: sum((s) => s.packetsIn) + dropped, bytesIn: sum((s) => s.bytesIn), packetsOut: sum((s) => s.packetsOut), bytesOut: sum((s) => s.bytesOut),
      };
    });
    return { epoch: `fake-${epoch}`, atMs: now(), directors, gauges: { sessions: sessions.length, session_table_capacity: 1000 }, drops: {} };
  }

  function page(filter: SessionFilter, request: PageRequest): SessionPage {
    const from = request.cursor === undefined ? 0 : Number(request.cursor);
    if (!Number.isInteger(from)) throw new EngineError(`bad cursor ${request.cursor}`, { cure: 'start again without a cursor' });
    const found = sessions.filter((s) => s.id > from && matches(s, filter));
    const shown = found.slice(0, request.limit);
    return { sessions: shown.map(view), next: found.length > shown.length ? String(shown.at(-1)?.id) : null, total: sessions.length };
  }

  function pin({ director, client, server }: PinRequest): number {
    if (faults.pin) throw faults.pin;
    const { director: d, index } = pinTarget(current.directors, { director, server });
    const s = d.servers[index];
    const found = sessions.filter((x) => matches(x, { director, client }));
    for (const session of found) session.serverKey = serverKey(s);
    return found.length;
  }

  function explain(query: ExplainQuery): Explanation {
    const director = current.directors.find((d) => d.vip !== null && d.protocol === query.protocol && vipMatches(d, query.vip));
    if (!director) return { director: null, server: null, why: `no director listens on ${query.vip} ${query.protocol}`, candidates: [] };
    const chosen = pick(director);
    const candidates = director.servers.map((s) => ({ server: s.name, state: s.state, weight: s.weight, sessions: 0, note: s === chosen ? 'first usable' : '' }));
    return { director: director.name, server: chosen?.name ?? null, why: chosen ? 'first usable server' : 'no_server', candidates };
  }

  return {
    name: options.name ?? 'userspace',
    applied,
    calls,
    faults,
    get closed() {
      return closed;
    },
    get current() {
      return current;
    },
    probe: () => exclusive('probe', () => options.probe ?? { ok: true, notes: [] }),
    unsupported: (desired) => options.unsupported?.(desired) ?? [],
    observe: () =>
      exclusive('observe', () => {
        if (faults.observe) throw faults.observe;
        return current;
      }),
    apply: (plan) => exclusive('apply', () => apply(plan)),
    read: () => exclusive('read', read),
    sessions: (filter, request) => exclusive('sessions', () => page(filter, request)),
    purge: (filter) =>
      exclusive('purge', () => {
        const before = sessions.length;
        sessions = sessions.filter((s) => !matches(s, filter));
        return before - sessions.length;
      }),
    pin: (request) => exclusive('pin', () => pin(request)),
    explain: (query) => exclusive('explain', () => explain(query)),
    close: (how) =>
      exclusive('close', () => {
        closed = how;
      }),
    addSessions(director, server, count) {
      const found = find(director, server);
      for (let i = 0; i < count; i++) {
        const id = nextSession++;
        sessions.push({ id, director, serverKey: serverKey(found.server), client: `192.0.2.${(id % 250) + 1}:${10_000 + (id % 50_000)}` });
      }
      countersOf(director, serverKey(found.server)).created += count;
    },
    traffic(director, server, packets) {
      const c = countersOf(director, serverKey(find(director, server).server));
      c.packetsIn += packets.in;
      c.bytesIn += packets.in * 100;
      c.packetsOut += packets.out;
      c.bytesOut += packets.out * 100;
      c.responseTimes[responseBucket((packets.replyMs ?? 1) * 1e6)] += packets.out;
    },
    drop(director, reason, count) {
      if (!(reason in DROP_ID)) throw new Error(`no drop reason ${reason}`);
      const own = drops.get(director) ?? {};
      drops.set(director, { ...own, [reason]: (own[reason] ?? 0) + count });
    },
    refuse(director, server, detail = 'ICMP port unreachable') {
      find(director, server);
      options.onEvent?.({ kind: 'refused', director, server, atMs: now(), detail });
    },
    restartCounters() {
      epoch++;
      counters.clear();
      drops.clear();
    },
    tamper(change) {
      current = change(current);
    },
  };
}

function pick(director: DesiredDirector): DesiredServer | undefined {
  const usable = director.servers.filter((s) => (s.state === 'up' || s.state === 'unknown') && s.weight > 0);
  return usable.find((s) => !s.sorry) ?? usable[0] ?? director.servers.find((s) => s.sorry && s.state === 'up');
}

function vipMatches(director: DesiredDirector, vip: string): boolean {
  const { vip: ip, ports } = director;
  if (ip === null) return false;
  const port = Number(vip.slice(vip.lastIndexOf(':') + 1));
  return vip === hostPortText(ip, port) && (ports === null || (port >= ports.first && port <= ports.last));
}
