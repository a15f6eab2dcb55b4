/**
 * Who is down, kept in the state directory while anybody is and others are not: a weir that starts again within a minute does not send clients to servers that it
 * knew to be dead until its checks have found that out once more.
 */
import type { Clock } from '../clock/clock.ts';
import type { HealthMemory, HealthService } from '../health/health.ts';
import { namesOfKey } from '../health/targets.ts';
import type { Files } from '../store/files.ts';
import { seal, unseal } from '../store/sealed.ts';

/** Name of the file in the state directory. */
export const HEALTH_FILE = 'health.json';

/** What was known is written again so often, so that its age tells how long nobody has looked. */
const REFRESH_MS = 20_000;
/** Older than this, a server is as likely to have come back: it starts as one that nothing is known of. */
const VALID_MS = 60_000;
/** The first change waits so long for others: a rack that goes down is one write, and servers that flap are two a second. */
const GATHER_MS = 500;
/** Servers down that are kept; the others start as if nothing were known of them. */
const MOST_KEPT = 4096;

interface Kept {
  /** What is known of a server has the shape of one version of weir. */
  readonly weir: string;
  readonly atMs: number;
  readonly down: readonly HealthMemory[];
}

export interface KeepOptions {
  readonly path: string;
  readonly files: Pick<Files, 'read' | 'writeSynced' | 'rename' | 'remove'>;
  readonly clock: Clock;
  readonly version: string;
  /** Takes one line when the file cannot be written or read; the next one after it could be again. */
  readonly log: (text: string) => void;
}

/**
 * Returns the servers that are down in directors where another is not. Where all that are checked are down, it may be this host that could not reach them: none is
 * worse than another then, and who starts weir again to put that right shall not wait for checks.
 */
function worthKeeping(health: Pick<HealthService, 'memory' | 'health'>): readonly HealthMemory[] {
  const checked = health.memory().filter((one) => one.checked);
  const isDown = ({ key }: HealthMemory): boolean => health.health(key).state === 'down';
  const serving = new Set(checked.filter((one) => !isDown(one)).map(({ key }) => namesOfKey(key).director));
  return checked.filter((one) => isDown(one) && serving.has(namesOfKey(one.key).director));
}

/** Returns who was down at most a minute ago by the word of the same version of weir; nobody when there is no such word. Does not reject. */
export async function readKept({ path, files, clock, version, log }: KeepOptions): Promise<readonly HealthMemory[]> {
  try {
    const bytes = await files.read(path);
    if (bytes === null) return [];
    const { weir, atMs, down } = unseal(bytes, path, 'none needed: servers start as if nothing were known of them') as Kept;
    const ageMs = clock.now() - atMs;
    return weir === version && ageMs >= 0 && ageMs <= VALID_MS ? down : [];
  } catch (error) {
    log(`who was down before is not known: ${error instanceof Error ? error.message : String(error)}`);
    return [];
  }
}

/** Keeps the file as long as it is not stopped; `stop` resolves when nothing is being written any more, and leaves the file. */
export function keepHealth(health: Pick<HealthService, 'memory' | 'health' | 'onChange'>, options: KeepOptions): { stop(): Promise<void> } {
  const { path, files, clock, version, log } = options;
  let cancel: (() => void) | null = null;
  let gathering = false;
  let writing = false;
  /** Something changed while the disk was at it. */
  let again = false;
  let work: Promise<void> = Promise.resolve();
  let there = true;
  let stopped = false;
  let complained = false;

  function note(): void {
    if (stopped || gathering) return;
    if (writing) {
      again = true;
      return;
    }
    gathering = true;
    cancel?.();
    cancel = clock.after(GATHER_MS, begin);
  }

  function begin(): void {
    gathering = false;
    writing = true;
    work = write();
  }

  async function write(): Promise<void> {
    const down = worthKeeping(health).slice(0, MOST_KEPT);
    try {
      if (down.length > 0) {
        await files.writeSynced(`${path}.new`, seal({ weir: version, atMs: clock.now(), down } satisfies Kept));
        await files.rename(`${path}.new`, path);
      } else if (there) {
        await files.remove(path);
      }
      there = down.length > 0;
      complained = false;
    } catch (error) {
      if (!complained) log(`who is down is not kept for the next start: ${error instanceof Error ? error.message : String(error)}`);
      complained = true;
    }
    writing = false;
    if (stopped) return;
    if (again) {
      again = false;
      note();
    } else if (there || complained) {
      cancel = clock.after(REFRESH_MS, begin);
    }
  }

  health.onChange(({ from, to }) => {
    if ((from.state === 'down') !== (to.state === 'down')) note();
  });
  // What the last weir left speaks of another set of servers, or of this one: either way it is said anew.
  note();
  return {
    async stop() {
      stopped = true;
      cancel?.();
      await work;
    },
  };
}
