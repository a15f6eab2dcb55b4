import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Libc } from './libc.ts';
import { SocketTuning } from './tuning.ts';

const world = () => {
  const calls: string[] = [];
  const libc = { setsockopt: (fd: number, level: number, name: number) => (calls.push(`${fd} ${level}/${name}`), 0) } as unknown as Libc;
  return { calls, tuning: new SocketTuning(libc) };
};

describe('the tuning of a socket', () => {
  it('lets it fragment once, when a datagram did not fit, and never asks the kernel again', () => {
    const { calls, tuning } = world();
    tuning.startWhole(7);
    assert.deepEqual([tuning.allowFragments(7), tuning.allowFragments(7), tuning.allowFragments(8)], [true, false, false]);
    assert.deepEqual(calls, ['7 0/10', '7 0/10']);
  });

  it('expects bulk once a socket, and forgets what it knew of a closed one', () => {
    const { calls, tuning } = world();
    tuning.startWhole(7);
    tuning.expectBulk(7);
    tuning.expectBulk(7);
    tuning.forget(7);
    tuning.expectBulk(7);
    assert.equal(tuning.allowFragments(7), false);
    assert.deepEqual(calls, ['7 0/10', '7 17/104', '7 17/104']);
  });
});
