/** Weights of which a server has only a share: in one scale for all servers of a director, since the data plane knows whole numbers. Pure. */
import { MAX_WEIGHT } from '../balance/terms.ts';

/** Fine enough for steps of 5 % of a weight of 1. */
const FINEST = 20;

/**
 * Returns each server's weight with its share of `percent` (0..100) applied. While all have all of theirs, the weights stay as they are;
 * otherwise all are multiplied by one number, so that a tenth of 1 is a weight too and the others keep their ratios. A share above 0 of a
 * weight above 0 is at least 1; none is above 256.
 */
export function weightsInForce(servers: readonly { readonly weight: number; readonly percent: number }[]): readonly number[] {
  if (servers.every(({ percent }) => percent >= 100 || percent <= 0)) return servers.map(({ weight, percent }) => (percent <= 0 ? 0 : weight));
  const top = Math.max(1, ...servers.map(({ weight }) => weight));
  const scale = Math.max(1, Math.min(FINEST, Math.floor(MAX_WEIGHT / top)));
  return servers.map(({ weight, percent }) => (percent <= 0 || weight === 0 ? 0 : Math.max(1, Math.round((weight * scale * percent) / 100))));
}
