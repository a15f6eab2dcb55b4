/** The samples of one director as far back as the daemon keeps them, and on from there as they come. */
import { useEffect, useRef, useState } from 'preact/hooks';
import type { SampleView } from '../../src/client/types.ts';
import { api } from './api.ts';
import { connections, history, samples } from './live.ts';

const MOST = 900;

/** Returns the director's samples, oldest first: those of the last minute until the rest has been read. */
export function useDirectorHistory(name: string): readonly SampleView[] {
  const kept = useRef<SampleView[]>([]);
  const [, setRead] = useState(0);
  const connection = connections.value;
  void samples.value;
  useEffect(() => {
    let gone = false;
    api.series({ director: name }).then((list) => {
      if (gone) return;
      kept.current = [...list];
      setRead((count) => count + 1);
    }).catch(() => {
      // The link's own banner tells of it, and the next connection reads again.
    });
    return () => { gone = true; };
  }, [name, connection]);

  const newest = kept.current.at(-1)?.atMs ?? 0;
  for (const { atMs, directors } of history()) {
    if (atMs > newest) kept.current.push({ atMs, directors: directors.filter((one) => one.name === name) });
  }
  if (kept.current.length > MOST) kept.current = kept.current.slice(-MOST);
  return kept.current;
}
