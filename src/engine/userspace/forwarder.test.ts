import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { OnAction, ServerState, SessionPolicy } from '../../balance/terms.ts';
import type { DesiredDirector } from '../../plan/desired.ts';
import { DROP_REASONS, type DropReason } from '../drops.ts';
import { responseBucket } from '../response-times.ts';
import { disownWorker } from './counts.ts';
import { swap16 } from './endpoints.ts';
import { ANSWERED_IDLE_MS, Forwarder, LINGER_MS, REST_MS } from './forwarder.ts';
import type { SlottedDirector } from './protocol.ts';
import { sumReading } from './reading.ts';
import { createSharedBuffers, sharedViews } from './shared.ts';
import { UpstreamPools } from './upstreams.ts';

const ip = (text: string) => ({ family: 4 as const, text });

interface Setting {
  readonly states?: readonly ServerState[];
  readonly session?: Partial<SessionPolicy>;
  readonly on?: Partial<Record<'down' | 'drain' | 'remove', OnAction>>;
  readonly weights?: readonly number[];
  readonly persistenceMs?: number;
  readonly balance?: DesiredDirector['balance'];
}

function director({ states = ['up', 'up'], session = {}, on = {}, weights = [], persistenceMs, balance = 'leastconn' }: Setting): SlottedDirector {
  return {
    slot: 0,
    locality: null,
    serverSlots: states.map((_, i) => i),
    director: {
      name: 'd', vip: ip('192.0.2.1'), ports: { first: 53, last: 53 }, protocol: 'udp', mode: 'nat', balance, sourceNat: null,
      persistence: persistenceMs === undefined ? null : { timeoutMs: persistenceMs, prefix4: 32, prefix6: 128 },
      session: { kind: 'two-way', replies: 1, timeoutMs: null, max: null, rate: null, sourceRate: null, amplification: null, ...session },
      on: { down: { kind: 'move' }, drain: { kind: 'keep', forMs: null }, remove: { kind: 'move' }, ...on },
      servers: states.map((state, i) => ({ name: `s${i}`, ip: ip(`10.0.0.${i + 1}`), port: 53, weight: weights[i] ?? 1, state, sorry: false })),
    },
  };
}

function world(setting: Setting = {}, maxSockets = 1000) {
  const shared = sharedViews(createSharedBuffers({ workers: 1, directors: 4, servers: 8, persistence: 64 }, 0n));
  const refused: number[] = [];
  const f = new Forwarder({
    shared, worker: 0, maxSessions: 1000, onRefused: (slot) => refused.push(slot),
    upstreams: new UpstreamPools({ maxSockets, open: () => true }),
  });
  f.listeners[0] = { id: 0, directorSlot: 0, vipPort: 53 };
  let slotted = director(setting);
  f.apply([slotted], 0);
  const send = (port: number, now: number, bytes = 10): number => {
    f.tick(now);
    if (!f.fromClient(0, swap16(port), 0, 0, 0, 0x0100007f, bytes, now)) return -1;
    f.requested(f.session, now);
    f.sent(f.serverSlot, f.session, bytes);
    return f.serverSlot;
  };
  const from = ([a0, a1, a2, a3]: readonly number[], port: number, now: number): boolean => {
    f.tick(now);
    return f.fromClient(0, swap16(port), a0, a1, a2, a3, 10, now);
  };
  const reply = (now: number, bytes = 20): boolean => {
    if (!f.carries(f.session, bytes, now)) return false;
    f.replied(f.session, bytes, now);
    return true;
  };
  const apply = (next: Setting, now: number): void => f.apply([(slotted = director(next))], now);
  const reading = () => sumReading(shared, [slotted], '', 0, {}).directors[0];
  const drops = (): Partial<Record<DropReason, number>> => Object.fromEntries(Object.entries(reading().drops).filter(([, n]) => n > 0));
  return { f, shared, refused, send, from, reply, apply, reading, drops };
}

