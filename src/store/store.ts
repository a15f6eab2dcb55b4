/**
 * The state directory: what is edited, running and saved, the revisions, the overrides, the audit log.
 *
 *   state.json              which documents each stage has; switching it is the one instant at which anything changes
 *   documents/<etag>.json   immutable documents, named by their hash
 *   revisions/NNNNNN.json   who, when, what, which documents
 *   audit.jsonl, lock
 *
 * Every change first makes its documents and its revision durable, then replaces state.json. A kill before that leaves files that
 * nothing names (removed at the next start), a kill after it leaves the new state. No step writes into a file that is in use.
 */
import type { Documents, RevisionView } from '../client/types.ts';
import type { OverrideAction } from '../plan/desire.ts';
import { openAudit, type AuditEntry, type AuditLog } from './audit.ts';
import { pathOf, readDocuments, writeDocuments, etagOf } from './documents.ts';
import { StoreError, storeError } from './error.ts';
import { replaceFile, type Files } from './files.ts';
import { takeLock, type Lock, type Processes } from './lock.ts';
import { readRevisions, revisionName, revisionsToPrune, writeRevision, type StoredRevision } from './revisions.ts';
import { seal, unseal } from './sealed.ts';

/** One stage: its documents, their etag and, for running and saved, the revision that made it. */
export interface StoredStage {
  readonly documents: Documents;
  readonly etag: string;
  readonly revision: number;
}

export interface StoredOverride {
  readonly director: string;
  readonly server: string;
  readonly action: OverrideAction;
  readonly who: string;
  readonly atMs: number;
}

/** `imported` is the etag of the FILE that weir was last started with, or null. */
export interface StoredState {
  readonly edited: StoredStage;
  readonly running: StoredStage;
  readonly saved: StoredStage;
  readonly overrides: readonly StoredOverride[];
  readonly imported: string | null;
}

/** What one commit changes; all of it or nothing. `revision` is made from the new running (or saved) documents. */
export interface StateChange {
  readonly edited?: Documents;
  readonly running?: Documents;
  readonly saved?: Documents;
  readonly overrides?: readonly StoredOverride[];
  readonly imported?: string | null;
  readonly revision?: Pick<RevisionView, 'who' | 'what' | 'note'>;
}

/** A change that is durable and not yet in force. Exactly one of the two is called. */
export interface PreparedChange {
  readonly revision: RevisionView | null;
  commit(): Promise<void>;
  abort(): Promise<void>;
}

/** The store. Its changes must not overlap (the daemon serialises them); a second prepare before commit or abort throws. */
export interface Store {
  readonly dir: string;
  /** Null until the first commit of a new directory. */
  state(): StoredState | null;
  /** Oldest first. */
  revisions(): readonly RevisionView[];
  /** Returns a revision's documents, or null when there is no such revision. Throws StoreError when they are damaged. */
  revisionDocuments(revision: number): Promise<Documents | null>;
  /** Makes documents and revision durable without switching to them. Throws StoreError, having changed nothing. */
  prepare(change: StateChange): Promise<PreparedChange>;
  /** prepare and commit in one. */
  commit(change: StateChange): Promise<RevisionView | null>;
  audit(entry: AuditEntry): Promise<void>;
  /** Lends the directory to a successor's process: until `takeBack` nothing is changed here, and the audit log is the successor's. Throws StoreError. */
  lend(pid: number): Promise<void>;
  /** The successor did not succeed. It must not have committed anything. Throws StoreError when a third process has the directory. */
  takeBack(): Promise<void>;
  /** Gives the lock back. */
  close(): Promise<void>;
}

export interface StoreOptions {
  readonly dir: string;
  readonly files: Files;
  readonly processes: Processes;
  readonly now: () => number;
  /** Default 500. */
  readonly maxRevisions?: number;
  /** Bytes of documents kept for revisions. Default 256 MiB. */
  readonly maxBytes?: number;
  /** Told what was damaged and put aside, and what could not be tidied. */
  readonly onWarning?: (problem: StoreError) => void;
}

interface Manifest {
  readonly format: 1;
  readonly edited: string;
  readonly running: { readonly etag: string; readonly revision: number };
  readonly saved: { readonly etag: string; readonly revision: number };
  readonly lastRevision: number;
  readonly overrides: readonly StoredOverride[];
  readonly imported: string | null;
}

const STATE = 'state.json';
const STATE_CURE = 'bring the file back from a backup, or move it aside and start with a configuration FILE (the revisions are kept)';

