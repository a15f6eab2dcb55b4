/** What the program `command` is asked for: sweeping, ending, pinning; in batches, so that no call holds this thread for long. */
import { COMMAND, CONSTANTS, ENUMS } from './abi/spec.ts';
import { structs } from './codec.ts';
import type { Kernel } from './kernel.ts';

export interface Swept {
  readonly live: number;
  readonly ended: number;
  readonly freed: number;
}

/** Looks at `count` records (SWEEP_BATCH at most) from `first`: ends those that are idle or whose server lets them go, frees those that rested. Throws BpfError. */
export function sweep(kernel: Kernel, first: number, count: number): Swept {
  const answer = ask(kernel, { op: op('sweep'), first, count });
  return { live: answer.live, ended: answer.done, freed: answer.freed };
}

/** Sweeps the whole table, `turn` between batches; returns how many sessions ended. */
export async function sweepAll(kernel: Kernel, turn: () => Promise<void>): Promise<number> {
  let ended = 0;
  for (let first = 0; first < kernel.globals.get(0, 'limit'); first += CONSTANTS.SWEEP_BATCH) {
    if (first > 0) await turn();
    ended += sweep(kernel, first, CONSTANTS.SWEEP_BATCH).ended;
  }
  return ended;
}

/** Ends these sessions, `turn` between batches; returns how many were still live. Their clients' late replies do not arrive any more. */
export function endSessions(kernel: Kernel, records: readonly number[], turn: () => Promise<void>): Promise<number> {
  return inBatches(kernel, records, { request: { op: op('end'), linger: 0 }, turn });
}

/** Moves these sessions to a server row of their director, `turn` between batches; returns how many are there now. */
export function pinSessions(kernel: Kernel, records: readonly number[], server: number, turn: () => Promise<void>): Promise<number> {
  return inBatches(kernel, records, { request: { op: op('pin'), server }, turn });
}

async function inBatches(kernel: Kernel, records: readonly number[], { request, turn }: { readonly request: Readonly<Record<string, number>>; readonly turn: () => Promise<void> }): Promise<number> {
  let done = 0;
  for (let at = 0; at < records.length; at += CONSTANTS.COMMAND_BATCH) {
    if (at > 0) await turn();
    const batch = records.slice(at, at + CONSTANTS.COMMAND_BATCH);
    done += ask(kernel, { ...request, count: batch.length }, batch).done;
  }
  return done;
}

function op(name: (typeof ENUMS.command_op)[number]): number {
  return ENUMS.command_op.indexOf(name);
}

function ask(kernel: Kernel, fields: Readonly<Record<string, number>>, records: readonly number[] = []): { readonly done: number; readonly freed: number; readonly live: number } {
  const request = Buffer.from(new ArrayBuffer(COMMAND.size));
  const view = structs(COMMAND, request.buffer);
  for (const [name, value] of Object.entries(fields)) view.set(0, name, value);
  records.forEach((record, at) => view.set(0, 'records', record, at));
  kernel.command(request);
  return { done: view.get(0, 'done'), freed: view.get(0, 'freed'), live: view.get(0, 'live') };
}
