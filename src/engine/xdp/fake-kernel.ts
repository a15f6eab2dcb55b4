/** Maps in plain memory and no packets: what unit tests give the engine. Every call that the real one could fail can be made to throw. */
import { CONSTANTS, DIRECTOR, GLOBALS, LINK, POOL_HEADER, SERVER, SESSION } from './abi/spec.ts';
import { structs } from './codec.ts';
import { dropCounts, serverCounts } from './counters.ts';
import type { Attachment, Kernel, NumberMap } from './kernel.ts';
import { DROP_COUNTERS, SERVER_COUNTERS } from './abi/spec.ts';

/** What lives on while engines come and go, as pins do. */
export class FakeMaps {
  readonly sessions: ArrayBuffer;
  readonly servers = new ArrayBuffer(CONSTANTS.MAX_SERVERS * SERVER.size);
  readonly directors = new ArrayBuffer(CONSTANTS.MAX_DIRECTORS * DIRECTOR.size);
  readonly pools = new ArrayBuffer(CONSTANTS.MAX_POOLS * POOL_BYTES);
  readonly links = new ArrayBuffer(CONSTANTS.MAX_LINKS * LINK.size);
  readonly globals = new ArrayBuffer(GLOBALS.size);
  readonly numbers = { vips: new Map<string, number>(), linkIds: new Map<string, number>(), vlanLinks: new Map<string, number>(), ports: new Map<string, number>(), serverIds: new Map<string, number>() };
  readonly tables = new Map<number, Uint16Array>();
  readonly attached: Attachment[] = [];
  readonly serverStats = new Map<number, Buffer>();
  readonly dropStats = new Map<number, Buffer>();
  readonly persists = new Map<string, { readonly server: number; readonly until: number }>();
  pinned = false;
  /** What was called, in order; `failAt` n makes the n-th call from now (from 0) throw, `failAfter` all from then on. */
  readonly calls: string[] = [];
  failAt: number | null = null;
  failAfter: number | null = null;
  /** Answers `command`; a test may replace it. */
  command: (request: Buffer) => void = () => undefined;

  constructor(sessions = 64) {
    this.sessions = new ArrayBuffer(sessions * SESSION.size);
  }

  /** Counts a call; throws when it is its turn. */
  call(what: string): void {
    const fails = this.failAt === 0 || (this.failAfter !== null && this.failAfter <= 0);
    if (this.failAt !== null) this.failAt--;
    if (this.failAfter !== null) this.failAfter--;
    if (fails) throw new Error(`injected: ${what}`);
    this.calls.push(what);
  }

  open(): Kernel {
    return fakeKernel(this);
  }

  /** Returns these maps as they are now: what a process that is killed leaves. */
  copy(): FakeMaps {
    const copy = new FakeMaps(this.sessions.byteLength / SESSION.size);
    for (const name of ['sessions', 'servers', 'directors', 'pools', 'links', 'globals'] as const) new Uint8Array(copy[name]).set(new Uint8Array(this[name]));
    for (const name of Object.keys(this.numbers) as (keyof FakeMaps['numbers'])[]) for (const [key, value] of this.numbers[name]) copy.numbers[name].set(key, value);
    for (const [pool, table] of this.tables) copy.tables.set(pool, table);
    copy.attached.push(...this.attached);
    copy.pinned = this.pinned;
    return copy;
  }
}

const POOL_BYTES = POOL_HEADER.size + 4 * CONSTANTS.MAX_CANDIDATES;

function fakeKernel(host: FakeMaps): Kernel {
  const fresh = !host.pinned;
  host.call('open');
  host.pinned = true;
  const number = (name: keyof FakeMaps['numbers']): NumberMap => ({
    entries: () => new Map(host.numbers[name]),
    set(key, value) {
      host.call(`${name} set`);
      host.numbers[name].set(key, value);
    },
    remove(key) {
      host.call(`${name} remove`);
      host.numbers[name].delete(key);
    },
  });
  const candidates = new DataView(host.pools);
  const at = (pool: number, index: number): number => pool * POOL_BYTES + POOL_HEADER.size + 4 * index;
  return {
    capacity: host.sessions.byteLength / SESSION.size, fresh,
    sessions: structs(SESSION, host.sessions), servers: structs(SERVER, host.servers), directors: structs(DIRECTOR, host.directors),
    poolHeads: structs(POOL_HEADER, host.pools, { stride: POOL_BYTES, count: CONSTANTS.MAX_POOLS }), links: structs(LINK, host.links), globals: structs(GLOBALS, host.globals),
    candidate: (pool, index) => ({ server: candidates.getUint16(at(pool, index), true), weight: candidates.getUint16(at(pool, index) + 2, true) }),
    setCandidate(pool, index, server, weight) {
      candidates.setUint16(at(pool, index), server, true);
      candidates.setUint16(at(pool, index) + 2, weight, true);
    },
    vips: number('vips'), linkIds: number('linkIds'), vlanLinks: number('vlanLinks'), ports: number('ports'), serverIds: number('serverIds'),
    setTables(tables) {
      host.call('tables');
      for (const { pool, entries } of tables) host.tables.set(pool, entries);
    },
    serverCounts: (slot) => serverCounts(host.serverStats.get(slot) ?? Buffer.alloc(SERVER_COUNTERS.size), SERVER_COUNTERS.size),
    dropCounts: (slot) => dropCounts(host.dropStats.get(slot) ?? Buffer.alloc(DROP_COUNTERS.size), DROP_COUNTERS.size),
    clearServer(slot) {
      host.call('clear server');
      host.serverStats.delete(slot);
    },
    clearDirector(slot) {
      host.call('clear director');
      host.dropStats.delete(slot);
    },
    persisted: (director, address) => host.persists.get(`${director} ${Buffer.from(address).toString('hex')}`) ?? null,
    locality: () => [],
    command(request) {
      host.call('command');
      host.command(request);
    },
    attached: () => [...host.attached],
    attach(ifindex, mode) {
      host.call(`attach ${ifindex}`);
      host.attached.push({ ifindex, mode });
    },
    detach(ifindex) {
      host.call(`detach ${ifindex}`);
      host.attached.splice(host.attached.findIndex((a) => a.ifindex === ifindex), 1);
    },
    close: () => undefined,
    remove() {
      host.attached.length = 0;
      for (const map of Object.values(host.numbers)) map.clear();
      for (const memory of [host.sessions, host.servers, host.directors, host.pools, host.links, host.globals]) new Uint8Array(memory).fill(0);
      host.tables.clear();
      host.serverStats.clear();
      host.dropStats.clear();
      host.pinned = false;
    },
  };
}
