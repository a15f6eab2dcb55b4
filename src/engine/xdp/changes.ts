/**
 * Whether interfaces, addresses or routes of this network namespace changed since the last look: a netlink socket that listens and is
 * emptied, one system call a look while nothing happens.
 */
import koffi from 'koffi';

export interface ChangeWatch {
  /** True when anything changed since the last call (or messages were lost). */
  changed(): boolean;
  close(): void;
}

const AF_NETLINK = 16;
const SOCK_RAW_NONBLOCK_CLOEXEC = 3 | 0o4000 | 0o2000000;
const NETLINK_ROUTE = 0;
/** RTMGRP_LINK, _IPV4_IFADDR, _IPV4_ROUTE, _IPV6_IFADDR, _IPV6_ROUTE (include/uapi/linux/rtnetlink.h). */
const GROUPS = 1 | 0x10 | 0x40 | 0x100 | 0x400;
const EAGAIN = 11;

/** Returns a watch; one that never sees a change where no netlink socket is to be had. */
export function watchHost(): ChangeWatch {
  const libc = koffi.load('libc.so.6');
  const socket = libc.func('int socket(int family, int type, int protocol)') as (family: number, type: number, protocol: number) => number;
  const bind = libc.func('int bind(int fd, const void *address, uint32_t length)') as (fd: number, address: Buffer, length: number) => number;
  const receive = libc.func('long recv(int fd, void *data, size_t length, int flags)') as (fd: number, data: Buffer, length: number, flags: number) => number;
  const close = libc.func('int close(int fd)') as (fd: number) => number;
  const fd = socket(AF_NETLINK, SOCK_RAW_NONBLOCK_CLOEXEC, NETLINK_ROUTE);
  const address = Buffer.alloc(12);
  address.writeUInt16LE(AF_NETLINK, 0);
  address.writeUInt32LE(GROUPS, 8);
  if (fd < 0 || bind(fd, address, address.length) !== 0) return { changed: () => false, close: () => void (fd < 0 || close(fd)) };
  const data = Buffer.alloc(1 << 14);
  let open = true;
  return {
    changed() {
      let seen = false;
      // Bounded: a storm of messages is read on at the next look.
      for (let n = 0; open && n < 1000; n++) {
        if (receive(fd, data, data.length, 0) >= 0) seen = true;
        else if (koffi.errno() === EAGAIN) break;
        else seen = true;
      }
      return seen;
    },
    close() {
      if (open) close(fd);
      open = false;
    },
  };
}
