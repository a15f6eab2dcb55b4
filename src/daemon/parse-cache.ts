/** Keeps the last few parsed configurations: edited and running are asked for again and again, and may have a million lines. */
import type { Documents } from '../client/types.ts';
import { etagOf } from '../store/documents.ts';
import type { Parsed } from './core.ts';

const KEPT = 3;

/** Returns `parse` with a memory of its last three texts. */
export function parseCache(parse: (documents: Documents) => Parsed): (documents: Documents) => Parsed {
  const kept = new Map<string, Parsed>();
  return (documents) => {
    const etag = etagOf(documents);
    const found = kept.get(etag) ?? parse(documents);
    kept.delete(etag);
    kept.set(etag, found);
    for (const oldest of kept.keys()) {
      if (kept.size <= KEPT) break;
      kept.delete(oldest);
    }
    return found;
  };
}
