/**
 * Maglev consistent hashing (Eisenbud et al., NSDI 2016, section 3.4), weighted: a pure table that the userspace picker
 * and the XDP maps share. Equal keys and weights give an equal assignment whatever the order or the objects of the servers.
 */
import { hashText } from './hash.ts';

/** Size of a full table: prime, over 100 entries a server up to 655 servers (the paper's bound for 1 % evenness). */
export const MAGLEV_SIZE = 65537;
/** What an entry holds when there is no server to take it. */
export const MAGLEV_NONE = 0xffff;
/** Servers a table can name. */
export const MAGLEV_MAX_SERVERS = 0xffff;

const OFFSET_SEED = 0x6d61676c;
const SKIP_SEED = 0x65763635;

/**
 * Returns the table: `size` (a prime) entries, each the index in `servers` that takes it; weight 0 takes none, MAGLEV_NONE where none can.
 * `into` is filled and returned when given (e.g. a view of shared memory). Throws RangeError above 65,535 servers or on a wrong `into`.
 */
export function maglevTable(servers: readonly { readonly key: string; readonly weight: number }[], size: number = MAGLEV_SIZE, into?: Uint16Array): Uint16Array {
  if (servers.length > MAGLEV_MAX_SERVERS) throw new RangeError(`a hash table names at most ${MAGLEV_MAX_SERVERS} servers, got ${servers.length}`);
  const table = into ?? new Uint16Array(size);
  if (table.length !== size) throw new RangeError(`the table to fill must have ${size} entries, got ${table.length}`);
  table.fill(MAGLEV_NONE);
  const rows = permutations(servers, size);
  if (rows.length === 0) return table;
  const count = rows.length;
  const index = Uint16Array.from(rows, (r) => r.index);
  const position = Uint32Array.from(rows, (r) => r.offset);
  const skip = Uint32Array.from(rows, (r) => r.skip);
  const weight = Uint32Array.from(rows, (r) => r.weight);
  const heaviest = weight.reduce((a, b) => Math.max(a, b), 0);
  // A server takes its turn once its credit reaches the heaviest weight: every pass the heaviest takes one entry and
  // the others their fraction of one, so shares follow weights however far apart these are.
  const credit = new Uint32Array(count);
  let left = size;
  while (left > 0) {
    for (let i = 0; i < count && left > 0; i++) {
      const saved = credit[i] + (weight[i]);
      if (saved < heaviest) {
        credit[i] = saved;
        continue;
      }
      credit[i] = saved - heaviest;
      let at = position[i];
      const step = skip[i];
      while (table[at] !== MAGLEV_NONE) {
        at += step;
        if (at >= size) at -= size;
      }
      table[at] = index[i];
      at += step;
      position[i] = at >= size ? at - size : at;
      left--;
    }
  }
  return table;
}

interface Row {
  readonly index: number;
  readonly weight: number;
  readonly offset: number;
  readonly skip: number;
  readonly key: string;
}

/** Rows in an order that depends on keys alone: who takes its turn first decides contested entries. */
function permutations(servers: readonly { readonly key: string; readonly weight: number }[], size: number): Row[] {
  const rows: Row[] = [];
  servers.forEach(({ key, weight }, index) => {
    if (weight <= 0) return;
    rows.push({ index, weight, key, offset: hashText(key, OFFSET_SEED) % size, skip: (hashText(key, SKIP_SEED) % (size - 1)) + 1 });
  });
  return rows.sort((a, b) => a.offset - b.offset || a.skip - b.skip || (a.key < b.key ? -1 : a.key > b.key ? 1 : a.index - b.index));
}