/**
 * Opens the state directory, making it when needed, and takes its lock. Throws StoreError (path and cure) when another weir has it,
 * when it cannot be read, or when the saved configuration is damaged; damaged edited documents are put aside and running takes their place.
 */
export async function openStore(options: StoreOptions): Promise<Store> {
  const { files, dir } = options;
  try {
    await files.makeDir(dir);
    await files.makeDir(`${dir}/documents`);
    await files.makeDir(`${dir}/revisions`);
  } catch (error) {
    throw storeError(dir, error);
  }
  const lock = await takeLock(files, dir, options.processes).catch((error: unknown) => {
    throw storeError(`${dir}/lock`, error);
  });
  try {
    return await openLocked(options, lock);
  } catch (error) {
    await lock.release().catch(() => undefined);
    throw storeError(dir, error);
  }
}

async function openLocked(options: StoreOptions, lock: Lock): Promise<Store> {
  const { files, dir, now, maxRevisions = 500, maxBytes = 256 * 1024 * 1024 } = options;
  const warn = options.onWarning ?? ((): void => undefined);
  const documentsDir = `${dir}/documents`;
  const revisionsDir = `${dir}/revisions`;

  const manifest = await readManifest(files, dir);
  let revisions = await readRevisions(files, revisionsDir, { last: manifest?.lastRevision ?? Number.MAX_SAFE_INTEGER, nowMs: now(), onWarning: warn });
  let lastRevision = manifest?.lastRevision ?? revisions.at(-1)?.revision ?? 0;
  if (!manifest && revisions.length > 0) warn(new StoreError(`${dir}/${STATE}`, `the file is missing; ${revisions.length} revisions are kept`, 'bring one back with weir rollback if this is not a new start'));
  let state = manifest && (await loadStages(manifest, { files, documentsDir, nowMs: now(), warn }));
  let audit: AuditLog | null = await openAudit({ files, dir, onWarning: warn });
  let preparing = false;
  await tidy();

  /** Removes what nothing names any more. What cannot be removed is told and tried again next time. */
  async function tidy(): Promise<void> {
    try {
      const keep = new Set(state ? [state.running.revision, state.saved.revision] : []);
      const pruned = state ? revisionsToPrune(revisions, { maxCount: maxRevisions, maxBytes, keep }) : [];
      for (const r of pruned) await files.remove(`${revisionsDir}/${revisionName(r.revision)}`);
      if (pruned.length > 0) await files.syncDir(revisionsDir);
      const gone = new Set(pruned.map((r) => r.revision));
      revisions = revisions.filter((r) => !gone.has(r.revision));
      const named = new Set(revisions.map((r) => r.etag));
      if (state) for (const stage of [state.edited, state.running, state.saved]) named.add(stage.etag);
      for (const name of await files.list(documentsDir)) {
        if (name.endsWith('.tmp') || (/^[0-9a-f]{64}\.json$/.test(name) && !named.has(name.slice(0, 64)))) await files.remove(`${documentsDir}/${name}`);
      }
    } catch (error) {
      warn(storeError(dir, error));
    }
  }

  async function prepare(change: StateChange): Promise<PreparedChange> {
    if (preparing) throw new Error('the store prepares one change at a time');
    preparing = true;
    try {
      await lock.requireHeld();
      return await prepared(change);
    } catch (error) {
      preparing = false;
      // Without the lock nothing here is ours to tidy.
      if (!(error instanceof StoreError && error.path === `${dir}/lock`)) await tidy();
      throw storeError(dir, error);
    }
  }

  async function prepared(change: StateChange): Promise<PreparedChange> {
    const stage = async (documents: Documents | undefined, old: StoredStage | undefined): Promise<StoredStage & { bytes: number }> => {
      const content = documents ?? old?.documents;
      if (!content) throw new Error('the first commit of a new state directory sets edited, running and saved');
      if (documents === undefined && old) return { ...old, bytes: 0 };
      const written = await writeDocuments(files, documentsDir, content);
      return { documents: Object.freeze({ ...content }), etag: written.etag, revision: old?.revision ?? 0, bytes: written.bytes };
    };
    const edited = await stage(change.edited, state?.edited);
    let running = await stage(change.running, state?.running);
    let saved = await stage(change.saved, state?.saved);
    let revision: StoredRevision | null = null;
    if (change.revision) {
      const subject = change.running ? running : saved;
      const { who, what, note } = change.revision;
      revision = Object.freeze({ revision: lastRevision + 1, atMs: now(), who, what, etag: subject.etag, note, bytes: subject.bytes });
      await writeRevision(files, revisionsDir, revision);
      if (change.running) running = { ...running, revision: revision.revision };
      if (change.saved) saved = { ...saved, revision: revision.revision };
    }
    const next: StoredState = {
      edited: stageOf(edited), running: stageOf(running), saved: stageOf(saved),
      overrides: change.overrides ?? state?.overrides ?? [],
      imported: change.imported === undefined ? (state?.imported ?? null) : change.imported,
    };
    const finish = async (): Promise<void> => {
      preparing = false;
      await tidy();
    };
    return {
      revision,
      async commit() {
        const old = state && manifestOf(state, lastRevision);
        try {
          await replaceFile(files, dir, STATE, seal(manifestOf(next, revision?.revision ?? lastRevision)));
        } catch (error) {
          // The name may have switched before the failure: put the old state back as well as this disk allows.
          if (old) await replaceFile(files, dir, STATE, seal(old)).catch(() => undefined);
          if (revision) await files.remove(`${revisionsDir}/${revisionName(revision.revision)}`).catch(() => undefined);
          await finish();
          throw storeError(`${dir}/${STATE}`, error);
        }
        state = next;
        if (revision) {
          revisions = [...revisions, revision];
          lastRevision = revision.revision;
        }
        await finish();
      },
      async abort() {
        if (revision) await files.remove(`${revisionsDir}/${revisionName(revision.revision)}`).catch(() => undefined);
        await finish();
      },
    };
  }

  return {
    dir,
    state: () => state,
    revisions: () => revisions,
    async revisionDocuments(number) {
      const found = revisions.find((r) => r.revision === number);
      return found ? readDocuments(files, documentsDir, found.etag) : null;
    },
    prepare,
    async commit(change) {
      const ready = await prepare(change);
      await ready.commit();
      return ready.revision;
    },
    audit: async (entry) => audit?.append(entry),
    async lend(pid) {
      if (preparing) throw new Error('a change is being prepared');
      await lock.lend(pid);
      audit = null;
    },
    async takeBack() {
      await lock.takeBack();
      // The successor may have added lines: the next one is chained to the last.
      audit ??= await openAudit({ files, dir, onWarning: warn });
    },
    close: () => lock.release(),
  };
}

