/** The kernel's table of connections, /proc/net/ip_vs_conn: the sessions, read from its beginning as far as a page needs. */
import { createReadStream } from 'node:fs';
import { createInterface } from 'node:readline';
import { hostPortText, type Endpoint } from '../../net/endpoint.ts';
import { ipFromBytes, isUnspecified, parseIp, type Ip } from '../../net/ip.ts';
import type { Desired, DesiredDirector, DesiredServer } from '../../plan/desired.ts';
import type { PageRequest, SessionFilter, SessionPage, SessionView } from '../engine.ts';

export interface Connection {
  readonly protocol: 'udp' | 'tcp';
  readonly client: Endpoint;
  readonly vip: Endpoint;
  readonly server: Endpoint;
  readonly expiresS: number;
}

/** Gives the table line by line; replaceable in tests. */
export type ConnectionLines = () => AsyncIterable<string>;

/** Reads the table of this network namespace. The kernel lets packets through between any two lines. */
export const procConnections: ConnectionLines = () => createInterface({ input: createReadStream('/proc/net/ip_vs_conn', { highWaterMark: 1 << 16 }), crlfDelay: Infinity });

/** Returns the connection of a line; undefined for the heading, for persistence entries (client port 0) and other protocols. */
export function parseConnection(line: string): Connection | undefined {
  const [protocol, client, clientPort, vip, vipPort, server, serverPort, , expires] = line.trim().split(/\s+/);
  if (protocol !== 'UDP' && protocol !== 'TCP') return undefined;
  const at = [endpoint(client, clientPort), endpoint(vip, vipPort), endpoint(server, serverPort)];
  const [from, to, on] = at;
  if (from === undefined || to === undefined || on === undefined || from.port === 0) return undefined;
  return { protocol: protocol === 'UDP' ? 'udp' : 'tcp', client: from, vip: to, server: on, expiresS: Number(expires) || 0 };
}

/** Returns one page; `cursor` counts the sessions of weir's directors passed. Entries that come and go meanwhile may be missed or seen twice. */
export async function connectionPage(
  lines: ConnectionLines,
  desired: Desired,
  options: { readonly filter: SessionFilter; readonly page: PageRequest; readonly total: number; readonly timeoutS: number },
): Promise<SessionPage> {
  const { filter, page } = options;
  const start = Number(page.cursor ?? 0) || 0;
  const find = directorFinder(desired);
  const sessions: SessionView[] = [];
  let at = 0;
  for await (const line of lines()) {
    const connection = parseConnection(line);
    if (connection === undefined) continue;
    const director = find(connection.protocol, connection.vip);
    if (director === undefined) continue;
    at++;
    if (at <= start) continue;
    const view = viewOf(connection, director, options.timeoutS);
    if (!matches(view, connection, filter)) continue;
    if (sessions.length === page.limit) return { sessions, next: String(at - 1), total: options.total };
    sessions.push(view);
  }
  return { sessions, next: null, total: options.total };
}

/** Returns the connection of a client to an address, or undefined. */
export async function findConnection(lines: ConnectionLines, protocol: 'udp' | 'tcp', client: string, vip: string): Promise<Connection | undefined> {
  for await (const line of lines()) {
    const c = parseConnection(line);
    if (c !== undefined && c.protocol === protocol && hostPortText(c.client.ip, c.client.port) === client && hostPortText(c.vip.ip, c.vip.port) === vip) return c;
  }
  return undefined;
}

/** Returns what tells the director a datagram to an address belongs to: the narrowest that holds it. */
export function directorFinder(desired: Desired): (protocol: 'udp' | 'tcp', vip: Endpoint) => DesiredDirector | undefined {
  const exact = new Map<string, DesiredDirector>();
  const wide: DesiredDirector[] = [];
  for (const d of desired.directors) {
    if (d.vip === null) continue;
    if (d.ports !== null && d.ports.first === d.ports.last && !isUnspecified(d.vip)) exact.set(`${d.protocol}|${d.vip.text}|${d.ports.first}`, d);
    else wide.push(d);
  }
  const width = (d: DesiredDirector): number => (d.vip !== null && isUnspecified(d.vip) ? 0x20000 : 0) + (d.ports === null ? 0x10000 : d.ports.last - d.ports.first);
  wide.sort((a, b) => width(a) - width(b));
  return (protocol, { ip, port }) => exact.get(`${protocol}|${ip.text}|${port}`) ?? wide.find((d) =>
    d.protocol === protocol && d.vip !== null && (d.vip.text === ip.text || (isUnspecified(d.vip) && d.vip.family === ip.family)) && (d.ports === null || (d.ports.first <= port && port <= d.ports.last)));
}

/** Returns the server of a director that has this address. */
export function serverAt(director: DesiredDirector, at: Endpoint): DesiredServer | undefined {
  return director.servers.find((s) => s.ip.text === at.ip.text && (s.port === at.port || s.port === 0));
}

function viewOf(c: Connection, director: DesiredDirector, timeoutS: number): SessionView {
  const idleMs = Math.max(0, timeoutS - c.expiresS) * 1000;
  return {
    director: director.name,
    client: hostPortText(c.client.ip, c.client.port),
    vip: hostPortText(c.vip.ip, c.vip.port),
    server: serverAt(director, c.server)?.name ?? c.server.ip.text,
    serverAddress: hostPortText(c.server.ip, c.server.port),
    // ip_vs leaves the source as it is; a NAT rule behind it may change it.
    sourcePort: c.client.port,
    // The kernel tells neither the age nor the traffic of one connection: at least the time it is idle.
    ageMs: idleMs,
    idleMs,
    expiresInMs: c.expiresS * 1000,
    outstanding: 0,
    packetsIn: 0,
    bytesIn: 0,
    packetsOut: 0,
    bytesOut: 0,
  };
}

function matches(view: SessionView, { client }: Connection, filter: SessionFilter): boolean {
  return (filter.director === undefined || filter.director === view.director) && (filter.server === undefined || filter.server === view.server)
    && (filter.client === undefined || filter.client === view.client || filter.client === client.ip.text);
}

function endpoint(ip: string | undefined, port: string | undefined): Endpoint | undefined {
  const address = ip === undefined ? undefined : ipOf(ip);
  return address === undefined || port === undefined ? undefined : { ip: address, port: Number.parseInt(port, 16) };
}

/** `0A000001`, or IPv6 in full groups, perhaps in brackets. */
function ipOf(text: string): Ip | undefined {
  if (text.includes(':')) return parseIp(text.replace(/^\[(.*)\]$/, '$1'));
  return /^[0-9A-Fa-f]{8}$/.test(text) ? ipFromBytes(Buffer.from(text, 'hex')) : undefined;
}
