/** The engine's counters as the contract wants them: monotonic, payload bytes, by director and server. */
import { hostPortText } from '../../net/endpoint.ts';
import { serverKey, type Desired, type DesiredDirector } from '../../plan/desired.ts';
import type { DirectorReading, ServerReading, TrafficCounters } from '../engine.ts';
import { payloadBytes, type Counters } from './counters.ts';
import { destKey, serviceKey, type IpvsStats, type ReadService } from './ipvs.ts';
import { directorFamily, type Target } from './target.ts';

/** Returns the readings of all directors of `desired`. `moved` counts sessions that left a server, by `director|serverKey`. */
export function directorReadings(desired: Desired, target: Target, services: readonly ReadService[], counters: Counters, moved: ReadonlyMap<string, number>): DirectorReading[] {
  const present = new Map(services.map((s) => [serviceKey(s.id), s]));
  const keys = new Map(target.services.map((t) => [t.director, serviceKey(t.service.id)]));
  return desired.directors.map((d) => {
    const key = keys.get(d.name) ?? '';
    return directorReading(d, key, present.get(key), counters, moved);
  });
}

/** Returns the keys under which counters of `desired` are kept. */
export function counterKeys(desired: Desired): Set<string> {
  return new Set(desired.directors.flatMap((d) => [d.name, ...d.servers.map((s) => `${d.name}|${serverKey(s)}`)]));
}

function directorReading(d: DesiredDirector, key: string, service: ReadService | undefined, counters: Counters, moved: ReadonlyMap<string, number>): DirectorReading {
  const dests = new Map((service?.dests ?? []).map((dest) => [destKey(dest), dest]));
  const own = counters.total(d.name, key, service?.stats ?? null);
  return {
    name: d.name,
    ...traffic(own, d),
    sessions: (service?.dests ?? []).reduce((sum, dest) => sum + dest.active + dest.inactive, 0),
    sessionsCreated: own.connections,
    // ip_vs counts no drops.
    drops: {},
    servers: d.servers.map((server): ServerReading => {
      const dest = dests.get(destKey(server));
      const name = `${d.name}|${serverKey(server)}`;
      const total = counters.total(name, key, dest?.stats ?? null);
      return {
        name: server.name,
        address: hostPortText(server.ip, server.port),
        ...traffic(total, d),
        sessions: (dest?.active ?? 0) + (dest?.inactive ?? 0),
        sessionsCreated: total.connections,
        sessionsMoved: moved.get(name) ?? 0,
        unanswered: 0,
        responseTimes: null,
        icmpErrors: 0,
      };
    }),
  };
}

function traffic(stats: IpvsStats, d: DesiredDirector): TrafficCounters {
  const family = directorFamily(d);
  return {
    packetsIn: stats.packetsIn,
    bytesIn: payloadBytes(stats.bytesIn, stats.packetsIn, d.protocol, family),
    packetsOut: stats.packetsOut,
    bytesOut: payloadBytes(stats.bytesOut, stats.packetsOut, d.protocol, family),
  };
}
