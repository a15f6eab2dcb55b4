/** The contract suite on ip_vs, in the guest: where the kernel differs, differences.ts says why and what is run instead. */
import { after } from 'node:test';
import { createLvsEngine } from '../../src/engine/lvs/index.ts';
import { runContract } from '../contract/suite.ts';
import { differences } from './differences.ts';
import { createGuestWorld } from './world.ts';

const world = createGuestWorld();
after(() => world.close());

runContract({ name: 'lvs', create: (onEvent) => createLvsEngine({ onEvent }), world, skip: differences() });
