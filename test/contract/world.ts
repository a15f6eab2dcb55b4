/**
 * Where clients, servers and VIPs of the contract live: loopback addresses for userspace, network namespaces for engines that need them.
 * Clients and servers are plain sockets; the engine under test is the only thing between them.
 */
import type { Endpoint } from '../../src/net/endpoint.ts';
import type { Ip } from '../../src/net/ip.ts';
import type { Mailbox } from './mailbox.ts';

export type Family = 4 | 6;

export interface Datagram {
  readonly data: Buffer;
  readonly from: Endpoint;
  /** The data as latin1. */
  readonly text: string;
}

/** A UDP socket of a client or a server. */
export interface Peer {
  readonly at: Endpoint;
  readonly inbox: Mailbox<Datagram>;
  /** Resolves once the kernel has the datagram. */
  send(data: Uint8Array | string, to: Endpoint): Promise<void>;
  close(): Promise<void>;
}

/** What a server does by itself: send the same bytes back, `tag:` and the bytes, or nothing (the test answers through send). */
export type Behaviour = 'echo' | 'silent' | { readonly tag: string };

export interface World {
  readonly name: string;
  /** The n-th address (from 0) that the engine may serve; undefined when the world has no such one. */
  vip(n: number, family?: Family): Ip | undefined;
  /** The address that stands for every VIP (0.0.0.0 or ::); undefined where an engine cannot be given one. */
  anyVip(family?: Family): Ip | undefined;
  /** An address for servers or for clients; IPv6 ones may all be one address. IPv4 clients 0..199 share a /24, 200..399 the next. */
  serverIp(n: number, family?: Family): Ip;
  clientIp(n: number, family?: Family): Ip;
  /** The first of `count` consecutive UDP ports that are free on VIPs and servers alike and that nobody is handed otherwise. */
  freePorts(count: number): Promise<number>;
  openClient(options?: { readonly ip?: Ip; readonly port?: number }): Promise<Peer>;
  openServer(options: { readonly behaviour: Behaviour; readonly ip?: Ip; readonly port?: number; readonly family?: Family }): Promise<Peer>;
  /** A socket of somebody else on the balancer's own host. */
  openForeign(ip: Ip, port: number): Promise<Peer>;
}
