import assert from 'node:assert/strict';
import { test } from 'node:test';
import { COMMAND, CONSTANTS, ENUMS } from './abi/spec.ts';
import { structs } from './codec.ts';
import { endSessions, pinSessions, sweepAll } from './commands.ts';
import type { Kernel } from './kernel.ts';

/** A program that does all it is asked, and notes what that was. */
function kernel(limit = 0): { readonly kernel: Kernel; readonly asked: string[]; readonly turn: () => Promise<void> } {
  const asked: string[] = [];
  const command = (request: Buffer): void => {
    const view = structs(COMMAND, request.buffer as ArrayBuffer, { offset: request.byteOffset, count: 1 });
    const count = view.get(0, 'count');
    asked.push(`${ENUMS.command_op[view.get(0, 'op')]} ${view.get(0, view.get(0, 'op') === 0 ? 'first' : 'records')} ${count}`);
    view.set(0, 'done', count);
  };
  return { kernel: { command, globals: { get: () => limit } } as unknown as Kernel, asked, turn: async () => void asked.push('turn') };
}

test('what is done to many sessions is done in slices, and others have their turn between two of them', async () => {
  const records = Array.from({ length: 2 * CONSTANTS.COMMAND_BATCH + 5 }, (_, i) => 1000 + i);
  for (const [op, work] of [['end', endSessions], ['pin', (...[k, r, turn]: Parameters<typeof endSessions>) => pinSessions(k, r, 7, turn)]] as const) {
    const one = kernel();
    assert.equal(await work(one.kernel, records, one.turn), records.length);
    assert.deepEqual(one.asked, [`${op} 1000 256`, 'turn', `${op} 1256 256`, 'turn', `${op} 1512 5`]);
    assert.equal(await work(one.kernel, [], one.turn), 0);
  }
  const swept = kernel(2 * CONSTANTS.SWEEP_BATCH);
  await sweepAll(swept.kernel, swept.turn);
  assert.deepEqual(swept.asked, ['sweep 0 1024', 'turn', 'sweep 1024 1024']);
});
