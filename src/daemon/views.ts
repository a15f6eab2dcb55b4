/** What people see of the running configuration: configuration, states and counters put together. Pure. */
import type { DirectorView, ServerView, TrafficView } from '../client/types.ts';
import type { Director, Server } from '../config/model.ts';
import type { DirectorReading, Reading, ServerReading, TrafficCounters } from '../engine/engine.ts';
import { directorRecent, recentKey, responseView, sumOfResponses, type Recent } from '../stats/recent.ts';
import { hostPortText } from '../net/endpoint.ts';
import { portRangeText } from '../net/ports.ts';
import type { Health } from '../health/health.ts';
import type { OverrideAction } from '../plan/desire.ts';
import { takesNew, type ServerStatus } from './tracker.ts';

/** What a view needs to ask. */
export interface ViewSource {
  directorState(director: Director): DirectorView['state'];
  status(director: Director, server: Server): ServerStatus;
  health(director: Director, server: Server): Health;
  override(director: Director, server: Server): OverrideAction | null;
}

/** Returns all directors in configuration order; counters are 0 where the engine has none. What is recent is what came since `from`; null: nothing yet. */
export function directorViews(directors: readonly Director[], reading: Reading | null, from: Reading | null, source: ViewSource): readonly DirectorView[] {
  const readings = new Map((reading?.directors ?? []).map((d) => [d.name, d]));
  const before = new Map(((from ?? reading)?.directors ?? []).map((d) => [d.name, d]));
  return directors.map((director) => directorView(director, { now: readings.get(director.name), before: before.get(director.name) }, source));
}

/** Returns drops by reason over everything. */
export function totalDrops(reading: Reading | null): Readonly<Record<string, number>> {
  const total: Record<string, number> = {};
  for (const drops of [reading?.drops ?? {}, ...(reading?.directors ?? []).map((d) => d.drops)]) {
    for (const [reason, count] of Object.entries(drops)) total[reason] = (total[reason] ?? 0) + count;
  }
  return total;
}

function serverView(director: Director, server: Server, counters: ServerReading | undefined, recent: Recent | undefined, source: ViewSource): ServerView {
  const status = source.status(director, server);
  const { last, weightPercent } = source.health(director, server);
  const percent = server.sorry ? 100 : weightPercent;
  return {
    director: director.name,
    name: server.name,
    address: hostPortText(server.ip, server.port ?? 0),
    state: status.state,
    reason: status.reason,
    sinceMs: status.sinceMs,
    weight: takesNew(status.state) ? shareOf(server.weight, percent) : 0,
    configuredWeight: server.weight,
    weightPercent: percent,
    sorry: server.sorry,
    checked: server.checked,
    override: source.override(director, server),
    sessions: counters?.sessions ?? 0,
    sessionsCreated: counters?.sessionsCreated ?? 0,
    sessionsMoved: counters?.sessionsMoved ?? 0,
    unanswered: counters?.unanswered ?? 0,
    icmpErrors: counters?.icmpErrors ?? 0,
    recent: { sessions: recent?.sessions ?? 0, packetsIn: recent?.packetsIn ?? 0 },
    responses: responseView(recent?.responses ?? null),
    lastCheck: last && { atMs: last.atMs, ok: last.ok, latencyMs: last.latencyMs, detail: last.detail },
    ...traffic(counters),
  };
}

/** A share above 0 of a weight above 0 is shown as 1 at least: it takes traffic. */
function shareOf(weight: number, percent: number): number {
  return weight === 0 || percent === 0 ? 0 : Math.max(1, Math.round((weight * percent) / 100));
}

/** Returns `10.0.0.3:8000`, `10.0.0.3:8000-8010`, `10.0.0.3` for all ports, or `-` without an address. */
export function vipText(director: Director): string {
  const { vip, ports } = director;
  if (vip === null) return '-';
  if (ports === null) return vip.text;
  return vip.family === 6 ? `[${vip.text}]:${portRangeText(ports)}` : `${vip.text}:${portRangeText(ports)}`;
}

function directorView(director: Director, readings: { readonly now: DirectorReading | undefined; readonly before: DirectorReading | undefined }, source: ViewSource): DirectorView {
  const reading = readings.now;
  const counters = readingsByServer(reading?.servers ?? []);
  const recent = directorRecent(readings.before, reading);
  return {
    name: director.name,
    vip: vipText(director),
    protocol: director.protocol,
    balance: director.balance,
    mode: director.mode,
    state: source.directorState(director),
    sessions: reading?.sessions ?? 0,
    sessionsCreated: reading?.sessionsCreated ?? 0,
    drops: { ...reading?.drops },
    responses: responseView(sumOfResponses([...recent.values()].map(({ responses }) => responses))),
    servers: director.servers.map((server) => {
      const own = counters(server);
      return serverView(director, server, own, own === undefined ? undefined : recent.get(recentKey(own)), source);
    }),
    ...traffic(reading),
  };
}

/** By name and address: an engine may still count for a server whose name came back with another address. */
function readingsByServer(readings: readonly ServerReading[]): (server: Server) => ServerReading | undefined {
  const exact = new Map(readings.map((r) => [`${r.name}|${r.address}`, r]));
  const byName = new Map<string, ServerReading | null>();
  for (const r of readings) byName.set(r.name, byName.has(r.name) ? null : r);
  return (server) => exact.get(`${server.name}|${hostPortText(server.ip, server.port ?? 0)}`) ?? byName.get(server.name) ?? undefined;
}

function traffic(counters: TrafficCounters | undefined): TrafficView {
  return {
    packetsIn: counters?.packetsIn ?? 0,
    bytesIn: counters?.bytesIn ?? 0,
    packetsOut: counters?.packetsOut ?? 0,
    bytesOut: counters?.bytesOut ?? 0,
  };
}
