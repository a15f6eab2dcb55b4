import { loopbackWorld } from './loopback.ts';
import { createReferenceEngine } from './reference-engine.ts';
import { runContract } from './suite.ts';

const WILDCARD = 'node:dgram does not tell which local address was hit (no IP_PKTINFO), so replies of a director on 0.0.0.0 leave from the address that routing prefers';

runContract({
  name: 'reference engine',
  create: async (onEvent) => createReferenceEngine(onEvent),
  world: loopbackWorld(),
  skip: [
    { test: 'the reply leaves from the address that was hit, with one director on all addresses', reason: WILDCARD },
    { test: 'one client on several VIPs of one director has its replies kept apart', reason: WILDCARD },
  ],
});
