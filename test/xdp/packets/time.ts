/** Makes time pass: the program reads a clock that nobody can set, so every time that the maps hold is put back instead. */
import { offsetOf } from '../../../src/engine/xdp/abi/layout.ts';
import { FRAGMENT, LOCALITY, PERSIST, type StructSpec } from '../../../src/engine/xdp/abi/spec.ts';
import { SERVERS, type Bed, type HashName } from './bed.ts';

/** Units of request_us (1024 ns) in a tick (2^20 ns). */
const US_PER_TICK = 1024;

/** Puts everything back by so many ticks. `records`: how many are in use. */
export function makeOlder(bed: Bed, ticks: number, records: number = bed.globals.get(0, 'limit')): void {
  const { sessions, servers } = bed;
  for (let record = 0; record < records; record++) {
    if ((sessions.get(record, 'state') & 0xff) === 0) continue;
    for (const field of ['expires', 'last', 'created', 'epoch']) sessions.set(record, field, (sessions.get(record, field) - ticks) >>> 0);
    const asked = sessions.get(record, 'request_us');
    if (asked !== 0) sessions.set(record, 'request_us', (asked - ticks * US_PER_TICK) >>> 0);
  }
  for (let slot = 0; slot < SERVERS; slot++) {
    if (servers.get(slot, 'family') === 0) continue;
    for (const field of ['policy_until', 'blocked_until']) {
      const until = servers.get(slot, field);
      if (until !== 0) servers.set(slot, field, (until - ticks) >>> 0 || 1);
    }
  }
  age(bed, 'persists', PERSIST, 'until', ticks);
  age(bed, 'fragments', FRAGMENT, 'tick', ticks);
  age(bed, 'localities', LOCALITY, 'changed', ticks);
}

/** The way to a server is put back only where a row asks for it: most rows are not about ways, and theirs must hold. */
export function makeWayOlder(bed: Bed, slot: number, ticks: number): void {
  bed.servers.set(slot, 'hop_tick', (bed.servers.get(slot, 'hop_tick') - ticks) >>> 0);
}

function age(bed: Bed, name: HashName, spec: StructSpec, field: string, ticks: number): void {
  const map = bed.map(name);
  const offset = offsetOf(spec, field);
  for (const key of bed.keys(name)) {
    const value = map.lookup(key);
    if (value === null) continue;
    value.writeUInt32LE((value.readUInt32LE(offset) - ticks) >>> 0, offset);
    map.update(key, value, 2);
  }
}
