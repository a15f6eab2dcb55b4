import assert from 'node:assert/strict';
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { afterEach, describe, it } from 'node:test';
import { loadLibc, Memory, type Libc } from './libc.ts';
import { Outbox } from './outbox.ts';
import { Sockets } from './sockets.ts';
import { SockaddrTable } from './sockaddr.ts';

const LOOPBACK = { family: 4, text: '127.0.0.1' } as const;
const onLinux = process.platform === 'linux' ? false : 'the fast path is for Linux';

describe('the outbox', { skip: onLinux }, () => {
  const open: Socket[] = [];
  afterEach(() => open.splice(0).forEach((s) => s.close()));

  async function receiver(): Promise<{ port: number; got: string[]; all(count: number): Promise<string[]> }> {
    const socket = createSocket({ type: 'udp4', recvBufferSize: 1 << 20 });
    open.push(socket);
    socket.bind(0, '127.0.0.1');
    await once(socket, 'listening');
    const got: string[] = [];
    socket.on('message', (m) => got.push(m.toString('latin1')));
    return { port: socket.address().port, got, all: async (count) => { while (got.length < count) await once(socket, 'message'); return got; } };
  }

  function bench(capacity: number, libc: Libc = loadLibc()) {
    const sent: number[] = [];
    const failed: [tag: number, errno: number][] = [];
    const outbox = new Outbox({
      libc, capacity,
      events: { sending: () => undefined, sent: (tag) => sent.push(tag), failed: (tag, _t, _l, errno) => failed.push([tag, errno]), pendingError: () => undefined, tooBig: () => false },
    });
    const names = new SockaddrTable();
    const payload = new Memory(capacity * 2048);
    const fd = new Sockets(libc).openUpstream({ family: 4, address: LOOPBACK, port: 0 });
    return { outbox, names, payload, sent, failed, fds: [fd], close: () => libc.close(fd) };
  }

  it('keeps datagram boundaries and order when neighbours leave as one segmented send', async () => {
    const [a, b] = [await receiver(), await receiver()];
    const t = bench(64);
    t.names.write(0, LOOPBACK, a.port);
    t.names.write(1, LOOPBACK, b.port);
    // Equal sizes in a row, a shorter one that ends a row, a zero-length one, another destination in between.
    const rows: [name: number, text: string][] = [[0, 'aaaa'], [0, 'bbbb'], [0, 'cc'], [0, 'dddd'], [1, 'eeee'], [0, ''], [0, 'ffff'], [0, 'gggg'], [0, 'hhhhh']];
    rows.forEach(([name, text], i) => {
      t.payload.bytes.write(text, i * 2048, 'latin1');
      t.outbox.add(0, t.payload.address + i * 2048, text.length, t.names.pointer(name), 16, i, 0, 0, 0);
    });
    t.outbox.flush(t.fds);
    t.close();
    assert.deepEqual(await a.all(8), ['aaaa', 'bbbb', 'cc', 'dddd', '', 'ffff', 'gggg', 'hhhhh']);
    assert.deepEqual(await b.all(1), ['eeee']);
    assert.deepEqual(t.sent, rows.map((_, i) => i));
    assert.equal(t.outbox.segmented, 5, 'aaaa bbbb cc and ffff gggg shared a send each');
    assert.equal(t.outbox.pending, 0);
  });

  it('sends one by one where the kernel refuses segments, and reports each datagram for itself', async () => {
    const a = await receiver();
    const libc = loadLibc();
    let refusals = 0;
    const stubborn: Libc = { ...libc, sendmmsg: () => (refusals++, -1), errno: () => 5 };
    const t = bench(8, stubborn);
    t.names.write(0, LOOPBACK, a.port);
    for (let i = 0; i < 3; i++) {
      t.payload.bytes.write(`no ${i}`, i * 2048, 'latin1');
      t.outbox.add(0, t.payload.address + i * 2048, 4, t.names.pointer(0), 16, i, 0, 0, 0);
    }
    t.outbox.flush(t.fds);
    t.close();
    assert.deepEqual(await a.all(3), ['no 0', 'no 1', 'no 2']);
    assert.deepEqual([t.sent, t.failed, refusals], [[0, 1, 2], [], 1]);
  });

  it('reports what could not be sent with its errno and goes on with the rest', async () => {
    const a = await receiver();
    const t = bench(8);
    t.names.write(0, LOOPBACK, a.port);
    t.names.write(1, { family: 4, text: '127.0.0.1' }, 0); // port 0: EINVAL
    [1, 0].forEach((name, i) => t.outbox.add(0, t.payload.address, 1, t.names.pointer(name), 16, i, 0, 0, 0));
    t.outbox.flush(t.fds);
    t.close();
    await a.all(1);
    assert.deepEqual([t.sent, t.failed], [[1], [[0, 22]]]);
  });
});
