/** The engine over maps in memory: every step that may fail or be the last, restarts, rows, evidence. */
import assert from 'node:assert/strict';
import { beforeEach, describe, it } from 'node:test';
import { parseIp } from '../../net/ip.ts';
import type { Desired, DesiredDirector, DesiredServer } from '../../plan/desired.ts';
import { diff } from '../../plan/diff.ts';
import { EngineError, type EngineEvent } from '../engine.ts';
import { BpfError, EOPNOTSUPP } from './bpf-error.ts';
import { CONSTANTS, ENUMS, SESSION } from './abi/spec.ts';
import { wordsOf, swap16 } from './addresses.ts';
import { structs } from './codec.ts';
import { XdpEngine } from './engine.ts';
import { fakeHost, type FakeHost } from './fake-host.ts';
import { FakeMaps } from './fake-kernel.ts';
import type { XdpRecord } from './record.ts';
import { nowTick } from './ticks.ts';
import { directorAt } from './vip-keys.ts';

const ip = (text: string) => parseIp(text) ?? assert.fail(text);
const server = (name: string, last: number, options: Partial<DesiredServer> = {}): DesiredServer => ({ name, ip: ip(`192.0.2.${last}`), port: 8000, weight: 10, state: 'up', sorry: false, ...options });
const director = (options: Partial<DesiredDirector> = {}): DesiredDirector => ({
  name: 'web', vip: ip('198.51.100.241'), ports: { first: 8000, last: 8000 }, protocol: 'udp', mode: 'nat', balance: 'maglev', persistence: null,
  session: { kind: 'two-way', replies: 1, timeoutMs: null, max: null, rate: null, sourceRate: null, amplification: null }, on: { down: { kind: 'move' }, drain: { kind: 'keep', forMs: null }, remove: { kind: 'move' } },
  sourceNat: null, servers: [server('a', 1), server('b', 2)], ...options,
});
const desired = (...directors: DesiredDirector[]): Desired => ({ directors });

let maps: FakeMaps;
let host: FakeHost;
let saved: XdpRecord | null;
let events: EngineEvent[];
let forwarding: boolean;
let ticks: (() => void)[];
let changed: boolean;
let stopBefore: number | null;
/** What is left of a process that was killed. */
let atDeath: { readonly maps: FakeMaps; readonly saved: XdpRecord | null } | null;

class Killed extends Error {}

function make(): XdpEngine {
  ticks = [];
  return new XdpEngine({
    openKernel: () => maps.open(),
    pinned: () => maps.pinned,
    unpinAll: () => maps.open().remove(),
    tryKernel: () => undefined,
    tryNative: () => null,
    watch: () => ({ changed: () => changed && !(changed = false), close: () => undefined }),
    record: { load: () => structuredClone(saved), save: (r) => { saved = structuredClone(r); }, remove: () => { saved = null; } },
    run: host.run,
    forwarding: () => forwarding,
    stripsTags: () => null,
    interfaces: undefined,
    mode: undefined,
    turn: () => Promise.resolve(),
    wait: () => Promise.resolve(),
    random: () => 12345,
    onStep() {
      if (stopBefore === null || stopBefore-- !== 0) return;
      atDeath = { maps: maps.copy(), saved: structuredClone(saved) };
      throw new Killed();
    },
    onEvent: (event) => events.push(event),
    nowMs: () => 1_000_000,
    every(_ms, callback) {
      ticks.push(callback);
      return () => { ticks = ticks.filter((t) => t !== callback); };
    },
  });
}

const apply = async (engine: XdpEngine, ...directors: DesiredDirector[]): Promise<void> => engine.apply(diff(desired(...directors), await engine.observe()));

/** What the maps lead traffic to, by names: the servers each address goes to. */
function leads(text = '198.51.100.241', port = 8000): string[] | null {
  const kernel = maps.open();
  const slot = directorAt(kernel.vips.entries(), ip(text), port);
  if (slot === undefined || slot === CONSTANTS.MAX_DIRECTORS) return null;
  const pool = kernel.directors.get(slot, 'pool');
  return Array.from({ length: kernel.poolHeads.get(pool, 'count') }, (_, i) => {
    const row = kernel.candidate(pool, i).server;
    return `192.0.2.${kernel.servers.get(row, 'addr_be', 3) >>> 24} ${ENUMS.policy[kernel.servers.get(row, 'policy')]}`;
  });
}

