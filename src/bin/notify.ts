/** One datagram to the service manager (systemd, man 3 sd_notify): Node.js has no datagram sockets of AF_UNIX, so it goes by koffi. */
import { createRequire } from 'node:module';

const AF_UNIX = 1;
const SOCK_DGRAM_CLOEXEC = 2 | 0o2000000;
const MSG_DONTWAIT_NOSIGNAL = 0x40 | 0x4000;
/** sizeof sun_path; an abstract name may fill it, a path ends with a zero byte. */
const PATH_BYTES = 108;

interface Libc {
  socket(family: number, type: number, protocol: number): number;
  sendto(fd: number, data: Buffer, length: number, flags: number, address: Buffer, addressLength: number): number;
  close(fd: number): number;
}

let loaded: Libc | null = null;

/**
 * Sends `text` to the socket that NOTIFY_SOCKET names, a path or `@` and an abstract name; never waits. Returns false where there is none,
 * or it does not take it: the manager is not what weir's work depends on.
 */
export function notify(text: string, env: Readonly<Record<string, string | undefined>>): boolean {
  const place = env['NOTIFY_SOCKET'];
  if (process.platform !== 'linux' || place === undefined) return false;
  const address = addressOf(place);
  if (address === null) return false;
  const libc = (loaded ??= load());
  const fd = libc.socket(AF_UNIX, SOCK_DGRAM_CLOEXEC, 0);
  if (fd < 0) return false;
  const data = Buffer.from(text);
  const sent = libc.sendto(fd, data, data.length, MSG_DONTWAIT_NOSIGNAL, address, address.length);
  libc.close(fd);
  return sent === data.length;
}

/** Returns the sockaddr_un of a place as NOTIFY_SOCKET spells it; null when it is none (man 7 unix). */
export function addressOf(place: string): Buffer | null {
  const name = Buffer.from(place);
  const abstract = place.startsWith('@');
  if ((!abstract && !place.startsWith('/')) || name.length < 2 || name.length + (abstract ? 0 : 1) > PATH_BYTES) return null;
  const address = Buffer.alloc(2 + name.length + (abstract ? 0 : 1));
  address.writeUInt16LE(AF_UNIX, 0);
  name.copy(address, 2);
  if (abstract) address[2] = 0;
  return address;
}

function load(): Libc {
  // Loaded when asked for: weir runs without it.
  const koffi = createRequire(import.meta.url)('koffi') as typeof import('koffi');
  const lib = koffi.load('libc.so.6');
  return {
    socket: lib.func('int socket(int, int, int)'),
    sendto: lib.func('intptr_t sendto(int, void *, size_t, int, void *, unsigned int)'),
    close: lib.func('int close(int)'),
  };
}
