/** Tells the service manager (systemd, man 3 sd_notify) that weir serves, and under which process id after a takeover. */
import { createRequire } from 'node:module';

const AF_UNIX = 1;
const SOCK_DGRAM_CLOEXEC = 2 | 0o2000000;
const PATH_MAX = 107;

/** Sends `text` to the socket that NOTIFY_SOCKET names; returns false where there is none, or it does not take it. */
export function notify(text: string, env: Readonly<Record<string, string | undefined>>): boolean {
  const path = env['NOTIFY_SOCKET'];
  if (process.platform !== 'linux' || path === undefined || !/^[/@]/.test(path) || Buffer.byteLength(path) > PATH_MAX) return false;
  // Loaded when asked for: weir runs without it.
  const koffi = createRequire(import.meta.url)('koffi') as typeof import('koffi');
  const lib = koffi.load('libc.so.6');
  const socket = lib.func('int socket(int, int, int)') as (family: number, type: number, protocol: number) => number;
  const sendto = lib.func('intptr_t sendto(int, void*, size_t, int, void*, unsigned int)') as (fd: number, data: Buffer, length: number, flags: number, address: Buffer, addressLength: number) => number;
  const close = lib.func('int close(int)') as (fd: number) => number;
  const address = Buffer.alloc(2 + Buffer.byteLength(path) + (path.startsWith('@') ? 0 : 1));
  address.writeUInt16LE(AF_UNIX, 0);
  address.write(path, 2);
  // An @ stands for the zero byte that begins an abstract name.
  if (path.startsWith('@')) address[2] = 0;
  const fd = socket(AF_UNIX, SOCK_DGRAM_CLOEXEC, 0);
  if (fd < 0) return false;
  const data = Buffer.from(text);
  const sent = sendto(fd, data, data.length, 0, address, address.length);
  close(fd);
  return sent === data.length;
}