async function readManifest(files: Files, dir: string): Promise<Manifest | null> {
  const path = `${dir}/${STATE}`;
  await files.remove(`${path}.tmp`);
  const bytes = await files.read(path);
  if (bytes === null) return null;
  const body = unseal(bytes, path, STATE_CURE) as Partial<Manifest> | null;
  if (body?.format !== 1) throw new StoreError(path, `format 1 expected, found ${String(body?.format)}`, 'this directory was written by another version of weir: run that version, or choose another directory with --state DIR');
  return body as Manifest;
}

async function loadStages(
  manifest: Manifest,
  context: { readonly files: Files; readonly documentsDir: string; readonly nowMs: number; readonly warn: (problem: StoreError) => void },
): Promise<StoredState> {
  const { files, documentsDir, warn } = context;
  const read = (etag: string): Promise<Documents> => readDocuments(files, documentsDir, etag);
  const saved: StoredStage = { ...manifest.saved, documents: await read(manifest.saved.etag) };
  const or = async (etag: string, fallback: StoredStage, instead: string): Promise<StoredStage> => {
    try {
      return { documents: await read(etag), etag, revision: 0 };
    } catch (error) {
      if (!(error instanceof StoreError)) throw error;
      const path = pathOf(documentsDir, etag);
      if ((await files.read(path)) !== null) await files.rename(path, `${path}.corrupt-${context.nowMs}`);
      warn(new StoreError(error.path, `${error.message.slice(error.path.length + 2)}; ${instead}`, 'the damaged file is kept beside it as .corrupt-…', error));
      return fallback;
    }
  };
  const running = await or(manifest.running.etag, saved, 'the saved configuration takes its place as running');
  const edited = await or(manifest.edited, running, 'the running configuration takes its place as edited');
  return {
    edited: { ...edited, revision: 0 },
    running: running === saved ? saved : { ...running, revision: manifest.running.revision },
    saved,
    overrides: manifest.overrides,
    imported: manifest.imported,
  };
}

function manifestOf(state: StoredState, lastRevision: number): Manifest {
  return {
    format: 1,
    edited: state.edited.etag,
    running: { etag: state.running.etag, revision: state.running.revision },
    saved: { etag: state.saved.etag, revision: state.saved.revision },
    lastRevision,
    overrides: state.overrides,
    imported: state.imported,
  };
}

function stageOf(stage: StoredStage): StoredStage {
  return Object.freeze({ documents: stage.documents, etag: stage.etag, revision: stage.revision });
}

export { etagOf };