/** Puts a live session of a director's server into the table, as the program would. */
function addSession(record: number, options: { readonly director?: number; readonly server?: number; readonly port?: number; readonly vip?: string } = {}): void {
  const { director: slot = 0, server: row = 0, port = 8000, vip = '198.51.100.241' } = options;
  const table = structs(SESSION, maps.sessions);
  const kernel = maps.open();
  const client = wordsOf(ip('203.0.113.7'));
  for (const [name, value] of Object.entries({
    client4_be: client[3], vip4_be: wordsOf(ip(vip))[3], client_port_be: swap16(5000 + record), vip_port_be: swap16(port), server: row, director: slot, family: 4, expires: nowTick() + 1000, state: 0x100 | ENUMS.session_state.indexOf('live'),
  })) table.set(record, name, value);
  kernel.servers.set(row, 'refs', kernel.servers.get(row, 'refs') + 1);
  kernel.servers.set(row, 'live', kernel.servers.get(row, 'live') + 1);
  kernel.directors.set(slot, 'sessions', kernel.directors.get(slot, 'sessions') + 1);
}

beforeEach(() => {
  maps = new FakeMaps();
  host = fakeHost();
  saved = null;
  events = [];
  forwarding = true;
  changed = false;
  stopBefore = null;
  atDeath = null;
});

describe('apply', () => {
  it('makes the maps lead to the servers, runs on the interfaces in play, and keeps next hops resolved', async () => {
    const engine = make();
    await apply(engine, director());
    assert.deepEqual(leads(), ['192.0.2.1 none', '192.0.2.2 none']);
    assert.deepEqual(maps.attached.map((a) => [a.ifindex, a.mode]), [[2, 'native'], [3, 'native']]);
    assert.deepEqual([...host.neighbours], ['192.0.2.1 back', '192.0.2.2 back']);
    assert.deepEqual([...maps.numbers.vlanLinks.keys()], ['0300000005000000'], 'frames of a VLAN come in at its parent');
    assert.equal(maps.tables.size, 1);
    assert.equal(saved?.phase, 'settled');
    assert.deepEqual(await engine.observe(), desired(director()));
  });

  it('touches nothing when nothing changes', async () => {
    const engine = make();
    await apply(engine, director());
    const before = maps.calls.length;
    await apply(engine, director());
    assert.deepEqual(maps.calls.slice(before).filter((c) => c !== 'tables'), []);
  });

  it('switches pools and never writes the one in use', async () => {
    const engine = make();
    await apply(engine, director());
    const kernel = maps.open();
    const first = kernel.directors.get(0, 'pool');
    await apply(engine, director({ servers: [server('a', 1, { weight: 3 }), server('b', 2)] }));
    const second = kernel.directors.get(0, 'pool');
    assert.notEqual(second, first);
    assert.equal(kernel.candidate(first, 0).weight, 10, 'the old pool is as it was');
    assert.equal(kernel.candidate(second, 0).weight, 3);
  });

  it('gives a policy deadline from the change on, and lifts it before the server is chosen again', async () => {
    const engine = make();
    const on = { ...director().on, drain: { kind: 'keep', forMs: 60_000 } } as const;
    await apply(engine, director({ on, servers: [server('a', 1, { state: 'drain' }), server('b', 2)] }));
    const kernel = maps.open();
    const until = kernel.servers.get(0, 'policy_until');
    assert.ok(((until - nowTick()) | 0) > 50_000);
    await apply(engine, director({ on, balance: 'leastconn', servers: [server('a', 1, { state: 'drain' }), server('b', 2)] }));
    assert.equal(kernel.servers.get(0, 'policy_until'), until);
    await apply(engine, director({ on }));
    assert.equal(kernel.servers.get(0, 'policy'), 0);
  });

  it('spends evidence once a server is said to be up again, and not before', async () => {
    const engine = make();
    await apply(engine, director());
    const kernel = maps.open();
    kernel.servers.set(0, 'blocked_until', 77);
    await apply(engine, director({ servers: [server('a', 1, { state: 'down' }), server('b', 2)] }));
    assert.equal(kernel.servers.get(0, 'blocked_until'), 77);
    await apply(engine, director());
    assert.equal(kernel.servers.get(0, 'blocked_until'), 0);
  });

  it('resolves masquerade by the way to each server, and follows when it changes', async () => {
    const engine = make();
    await apply(engine, director({ sourceNat: { rule: 'n', addresses: null, ports: null } }));
    const source = (): string => Buffer.from(Uint32Array.of(maps.open().servers.get(0, 'source_be', 3)).buffer).join('.');
    assert.equal(source(), '192.0.2.254');
    host.source.set('back', '192.0.2.250');
    changed = true;
    for (let n = 0; n < 20; n++) ticks[0]?.();
    await engine.observe();
    assert.equal(source(), '192.0.2.250');
  });

  it('refuses by name what only the host can tell, and changes nothing', async () => {
    const engine = make();
    await apply(engine, director());
    const before = maps.calls.length;
    host.local.add('192.0.2.9');
    await assert.rejects(apply(engine, director({ servers: [server('own', 9)] })), (e) => e instanceof EngineError && /own address/.test(e.message) && e.cure !== '');
    forwarding = false;
    await assert.rejects(apply(engine, director({ servers: [server('c', 3)] })), (e) => e instanceof EngineError && /forwarding is off on front/.test(e.message) && /ip_forward=1/.test(e.cure));
    assert.equal(maps.calls.length, before);
    assert.deepEqual(leads(), ['192.0.2.1 none', '192.0.2.2 none']);
  });

  it('leaves neighbours alone that somebody set by hand', async () => {
    host.permanent.add('192.0.2.1 back');
    const engine = make();
    await apply(engine, director());
    assert.deepEqual([[...host.neighbours], saved?.neighbours], [['192.0.2.2 back'], [{ ip: '192.0.2.2', device: 'back' }]]);
    await engine.close('remove');
    assert.equal(host.neighbours.size, 0);
  });

  it('goes on with a server that there is no way to yet', async () => {
    host.down.add('192.0.2.2');
    await apply(make(), director());
    assert.deepEqual([...host.neighbours], ['192.0.2.1 back']);
  });
});

