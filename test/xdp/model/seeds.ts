/** Seeds that once failed, with what they found: they run first, for ever. */
export const SEEDS: readonly { readonly seed: number; readonly found: string }[] = [];
