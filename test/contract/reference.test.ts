import { loopbackWorld } from './loopback.ts';
import { createReferenceEngine } from './reference-engine.ts';
import { runContract } from './suite.ts';
import { withoutPktinfo } from './without-pktinfo.ts';

runContract({ name: 'reference engine', create: async (onEvent) => createReferenceEngine(onEvent), world: loopbackWorld(), skip: withoutPktinfo() });
