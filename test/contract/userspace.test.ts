import { createUserspaceEngine } from '../../src/engine/userspace/index.ts';
import { loopbackWorld } from './loopback.ts';
import { runContract } from './suite.ts';

runContract({ name: 'userspace, 2 workers', create: async (onEvent) => createUserspaceEngine({ onEvent, workers: 2 }), world: loopbackWorld(), skip: [] });
