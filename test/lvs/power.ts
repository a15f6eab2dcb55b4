/** The guest's power cycle, as seen from a test file in it (scripts/guest/guest.mjs): the file runs again, with nothing but KEPT as it was. */
import { mkdirSync, writeFileSync } from 'node:fs';

const SHARE = '/weir-share';

/** How often the guest has booted for this file: 1, or 2 after its power cycle. */
export const BOOT = Number(process.env['WEIR_BOOT'] ?? '1');

/** A folder that outlives the guest. */
export const KEPT = `${SHARE}/kept`;
mkdirSync(KEPT, { recursive: true });

/** Asks for the power to be cut when this process has ended. */
export function cutPowerAfterwards(): void {
  writeFileSync(`${SHARE}/again`, '');
}
