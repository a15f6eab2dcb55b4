/** Revisions: who made what running or saved, and when. One sealed file each; the documents are shared by hash. */
import type { RevisionView } from '../client/types.ts';
import { StoreError } from './error.ts';
import { replaceFile, type Files } from './files.ts';
import { seal, unseal } from './sealed.ts';

/** `bytes` is the size of its documents. */
export interface StoredRevision extends RevisionView {
  readonly bytes: number;
}

const NAME = /^(\d{6,})\.json$/;
const CURE = 'it is kept aside and no longer listed; nothing needs to be done unless you want to bring this revision back';

/** Writes one revision durably. */
export async function writeRevision(files: Files, dir: string, revision: StoredRevision): Promise<void> {
  await replaceFile(files, dir, revisionName(revision.revision), seal(revision));
}

/** Returns all revisions up to `last`, oldest first. Later ones were never committed and are removed; damaged ones are put aside and told. */
export async function readRevisions(
  files: Files,
  dir: string,
  options: { readonly last: number; readonly nowMs: number; readonly onWarning: (problem: StoreError) => void },
): Promise<StoredRevision[]> {
  const found: StoredRevision[] = [];
  for (const name of await files.list(dir)) {
    const number = Number(NAME.exec(name)?.[1] ?? Number.NaN);
    const path = `${dir}/${name}`;
    if (name.endsWith('.tmp') || number > options.last) {
      await files.remove(path);
      continue;
    }
    if (Number.isNaN(number)) continue;
    try {
      found.push(asRevision(unseal((await files.read(path)) ?? new Uint8Array(), path, CURE), path, number));
    } catch (error) {
      if (!(error instanceof StoreError)) throw error;
      await files.rename(path, `${path}.corrupt-${options.nowMs}`);
      options.onWarning(error);
    }
  }
  return found.sort((a, b) => a.revision - b.revision);
}

/**
 * Returns the revisions to remove, oldest first, so that at most `maxCount` stay and their documents (each counted once) fit `maxBytes`.
 * Those in `keep` always stay.
 */
export function revisionsToPrune(
  revisions: readonly StoredRevision[],
  options: { readonly maxCount: number; readonly maxBytes: number; readonly keep: ReadonlySet<number> },
): readonly StoredRevision[] {
  const users = new Map<string, number>();
  let bytes = 0;
  for (const r of revisions) {
    const n = users.get(r.etag) ?? 0;
    if (n === 0) bytes += r.bytes;
    users.set(r.etag, n + 1);
  }
  let count = revisions.length;
  const pruned: StoredRevision[] = [];
  for (const r of revisions) {
    if (count <= options.maxCount && bytes <= options.maxBytes) break;
    if (options.keep.has(r.revision)) continue;
    pruned.push(r);
    count--;
    const left = (users.get(r.etag) ?? 1) - 1;
    users.set(r.etag, left);
    if (left === 0) bytes -= r.bytes;
  }
  return pruned;
}

/** Returns `000042.json`. */
export function revisionName(revision: number): string {
  return `${String(revision).padStart(6, '0')}.json`;
}

function asRevision(body: unknown, path: string, number: number): StoredRevision {
  const r = body as Partial<StoredRevision> | null;
  if (typeof r?.revision !== 'number' || typeof r.etag !== 'string' || typeof r.atMs !== 'number') throw new StoreError(path, 'not a revision', CURE);
  if (r.revision !== number) throw new StoreError(path, `it holds revision ${r.revision}, not the one of its name`, CURE);
  return Object.freeze({ revision: r.revision, atMs: r.atMs, who: r.who ?? '', what: r.what ?? 'apply', etag: r.etag, note: r.note ?? '', bytes: r.bytes ?? 0 });
}
