/**
 * The contract's world inside the guest: clients and servers in network namespaces of their own, the balancer between them is the
 * guest itself. Addresses of the documentation ranges (RFC 5737, RFC 3849):
 *   clients 198.51.100.1… and 203.0.113.1… (200 each)   VIPs 198.51.100.241…   servers 192.0.2.1…   balancer .254 on each side
 */
import dgram from 'node:dgram';
import { mkdirSync, writeFileSync } from 'node:fs';
import type { Endpoint } from '../../src/net/endpoint.ts';
import { parseIp, type Ip } from '../../src/net/ip.ts';
import { Mailbox } from '../contract/mailbox.ts';
import type { Behaviour, Datagram, Peer, World } from '../contract/world.ts';
import { createNetns, sh, shInput, type Netns } from './netns.ts';

export const SERVERS = 12;
export const CLIENTS = 200;
const VIPS = 3;
const FIRST_PORT = 10_000;

export interface GuestWorld extends World {
  readonly clients: Netns;
  readonly servers: Netns;
  /** Opens a UDP socket on the balancer itself. */
  openOwn(ip: Ip, port: number, behaviour?: Behaviour): Promise<Peer>;
  close(): void;
}

/** Builds the namespaces. */
export function createGuestWorld(): GuestWorld {
  mkdirSync('/run/netns', { recursive: true });
  const [clients, servers] = [createNetns('clients'), createNetns('servers')];
  twoArms(clients, servers);
  // The guest reads its sockets late: what waits there must find room (openPeer asks for 4 MiB).
  for (const [name, value] of [['ipv4/ip_forward', 1], ['ipv6/conf/all/forwarding', 1], ['ipv4/conf/all/rp_filter', 0], ['core/rmem_max', 8 << 20]] as const) writeFileSync(`/proc/sys/net/${name}`, String(value));
  return worldOf('namespaces in the guest', { clients, servers }, () => undefined);
}

/** Returns the world of two namespaces with the addresses above; the balancer is whoever runs this. */
export function worldOf(name: string, { clients, servers }: { readonly clients: Netns; readonly servers: Netns }, after: () => void): GuestWorld {
  let port = FIRST_PORT;
  const server = (n: number, family: 4 | 6): Ip => ip(family === 4 ? `192.0.2.${n + 1}` : `2001:db8:2::${(n + 1).toString(16)}`);
  const client = (n: number, family: 4 | 6): Ip =>
    family === 6 ? ip(`2001:db8:1::${((n % CLIENTS) + 1).toString(16)}`) : ip(n < CLIENTS ? `198.51.100.${n + 1}` : `203.0.113.${n - CLIENTS + 1}`);
  return {
    name,
    clients,
    servers,
    vip: (n, family = 4) => (n >= VIPS ? undefined : ip(family === 4 ? `198.51.100.${241 + n}` : `2001:db8:1::f${n}`)),
    anyVip: (family = 4) => ip(family === 4 ? '0.0.0.0' : '::'),
    serverIp: (n, family = 4) => server(n, family),
    clientIp: (n, family = 4) => client(n, family),
    async freePorts(count) {
      const first = port;
      port += count;
      return first;
    },
    // A client at a server's address is somebody on the servers' network.
    openClient: ({ ip: at = client(0, 4), port: wanted = 0 } = {}) => openPeer(/^(192\.0\.2|2001:db8:2:)/.test(at.text) ? servers : clients, 'client', at, wanted, 'silent'),
    openServer: ({ behaviour, family = 4, ip: at = server(0, family), port: wanted = 0 }) => openPeer(servers, 'server', at, wanted, behaviour),
    openForeign: (at, wanted) => openPeer(null, 'foreign', at, wanted, 'silent'),
    openOwn: (at, wanted, behaviour = 'silent') => openPeer(null, 'own', at, wanted, behaviour),
    close() {
      clients.close();
      servers.close();
      after();
    },
  };
}

