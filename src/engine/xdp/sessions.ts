/**
 * Sessions, read from the table while datagrams change it: a record counts when its state word is the same before and after it was read.
 * Records are looked at in stretches, the event loop gets its turn in between, and nothing is ever copied out as a whole.
 */
import { endpointText, hostPortText, parseEndpoint } from '../../net/endpoint.ts';
import { parseIp } from '../../net/ip.ts';
import type { PageRequest, SessionFilter, SessionPage, SessionView } from '../engine.ts';
import { ENUMS, SESSION } from './abi/spec.ts';
import { ipOfWords, swap16, wordsOf, type Words } from './addresses.ts';
import { wordOf } from './codec.ts';
import type { Kernel } from './kernel.ts';
import { msBetween } from './ticks.ts';
import type { Names } from './names.ts';

const LIVE = ENUMS.session_state.indexOf('live');
const STATE_MASK = 0xff;
/** Records looked at before the event loop gets its turn: 2 ms. */
const STRETCH = 16_384;

const STATE = wordOf(SESSION, 'state');
const CLIENT = wordOf(SESSION, 'client4_be');
const CLIENT6 = wordOf(SESSION, 'client6_be');
const CLIENT_PORT = wordOf(SESSION, 'client_port_be');
const SERVER = wordOf(SESSION, 'server');
const EXPIRES = wordOf(SESSION, 'expires');
const STRIDE = SESSION.size / 4;

/** The table as words, and how many of its records are in use. */
export interface Table {
  readonly words: Uint32Array;
  readonly limit: number;
}

/** Returns the table; all records below `limit` are in it. */
export function tableOf(kernel: Kernel): Table {
  const first = kernel.sessions.bytes(0);
  const limit = Math.min(kernel.capacity, kernel.globals.get(0, 'limit'));
  return { words: new Uint32Array(first.buffer, first.byteOffset, kernel.capacity * STRIDE), limit };
}

/** What a datagram's client, server and director say: slots, and the client's words. */
export interface Match {
  /** Server slots; null: all. */
  readonly servers: ReadonlySet<number> | null;
  /** Words of the client's address, and its port or null for any. */
  readonly client: { readonly words: Words; readonly portBe: number | null } | null;
}

/** Returns what a filter selects; null when nothing can match. */
export function matchOf(filter: SessionFilter, names: Names): Match | null {
  const servers = filter.director === undefined && filter.server === undefined ? null : names.serverSlots(filter.director, filter.server);
  if (filter.client === undefined) return { servers, client: null };
  const endpoint = parseEndpoint(filter.client);
  const ip = endpoint?.ip ?? parseIp(filter.client);
  if (ip === undefined) return null;
  return { servers, client: { words: wordsOf(ip), portBe: endpoint === undefined ? null : swap16(endpoint.port) } };
}

/**
 * Calls `visit` for each live, unexpired record from `from` that matches, until it returns false; returns the record to go on with, or
 * -1 at the end. `turn` gives the event loop its turn.
 */
export async function scan(
  table: Table, options: { readonly from?: number; readonly match: Match; readonly now: number; readonly turn: () => Promise<void>; readonly expired?: boolean },
  visit: (record: number) => boolean,
): Promise<number> {
  const { words, limit } = table;
  const { match: { servers, client }, now } = options;
  for (let record = options.from ?? 0; record < limit;) {
    const end = Math.min(limit, record + STRETCH);
    for (; record < end; record++) {
      const at = record * STRIDE;
      if ((words[at + STATE] & STATE_MASK) !== LIVE) continue;
      if (client !== null && !isClient(words, at, client)) continue;
      if (servers !== null && !servers.has(words[at + SERVER] & 0xffff)) continue;
      if (options.expired !== true && ((words[at + EXPIRES] - now) | 0) <= 0) continue;
      if (!visit(record)) return record + 1 < limit ? record + 1 : -1;
    }
    if (record < limit) await options.turn();
  }
  return -1;
}

function isClient(words: Uint32Array, at: number, { words: wanted, portBe }: NonNullable<Match['client']>): boolean {
  return words[at + CLIENT] === wanted[3] && (portBe === null || (words[at + CLIENT_PORT] & 0xffff) === portBe)
    && words[at + CLIENT6] === wanted[0] && words[at + CLIENT6 + 1] === wanted[1] && words[at + CLIENT6 + 2] === wanted[2];
}

/** Returns one page of live sessions. The cursor is the record to go on with. */
export async function sessionPage(kernel: Kernel, names: Names, request: { readonly filter: SessionFilter; readonly page: PageRequest; readonly now: number; readonly turn: () => Promise<void> }): Promise<SessionPage> {
  const { filter, page, now } = request;
  const total = Math.max(0, kernel.globals.get(0, 'sessions') | 0);
  const match = matchOf(filter, names);
  const sessions: SessionView[] = [];
  if (match === null) return { sessions, next: null, total };
  const next = await scan(tableOf(kernel), { from: Number(page.cursor ?? 0) || 0, match, now, turn: request.turn }, (record) => {
    const view = viewOf(kernel, names, record, now);
    if (view !== null) sessions.push(view);
    return sessions.length < page.limit;
  });
  return { sessions, next: next < 0 ? null : String(next), total };
}

/** Returns a record as people see it; null when it changed hands while it was read, or its server has no name. */
export function viewOf(kernel: Kernel, names: Names, record: number, now: number): SessionView | null {
  const { sessions } = kernel;
  const get = (name: string, at = 0): number => sessions.get(record, name, at);
  const state = get('state');
  const family = get('family');
  const address = (name: string): Words => [get(`${name}6_be`, 0), get(`${name}6_be`, 1), get(`${name}6_be`, 2), get(`${name}4_be`)];
  const owner = names.ownerOf(get('server'));
  if (owner === undefined || (state & STATE_MASK) !== LIVE) return null;
  const view: SessionView = {
    director: owner.director,
    client: endpointText({ ip: ipOfWords(address('client'), family), port: swap16(get('client_port_be')) }),
    vip: endpointText({ ip: ipOfWords(address('vip'), family), port: swap16(get('vip_port_be')) }),
    server: owner.server,
    serverAddress: hostPortText(owner.ip, swap16(get('server_port_be'))),
    sourcePort: swap16(get('source_port_be')) || swap16(get('client_port_be')),
    ageMs: Math.max(0, Math.round(msBetween(get('created'), now))),
    idleMs: Math.max(0, Math.round(msBetween(get('last'), now))),
    expiresInMs: Math.max(0, Math.round(msBetween(now, get('expires')))),
    outstanding: Math.max(0, get('awaited') | 0) + Math.max(0, get('awaited_before') | 0),
    packetsIn: get('packets_in'), bytesIn: Number(sessions.get64(record, 'bytes_in')),
    packetsOut: get('packets_out'), bytesOut: Number(sessions.get64(record, 'bytes_out')),
  };
  return get('state') === state ? view : null;
}
