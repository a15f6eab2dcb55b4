/** A balancer with directors in every state, real servers behind them and real clients in front: what the pictures show. */
import type { TestContext } from 'node:test';
import { startDemo } from '../../src/bin/demo.ts';
import { freePorts } from '../loopback/weir.ts';

export interface World {
  /** All sections in one text. */
  readonly text: string;
  readonly layer4: string;
  /** Ports of the directors, on 127.0.0.1. */
  readonly web: number;
  readonly game: number;
  readonly radius: number;
}

/** Starts the servers. `web` is up; `game` is degraded: nothing listens where its second server should; `radius` is down: both of its servers are out by hand. */
export async function createWorld(t: TestContext): Promise<World> {
  const demo = await startDemo(['srv1', 'srv2', 'srv3', 'g1', 'r1'].map((name) => ({ name, port: 0 })));
  t.after(() => demo.close());
  const [web = 0, game = 0, radius = 0, nobody = 0] = await freePorts(4);
  const [srv1, srv2, srv3, g1, r1] = demo.ports;
  const layer4 = `director web 127.0.0.1:${web} UDP
    balance leastconn
    check interval 1s timeout 500ms
    option udpcheck
    server srv1 127.0.0.1:${srv1} weight 10 check
    server srv2 127.0.0.1:${srv2} weight 10 check
    server srv3 127.0.0.1:${srv3} weight 5 check

# match servers of the lobby
director game 127.0.0.1:${game} UDP
    balance maglev
    check interval 1s timeout 500ms
    server g1 127.0.0.1:${g1} check
    server g2 127.0.0.1:${nobody} check

director radius 127.0.0.1:${radius} UDP
    balance failover
    session request-reply replies 1
    server r1 127.0.0.1:${r1} drain
    server r2 127.0.0.1:${nobody} disabled
`;
  const nat = `nat web
    in lo
    out lo
    protocol udp
    before destination 127.0.0.1 dport ${web}
    after source 127.0.0.1

# players come from everywhere
nat games
    protocol udp
    before destination 127.0.0.1 dport ${game}
    after source masquerade
`;
  return { text: `${layer4}${nat}service lvs\n    conntrack\n`, layer4, web, game, radius };
}
