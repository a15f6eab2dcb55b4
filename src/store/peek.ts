/** A look at what is saved, without the lock and without touching anything: for what has to be known before the store is opened. */
import type { Documents } from '../client/types.ts';
import { readDocuments } from './documents.ts';
import type { Files } from './files.ts';
import { unseal } from './sealed.ts';

/** Returns the saved documents; null when there are none, or when they cannot be read: opening the store says why. */
export async function peekSaved(files: Files, dir: string): Promise<Documents | null> {
  try {
    const path = `${dir}/state.json`;
    const bytes = await files.read(path);
    if (bytes === null) return null;
    const { saved } = unseal(bytes, path, '') as { readonly saved: { readonly etag: string } };
    return await readDocuments(files, `${dir}/documents`, saved.etag);
  } catch {
    return null;
  }
}