describe('a step that fails', () => {
  const before = director();
  const next = [director({ balance: 'roundrobin', servers: [server('b', 2), server('c', 3)] }), director({ name: 'dns', ports: { first: 53, last: 53 }, servers: [server('d', 4)] })];

  it('has the state before written again, whichever it is', async () => {
    for (let fault = 0; ; fault++) {
      maps = new FakeMaps();
      saved = null;
      const engine = make();
      await apply(engine, before);
      maps.failAt = fault;
      const failed = await apply(engine, ...next).then(() => null, (error: unknown) => error);
      maps.failAt = null;
      if (failed === null) {
        assert.ok(fault > 5, `only ${fault} steps can fail`);
        break;
      }
      assert.ok(failed instanceof EngineError && failed.landed.length === 0, `fault ${fault}: ${failed instanceof Error ? failed.message : '?'}`);
      assert.deepEqual(leads(), ['192.0.2.1 none', '192.0.2.2 none'], `fault ${fault}`);
      assert.equal(leads('198.51.100.241', 53), null, `fault ${fault}`);
      assert.deepEqual(await engine.observe(), desired(before), `fault ${fault}`);
      await apply(engine, ...next);
      assert.deepEqual(leads('198.51.100.241', 53), ['192.0.2.4 none']);
    }
  });

  it('says what landed when it cannot be taken back, and the next start goes on from there', async () => {
    const engine = make();
    await apply(engine, before);
    maps.failAfter = 4;
    await assert.rejects(apply(engine, ...next), (e) => e instanceof EngineError && e.landed.length > 0);
    maps.failAfter = null;
    assert.equal(saved?.phase, 'applying');
    const again = make();
    assert.deepEqual(await again.observe(), desired(before));
    assert.deepEqual(leads(), ['192.0.2.1 none', '192.0.2.2 none']);
  });
});

