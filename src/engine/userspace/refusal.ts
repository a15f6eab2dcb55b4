/** Why a socket could not be bound, in words that cure; shared by both loops. */
import { hostPortText } from '../../net/endpoint.ts';
import type { Ip } from '../../net/ip.ts';

export type BindError = 'EADDRINUSE' | 'EADDRNOTAVAIL' | 'EACCES' | 'EMFILE' | 'other';

/** A socket the kernel would not give; `cure` says what the operator can do. */
export class SocketRefused extends Error {
  readonly cure: string;
  constructor(message: string, cure: string) {
    super(message);
    this.name = 'SocketRefused';
    this.cure = cure;
  }
}

/** Returns the refusal of a listener on this address; `detail` is the system's own word for it. */
export function bindRefusal(ip: Ip, port: number, error: BindError, detail: string): SocketRefused {
  const where = hostPortText(ip, port);
  switch (error) {
    case 'EADDRINUSE':
      return new SocketRefused(`UDP ${where} is occupied by another program`, `find it with: ss -ulpn 'sport = :${port}' — stop it, or give the director another port`);
    case 'EADDRNOTAVAIL':
      return new SocketRefused(`${ip.text} is not an address of this host`, `add it (ip address add ${ip.text}/${ip.family === 4 ? 32 : 128} dev <iface>), or correct the director's address`);
    case 'EACCES':
      return new SocketRefused(`no permission to bind UDP ${where}`, port < 1024
        ? `run as root, or allow it: sysctl net.ipv4.ip_unprivileged_port_start=${port}, or setcap cap_net_bind_service=+ep on node`
        : 'a security policy forbids it (SELinux, seccomp): see the audit log');
    case 'EMFILE':
      return new SocketRefused(`no file descriptor left for UDP ${where}`, 'raise the limit: ulimit -n 65536, or LimitNOFILE= in the systemd unit');
    case 'other':
      return new SocketRefused(`binding UDP ${where} failed: ${detail}`, 'the kernel log (dmesg) may say more');
  }
}
