/** The sweep of the session table, spread over a second: a batch is a few hundred µs, and a turn has a bound. */
import { CONSTANTS } from './abi/spec.ts';
import { sweep } from './commands.ts';
import type { Kernel } from './kernel.ts';

/** The longest a turn may take, in ms; a table that needs more is swept less often than every second. */
const TURN_MS = 10;

export class Sweeper {
  #next = 0;
  #due = 0;

  /** Does a turn's share of a whole pass. Throws BpfError. */
  turn(kernel: Kernel, turnsAPass: number): void {
    const limit = kernel.globals.get(0, 'limit');
    // A table that nobody uses needs no sweep.
    if (kernel.globals.get(0, 'records') === 0) return;
    this.#due = Math.min(turnsAPass, this.#due + limit / CONSTANTS.SWEEP_BATCH / turnsAPass);
    const end = performance.now() + TURN_MS;
    while (this.#due >= 1 && performance.now() < end) {
      if (this.#next >= limit) this.#next = 0;
      sweep(kernel, this.#next, Math.min(CONSTANTS.SWEEP_BATCH, limit - this.#next));
      this.#next += CONSTANTS.SWEEP_BATCH;
      this.#due--;
    }
  }
}