function twoArms(clients: Netns, servers: Netns): void {
  pair('to-clients', clients);
  pair('to-servers', servers);
  shInput([
    ...own('to-clients', ['198.51.100.254/24', '203.0.113.254/24', ...vips()]), ...own('to-servers', ['192.0.2.254/24', '2001:db8:2::fe/64']),
  ].join('\n'), 'ip', '-batch', '-');
  addresses(clients, [...range('198.51.100.', CLIENTS, 24), ...range('203.0.113.', CLIENTS, 24), ...hexRange('2001:db8:1::', CLIENTS)], ['default via 198.51.100.254', 'default via 2001:db8:1::fe']);
  addresses(servers, [...range('192.0.2.', SERVERS, 24), ...hexRange('2001:db8:2::', SERVERS)], ['default via 192.0.2.254', 'default via 2001:db8:2::fe']);
}

export function vips(): string[] {
  return [...Array.from({ length: VIPS }, (_, n) => [`198.51.100.${241 + n}/32`, `2001:db8:1::f${n}/128`]).flat(), '2001:db8:1::fe/64'];
}

function pair(name: string, peer: Netns): void {
  sh('ip', 'link', 'add', name, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', peer.name);
  sh('ip', 'link', 'set', name, 'up');
  sh('ip', '-n', peer.name, 'link', 'set', 'eth0', 'up');
}

export function own(device: string, list: readonly string[]): string[] {
  return list.map((a) => `address add ${a} dev ${device}${a.includes(':') ? ' nodad' : ''}`);
}

export function addresses(netns: Netns, list: readonly string[], routes: readonly string[]): void {
  shInput([...own('eth0', list), ...routes.map((r) => `${r.includes(':') ? '-6 ' : ''}route add ${r}`)].filter((l) => !l.startsWith('-6')).join('\n'), 'ip', '-n', netns.name, '-batch', '-');
  for (const route of routes.filter((r) => r.includes(':'))) sh('ip', '-n', netns.name, '-6', 'route', 'add', ...route.split(' '));
}

export function range(prefix: string, count: number, bits: number): string[] {
  return Array.from({ length: count }, (_, n) => `${prefix}${n + 1}/${bits}`);
}

export function hexRange(prefix: string, count: number): string[] {
  return Array.from({ length: count }, (_, n) => `${prefix}${(n + 1).toString(16)}/64`);
}

/** Bound within the namespace: libuv makes the socket at bind, and with a lookup that answers at once bind is done when it returns. */
export async function openPeer(netns: Netns | null, role: string, address: Ip, port: number, behaviour: Behaviour): Promise<Peer> {
  const type = address.family === 4 ? 'udp4' : 'udp6';
  const lookup = (host: string, _options: unknown, callback: (error: null, address: string, family: number) => void): void => callback(null, host, address.family);
  const socket = dgram.createSocket({ type, ipv6Only: address.family === 6, recvBufferSize: 4 << 20, lookup: lookup as never });
  const bound = new Promise<void>((resolve, reject) => {
    socket.once('error', reject);
    socket.once('listening', () => {
      socket.off('error', reject);
      resolve();
    });
  });
  const bind = (): void => void socket.bind({ address: address.text, port, exclusive: true });
  if (netns === null) bind();
  else netns.within(bind);
  await bound;
  socket.on('error', () => undefined);
  const at: Endpoint = { ip: address, port: socket.address().port };
  const inbox = new Mailbox<Datagram>(`${role} ${address.text} port ${at.port}`, (d) => `${d.text.slice(0, 40)} (${d.data.length} bytes) from ${d.from.ip.text} port ${d.from.port}`);
  const send = (data: Uint8Array | string, to: Endpoint): Promise<void> =>
    new Promise((resolve, reject) => {
      socket.send(typeof data === 'string' ? Buffer.from(data, 'latin1') : data, to.port, to.ip.text, (error) => (error ? reject(error) : resolve()));
    });
  socket.on('message', (data, from) => {
    const sender: Endpoint = { ip: ip(from.address), port: from.port };
    inbox.push({ data, from: sender, text: data.toString('latin1') });
    if (behaviour === 'silent') return;
    const answer = behaviour === 'echo' ? data : Buffer.concat([Buffer.from(`${behaviour.tag}:`), data]);
    // A send can only fail here because the test has closed the socket meanwhile.
    send(answer, sender).catch(() => undefined);
  });
  let closed: Promise<void> | undefined;
  return { at, inbox, send, close: () => (closed ??= new Promise((resolve) => { socket.close(() => resolve()); })) };
}

function ip(text: string): Ip {
  const parsed = parseIp(text);
  if (parsed === undefined) throw new Error(`not an address: ${text}`);
  return parsed;
}
