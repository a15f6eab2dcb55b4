/** What callers ask the engine, checked at the edge and in canonical form. */
import type { SessionsQuery } from '../client/types.ts';
import type { SessionFilter } from '../engine/engine.ts';
import { endpointText, hostPortText, parseEndpoint } from '../net/endpoint.ts';
import { parseIp } from '../net/ip.ts';
import { Refusal } from './control.ts';

const DEFAULT_LIMIT = 100;
const MAX_LIMIT = 1000;
const CURSOR = /^\d{1,10}(?:\.\d{1,10})?$/;
/** Stands for any port a client could have chosen. */
const ASSUMED_PORT = 40_000;

/** Returns the filter with its client in canonical form. Throws Refusal BAD_REQUEST when that is no address. */
export function sessionFilter(query: SessionsQuery): SessionFilter {
  return {
    ...(query.director === undefined ? {} : { director: query.director }),
    ...(query.server === undefined ? {} : { server: query.server }),
    ...(query.client === undefined ? {} : { client: clientText(query.client) }),
  };
}

/** Returns the page size, 100 unless given. Throws Refusal BAD_REQUEST outside of 1..1000. */
export function sessionLimit(limit: number | undefined): number {
  if (limit === undefined) return DEFAULT_LIMIT;
  if (Number.isInteger(limit) && limit >= 1 && limit <= MAX_LIMIT) return limit;
  throw new Refusal('BAD_REQUEST', `limit must be 1 to ${MAX_LIMIT}, found ${limit}`, { cure: 'ask for several pages with cursor' });
}

/** Returns the cursor when it is one that an engine could have given: one or two numbers of a record. Throws Refusal BAD_REQUEST, or an engine would have to look for what never was. */
export function sessionCursor(cursor: string): string {
  if (CURSOR.test(cursor)) return cursor;
  throw new Refusal('BAD_REQUEST', 'a cursor must be what the page before gave as `next`', { cure: 'start again without a cursor' });
}

/** Returns client and VIP as the engine takes them; `assumed` is the client's port when none was given. Throws Refusal BAD_REQUEST. */
export function endpointQuery(query: { readonly client: string; readonly vip: string; readonly protocol: string }): { readonly client: string; readonly vip: string; readonly assumed: number | null } {
  const vip = parseEndpoint(query.vip);
  if (!vip) throw new Refusal('BAD_REQUEST', `a VIP must be address:port, found ${query.vip}`, { cure: 'for example 10.0.0.3:8000 or [2001:db8::3]:8000' });
  if (query.protocol !== 'udp' && query.protocol !== 'tcp') throw new Refusal('BAD_REQUEST', `a protocol must be udp or tcp, found ${query.protocol}`, { cure: 'use one of these' });
  const client = clientText(query.client);
  const bare = parseIp(client);
  return { vip: endpointText(vip), client: bare ? hostPortText(bare, ASSUMED_PORT) : client, assumed: bare ? ASSUMED_PORT : null };
}

function clientText(text: string): string {
  const ip = parseIp(text);
  if (ip) return ip.text;
  const endpoint = parseEndpoint(text);
  if (endpoint) return endpointText(endpoint);
  throw new Refusal('BAD_REQUEST', `a client must be an address or address:port, found ${text}`, { cure: 'for example 192.0.2.7, 192.0.2.7:53001 or [2001:db8::7]:53001' });
}