describe('a crash', () => {
  it('between any two steps is brought to its end by the next start', async () => {
    const next = [director({ servers: [server('b', 2), server('c', 3)] }), director({ name: 'dns', ports: { first: 53, last: 53 }, servers: [server('d', 4)] })];
    for (let step = 0; ; step++) {
      maps = new FakeMaps();
      saved = null;
      const engine = make();
      await apply(engine, director());
      stopBefore = step;
      const died = await apply(engine, ...next).then(() => false, (error: unknown) => error instanceof EngineError && error.cause instanceof Killed);
      if (!died) {
        assert.ok(step > 8, `only ${step} steps`);
        break;
      }
      assert.ok(atDeath !== null);
      ({ maps, saved } = atDeath);
      stopBefore = null;
      const again = make();
      assert.deepEqual((await again.observe()).directors.map((d) => d.name), ['web', 'dns'], `step ${step}`);
      assert.deepEqual([leads(), leads('198.51.100.241', 53)], [['192.0.2.2 none', '192.0.2.3 none'], ['192.0.2.4 none']], `step ${step}`);
      assert.equal(saved?.phase, 'settled');
    }
  });

  it('of the whole host, or another boot, leaves nothing that is believed', async () => {
    await apply(make(), director());
    maps = new FakeMaps();
    assert.deepEqual(await make().observe(), desired());
  });

  it('that lost the record has the maps taken down: nobody could name what they balance', async () => {
    await apply(make(), director());
    saved = null;
    assert.deepEqual(await make().observe(), desired());
    assert.equal(maps.pinned, false);
  });
});

describe('restarts', () => {
  it('find what runs and touch nothing', async () => {
    const engine = make();
    await apply(engine, director());
    const { epoch } = await engine.read();
    await engine.close('leave');
    const again = make();
    const calls = maps.calls.length;
    assert.deepEqual(await again.observe(), desired(director()));
    assert.deepEqual(maps.calls.slice(calls), ['open']);
    assert.equal((await again.read()).epoch, epoch);
    await again.close('remove');
    assert.deepEqual([maps.pinned, maps.attached.length, host.neighbours.size, saved], [false, 0, 0, null]);
    await again.close('remove');
  });

  it('find nothing when the last run ended with nothing to balance', async () => {
    const engine = make();
    await apply(engine, director());
    await apply(engine);
    await engine.close('leave');
    assert.deepEqual([maps.pinned, saved], [false, null]);
  });

  it('see what somebody else took away', async () => {
    const engine = make();
    await apply(engine, director());
    maps.numbers.vips.clear();
    assert.deepEqual(await engine.observe(), desired());
    await apply(engine, director());
    assert.deepEqual(leads(), ['192.0.2.1 none', '192.0.2.2 none']);
    maps.attached.length = 0;
    assert.deepEqual(await engine.observe(), desired());
  });
});

describe('rows', () => {
  it('stay with a removed server until no record names it, and go to another empty', async () => {
    const engine = make();
    await apply(engine, director());
    addSession(0, { server: 0 });
    maps.command = () => undefined;
    await apply(engine, director({ servers: [server('b', 2)] }));
    assert.equal(ENUMS.policy[maps.open().servers.get(0, 'policy')], 'move');
    await apply(engine, director({ servers: [server('b', 2), server('c', 3)] }));
    assert.equal(saved?.slots[0]?.servers['c|192.0.2.3|8000'], 2);
    maps.open().servers.set(0, 'refs', 0);
    await apply(engine, director({ servers: [server('b', 2), server('c', 3), server('d', 4)] }));
    await apply(engine, director({ servers: [server('b', 2), server('c', 3), server('d', 4), server('e', 5)] }));
    const rows = saved?.slots[0]?.servers ?? {};
    assert.ok(Object.values(rows).includes(0), JSON.stringify(rows));
    assert.equal(maps.open().servers.get(0, 'live'), 0);
  });

  it('of a director that was removed are not taken up by one of its name; one of another kind keeps its counters', async () => {
    const engine = make();
    await apply(engine, director());
    addSession(0);
    await apply(engine);
    await apply(engine, director());
    assert.equal(saved?.slots.find((s) => s.gone !== true)?.slot, 1);
    await apply(engine, director({ session: { ...director().session, kind: 'one-way' } }));
    assert.equal((await engine.read()).directors.length, 1);
  });
});

