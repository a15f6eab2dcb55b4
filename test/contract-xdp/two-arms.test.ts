/** The contract suite on the xdp engine: clients, balancer and servers in namespaces of their own, on two arms; the servers' way back leads through here. */
import { createXdpEngine } from '../../src/engine/xdp/index.ts';
import { runContract } from '../contract/suite.ts';
import { differences } from '../xdp/differences.ts';
import { closedAfter, createXdpWorld } from '../xdp/world.ts';

const world = closedAfter(createXdpWorld());

runContract({ name: 'xdp', create: (onEvent) => createXdpEngine({ onEvent, sessions: 1 << 14 }), world, skip: differences({ clientItself: true }) });
