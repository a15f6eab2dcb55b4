/** Desired states with the language's defaults filled in, so that a test names only what it is about. */
import type { OnPolicy, SessionPolicy } from '../../src/balance/terms.ts';
import type { Endpoint } from '../../src/net/endpoint.ts';
import type { Desired, DesiredDirector, DesiredServer } from '../../src/plan/desired.ts';

export const ON_DEFAULT: OnPolicy = { down: { kind: 'move' }, drain: { kind: 'keep', forMs: null }, remove: { kind: 'move' } };

/** Returns a session policy; two-way with default times unless said otherwise. */
export function session(kind: SessionPolicy['kind'] = 'two-way', options: Partial<SessionPolicy> = {}): SessionPolicy {
  return { kind, replies: kind === 'one-way' ? 0 : 1, timeoutMs: null, max: null, rate: null, sourceRate: null, amplification: null, ...options };
}

/** Returns a UDP nat leastconn director called `main` at `vip`; port 0 there leaves `ports` null. */
export function director(vip: Endpoint, servers: readonly DesiredServer[], options: Partial<DesiredDirector> = {}): DesiredDirector {
  return {
    name: 'main',
    vip: vip.ip,
    ports: vip.port === 0 ? null : { first: vip.port, last: vip.port },
    protocol: 'udp',
    mode: 'nat',
    balance: 'leastconn',
    persistence: null,
    session: session(),
    on: ON_DEFAULT,
    sourceNat: null,
    servers,
    ...options,
  };
}

/** Returns a server that is up, of weight 1. */
export function server(name: string, at: Endpoint, options: Partial<DesiredServer> = {}): DesiredServer {
  return { name, ip: at.ip, port: at.port, weight: 1, state: 'up', sorry: false, ...options };
}

/** Returns the desired state of these directors, sorted as the contract wants. */
export function desired(directors: readonly DesiredDirector[]): Desired {
  return { directors: directors.toSorted((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0)) };
}
