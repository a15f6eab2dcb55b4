/** An address with a port, written `10.0.0.1:53` or `[2001:db8::1]:53`. */
import { parseIp, type Ip } from './ip.ts';
import { parsePort } from './ports.ts';

/** One UDP or TCP endpoint. */
export interface Endpoint {
  readonly ip: Ip;
  readonly port: number;
}

/** Returns the endpoint `text` spells, or undefined; the port is required and IPv6 needs brackets. */
export function parseEndpoint(text: string): Endpoint | undefined {
  const match = /^(?:\[([^\]]+)\]|([^:]+)):(\d+)$/.exec(text);
  if (!match) return undefined;
  const ip = parseIp(match[1] ?? match[2] ?? '');
  const port = parsePort(match[3] ?? '');
  if (!ip || port === undefined || (match[1] !== undefined) !== (ip.family === 6)) return undefined;
  return Object.freeze({ ip, port });
}

/** Returns `10.0.0.1:53` or `[2001:db8::1]:53`. */
export function endpointText(endpoint: Endpoint): string {
  return hostPortText(endpoint.ip, endpoint.port);
}

/** Returns `ip:port`, with brackets round IPv6; port 0 prints as the bare address. */
export function hostPortText(ip: Ip, port: number): string {
  if (port === 0) return ip.text;
  return ip.family === 6 ? `[${ip.text}]:${port}` : `${ip.text}:${port}`;
}
