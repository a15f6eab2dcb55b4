/**
 * The audit log: one JSON line per change by a person, each holding the hash of the line before, so that a line that is changed,
 * removed or put in between shows. Only appended to; at its size cap the file is put aside under a number and the oldest go.
 */
import { createHash } from 'node:crypto';
import { StoreError } from './error.ts';
import type { Files } from './files.ts';

export interface AuditEntry {
  readonly atMs: number;
  readonly kind: string;
  readonly who: string;
  readonly text: string;
  readonly director?: string;
  readonly server?: string;
  readonly service?: string;
}

export interface AuditLog {
  /** Adds a line durably. Calls are done one after the other. Throws StoreError. */
  append(entry: AuditEntry): Promise<void>;
}

const CURRENT = 'audit.jsonl';
const ASIDE = /^audit\.(\d{6,})\.jsonl$/;
const FIRST = '0'.repeat(64);
const MAX_FIELD = 4096;

/** Opens the log of `dir`. A torn last line (a kill while writing) is cut; a broken chain is told by `onWarning` and continued. */
export async function openAudit(options: {
  readonly files: Files;
  readonly dir: string;
  /** Bytes a file may grow to. Default 8 MiB. */
  readonly maxBytes?: number;
  /** Files put aside that are kept. Default 8. */
  readonly keep?: number;
  readonly onWarning?: (problem: StoreError) => void;
}): Promise<AuditLog> {
  const { files, dir, maxBytes = 8 * 1024 * 1024, keep = 8 } = options;
  const path = `${dir}/${CURRENT}`;
  const aside = async (): Promise<string[]> => (await files.list(dir)).filter((name) => ASIDE.test(name));
  const bytes = await files.read(path);
  const whole = wholeLines(bytes ?? new Uint8Array());
  if (bytes !== null && whole.length < bytes.length) await files.truncate(path, whole.length);
  const text = new TextDecoder().decode(whole);
  const broken = brokenLine(text);
  if (broken !== null) options.onWarning?.(new StoreError(path, `line ${broken}: the chain of hashes is broken there`, 'find out who changed the file; later lines are chained again'));
  let size = whole.length;
  let last = lastHash(text) ?? (await lastHashAside()) ?? FIRST;
  let tail = Promise.resolve();

  async function lastHashAside(): Promise<string | null> {
    const newest = (await aside()).at(-1);
    const content = newest === undefined ? null : await files.read(`${dir}/${newest}`);
    return content === null ? null : lastHash(new TextDecoder().decode(content));
  }

  async function rotate(): Promise<void> {
    const names = await aside();
    const number = Number(ASIDE.exec(names.at(-1) ?? '')?.[1] ?? 0) + 1;
    await files.rename(path, `${dir}/audit.${String(number).padStart(6, '0')}.jsonl`);
    for (const name of names.slice(0, Math.max(0, names.length + 1 - keep))) await files.remove(`${dir}/${name}`);
    await files.syncDir(dir);
    size = 0;
  }

  async function write(entry: AuditEntry): Promise<void> {
    const line = lineOf(entry, last);
    const encoded = new TextEncoder().encode(line.text);
    try {
      if (size > 0 && size + encoded.length > maxBytes) await rotate();
      await files.appendSynced(path, encoded);
    } catch (error) {
      // What half of it may have reached the disk is cut, or the next line would not begin at a line's start.
      await files.truncate(path, size).catch(() => undefined);
      throw new StoreError(path, error instanceof Error ? error.message : String(error), 'the change itself stands; free space or repair the disk so that it can be recorded', error);
    }
    size += encoded.length;
    last = line.hash;
  }

  return {
    append(entry) {
      const done = tail.then(() => write(entry));
      tail = done.catch(() => undefined);
      return done;
    },
  };
}

/** Returns the 1-based number of the first line of `text` whose hash or link is wrong, or null. The first line's link is not judged. */
export function brokenLine(text: string): number | null {
  let previous: string | null = null;
  const lines = text.split('\n');
  lines.pop();
  for (const [i, line] of lines.entries()) {
    const entry = parsed(line);
    if (!entry) return i + 1;
    const { hash, ...rest } = entry;
    if (hash !== hashOf(rest) || (previous !== null && entry['prev'] !== previous)) return i + 1;
    previous = String(hash);
  }
  return null;
}

function lineOf(entry: AuditEntry, prev: string): { text: string; hash: string } {
  const body = {
    atMs: entry.atMs, kind: cut(entry.kind), who: cut(entry.who), text: cut(entry.text),
    ...(entry.director === undefined ? {} : { director: entry.director }), ...(entry.server === undefined ? {} : { server: entry.server }),
    ...(entry.service === undefined ? {} : { service: entry.service }), prev,
  };
  const hash = hashOf(body);
  return { text: `${JSON.stringify({ ...body, hash })}\n`, hash };
}

function cut(text: string): string {
  return text.length <= MAX_FIELD ? text : `${text.slice(0, MAX_FIELD)}…`;
}

function hashOf(body: object): string {
  return createHash('sha256').update(JSON.stringify(body)).digest('hex');
}

function parsed(line: string): Record<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : null;
  } catch {
    return null;
  }
}

function lastHash(text: string): string | null {
  const lines = text.split('\n');
  lines.pop();
  const hash = parsed(lines.at(-1) ?? '')?.['hash'];
  return typeof hash === 'string' ? hash : null;
}

function wholeLines(bytes: Uint8Array): Uint8Array {
  return bytes.subarray(0, bytes.lastIndexOf(10) + 1);
}
