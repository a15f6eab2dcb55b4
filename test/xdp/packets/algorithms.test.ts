/**
 * Every algorithm picks as src/balance/picker.ts does in the same state: weights, loads, evidence and positions at random, by a seed.
 * One-way datagrams ask, so that a choice changes nothing but the position, which must count up alike.
 */
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { hashFlow, hashIp } from '../../../src/balance/hash.ts';
import type { Locality } from '../../../src/balance/locality.ts';
import { createPicker, failoverOrder, hashTable, type Candidate, type Picker, type PickerState } from '../../../src/balance/picker.ts';
import { weightedSchedule } from '../../../src/balance/schedule.ts';
import type { Balance } from '../../../src/balance/terms.ts';
import type { ENUMS } from '../../../src/engine/xdp/abi/spec.ts';
import { Random } from '../random.ts';
import { Bed, tickNow } from './bed.ts';
import { address, udp } from './frame.ts';
import { TICKS, write, writePool, writeServer, type Places } from './layout.ts';
import { up } from './row.ts';

/** Fixed, so that a failure repeats; WEIR_MODEL_SEED tries others. */
const SEED = Number(process.env['WEIR_MODEL_SEED'] ?? 20_261_127);
const POOLS = 25;
const PICKS = 60;
const FIRST_SLOT = 20;
const VIP = '198.51.100.1';
const VIP6 = '2001:db8:51::1';
/** 24 hours, as src/balance/locality.ts and the program have it, in ms and ticks. */
const DAY_MS = 86_400_000;
const DAY_TICKS = 82_397_461;

const ALGORITHMS: readonly (readonly [Balance, (typeof ENUMS.algorithm)[number]])[] = [
  ['roundrobin', 'rotation'], ['leastconn', 'least'], ['shortestexpected', 'shortest'], ['neverqueue', 'idle_first'], ['failover', 'first'],
  ['source', 'source'], ['dest', 'dest'], ['srcdst', 'srcdst'], ['maglev', 'flow'], ['localitybased', 'locality'], ['localitybased-replication', 'replication'],
];

const bed = new Bed();
after(() => bed.close());

/** What both sides see: one trial's servers. */
class State implements PickerState {
  readonly #random: Random;
  readonly loads: number[];
  readonly evidence: boolean[];
  position: number;
  constructor(random: Random, count: number) {
    this.#random = random;
    // Small loads, so that equals are common.
    const most = random.of([1, 3, 10, 100_000]);
    this.loads = Array.from({ length: count }, () => random.below(most));
    const blocked = random.of([0, 0, 2, 10, 100]);
    this.evidence = Array.from({ length: count }, () => blocked > 0 && random.below(100) < blocked * 10);
    this.position = random.word();
  }
  active(i: number): number {
    return this.loads[i];
  }
  blocked(i: number): boolean {
    return this.evidence[i];
  }
  next(): number {
    const position = this.position;
    this.position = (position + 1) >>> 0;
    return position;
  }
  random(): number {
    return this.#random.word();
  }
  nowMs(): number {
    return NOW_MS;
  }
}
const NOW_MS = 1e12;

function candidates(random: Random): Candidate[] {
  const count = random.of([1, 2, 3, 5, 16, 64, 200]);
  const weights = random.of<() => number>([() => 1, () => 256, () => 1 + random.below(4), () => random.below(257), () => (random.oneIn(3) ? 0 : 7)]);
  return Array.from({ length: count }, (_, i) => ({ key: `10.0.${i >> 8}.${i & 255}:5300`, weight: weights() }));
}

function setUp(six: boolean): Places {
  bed.reset();
  return write(bed, { directors: { dns: { vip: six ? `[${VIP6}]:53` : `${VIP}:53`, kind: 'one_way', servers: {} } } });
}

/** Writes the trial's servers into slots from FIRST_SLOT on, in configuration order. */
function writeState(state: State, servers: readonly Candidate[], director: number, slots: readonly number[]): void {
  slots.forEach((slot, i) => {
    bed.servers.set(slot, 'active', state.loads[i]);
    bed.servers.set(slot, 'blocked_until', state.evidence[i] ? tickNow() + TICKS.block : 0);
    bed.servers.set(slot, 'weight', servers[i].weight);
  });
  bed.directors.set(director, 'position', state.position);
}

/** Sends one datagram; returns the index of the server it went to, or -1 when it was dropped. */
function pick(client: string, six: boolean): number {
  const dst = six ? `[${VIP6}]:53` : `${VIP}:53`;
  const { verdict, data } = bed.run(up(udp({ src: client, dst }), 'drop').frame, 'clients');
  if (verdict === 'drop') return -1;
  assert.equal(verdict, 'redirect');
  const to = six ? data.readUInt16BE(14 + 38) : data.readUInt16BE(14 + 18);
  return to - 1;
}