describe('an ICMP error', () => {
  it('is about something that was sent only when a session ties its port to its server, or the port is of one-way datagrams', () => {
    const w = world();
    w.send(1000, 0);
    const [upstream, endpoint] = [w.f.toUpstream, w.f.toEndpoint];
    assert.equal(w.f.sendsFrom(upstream, endpoint), true);
    assert.equal(w.f.sendsFrom(upstream, -1), false, 'no server of ours');
    assert.equal(w.f.sendsFrom(upstream, endpoint + 1), false, 'another server');
    assert.equal(w.f.sendsFrom(upstream + 1, endpoint), false, 'another port');
    w.f.end(w.f.session, 1);
    assert.equal(w.f.sendsFrom(upstream, endpoint), false, 'a session that has ended');
    const oneWay = world({ session: { kind: 'one-way' } });
    oneWay.send(1000, 0);
    assert.equal(oneWay.f.sendsFrom(oneWay.f.toUpstream, oneWay.f.toEndpoint), true);
  });
});

describe('two-way sessions', () => {
  it('stay with their server until idle: 30 s before a reply, 120 s after one', () => {
    const w = world();
    const first = w.send(1000, 0);
    assert.equal(w.send(1000, 29_999), first);
    assert.equal(w.reading().sessionsCreated, 1);
    w.reply(29_999);
    w.send(1000, 29_999 + 119_999);
    assert.equal(w.reading().sessionsCreated, 1);
    w.send(1000, 29_999 + 119_999 + 120_000);
    assert.equal(w.reading().sessionsCreated, 2);
  });

  it('are counted for leastconn, and their end is counted back', () => {
    const w = world();
    for (let port = 1; port <= 10; port++) w.send(port, 0);
    assert.deepEqual(w.reading().servers.map((s) => s.sessions), [5, 5]);
    w.f.sweep(30_000);
    assert.deepEqual(w.reading().servers.map((s) => s.sessions), [0, 0]);
    assert.deepEqual([...w.shared.active], [0, 0, 0, 0, 0, 0, 0, 0]);
    assert.equal(w.reading().sessions, 0);
    assert.equal(w.reading().servers[0].unanswered + w.reading().servers[1].unanswered, 10);
  });

  it('are refused above `max`, with the drop counted, and taken again when one ends', () => {
    const w = world({ session: { max: 1 } });
    assert.notEqual(w.send(1, 0), -1);
    assert.equal(w.send(2, 0), -1);
    assert.deepEqual(w.drops(), { session_max: 1 });
    w.f.sweep(30_000);
    assert.notEqual(w.send(2, 30_000), -1);
  });

  it('are refused above `rate` until the next whole second; those that live go on, and what is refused is not made', () => {
    const w = world({ session: { rate: 2 } });
    assert.deepEqual([w.send(1, 10_000), w.send(2, 10_500), w.send(3, 10_999)].map((s) => s >= 0), [true, true, false]);
    assert.notEqual(w.send(1, 10_999), -1);
    assert.notEqual(w.send(3, 11_000), -1);
    assert.deepEqual([w.drops(), w.reading().sessions], [{ rate_limit: 1 }, 3]);
  });

  it('are refused above `source-rate` of their address alone; one that may not make more takes nothing of the rate of all', () => {
    const w = world({ session: { rate: 3, sourceRate: 1 } });
    const [ours, theirs, third] = [0x0100007f, 0x0200007f, 0x0300007f];
    assert.deepEqual([1, 2, 3].map((port) => w.from([0, 0, 0, ours], port, 0)), [true, false, false]);
    assert.deepEqual([theirs, third, 7].map((source) => w.from([0, 0, 0, source], 1, 900)), [true, true, false]);
    assert.deepEqual(w.drops(), { rate_limit: 3 });
    assert.equal(w.from([0, 0, 0, ours], 2, 1000), true);
  });

  it('are counted by the /64 of an IPv6 source', () => {
    const w = world({ session: { sourceRate: 1 } });
    assert.deepEqual([[1, 2, 3, 4], [1, 2, 9, 9], [1, 3, 3, 4]].map((source) => w.from(source, 1, 0)), [true, false, true]);
  });

  it('are dropped for want of a port when every socket is taken or resting', () => {
    const w = world({ states: ['up'] }, 1);
    w.send(1, 0);
    assert.equal(w.send(2, 0), -1);
    assert.deepEqual(w.drops(), { no_port: 1 });
    assert.equal(w.reading().sessions, 1);
    w.f.sweep(30_000);
    assert.equal(w.send(2, 30_000 + REST_MS - 1), -1);
    assert.equal(w.send(2, 30_000 + REST_MS), 0);
  });
});

