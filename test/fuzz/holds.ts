/**
 * Property tests that try something new each run and never forget what once failed. `seeds.json` keeps, by name of the property, the seed and path of each
 * failure: they run first, every time. A new failure prints its line for that file. What a seed means changes with the arbitraries it was found with;
 * a failure that is worth keeping for good becomes an example of its own in the test.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { ROOT } from '../house/root.ts';

interface Kept {
  readonly seed: number;
  readonly path: string;
  /** What it found. */
  readonly why: string;
}

const FILE = 'test/fuzz/seeds.json';
const kept = JSON.parse(readFileSync(join(ROOT, FILE), 'utf8')) as Readonly<Record<string, readonly Kept[]>>;

/**
 * Runs a property: kept failures, then new cases for at most `forMs` (at least 20 cases, at most `runs`). Throws with the seed of what failed; with
 * `shrink` false as it failed, for what runs against something that a failure leaves in another state.
 */
export async function holds<T>(name: string, property: fc.IAsyncProperty<T> | fc.IProperty<T>, options: { readonly forMs: number; readonly runs?: number; readonly shrink?: boolean }): Promise<number> {
  for (const { seed, path, why } of kept[name] ?? []) {
    await fc.assert(property as fc.IAsyncProperty<T>, { seed, path, endOnFailure: true }).catch((error: unknown) => {
      throw new Error(`${name}: failed again as it once had: ${why} (${FILE})`, { cause: error });
    });
  }
  const result = await fc.check(property as fc.IAsyncProperty<T>, { numRuns: options.runs ?? 100_000, interruptAfterTimeLimit: options.forMs, endOnFailure: options.shrink === false });
  if (result.failed && result.counterexample !== null) {
    const line = JSON.stringify({ seed: result.seed, path: result.counterexamplePath ?? '', why: '' });
    throw new Error(`${result.errorInstance instanceof Error ? result.errorInstance.message : String(result.errorInstance)}\n${fc.defaultReportMessage(result) ?? ''}\nKeep it: a line of "${name}" in ${FILE}: ${line}`, { cause: result.errorInstance });
  }
  if (result.numRuns < LEAST) throw new Error(`${name}: only ${result.numRuns} cases in ${options.forMs} ms`);
  return result.numRuns;
}

const LEAST = 20;
