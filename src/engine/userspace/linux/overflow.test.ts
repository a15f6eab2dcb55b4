import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { OverflowCount } from './overflow.ts';

describe('the count of full upstream buffers', () => {
  it('counts each drop once, however many sockets there are and come', () => {
    const drops = new Map<number, number>();
    const count = new OverflowCount((fd) => drops.get(fd) ?? 0);
    const fds = Array.from({ length: 5000 }, (_, i) => i + 10);
    assert.equal(count.more([]), 0);
    for (const fd of fds) drops.set(fd, 2);
    assert.deepEqual([count.more(fds), count.more(fds), count.more(fds), count.more(fds)], [4096, 4096, 1808, 0]);
    fds.push(9999);
    drops.set(9999, 7);
    drops.set(10, 3);
    assert.equal(count.more(fds) + count.more(fds) + count.more(fds), 8);
  });
});