for (const [balance, algorithm] of ALGORITHMS) {
  test(`${balance}: ${POOLS * PICKS} picks as the picker's, and as many turns taken`, () => {
    const random = new Random(SEED ^ hashIp(Buffer.from(balance.padEnd(4).slice(-4))));
    for (let pool = 0; pool < POOLS; pool++) {
      const six = random.oneIn(3);
      const places = setUp(six);
      const director = places.directors.get('dns') ?? 0;
      const servers = candidates(random);
      const slots = servers.map((_, i) => FIRST_SLOT + i);
      slots.forEach((slot, i) => writeServer(bed, slot, { at: six ? `[2001:db8:10::${(i + 1).toString(16)}]:5300` : `10.0.${(i + 1) >> 8}.${(i + 1) & 255}:5300`, weight: servers[i].weight }, director, 0));
      const table = hashTable(balance, servers) ?? (balance === 'roundrobin' ? weightedSchedule(servers.map((s) => s.weight)) : new Uint16Array(0));
      const order = balance === 'failover' ? failoverOrder(servers) : servers.map((_, i) => i);
      writePool(bed, director, { algorithm, candidates: order.map((i) => ({ slot: slots[i], weight: servers[i].weight })), table });
      for (let trial = 0; trial < PICKS; trial++) {
        const state = new State(random, servers.length);
        writeState(state, servers, director, slots);
        const kept = algorithm === 'locality' || algorithm === 'replication' ? writeLocality(random, director, slots, servers, algorithm === 'replication') : undefined;
        const picker = createPicker(balance, servers, state, { ...(usesTable(balance) ? { table } : {}), ...(kept ? { previous: { locality: kept } as unknown as Picker } : {}) });
        const [ip, port] = [six ? `2001:db8:2::${random.below(0xffff).toString(16)}` : `192.0.${random.below(256)}.${random.below(256)}`, 1 + random.below(65_535)];
        const dest = hashIp(address(six ? VIP6 : VIP));
        let wanted = picker.pick({ source: hashIp(address(ip)), flow: hashFlow(address(ip), port), dest });
        // Nothing but evidence against them all: the first that has a weight.
        if (wanted < 0) wanted = order.find((i) => servers[i].weight > 0) ?? -1;
        const found = pick(six ? `[${ip}]:${port}` : `${ip}:${port}`, six);
        const where = `pool ${pool}, pick ${trial} of seed ${SEED}`;
        assert.equal(found, wanted, where);
        assert.equal(bed.directors.get(director, 'position'), state.position, `${where}: position`);
        if (picker.locality !== undefined) assert.deepEqual(readLocality(director, dest, slots), picker.locality.servers(dest), `${where}: the destination's servers`);
      }
    }
  });
}

test('random: shares follow the weights, a blocked server gets nothing', () => {
  const places = setUp(false);
  const director = places.directors.get('dns') ?? 0;
  const weights = [1, 2, 0, 5];
  weights.forEach((weight, i) => writeServer(bed, FIRST_SLOT + i, { at: `10.0.0.${i + 1}:5300`, weight }, director, 0));
  writePool(bed, director, { algorithm: 'random', candidates: weights.map((weight, i) => ({ slot: FIRST_SLOT + i, weight })), table: weightedSchedule(weights) });
  const count = (): number[] => {
    const counts = [0, 0, 0, 0];
    for (let n = 0; n < 8000; n++) counts[pick(`192.0.2.${n & 255}:${1000 + n}`, false)]++;
    return counts;
  };
  assertShares(count(), weights);
  bed.servers.set(FIRST_SLOT + 3, 'blocked_until', tickNow() + TICKS.block);
  assertShares(count(), [1, 2, 0, 0]);
});

/** Five standard deviations: once in two million runs by chance. */
function assertShares(counts: readonly number[], weights: readonly number[]): void {
  const [total, all] = [counts.reduce((a, b) => a + b), weights.reduce((a, b) => a + b)];
  counts.forEach((count, i) => {
    const share = weights[i] / all;
    assert.ok(Math.abs(count - total * share) <= 5 * Math.sqrt(total * share * (1 - share)), `${counts.join(' ')} for weights ${weights.join(' ')}`);
  });
}

function usesTable(balance: Balance): boolean {
  return balance === 'source' || balance === 'dest' || balance === 'srcdst' || balance === 'maglev';
}

/** Gives the destination some servers already, on both sides: not always those of the pool, not always recently. */
function writeLocality(random: Random, director: number, slots: readonly number[], servers: readonly Candidate[], replication: boolean): Locality {
  const dest = bed.directors.get(director, 'dest_hash');
  const able = slots.flatMap((_, i) => (servers[i].weight > 0 ? [i] : []));
  const members = [...new Set(Array.from({ length: replication ? random.below(6) : random.below(2) }, () => random.of(able)))].filter((i) => i !== undefined).toSorted((a, b) => a - b);
  const old = random.oneIn(2);
  const map = bed.map('localities');
  const key = localityKey(director, dest);
  map.remove(key);
  if (members.length > 0) {
    const value = Buffer.alloc(40);
    members.forEach((i, at) => value.writeUInt16LE(slots[i] + 1, 2 * at));
    value.writeUInt32LE((tickNow() - (old ? DAY_TICKS + 1000 : DAY_TICKS - 1_000_000)) >>> 0, 32);
    map.update(key, value);
  }
  const entries = members.length === 0 ? [] : [{ dest, keys: members.map((i) => servers[i].key), changedMs: NOW_MS - (old ? DAY_MS + 1000 : DAY_MS - 1_000_000) }];
  return { entries: () => entries, servers: () => [], evicted: () => 0 };
}

function readLocality(director: number, dest: number, slots: readonly number[]): number[] {
  const value = bed.map('localities').lookup(localityKey(director, dest));
  if (value === null) return [];
  return Array.from({ length: 16 }, (_, i) => value.readUInt16LE(2 * i)).filter((slot) => slot !== 0).map((slot) => slots.indexOf(slot - 1)).toSorted((a, b) => a - b);
}

function localityKey(director: number, dest: number): Buffer {
  const key = Buffer.alloc(8);
  key.writeUInt32LE(dest, 0);
  key.writeUInt32LE(director, 4);
  return key;
}

