/** The documents of one configuration as one immutable file, named by its hash: a stage switches all three by switching a name. */
import { createHash } from 'node:crypto';
import type { Documents } from '../client/types.ts';
import { StoreError } from './error.ts';
import { replaceFile, type Files } from './files.ts';

/** Returns the hash of the three documents: 64 hex digits, equal exactly when all three texts are. */
export function etagOf(documents: Documents): string {
  return createHash('sha256').update(canonical(documents)).digest('hex');
}

/** Writes the documents durably unless they are there; returns their etag and size in bytes. */
export async function writeDocuments(files: Files, dir: string, documents: Documents): Promise<{ readonly etag: string; readonly bytes: number }> {
  const bytes = new TextEncoder().encode(canonical(documents));
  const etag = createHash('sha256').update(bytes).digest('hex');
  const found = await files.read(pathOf(dir, etag));
  // A damaged file of this name is written again: the hash says what it must hold.
  if (found === null || createHash('sha256').update(found).digest('hex') !== etag) await replaceFile(files, dir, `${etag}.json`, bytes);
  return { etag, bytes: bytes.length };
}

/** Returns the documents stored under `etag`. Throws StoreError when they are missing or not what the hash says. */
export async function readDocuments(files: Files, dir: string, etag: string): Promise<Documents> {
  const path = pathOf(dir, etag);
  const bytes = await files.read(path);
  if (bytes === null) throw new StoreError(path, 'the file is missing', RESTORE);
  if (createHash('sha256').update(bytes).digest('hex') !== etag) throw new StoreError(path, 'the content does not match its checksum', RESTORE);
  const [layer4, nat, services] = JSON.parse(new TextDecoder().decode(bytes)) as [string, string, string];
  return Object.freeze({ layer4, nat, services });
}

/** Returns the path of the file that holds the documents of `etag`. */
export function pathOf(dir: string, etag: string): string {
  return `${dir}/${etag}.json`;
}

const RESTORE = 'bring the file back from a backup, or move state.json aside and start with a configuration FILE';

function canonical(documents: Documents): string {
  return JSON.stringify([documents.layer4, documents.nat, documents.services]);
}
