/**
 * Sessions, read from the table while datagrams change it: a record counts when its state word is the same before and after it was read.
 * Records are looked at in stretches, the event loop gets its turn in between, and nothing is ever copied out as a whole.
 */
import { hostPortText, parseEndpoint } from '../../net/endpoint.ts';
import { parseIp, type Ip } from '../../net/ip.ts';
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

/** Words of a record; of two fields that share one the first is in its low half. */
const STATE = wordOf(SESSION, 'state');
const CLIENT = wordOf(SESSION, 'client4_be');
const CLIENT6 = wordOf(SESSION, 'client6_be');
const CLIENT_AND_VIP_PORT = wordOf(SESSION, 'client_port_be');
const VIP = wordOf(SESSION, 'vip4_be');
const VIP6 = wordOf(SESSION, 'vip6_be');
const SOURCE_AND_SERVER_PORT = wordOf(SESSION, 'source_port_be');
const SERVER = wordOf(SESSION, 'server');
const EXPIRES = wordOf(SESSION, 'expires');
const LAST = wordOf(SESSION, 'last');
const CREATED = wordOf(SESSION, 'created');
const PACKETS_IN = wordOf(SESSION, 'packets_in');
const PACKETS_OUT = wordOf(SESSION, 'packets_out');
const BYTES_IN = wordOf(SESSION, 'bytes_in');
const BYTES_OUT = wordOf(SESSION, 'bytes_out');
const AWAITED = wordOf(SESSION, 'awaited');
const AWAITED_BEFORE = wordOf(SESSION, 'awaited_before');
const FAMILY = wordOf(SESSION, 'family');
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
  return words[at + CLIENT] === wanted[3] && (portBe === null || (words[at + CLIENT_AND_VIP_PORT] & 0xffff) === portBe)
    && words[at + CLIENT6] === wanted[0] && words[at + CLIENT6 + 1] === wanted[1] && words[at + CLIENT6 + 2] === wanted[2];
}

/** Returns one page of live sessions. The cursor is the record to go on with. */
export async function sessionPage(kernel: Kernel, names: Names, request: { readonly filter: SessionFilter; readonly page: PageRequest; readonly now: number; readonly turn: () => Promise<void> }): Promise<SessionPage> {
  const { filter, page, now } = request;
  const total = Math.max(0, kernel.globals.get(0, 'sessions') | 0);
  const match = matchOf(filter, names);
  const sessions: SessionView[] = [];
  if (match === null) return { sessions, next: null, total };
  const table = tableOf(kernel);
  const next = await scan(table, { from: Number(page.cursor ?? 0) || 0, match, now, turn: request.turn }, (record) => {
    const view = viewOf(table, names, record, now);
    if (view !== null) sessions.push(view);
    return sessions.length < page.limit;
  });
  return { sessions, next: next < 0 ? null : String(next), total };
}

/** Returns a record as people see it; null when it changed hands while it was read, or its server has no name. */
function viewOf({ words }: Table, names: Names, record: number, now: number): SessionView | null {
  const at = record * STRIDE;
  // By Atomics, so that the second look is one.
  const state = Atomics.load(words, at + STATE);
  const owner = names.ownerOf(words[at + SERVER] & 0xffff);
  if (owner === undefined || (state & STATE_MASK) !== LIVE) return null;
  const family = words[at + FAMILY] & 0xff;
  const [ports, others] = [words[at + CLIENT_AND_VIP_PORT], words[at + SOURCE_AND_SERVER_PORT]];
  const ms = (from: number, to: number): number => Math.max(0, Math.round(msBetween(from, to)));
  const view: SessionView = {
    director: owner.director,
    client: hostPortText(ipAt(words, at, { first: CLIENT6, last: CLIENT, family }), swap16(ports & 0xffff)),
    vip: hostPortText(ipAt(words, at, { first: VIP6, last: VIP, family }), swap16(ports >>> 16)),
    server: owner.server,
    serverAddress: hostPortText(owner.ip, swap16(others >>> 16)),
    sourcePort: swap16(others & 0xffff) || swap16(ports & 0xffff),
    ageMs: ms(words[at + CREATED], now), idleMs: ms(words[at + LAST], now), expiresInMs: ms(now, words[at + EXPIRES]),
    outstanding: Math.max(0, words[at + AWAITED] | 0) + Math.max(0, words[at + AWAITED_BEFORE] | 0),
    packetsIn: words[at + PACKETS_IN], bytesIn: wide(words, at + BYTES_IN), packetsOut: words[at + PACKETS_OUT], bytesOut: wide(words, at + BYTES_OUT),
  };
  return Atomics.load(words, at + STATE) === state ? view : null;
}

function ipAt(words: Uint32Array, at: number, { first, last, family }: { readonly first: number; readonly last: number; readonly family: number }): Ip {
  return ipOfWords([words[at + first], words[at + first + 1], words[at + first + 2], words[at + last]], family);
}

function wide(words: Uint32Array, at: number): number {
  return words[at] + words[at + 1] * 2 ** 32;
}
