/** The director that weir balances in the bench, whichever engine does it. */
import type { Ip } from '../../src/net/ip.ts';
import type { Desired, DesiredDirector } from '../../src/plan/desired.ts';
import type { Plan } from '../../src/plan/plan.ts';

/** What a weir subject's process is told, as JSON. */
export interface WeirOptions {
  readonly vip: { readonly ip: Ip; readonly port: number };
  readonly servers: readonly { readonly ip: Ip; readonly port: number }[];
  readonly session: 'two-way' | 'request-reply';
  /** Of the userspace engine. */
  readonly workers: number;
  /** Of the xdp engine: how many sessions its table holds, a power of two. */
  readonly capacity: number;
  /** Of the xdp engine: the devices datagrams come in by. */
  readonly interfaces: readonly string[];
  /** Servers see the VIP as source, as a NAT rule would say; else what the engine does by itself. */
  readonly sourceNat: boolean;
}

/** Returns a plan that adds one director: round robin, NAT, all servers up. */
export function benchPlan(options: WeirOptions): Plan {
  const { vip } = options;
  const director: DesiredDirector = {
    name: 'bench',
    vip: vip.ip,
    ports: { first: vip.port, last: vip.port },
    protocol: 'udp',
    mode: 'nat',
    balance: 'roundrobin',
    persistence: null,
    session: { kind: options.session, replies: 1, timeoutMs: null, max: null, rate: null, sourceRate: null, amplification: null },
    on: { down: { kind: 'move' }, drain: { kind: 'keep', forMs: null }, remove: { kind: 'move' } },
    sourceNat: options.sourceNat ? { rule: 'bench', addresses: { first: vip.ip, last: vip.ip }, ports: null } : null,
    servers: options.servers.map((server, i) => ({ name: `s${i + 1}`, ip: server.ip, port: server.port, weight: 1, state: 'up', sorry: false })),
  };
  const next: Desired = { directors: [director] };
  return { steps: [{ op: 'add-director', director, text: 'add director bench' }], next };
}