describe('when a server leaves', () => {
  const states: readonly ServerState[] = ['up', 'up'];

  for (const [event, state] of [['down', 'down'], ['drain', 'drain'], ['remove', 'disabled']] as const) {
    it(`on ${event} move: the next datagram goes elsewhere, late replies still arrive`, () => {
      const w = world({ states, on: { [event]: { kind: 'move' } } });
      const slot = w.send(1, 0);
      const { toUpstream, toEndpoint, session } = w.f;
      w.apply({ states: states.map((s, i) => (i === slot ? state : s)), on: { [event]: { kind: 'move' } } }, 10);
      assert.equal(w.f.fromServer(toUpstream, toEndpoint), session);
      assert.equal(w.send(1, 20), 1 - slot);
      assert.equal(w.reading().servers[slot].sessionsMoved, 1);
      assert.equal(w.reading().servers[slot].sessions, 0);
      w.f.sweep(10 + LINGER_MS);
      assert.equal(w.f.fromServer(toUpstream, toEndpoint), -1);
    });

    it(`on ${event} keep 1 s: the session stays that long and not longer, however busy`, () => {
      const on = { [event]: { kind: 'keep' as const, forMs: 1000 } };
      const w = world({ states, on });
      const slot = w.send(1, 0);
      const left = { states: states.map((s, i) => (i === slot ? state : s)), on };
      w.apply(left, 100);
      w.apply(left, 600);
      assert.equal(w.send(1, 1099), slot);
      assert.equal(w.send(1, 1100), 1 - slot);
    });

    it(`on ${event} drop: its datagrams are dropped and counted until the client would have been idle`, () => {
      const on = { [event]: { kind: 'drop' as const } };
      const w = world({ states, on });
      const slot = w.send(1, 0);
      w.apply({ states: states.map((s, i) => (i === slot ? state : s)), on }, 100);
      assert.equal(w.send(1, 200), -1);
      assert.deepEqual(w.drops(), { on_policy: 1 });
      assert.equal(w.send(2, 200), 1 - slot);
      assert.equal(w.send(1, 30_000), 1 - slot);
    });
  }

  it('a drained server keeps its sessions and gets no new ones by default', () => {
    const w = world();
    const slot = w.send(1, 0);
    w.apply({ states: states.map((s, i) => (i === slot ? 'drain' : s)) }, 10);
    assert.equal(w.send(1, 20), slot);
    for (let port = 2; port < 8; port++) assert.equal(w.send(port, 20), 1 - slot);
  });

  it('nobody is left: datagrams are dropped with no_server, and the next server takes over', () => {
    const w = world();
    w.send(1, 0);
    w.apply({ states: ['down', 'down'] }, 10);
    assert.equal(w.send(1, 20), -1);
    assert.deepEqual(w.drops(), { no_server: 1 });
    w.apply({ states: ['down', 'up'] }, 30);
    assert.equal(w.send(1, 40), 1);
  });

  it('ICMP evidence moves the session at once, in every worker, and is told once a second', () => {
    const w = world();
    const slot = w.send(1, 0);
    w.f.refused(w.f.toEndpoint, 'ICMP port unreachable');
    w.f.refused(w.f.toEndpoint, 'ICMP port unreachable');
    assert.deepEqual(w.refused, [slot]);
    assert.equal(w.reading().servers[slot].icmpErrors, 2);
    assert.equal(w.send(1, 10), 1 - slot);
    assert.equal(w.send(2, 10), 1 - slot);
    assert.equal(w.send(3, 10_100), slot, 'evidence lapses when nobody confirms it');
  });

  it('sessions stay while nothing but evidence speaks against every server: there is nowhere better to go', () => {
    const w = world({ states: ['up'] });
    const slot = w.send(1000, 0);
    const { session } = w.f;
    w.f.refused(w.f.toEndpoint, 'ICMP port unreachable');
    for (let n = 1; n < 50; n++) {
      assert.equal(w.send(1000, n), slot);
      assert.equal(w.f.session, session);
    }
    assert.deepEqual([w.reading().sessionsCreated, w.reading().servers[0]?.sessionsMoved], [1, 0]);
  });

  it('persistence is not renewed by a session that a draining server keeps', () => {
    const w = world({ persistenceMs: 600_000 });
    const kept = w.send(1000, 0);
    const states = [0, 1].map((i) => (i === kept ? 'drain' : 'up')) as ServerState[];
    w.apply({ states, persistenceMs: 600_000 }, 100);
    assert.equal(w.send(1000, 200), kept);
    assert.equal(w.send(2000, 300), 1 - kept);
    for (let now = 1000; now < 5000; now += 500) w.f.sweep(now);
    w.apply({ persistenceMs: 600_000 }, 5000);
    assert.equal(w.send(3000, 5100), 1 - kept, 'the client is bound where its last new session went');
  });

  it('a single server that refused is still tried: nothing but evidence speaks against it', () => {
    const w = world({ states: ['up'] });
    w.send(1, 0);
    w.f.refused(w.f.toEndpoint, 'ICMP port unreachable');
    assert.equal(w.send(1, 10), 0);
  });
});

