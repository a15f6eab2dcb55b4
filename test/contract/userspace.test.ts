import { createUserspaceEngine } from '../../src/engine/userspace/index.ts';
import { loopbackWorld } from './loopback.ts';
import { runContract } from './suite.ts';

runContract({ name: 'userspace, 2 workers', create: async (onEvent) => createUserspaceEngine({ onEvent, workers: 2 }), world: loopbackWorld(), skip: [] });

runContract({
  name: 'userspace, portable path',
  create: async (onEvent) => createUserspaceEngine({ onEvent, workers: 2, portable: true }),
  world: loopbackWorld(),
  skip: [
    // node:dgram has no IP_PKTINFO; delete these two if the portable path opens one socket per local address.
    { test: 'the reply leaves from the address that was hit, with one director on all addresses', reason: 'node:dgram does not tell which local address was hit' },
    { test: 'one client on several VIPs of one director has its replies kept apart', reason: 'node:dgram does not tell which local address was hit' },
  ],
});
