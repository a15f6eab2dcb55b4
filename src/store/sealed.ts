/** JSON with its own checksum, so that a file cut short or changed by a disk is named, not believed. */
import { createHash } from 'node:crypto';
import { StoreError } from './error.ts';

/** Returns `{"checksum":…,"body":…}` with a newline. */
export function seal(body: unknown): Uint8Array {
  const text = JSON.stringify(body);
  return new TextEncoder().encode(`{"checksum":"${hash(text)}","body":${text}}\n`);
}

/** Returns the body of a sealed file. Throws StoreError naming `path` when it is cut, changed or not a sealed file; `cure` is its cure. */
export function unseal(bytes: Uint8Array, path: string, cure: string): unknown {
  const text = new TextDecoder().decode(bytes);
  let outer: unknown;
  try {
    outer = JSON.parse(text);
  } catch (error) {
    throw new StoreError(path, text === '' ? 'the file is empty' : `the file is cut short or damaged (${text.length} characters)`, cure, error);
  }
  if (typeof outer !== 'object' || outer === null || !('checksum' in outer) || !('body' in outer)) throw new StoreError(path, 'not a state file of weir', cure);
  if (outer.checksum !== hash(JSON.stringify(outer.body))) throw new StoreError(path, 'the content does not match its checksum', cure);
  return outer.body;
}

function hash(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
