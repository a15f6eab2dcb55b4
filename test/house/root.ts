import { join } from 'node:path';

/** The clone's root directory, from the compiled place of this file (dist/test/house). */
export const ROOT = join(import.meta.dirname, '../../..');