describe('a pinned session', () => {
  it('moves to its new server with its client, and back, with counts that hold', () => {
    const w = world();
    const first = w.send(1, 0);
    const { session, toUpstream, toEndpoint } = w.f;
    const to = w.f.pin(session, 1 - first, 10);
    assert.notEqual(to, session);
    assert.equal(w.f.fromServer(toUpstream, toEndpoint), session, 'late replies of the old server arrive');
    assert.equal(w.send(1, 20), 1 - first);
    assert.deepEqual([w.f.session, w.f.pin(to, 1 - first, 30)], [to, to]);
    assert.deepEqual([...w.shared.active.subarray(0, 2)].toSorted(), [0, 1]);
    assert.deepEqual([w.reading().sessions, w.reading().servers[first].sessionsMoved], [1, 1]);
  });

  it('stays where it was when no port towards the new server has rested', () => {
    const w = world({}, 1);
    const first = w.send(1, 0);
    const { session } = w.f;
    const other = w.f.pin(session, 1 - first, 10);
    assert.ok(other >= 0);
    assert.equal(w.f.pin(other, first, 20), -1);
    assert.equal(w.send(1, 30), 1 - first);
    assert.deepEqual(w.drops(), {});
  });
});

describe('response times', () => {
  const counted = (w: ReturnType<typeof world>): number[] => (w.reading().servers[0].responseTimes ?? []).flatMap((n, bucket) => Array<number>(n).fill(bucket));

  it('run from the last request to the first reply after it, in the session kinds that see replies', () => {
    for (const kind of ['two-way', 'request-reply'] as const) {
      const w = world({ states: ['up'], session: { kind } });
      w.send(1, 1);
      w.send(1, 101);
      w.reply(103);
      w.reply(5000);
      assert.deepEqual(counted(w), [responseBucket(2e6)], kind);
      w.send(1, 6000);
      w.reply(6000);
      assert.deepEqual(counted(w), [0, responseBucket(2e6)], kind);
    }
  });
});

describe('session amplification', () => {
  const three = { states: ['up'] as const, session: { amplification: 3 } };

  it('lets three times the bytes of the client through and not one more, for as long as the session lives', () => {
    const w = world(three);
    w.send(1, 0);
    assert.deepEqual([10, 20, 1, 0].map((bytes) => w.reply(10, bytes)), [true, true, false, true]);
    w.send(1, 20, 5);
    assert.deepEqual([16, 15, 1].map((bytes) => w.reply(30, bytes)), [false, true, false]);
    assert.deepEqual([w.drops(), w.f.table.bytesOut[w.f.session], w.f.table.packetsOut[w.f.session]], [{ amplification: 3 }, 45, 4]);
    assert.equal(w.reading().sessions, 1);
  });

  it('counts a reply when it is let through, and takes it back when it is not sent', () => {
    const w = world(three);
    w.send(1, 0);
    assert.deepEqual([w.f.carries(w.f.session, 30, 1), w.f.carries(w.f.session, 1, 1)], [true, false], 'a batch counts together');
    w.f.unsent(w.f.session, 30);
    assert.equal(w.reply(2, 30), true);
  });

  it('gives nothing for an empty request, and holds nobody whose director has no limit', () => {
    const w = world(three);
    w.send(1, 0, 0);
    assert.equal(w.reply(1, 1), false);
    w.apply({ states: ['up'] }, 2);
    assert.equal(w.reply(3, 65_000), true);
    w.apply(three, 4);
    w.send(1, 5, 100);
    assert.equal(w.reply(6, 1), false, 'a limit that comes later counts what the session carried before');
  });

  it('is an answer of the server all the same, and none that keeps the session: silence is not held against it', () => {
    const w = world(three);
    w.send(1, 1);
    assert.equal(w.reply(10, 31), false);
    const [server] = w.reading().servers;
    assert.deepEqual([server.packetsOut, server.bytesOut, w.reading().packetsOut, (server.responseTimes ?? []).reduce((a, b) => a + b, 0)], [1, 31, 1, 1]);
    w.f.sweep(30_001);
    assert.deepEqual([w.reading().sessions, w.reading().servers[0].unanswered], [0, 1], 'to its client it was never answered');
  });

  it('frees a request-reply server as an answer does', () => {
    const w = world({ states: ['up'], session: { kind: 'request-reply', amplification: 1 } });
    w.send(1, 0);
    assert.equal(w.shared.active[0], 1);
    assert.equal(w.reply(10, 11), false);
    assert.equal(w.shared.active[0], 0);
    w.f.sweep(10 + ANSWERED_IDLE_MS);
    assert.equal(w.reading().sessions, 0);
  });
});

