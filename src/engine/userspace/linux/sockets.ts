/** Opens and sets up the fast path's sockets; a refusal becomes a SocketRefused that names its cure. */
import { isUnspecified, type Ip } from '../../../net/ip.ts';
import { SocketRefused, bindRefusal, type BindError } from '../refusal.ts';
import type { BindSpec } from '../upstreams.ts';
import type { Descriptors } from './descriptors.ts';
import {
  AF_INET, AF_INET6, EACCES, EADDRINUSE, EADDRNOTAVAIL, EMFILE, IP_PKTINFO, IP_RECVERR, IPV6_RECVERR, IPV6_RECVPKTINFO, IPV6_V6ONLY,
  Memory, SO_MEMINFO, SO_RCVBUF, SO_RCVBUFFORCE, SO_REUSEPORT, SO_SNDBUF, SOCK_DGRAM_NONBLOCK_CLOEXEC, SOL_IP, SOL_IPV6, SOL_SOCKET, type Libc,
} from './libc.ts';
import { writeSockaddr } from './sockaddr.ts';
import { SocketTuning } from './tuning.ts';

const LISTENER_BUFFER = 8 << 20;
const UPSTREAM_BUFFER = 1 << 20;
const SK_MEMINFO_DROPS = 8;

export class Sockets {
  readonly tuning: SocketTuning;
  readonly #libc: Libc;
  readonly #descriptors: Descriptors | null;
  readonly #scratch = new Memory(128);

  /** `descriptors` keeps whose the sockets are, in a worker. */
  constructor(libc: Libc, descriptors: Descriptors | null = null) {
    this.#libc = libc;
    this.#descriptors = descriptors;
    this.tuning = new SocketTuning(libc);
  }

  /** Returns a bound listener. With `share` other workers may bind it too; without, a foreign socket on it is found out. Throws SocketRefused. */
  openListener(ip: Ip, port: number, share: boolean): number {
    const fd = this.#socket(ip.family);
    if (share) this.#option(fd, SOL_SOCKET, SO_REUSEPORT, 1);
    if (ip.family === 6) this.#option(fd, SOL_IPV6, IPV6_V6ONLY, 1);
    if (isUnspecified(ip)) this.#option(fd, ip.family === 4 ? SOL_IP : SOL_IPV6, ip.family === 4 ? IP_PKTINFO : IPV6_RECVPKTINFO, 1);
    this.#buffers(fd, LISTENER_BUFFER);
    if (ip.family === 4) this.tuning.startWhole(fd);
    this.#bind(fd, ip, port);
    return fd;
  }

  /** Returns a bound upstream socket that reports ICMP errors in its error queue, or -1 with errno set. */
  openUpstream(spec: BindSpec): number {
    const fd = this.#open(spec.family);
    if (fd < 0) return -1;
    if (spec.family === 6) this.#option(fd, SOL_IPV6, IPV6_V6ONLY, 1);
    this.#option(fd, spec.family === 4 ? SOL_IP : SOL_IPV6, spec.family === 4 ? IP_RECVERR : IPV6_RECVERR, 1);
    this.#buffers(fd, UPSTREAM_BUFFER);
    if (spec.family === 4) this.tuning.startWhole(fd);
    const length = writeSockaddr(this.#scratch, 0, spec.address ?? ANY[spec.family], spec.port);
    if (this.#libc.bind(fd, this.#scratch.address, length) === 0) return fd;
    this.close(fd);
    return -1;
  }

  /** Returns the port a socket is bound to. */
  localPort(fd: number): number {
    this.#scratch.words[8] = 28;
    this.#libc.getsockname(fd, this.#scratch.address, this.#scratch.address + 32);
    return this.#scratch.bytes.readUInt16BE(2);
  }

  /** Returns how many datagrams the kernel dropped for want of receive buffer since the socket was made. */
  drops(fd: number): number {
    this.#scratch.words[16] = 36;
    const got = this.#libc.getsockopt(fd, SOL_SOCKET, SO_MEMINFO, this.#scratch.address, this.#scratch.address + 64);
    return got === 0 ? this.#scratch.words[SK_MEMINFO_DROPS] : 0;
  }

  close(fd: number): void {
    this.tuning.forget(fd);
    this.#descriptors?.release(fd);
    this.#libc.close(fd);
  }

  #open(family: 4 | 6): number {
    const fd = this.#libc.socket(family === 4 ? AF_INET : AF_INET6, SOCK_DGRAM_NONBLOCK_CLOEXEC, 0);
    return this.#descriptors?.take(fd) ?? fd;
  }

  #socket(family: 4 | 6): number {
    const fd = this.#open(family);
    if (fd >= 0) return fd;
    const errno = this.#libc.errno();
    if (errno === EMFILE) throw new SocketRefused('no file descriptor left for a listener (EMFILE)', 'raise the limit: ulimit -n 65536, or LimitNOFILE= in the systemd unit');
    throw new SocketRefused(`the kernel refused an IPv${family} socket (errno ${errno})`, family === 6 ? 'is IPv6 switched off on this host? (sysctl net.ipv6.conf.all.disable_ipv6)' : 'see dmesg');
  }

  #bind(fd: number, ip: Ip, port: number): void {
    const length = writeSockaddr(this.#scratch, 0, ip, port);
    if (this.#libc.bind(fd, this.#scratch.address, length) === 0) return;
    const errno = this.#libc.errno();
    this.close(fd);
    throw bindRefusal(ip, port, BIND_ERRORS[errno] ?? 'other', `errno ${errno}`);
  }

  // As much as the kernel lets us: SO_RCVBUFFORCE needs CAP_NET_ADMIN, SO_RCVBUF is capped by net.core.rmem_max.
  #buffers(fd: number, bytes: number): void {
    if (!this.#option(fd, SOL_SOCKET, SO_RCVBUFFORCE, bytes)) this.#option(fd, SOL_SOCKET, SO_RCVBUF, bytes);
    this.#option(fd, SOL_SOCKET, SO_SNDBUF, bytes);
  }

  #option(fd: number, level: number, name: number, value: number): boolean {
    this.#scratch.ints[0] = value;
    return this.#libc.setsockopt(fd, level, name, this.#scratch.address, 4) === 0;
  }
}

const BIND_ERRORS: Readonly<Record<number, BindError>> = { [EADDRINUSE]: 'EADDRINUSE', [EADDRNOTAVAIL]: 'EADDRNOTAVAIL', [EACCES]: 'EACCES' };

const ANY = { 4: { family: 4, text: '0.0.0.0' }, 6: { family: 6, text: '::' } } as const;
