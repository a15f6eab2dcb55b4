/** Where the API listens: loopback unless told otherwise, and beyond it only with TLS or an explicit word. */
import type { FastifyInstance } from 'fastify';
import { hostPortText } from '../net/endpoint.ts';
import { isLoopback, isUnspecified, parseIp, type Ip } from '../net/ip.ts';
import { parsePort } from '../net/ports.ts';

export const DEFAULT_LISTEN = '127.0.0.1:8440';

/** `port` 0 takes any free one. */
export interface ListenAddress {
  readonly ip: Ip;
  readonly port: number;
}

/** The API cannot listen there. `cure` says what to do. */
export class ListenError extends Error {
  readonly cure: string;
  constructor(message: string, cure: string, cause?: unknown) {
    super(message, { cause });
    this.name = 'ListenError';
    this.cure = cure;
  }
}

/** Returns the address `text` spells: `127.0.0.1:8440`, `[::1]:8440`, `localhost:8440`; port 0 for any. Throws ListenError. */
export function parseListen(text: string): ListenAddress {
  const match = /^(?:\[([^\]]*)\]|([^:]*)):(\d+)$/.exec(text);
  const name = match?.[1] ?? match?.[2] ?? '';
  const ip = name === 'localhost' ? parseIp('127.0.0.1') : parseIp(name);
  const port = match?.[3] === '0' ? 0 : parsePort(match?.[3] ?? '');
  if (ip === undefined || port === undefined || (match?.[1] !== undefined) !== (ip.family === 6)) {
    throw new ListenError(`expected ADDRESS:PORT for the API, found ${JSON.stringify(text.slice(0, 100))}`, `write it like ${DEFAULT_LISTEN}, [::1]:8440 or 0.0.0.0:8440 (every address)`);
  }
  return Object.freeze({ ip, port });
}

/** Throws ListenError when others could read what passes: not loopback, no TLS, and not told `insecure`. */
export function refuseOpen(address: ListenAddress, options: { readonly tls: boolean; readonly insecure: boolean }): void {
  if (isLoopback(address.ip) || options.tls || options.insecure) return;
  throw new ListenError(
    `the API would listen on ${listenText(address)} without TLS: passwords and tokens would cross the network in the clear`,
    'give a certificate and its key, listen on 127.0.0.1 and reach it through ssh -L, or say insecure when that network is trusted',
  );
}

/**
 * Starts listening; returns the URL, with the port taken when it was 0. `inherited` is a socket that listens there already, a predecessor's: nobody
 * finds the port closed. Throws ListenError naming the cure.
 */
export async function listen(app: FastifyInstance, options: { readonly address: ListenAddress; readonly tls: boolean; readonly insecure: boolean; readonly inherited?: number | null }): Promise<string> {
  const { address, tls, inherited = null } = options;
  refuseOpen(address, options);
  try {
    // Node.js looks at `fd` first; Fastify's types do not know it.
    await app.listen({ ...(inherited === null ? {} : { fd: inherited }), host: address.ip.text, port: address.port, ipv6Only: address.ip.family === 6 && !isUnspecified(address.ip), listenTextResolver: () => 'API listens' });
  } catch (error) {
    throw listenError(error as NodeJS.ErrnoException, address);
  }
  const bound = app.server.address();
  const port = typeof bound === 'object' && bound !== null ? bound.port : address.port;
  const shown = isUnspecified(address.ip) ? parseIp(address.ip.family === 6 ? '::1' : '127.0.0.1') ?? address.ip : address.ip;
  return `${tls ? 'https' : 'http'}://${hostPortText(shown, port)}`;
}

function listenText(address: ListenAddress): string {
  return address.ip.family === 6 ? `[${address.ip.text}]:${address.port}` : `${address.ip.text}:${address.port}`;
}

function listenError(error: NodeJS.ErrnoException, address: ListenAddress): ListenError {
  const where = listenText(address);
  switch (error.code ?? '') {
    case 'EADDRINUSE':
      return new ListenError(`the API cannot listen on ${where}: another process does`, `stop that one (\`ss -ltnp 'sport = :${address.port}'\` names it) or choose another port with --api HOST:PORT`, error);
    case 'EACCES':
      return new ListenError(`the API may not listen on ${where}: ports below 1024 need a privilege`, 'choose a port from 1024 up, or grant CAP_NET_BIND_SERVICE', error);
    case 'EADDRNOTAVAIL':
      return new ListenError(`the API cannot listen on ${where}: this host does not own the address`, '`ip address` lists the addresses of this host; choose one, or 127.0.0.1', error);
    default:
      return new ListenError(`the API cannot listen on ${where}: ${error.message}`, 'choose another address with --api HOST:PORT', error);
  }
}
