import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import koffi from 'koffi';
import { notify } from './notify.ts';

const AF_UNIX = 1;
const SOCK_DGRAM = 2;
const MSG_DONTWAIT = 0x40;

test('the service manager hears what it is told, by path and by abstract name', { skip: process.platform === 'linux' ? false : 'systemd is for Linux' }, (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'weir-notify-'));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  const lib = koffi.load('libc.so.6');
  const socket = lib.func('int socket(int, int, int)') as (family: number, type: number, protocol: number) => number;
  const bind = lib.func('int bind(int, void*, unsigned int)') as (fd: number, address: Buffer, length: number) => number;
  const recv = lib.func('intptr_t recv(int, void*, size_t, int)') as (fd: number, data: Buffer, length: number, flags: number) => number;
  const close = lib.func('int close(int)') as (fd: number) => number;
  for (const name of [join(directory, 'notify'), `@weir-notify-${process.pid}`]) {
    const fd = socket(AF_UNIX, SOCK_DGRAM, 0);
    const path = Buffer.from(name.replace('@', '\0'));
    const address = Buffer.concat([Buffer.from([AF_UNIX, 0]), path]);
    assert.equal(bind(fd, address, address.length), 0, name);
    assert.ok(notify('READY=1\nMAINPID=7\n', { NOTIFY_SOCKET: name }), name);
    const data = Buffer.alloc(100);
    assert.equal(data.toString('latin1', 0, recv(fd, data, 100, MSG_DONTWAIT)), 'READY=1\nMAINPID=7\n');
    close(fd);
  }
});

test('without a service manager nothing is said', () => {
  assert.equal(notify('READY=1\n', {}), false);
  assert.equal(notify('READY=1\n', { NOTIFY_SOCKET: 'relative' }), false);
  assert.equal(notify('READY=1\n', { NOTIFY_SOCKET: '/nobody/is/here' }), false);
});
