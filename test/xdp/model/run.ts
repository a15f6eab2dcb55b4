/** One seed's run: every event put to the program and to the model, and whatever differs. */
import assert from 'node:assert/strict';
import { tickNow, type Bed } from '../packets/bed.ts';
import { readCounts, type Counts } from '../packets/counts.ts';
import { makeOlder } from '../packets/time.ts';
import { Random } from '../random.ts';
import type { Model } from './model.ts';
import type { Counters, Policy } from './parties.ts';
import { Traffic, type Event } from './traffic.ts';
import { KEPT_FOR, makeWorld, refreshWays, setPool, STEP, type World } from './world.ts';

export interface RunOptions {
  readonly seed: number;
  readonly frames: number;
  /** Events between two looks at all counters. */
  readonly every: number;
}

export interface Ran {
  readonly frames: number;
  readonly verdicts: Readonly<Record<string, number>>;
}

const POLICIES: readonly Policy[] = ['none', 'keep', 'move', 'drop'];
/** Well below what a way may be kept. */
const WAY_TICKS = 60_000;

/** Runs a seed. Throws an error that says the event at which the two differ. */
export function run(bed: Bed, { seed, frames, every }: RunOptions): Ran {
  bed.reset();
  // A small table is full now and then, a large one grows.
  const world = makeWorld(bed, seed % 2 === 0 ? 256 : 1024);
  const { model } = world;
  const traffic = new Traffic(new Random(seed), world);
  const verdicts: Record<string, number> = {};
  let [sent, at] = [0, 0];
  for (; sent < frames; at++) {
    if (at % 500 === 0) refreshWays(bed, model, tickNow() + WAY_TICKS);
    const event = traffic.next();
    try {
      if (event.kind === 'frame') {
        const verdict = put(bed, model, event);
        verdicts[verdict] = (verdicts[verdict] ?? 0) + 1;
        sent++;
      } else {
        change(bed, world, event);
      }
      if (at % every === every - 1) compare(bed, world);
    } catch (error) {
      throw new Error(`seed ${seed}, event ${at} (${describe(event)}): ${error instanceof Error ? error.message : String(error)}`);
    }
  }
  try {
    compare(bed, world);
  } catch (error) {
    throw new Error(`seed ${seed}, after its last event ${at}: ${error instanceof Error ? error.message : String(error)}`);
  }
  return { frames: sent, verdicts };
}

function put(bed: Bed, model: Model, { frame, device }: Event & { readonly kind: 'frame' }): string {
  const wanted = model.frame(frame, device);
  const { verdict, data } = bed.run(frame, device);
  if (verdict !== wanted.verdict) throw new Error(`verdict ${verdict}, the model says ${wanted.verdict}`);
  const out = wanted.verdict === 'pass' ? frame : wanted.verdict === 'redirect' ? wanted.out : null;
  if (out !== null && !data.equals(out)) throw new Error(`${verdict}, frame\n${data.toString('hex')}\nthe model says\n${out.toString('hex')}`);
  return verdict;
}

function change(bed: Bed, { model }: World, event: Exclude<Event, { readonly kind: 'frame' }>): void {
  switch (event.kind) {
    case 'later': {
      // What is too old may be gone at any time: gone it is on both sides.
      const fragments = bed.map('fragments');
      for (let key = fragments.nextKey(null); key !== null; key = fragments.nextKey(null)) fragments.remove(key);
      model.fragments.clear();
      makeOlder(bed, event.steps * STEP);
      model.now += event.steps * STEP;
      return;
    }
    case 'sweep': {
      const answer = { done: 0, freed: 0, live: 0 };
      for (let record = 0; record < model.table.limit; record++) {
        const result = model.sweepOne(record);
        if (result !== null) answer[result]++;
      }
      assert.deepEqual(bed.command('sweep', { first: 0, count: bed.globals.get(0, 'limit') }), answer);
      return;
    }
    case 'end': {
      const done = event.records.filter((record) => model.end(model.table.records[record], event.linger)).length;
      assert.deepEqual(bed.command('end', { records: event.records, linger: event.linger ? 1 : 0 }), { done, freed: 0, live: 0 });
      return;
    }
    case 'pin': {
      const done = event.records.filter((record) => model.pin(model.table.records[record], event.server)).length;
      assert.deepEqual(bed.command('pin', { records: event.records, server: event.server.slot }), { done, freed: 0, live: 0 });
      return;
    }
    case 'policy': {
      const { server, policy, forATime } = event;
      server.policy = policy;
      server.policyUntil = policy === 'keep' && forATime ? model.now + KEPT_FOR : 0;
      bed.servers.set(server.slot, 'policy_until', server.policyUntil === 0 ? 0 : tickNow() + KEPT_FOR);
      bed.servers.set(server.slot, 'policy', POLICIES.indexOf(policy));
      return;
    }
    case 'up':
      event.server.policy = 'none';
      event.server.blockedUntil = 0;
      bed.servers.set(event.server.slot, 'blocked_until', 0);
      bed.servers.set(event.server.slot, 'policy', 0);
      return;
    case 'pool': {
      const servers = [...model.servers.values()].filter((s) => s.director === event.director.settings.slot && s !== event.director.sorry);
      setPool(bed, event.director, servers.map((server, i) => ({ server, weight: event.weights[i] })));
      return;
    }
    case 'sorry':
      event.director.sorryInUse = event.inUse;
      bed.directors.set(event.director.settings.slot, 'sorry_in_use', event.inUse ? 1 : 0);
      return;
  }
}

/** All that counts, on both sides. */
function compare(bed: Bed, { model, places }: World): void {
  const { entries, ...counts } = readCounts(bed, places, model.table.limit);
  assert.deepEqual(counts, countsOf(model));
  assert.equal(entries?.fragments ?? 0, model.fragments.size, 'fragments');
  assert.equal(entries?.persists ?? 0, model.persisted.size, 'persists');
}

function countsOf(model: Model): Counts {
  const servers = [...model.servers.values()].map((s) => [s.name, plain({ ...s.counters, active: s.active, live: s.live, refs: s.refs, icmp_errors: s.icmpErrors, port_next: s.portNext })] as const);
  const directors = [...model.directors.values()].map((d) => [d.settings.name, plain({ ...d.counters, sessions: d.sessions, position: d.position })] as const);
  const all = {
    servers: named(servers), directors: named(directors), of_none: plain(model.ofNone),
    globals: plain({ sessions: model.sessions, records: model.records, cursor: model.table.cursor, fragment_id: model.fragmentId }),
  };
  return Object.fromEntries(Object.entries(all).filter(([, value]) => Object.keys(value).length > 0));
}

function named(rows: readonly (readonly [string, Counters])[]): Record<string, Counters> {
  return Object.fromEntries(rows.filter(([, numbers]) => Object.keys(numbers).length > 0));
}

function plain(numbers: Counters): Counters {
  return Object.fromEntries(Object.entries(numbers).filter(([, value]) => value !== 0));
}

function describe(event: Event): string {
  if (event.kind === 'frame') return `frame on ${event.device}: ${event.frame.toString('hex')}`;
  return JSON.stringify(event, (key, value: unknown) => (key === 'server' ? (value as { name: string }).name : key === 'director' ? (value as { settings: { name: string } }).settings.name : value));
}
