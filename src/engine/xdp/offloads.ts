/** What an interface does to frames before a program sees them, asked of the kernel: one ioctl, no program. */
import koffi from 'koffi';

const AF_INET = 2;
const SOCK_DGRAM_CLOEXEC = 2 | 0o2000000;
/** include/uapi/linux/sockios.h and ethtool.h. */
const SIOCETHTOOL = 0x8946;
const ETHTOOL_GFLAGS = 0x25;
const ETH_FLAG_RXVLAN = 1 << 8;
const NAME_MAX = 15;
/** struct ifreq: the name, then what the request is about, here a pointer. */
const IFREQ_SIZE = 40;
const IFREQ_DATA = 16;

/** Returns whether the interface takes VLAN tags out of the frames that come in (rx-vlan-offload); null where the kernel does not say. */
export function stripsTags(device: string): boolean | null {
  if (device.length > NAME_MAX) return null;
  const libc = koffi.load('libc.so.6');
  const socket = libc.func('int socket(int family, int type, int protocol)') as (family: number, type: number, protocol: number) => number;
  const ioctl = libc.func('int ioctl(int fd, unsigned long request, void *argument)') as (fd: number, request: number, argument: Buffer) => number;
  const close = libc.func('int close(int fd)') as (fd: number) => number;
  const fd = socket(AF_INET, SOCK_DGRAM_CLOEXEC, 0);
  if (fd < 0) return null;
  const value = Buffer.alloc(8);
  value.writeUInt32LE(ETHTOOL_GFLAGS, 0);
  const request = Buffer.alloc(IFREQ_SIZE);
  request.write(device, 0, 'latin1');
  request.writeBigUInt64LE(BigInt(koffi.address(value)), IFREQ_DATA);
  const answered = ioctl(fd, SIOCETHTOOL, request) === 0;
  close(fd);
  return answered ? (value.readUInt32LE(4) & ETH_FLAG_RXVLAN) !== 0 : null;
}
