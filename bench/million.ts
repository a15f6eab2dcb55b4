/** What a million live sessions take. */
import type { SubjectName } from './args.ts';
import { readMachine, readMaps, type MapUse } from './memory.ts';
import type { Stage } from './stage.ts';
import type { Subject } from './subjects/subject.ts';
import { bytesText, renderTable } from './table.ts';
import { observe, warmUp, type ClientRange } from './trial.ts';

const SESSIONS = 1_000_000;
/** Before it is measured, so that what is allocated once is not counted. */
const FIRST_SESSIONS = 1_000;
const STEP_SECONDS = 2;

export interface MillionResult {
  readonly subject: SubjectName;
  /** Clients that were answered. */
  readonly answered: number;
  /** By the subject's own count; null where it does not tell. */
  readonly sessions: number | null;
  /** What became unavailable while they were made, whole machine. */
  readonly bytesPerSession: number;
  readonly slabBytesPerSession: number;
  /** Its BPF maps, largest first, and all together for each session: preallocated ones are paid for before the first. */
  readonly maps: readonly MapUse[];
  readonly mapBytesPerSession: number;
}

/** Makes a million sessions, none of which is asked twice. Rejects when fewer than 99 % were answered. */
export async function measureMillion(stage: Stage, subject: Subject, name: SubjectName): Promise<MillionResult> {
  const running = await subject.start(stage.topology, { clients: SESSIONS });
  const rate = subject.sessionsPerSecond;
  try {
    await warmUp(stage.traffic, running, { first: 0, count: FIRST_SESSIONS });
    const before = readMachine();
    const step = rate * STEP_SECONDS;
    let answered = 0;
    for (let next = FIRST_SESSIONS; next < FIRST_SESSIONS + SESSIONS; next += step) {
      const clients: ClientRange = { first: next, count: Math.min(step, FIRST_SESSIONS + SESSIONS - next) };
      const seen = await observe(stage.traffic, running, { clients, rate, seconds: clients.count / rate });
      // The last client may have asked twice.
      answered += Math.min(seen.replies, clients.count);
      stage.progress(`a million sessions, ${name}: ${answered}`);
    }
    const after = readMachine();
    if (answered < SESSIONS * 0.99) throw new Error(`only ${answered} of ${SESSIONS} clients were answered`);
    const maps = running.pid === null ? [] : readMaps(running.pid);
    return {
      subject: name,
      answered,
      sessions: running.sessions === null ? null : await running.sessions(),
      bytesPerSession: (before.availableBytes - after.availableBytes) / answered,
      slabBytesPerSession: (after.slabBytes - before.slabBytes) / answered,
      maps,
      mapBytesPerSession: maps.reduce((total, map) => total + map.bytes, 0) / answered,
    };
  } finally {
    await running.stop();
  }
}

/** Returns the results as a table, and the largest maps below it. */
export function millionTable(results: readonly MillionResult[]): string {
  const rows = results.map((one) => [
    one.subject,
    String(one.answered),
    one.sessions === null ? '-' : String(one.sessions),
    bytesText(one.bytesPerSession),
    bytesText(one.slabBytesPerSession),
    one.maps.length === 0 ? '-' : bytesText(one.mapBytesPerSession),
  ]);
  const maps = results.flatMap((one) =>
    one.maps.slice(0, 3).map((map) => `${one.subject}: a map of ${map.capacity} x (${map.keyBytes} + ${map.valueBytes}) B takes ${bytesText(map.bytes)}\n`),
  );
  return renderTable(['subject', 'answered', 'counts itself', 'taken a session', 'of it slab', 'all maps a session'], rows) + maps.join('');
}
