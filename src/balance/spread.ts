/** Choosing among equals, by weight, without state and without allocation. */

/** Returns the point 0..total-1 that choice `position` falls on: `step` is the weight that all share, or 0 when they differ. See spread(). */
export function spreadPoint(position: number, total: number, step: number): number {
  if (step > 0) return ((position >>> 0) % (total / step)) * step;
  return (((Math.imul(position, 0x9e3779b1) >>> 0) / 0x1_0000_0000) * total) | 0;
}

/**
 * Returns the number of the chosen one among `marked` servers: those with mark[i] === 1, in proportion to weight[i].
 * `position` counts up by one a choice: equal weights give a strict rotation, unequal ones a golden-ratio (Weyl) sequence,
 * which stays within a few choices of the exact shares. -1 when none is marked.
 */
export function spread(weight: Uint32Array, mark: Uint8Array, position: number): number {
  let total = 0;
  let count = 0;
  let first = -1;
  let equal = true;
  for (let i = 0; i < mark.length; i++) {
    if (mark[i] !== 1) continue;
    if (first < 0) first = i;
    else if (weight[i] !== weight[first]) equal = false;
    total += weight[i];
    count++;
  }
  if (count <= 1) return first;
  let left = spreadPoint(position, total, equal ? weight[first] : 0);
  for (let i = first; i < mark.length; i++) {
    if (mark[i] !== 1) continue;
    left -= weight[i];
    if (left < 0) return i;
  }
  return first;
}
