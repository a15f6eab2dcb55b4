import assert from 'node:assert/strict';
import { closeSync, fstatSync, mkdtempSync, readSync, rmSync, writeSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { MOST_DESCRIPTORS, UnixError, loadUnix, type Unix } from './unix.ts';

describe('unix sockets', { skip: process.platform === 'linux' ? false : 'system calls of Linux' }, () => {
  const directory = mkdtempSync(join(tmpdir(), 'weir-unix-'));
  after(() => rmSync(directory, { recursive: true, force: true }));

  async function pair(unix: Unix): Promise<{ server: Server; near: Socket; nearFd: number; far: number; close(): void }> {
    const path = join(directory, `${process.pid}-${Math.random().toString(36).slice(2)}`);
    const server = createServer();
    await new Promise<void>((resolve) => void server.listen(path, resolve));
    const accepted = new Promise<Socket>((resolve) => void server.once('connection', resolve));
    const far = unix.connect(path);
    const near = await accepted;
    const { fd } = (near as unknown as { readonly _handle: { readonly fd: number } })._handle;
    return { server, near, nearFd: fd, far, close() { near.destroy(); server.close(); closeSync(far); } };
  }

  it('tell who is at the other end', async () => {
    const unix = loadUnix();
    const { nearFd, far, close } = await pair(unix);
    assert.deepEqual([unix.peer(nearFd), unix.peer(far)], [{ pid: process.pid, uid: process.geteuid?.() }, { pid: process.pid, uid: process.geteuid?.() }]);
    close();
  });

  it('pass open files in order, as many as the kernel takes at once, and text between them', async () => {
    const unix = loadUnix();
    const { near, nearFd, far, close } = await pair(unix);
    const files = Array.from({ length: MOST_DESCRIPTORS + 3 }, (_, n) => {
      const file = unix.memoryFile();
      writeSync(file, String(n));
      return file;
    });
    unix.sendDescriptors(nearFd, files.slice(0, MOST_DESCRIPTORS));
    unix.sendDescriptors(nearFd, files.slice(MOST_DESCRIPTORS));
    await new Promise<void>((resolve) => void near.write('{"ends":"ä"}\n', () => resolve()));
    const got = { text: '', descriptors: [] as number[] };
    for (let part = unix.receive(far); part !== null; part = unix.receive(far)) {
      got.text += part.bytes.toString();
      got.descriptors.push(...part.descriptors);
    }
    assert.deepEqual([got.text.trim(), got.descriptors.length], ['{"ends":"ä"}', files.length]);
    got.descriptors.forEach((descriptor, n) => {
      const bytes = Buffer.alloc(8);
      assert.equal(bytes.toString('latin1', 0, readSync(descriptor, bytes, 0, 8, 0)), String(n));
      assert.equal(fstatSync(descriptor).ino, fstatSync(files[n]!).ino);
      closeSync(descriptor);
    });
    assert.throws(() => unix.sendDescriptors(nearFd, Array.from({ length: MOST_DESCRIPTORS + 1 }, () => nearFd)), RangeError);
    files.forEach((file) => closeSync(file));
    near.destroy();
    await new Promise<void>((resolve) => void setImmediate(resolve));
    assert.equal(unix.receive(far)?.bytes.length, 0, 'the other end is gone');
    close();
  });

  it('say that nobody listens, and that a path is too long', () => {
    const unix = loadUnix();
    assert.throws(() => unix.connect(join(directory, 'nobody')), (e) => e instanceof UnixError && e.errno === 2);
    assert.throws(() => unix.connect(`/${'x'.repeat(200)}`), /path of 201 bytes/);
  });
});