describe('sessions', () => {
  it('end when their director goes, or has not their address any more', async () => {
    const engine = make();
    await apply(engine, director({ ports: { first: 8000, last: 8009 } }), director({ name: 'dns', ports: { first: 53, last: 53 } }));
    const ended: number[] = [];
    maps.command = (request) => {
      if (request.readUInt32LE(0) === ENUMS.command_op.indexOf('end')) for (let i = 0; i < request.readUInt32LE(8); i++) ended.push(request.readUInt32LE(32 + 4 * i));
    };
    maps.open().globals.set(0, 'limit', 64);
    const slots = new Map(saved?.slots.map((s) => [s.name, s]));
    const web = slots.get('web');
    const dns = slots.get('dns');
    addSession(1, { director: web?.slot ?? 0, server: Object.values(web?.servers ?? {})[0] ?? 0, port: 8000 });
    addSession(2, { director: web?.slot ?? 0, server: Object.values(web?.servers ?? {})[0] ?? 0, port: 8005 });
    addSession(3, { director: dns?.slot ?? 0, server: Object.values(dns?.servers ?? {})[0] ?? 0, port: 53 });
    await apply(engine, director());
    assert.deepEqual(ended, [2, 3]);
  });

  it('are paged by record, filtered, and never shown torn', async () => {
    const engine = make();
    await apply(engine, director());
    maps.open().globals.set(0, 'limit', 64);
    for (let n = 0; n < 5; n++) addSession(n * 3, { server: n % 2 });
    const first = await engine.sessions({}, { limit: 2 });
    assert.deepEqual([first.sessions.map((s) => s.client), first.next], [['203.0.113.7:5000', '203.0.113.7:5003'], '4']);
    const rest = await engine.sessions({}, { limit: 9, cursor: first.next ?? '' });
    assert.deepEqual([rest.sessions.length, rest.next], [3, null]);
    assert.equal((await engine.sessions({ server: 'b' }, { limit: 9 })).sessions.length, 2);
    assert.equal((await engine.sessions({ client: '203.0.113.7:5006' }, { limit: 9 })).sessions.length, 1);
    assert.equal((await engine.sessions({ client: '203.0.113.8' }, { limit: 9 })).sessions.length, 0);
  });

  it('are not pinned to what is not there or down', async () => {
    const engine = make();
    await apply(engine, director({ servers: [server('a', 1), server('b', 2, { state: 'down' })] }));
    const pin = (to: string, name = 'web') => engine.pin({ director: name, client: '203.0.113.7', server: to });
    for (const attempt of [pin('zz'), pin('b'), pin('a', 'none')]) await assert.rejects(attempt, (e) => e instanceof EngineError && e.cure !== '');
    assert.equal(await pin('a'), 0);
  });
});

describe('interfaces', () => {
  it('all go generic when one driver has no native XDP, and an event says so', async () => {
    const engine = make();
    const kernel = maps.open.bind(maps);
    maps.open = () => {
      const real = kernel();
      return { ...real, attach: (ifindex, mode, name) => {
        if (mode === 'native' && name === 'back') throw new BpfError('native XDP on back was refused', EOPNOTSUPP);
        real.attach(ifindex, mode, name);
      } };
    };
    await apply(engine, director());
    assert.deepEqual(maps.attached.map((a) => a.mode), ['generic', 'generic']);
    assert.ok(events.some((e) => e.kind === 'fault' && e.recovered && /back was refused/.test(e.detail)));
  });

  it('keep their number when everything is removed and comes back', async () => {
    const engine = make();
    await apply(engine, director());
    const ids = new Map(maps.numbers.linkIds);
    await apply(engine);
    assert.deepEqual([maps.attached.length, maps.numbers.linkIds.size], [0, 0]);
    await apply(engine, director());
    assert.deepEqual(maps.numbers.linkIds, ids);
  });
});

describe('evidence', () => {
  it('is told once a second a server, for every row of that endpoint', async () => {
    const engine = make();
    await apply(engine, director(), director({ name: 'dns', ports: { first: 53, last: 53 }, servers: [server('x', 1)] }));
    const kernel = maps.open();
    const row = saved?.slots.find((s) => s.name === 'web')?.servers['a|192.0.2.1|8000'] ?? -1;
    kernel.servers.set(row, 'icmp_errors', 3);
    kernel.servers.set(row, 'blocked_until', 99);
    for (let n = 0; n < 3; n++) ticks[0]?.();
    assert.deepEqual(events.map((e) => (e.kind === 'refused' ? `${e.director}/${e.server}` : e.kind)).toSorted(), ['dns/x', 'web/a']);
    const other = saved?.slots.find((s) => s.name === 'dns')?.servers['x|192.0.2.1|8000'] ?? -1;
    assert.equal(kernel.servers.get(other, 'blocked_until'), 99);
  });
});
