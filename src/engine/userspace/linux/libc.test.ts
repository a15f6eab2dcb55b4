/** What the C library's calls do to this very process. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { loadLibc, raiseOpenFiles, reserveDescriptors } from './libc.ts';

const linux = process.platform === 'linux' ? false : 'the fast path is for Linux';
/** How many descriptors the kernel's table has room for (proc_pid_status(5)). */
const room = (): number => Number(/^FDSize:\s+(\d+)/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1]);

test('room for many descriptors is made at once, and none of them is left open', { skip: linux }, () => {
  const libc = loadLibc();
  const count = Math.min(raiseOpenFiles(libc), 3000);
  const open = (): number => libc.fcntl(0, 0, 0);
  const before = open();
  libc.close(before);
  assert.ok(room() < count, `the table has ${room()} already`);
  reserveDescriptors(libc, count);
  assert.ok(room() >= count, `${room()} of ${count}`);
  const after = open();
  libc.close(after);
  assert.equal(after, before, 'the lowest free descriptor is what it was');
});

test('more than the limit is no error', { skip: linux }, () => {
  reserveDescriptors(loadLibc(), 0x7fff_ffff);
});
