/** What a million live sessions take. */
import type { SubjectName } from './args.ts';
import { readMachine, readMaps, type MapUse } from './memory.ts';
import type { Stage } from './stage.ts';
import type { Subject } from './subjects/subject.ts';
import { bytesText, renderTable } from './table.ts';
import { visitAll, warmUp } from './trial.ts';

const SESSIONS = 1_000_000;
/** Answered before the rest is asked for at full speed. */
const FIRST_SESSIONS = 1_000;

export interface MillionResult {
  readonly subject: SubjectName;
  /** Clients that were answered. */
  readonly answered: number;
  /** By the subject's own count; null where it does not tell. */
  readonly sessions: number | null;
  /** What became unavailable from before its start on: process and maps too, and whatever strangers took or gave back meanwhile. */
  readonly bytesPerSession: number;
  readonly slabBytesPerSession: number;
  /** Its BPF maps, largest first, and all together for each session: exact, and the whole table, be it full or not. */
  readonly maps: readonly MapUse[];
  readonly mapBytesPerSession: number;
}

/** Makes a million sessions. Rejects when fewer than 99 % were answered. */
export async function measureMillion(stage: Stage, subject: Subject, name: SubjectName): Promise<MillionResult> {
  const before = readMachine();
  const running = await subject.start(stage.topology, { clients: SESSIONS });
  try {
    await warmUp(stage.traffic, running, { first: 0, count: FIRST_SESSIONS });
    const clients = { first: FIRST_SESSIONS, count: SESSIONS };
    const { answered } = await visitAll(stage.traffic, running, clients, subject.sessionsPerSecond, (so) => stage.progress(`a million sessions, ${name}: ${so}`));
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
