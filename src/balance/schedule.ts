/**
 * The weighted rotation as a table: position p of the rotation belongs to table[p % length]. A table and one shared position
 * let any number of workers keep one rotation with a single atomic add, which a running algorithm (IPVS wrr, nginx's smooth one) cannot.
 */

/** Entries a schedule has at most; above it shares are rounded, every server with a weight keeping at least one. */
export const SCHEDULE_MAX = 65536;
/** Servers a schedule can name. */
export const SCHEDULE_MAX_SERVERS = 65535;

/**
 * Returns the shortest rotation in which server i occurs in proportion to weights[i], interleaved so that no server bursts
 * (5,1,1 gives a b a a a c a); empty when no weight is above 0. Throws RangeError above 65,535 servers.
 */
export function weightedSchedule(weights: readonly number[]): Uint16Array {
  if (weights.length > SCHEDULE_MAX_SERVERS) throw new RangeError(`a rotation names at most ${SCHEDULE_MAX_SERVERS} servers, got ${weights.length}`);
  const turns = reduced(weights);
  // Servers of equal weight form a class that is spaced evenly as one and served in configuration order within.
  const classes = new Map<number, number[]>();
  turns.forEach((n, server) => {
    if (n === 0) return;
    const members = classes.get(n);
    if (members) members.push(server);
    else classes.set(n, [server]);
  });
  const slots: { at: number; turns: number; server: number }[] = [];
  for (const [n, members] of classes) {
    const inClass = n * members.length;
    for (let k = 0; k < inClass; k++) slots.push({ at: (k + 0.5) / inClass, turns: n, server: members[k % members.length] });
  }
  slots.sort((a, b) => a.at - b.at || b.turns - a.turns || a.server - b.server);
  return Uint16Array.from(slots, (slot) => slot.server);
}

/** Turns of each server in one rotation: weights over their common divisor, scaled down when they would exceed SCHEDULE_MAX. */
function reduced(weights: readonly number[]): number[] {
  const divisor = weights.reduce((a, b) => gcd(a, b), 0);
  if (divisor === 0) return weights.map(() => 0);
  const turns = weights.map((w) => w / divisor);
  const total = turns.reduce((a, b) => a + b, 0);
  if (total <= SCHEDULE_MAX) return turns;
  const room = (SCHEDULE_MAX - weights.length) / total;
  return turns.map((n) => (n === 0 ? 0 : Math.max(1, Math.floor(n * room))));
}

function gcd(a: number, b: number): number {
  return b === 0 ? a : gcd(b, a % b);
}