describe('request-reply sessions', () => {
  const session = { kind: 'request-reply' as const };

  it('schedule each request by itself, so that leastconn means least outstanding', () => {
    const w = world({ session });
    const first = w.send(1, 0);
    const toFirst = w.f.session;
    assert.equal(w.send(1, 1), 1 - first);
    assert.deepEqual([...w.shared.active.subarray(0, 2)], [1, 1]);
    w.f.replied(toFirst, 5, 2);
    assert.equal(w.send(1, 3), first);
  });

  it('end soon after their last answer, and a lost answer is given up after the request time', () => {
    const w = world({ states: ['up'], session });
    w.send(1, 0);
    w.reply(10);
    w.f.sweep(10 + ANSWERED_IDLE_MS);
    assert.equal(w.reading().sessions, 0);
    assert.equal(w.reading().servers[0].unanswered, 0);
    for (let now = 20_000; now <= 100_000; now += 1000) {
      w.send(1, now);
      if (now > 20_000) w.reply(now);
      w.f.sweep(now);
    }
    assert.ok(w.shared.active[0] <= 1, `one lost answer must not count for ever, ${w.shared.active[0]} outstanding`);
    assert.equal(w.reading().servers[0].unanswered, 1);
  });
});

describe('one-way directors', () => {
  it('schedule each datagram by itself and keep no session', () => {
    const w = world({ session: { kind: 'one-way' } });
    const slots = [0, 1, 2, 3].map((now) => w.send(1, now));
    assert.deepEqual(slots.toSorted(), [0, 0, 1, 1]);
    assert.equal(w.reading().sessionsCreated, 0);
    assert.equal(w.f.fromServer(w.f.toUpstream, w.f.toEndpoint), -1);
    w.apply({ states: ['down', 'up'], session: { kind: 'one-way' } }, 10);
    for (let now = 11; now < 15; now++) assert.equal(w.send(1, now), 1);
  });
});

describe('persistence', () => {
  it('sends every port of an address to one server while the time runs, and elsewhere when it left', () => {
    const w = world({ persistenceMs: 60_000 });
    const slot = w.send(1, 0);
    for (let port = 2; port < 10; port++) assert.equal(w.send(port, 10), slot);
    w.apply({ persistenceMs: 60_000, states: [0, 1].map((i) => (i === slot ? 'down' : 'up')) }, 20);
    assert.equal(w.send(1, 30), 1 - slot);
    assert.equal(w.send(11, 40), 1 - slot);
  });
});

describe('a worker that dies', () => {
  it('leaves no counts behind: what it had added is taken back', () => {
    for (const kind of ['two-way', 'request-reply'] as const) {
      const w = world({ session: { kind } });
      for (let port = 1; port <= 7; port++) w.send(port, 0);
      w.apply({ session: { kind }, states: ['down', 'up'] }, 10);
      disownWorker(w.shared, 0);
      for (const counts of [w.shared.active, w.shared.live, w.shared.refs, w.shared.directorSessions]) assert.ok(counts.every((n) => n === 0));
    }
  });
});

describe('counters', () => {
  it('hold in = sum of servers + drops, for every reason there is', () => {
    const w = world({ session: { max: 2 } });
    for (let port = 1; port <= 5; port++) w.send(port, 0);
    const r = w.reading();
    const dropped = DROP_REASONS.reduce((sum, reason) => sum + (r.drops[reason.name] ?? 0), 0);
    assert.equal(r.packetsIn, 5);
    assert.equal(r.servers.reduce((sum, s) => sum + s.packetsIn, 0) + dropped, 5);
  });
});
