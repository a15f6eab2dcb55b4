/** In a file of its own, so that each of the two stays well inside a file's time limit. */
import { createUserspaceEngine } from '../../src/engine/userspace/index.ts';
import { loopbackWorld } from './loopback.ts';
import { runContract } from './suite.ts';
import { withoutPktinfo } from './without-pktinfo.ts';

runContract({
  name: 'userspace, portable path',
  create: async (onEvent) => createUserspaceEngine({ onEvent, workers: 2, portable: true }),
  world: loopbackWorld(),
  skip: withoutPktinfo(),
});
