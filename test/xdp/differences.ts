/** Where the xdp engine differs from the contract: why, and what is run in the place of the case. */
import type { ContractOptions } from '../contract/suite.ts';

type Difference = ContractOptions['skip'][number];

/** Returns the differences. */
export function differences(): readonly Difference[] {
  return [];
}
