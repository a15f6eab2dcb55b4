import assert from 'node:assert/strict';
import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { test } from 'node:test';
import type { Documents } from '../client/types.ts';
import { StoreError } from './error.ts';
import { realFiles } from './files.ts';
import { realProcesses, type Processes } from './lock.ts';
import { createMemoryFiles, type CrashPoint, type MemoryFiles } from './memory.ts';
import { openStore, type StateChange, type Store, type StoredState } from './store.ts';
import { etagOf } from './documents.ts';

const DIR = '/state';
/** Process 1 is alive in its first life; the one that died in a crash never is. */
const ALIVE: Processes = { pid: 1, lifeOf: (pid) => (pid === 1 ? 'first' : null) };
const DYING: Processes = { pid: 2, lifeOf: (pid) => (pid === 2 ? 'doomed' : null) };

const doc = (n: number): Documents => ({ layer4: `director d${n} 192.0.2.${n}:53 UDP\n`, nat: `# nat ${n}\n`, services: `# services ${n}\n` });
const revision = (what: 'apply' | 'save' | 'rollback' | 'start', note = ''): StateChange['revision'] => ({ who: 'alice', what, note });

async function open(files: MemoryFiles, processes: Processes = ALIVE, more: { maxRevisions?: number; maxBytes?: number } = {}): Promise<{ store: Store; warnings: StoreError[] }> {
  const warnings: StoreError[] = [];
  let tick = 1000;
  const store = await openStore({ dir: DIR, files, processes, now: () => tick++, onWarning: (w) => warnings.push(w), ...more });
  return { store, warnings };
}

async function fresh(files = createMemoryFiles()): Promise<{ files: MemoryFiles; store: Store }> {
  const { store } = await open(files);
  await store.commit({ edited: doc(1), running: doc(1), saved: doc(1), imported: null, revision: revision('start') });
  return { files, store };
}

/** What an operator can see of a state: stages, which revision made them, overrides, and all revisions that can be brought back. */
async function seen(store: Store): Promise<unknown> {
  const state = store.state();
  const revisions = await Promise.all(store.revisions().map(async (r) => ({ ...r, documents: await store.revisionDocuments(r.revision) })));
  return { state, revisions };
}

const OVERRIDE = { director: 'd1', server: 's', action: 'drain', who: 'alice', atMs: 5 } as const;
const CHANGES: readonly (readonly [string, StateChange])[] = [
  ['edit', { edited: doc(2) }],
  ['apply', { running: doc(2), revision: revision('apply') }],
  ['save', { saved: doc(2), revision: revision('save') }],
  ['override', { overrides: [OVERRIDE] }],
  ['rollback', { edited: doc(1), running: doc(1), revision: revision('rollback', 'to revision 1') }],
  ['first start with another file', { edited: doc(3), running: doc(3), saved: doc(3), imported: etagOf(doc(3)), revision: revision('start') }],
];

test('a kill at every file operation of every change leaves the old state or the new, never a mix', async () => {
  let points = 0;
  for (const [i, [name, change]] of CHANGES.entries()) {
    // Every change on top of all before it, with few revisions kept so that pruning is killed too.
    const before = await fresh();
    for (const [, earlier] of CHANGES.slice(0, i)) await before.store.commit(earlier);
    const limits = { maxRevisions: 2 };
    const disk = snapshot(before.files);
    const reference = await open(disk(), ALIVE, limits);
    const old = await seen(reference.store);
    await reference.store.commit(change);
    const next = await seen(reference.store);

    for (let at = 0; ; at++) {
      let reached = false;
      for (const how of ['before', 'torn', 'after'] as const) {
        const files = disk();
        const died = await commitAndDie(files, change, { at, how }, limits);
        if (died === 'unreached') break;
        reached = true;
        points++;
        for (const survivor of files.survivors()) {
          const { store } = await open(survivor, ALIVE, limits);
          const found = await seen(store);
          const isOld = same(found, old);
          const isNew = same(found, next);
          assert.ok(isOld || isNew, `${name}, killed ${how} operation ${at} (${files.operations.at(-1)}): found ${JSON.stringify(found)}`);
          if (died === 'committed') assert.ok(isNew, `${name}: what was confirmed to the caller must survive (${files.operations.at(-1)})`);
          // The state that was found can be worked with.
          await store.commit({ edited: doc(9) });
          assert.equal(store.state()?.edited.etag, etagOf(doc(9)));
        }
      }
      if (!reached) break;
    }
  }
  assert.ok(points > 100, `only ${points} points were tried`);
});

test('a kill while the very first state is written leaves an empty directory or the state', async () => {
  for (let at = 0; ; at++) {
    const files = createMemoryFiles();
    const died = await commitAndDie(files, { edited: doc(1), running: doc(1), saved: doc(1), revision: revision('start') }, { at, how: 'torn' }, {});
    if (died === 'unreached') break;
    for (const survivor of files.survivors()) {
      const { store } = await open(survivor);
      assert.ok(store.state() === null || store.state()?.saved.etag === etagOf(doc(1)));
    }
  }
});

test('a change that cannot be written changes nothing, and the next one can', async () => {
  for (let at = 0; ; at++) {
    const { files, store } = await fresh();
    const old = await seen(store);
    let number = 0;
    let hit = '';
    files.fail = (operation) => {
      if (number++ !== at || operation.startsWith('remove')) return false;
      hit = operation;
      return true;
    };
    const outcome = await store.commit({ running: doc(2), revision: revision('apply') }).then(() => 'done', (e: unknown) => e);
    if (number <= at) break;
    files.fail = null;
    if (hit !== '') {
      assert.ok(outcome instanceof StoreError, `${hit}: ${String(outcome)}`);
      assert.equal(outcome.cure, 'free space on this file system and try again');
      assert.deepEqual(await seen(store), old);
      assert.deepEqual(await seen((await open(restart(files))).store), old, hit);
    }
    await store.commit({ running: doc(3), revision: revision('apply') });
    assert.equal(store.state()?.running.etag, etagOf(doc(3)));
  }
});

test('a prepared change is not in force before commit, and leaves nothing behind after abort', async () => {
  const { files, store } = await fresh();
  const before = files.paths();
  const prepared = await store.prepare({ running: doc(2), revision: revision('apply') });
  assert.equal(prepared.revision?.revision, 2);
  assert.equal(store.state()?.running.etag, etagOf(doc(1)));
  await assert.rejects(store.prepare({ edited: doc(3) }), /one change at a time/);
  await prepared.abort();
  assert.deepEqual(files.paths(), before);
  assert.equal((await store.commit({ running: doc(2), revision: revision('apply') }))?.revision, 2);
});

test('old revisions go, those of running and saved never do', async () => {
  const files = createMemoryFiles();
  const { store } = await open(files, ALIVE, { maxRevisions: 3 });
  await store.commit({ edited: doc(1), running: doc(1), saved: doc(1), revision: revision('start') });
  for (let n = 2; n <= 8; n++) await store.commit({ running: doc(n), revision: revision('apply') });
  assert.deepEqual(store.revisions().map((r) => r.revision), [1, 7, 8]);
  assert.deepEqual(await store.revisionDocuments(1), doc(1));
  assert.equal(await store.revisionDocuments(3), null);
  assert.equal(files.paths().filter((p) => p.startsWith('/state/documents/')).length, 3);
});

test('large documents push old revisions out by size, too', async () => {
  const files = createMemoryFiles();
  const big = (n: number): Documents => ({ layer4: String(n).repeat(1000), nat: '', services: '' });
  const { store } = await open(files, ALIVE, { maxBytes: 2500 });
  await store.commit({ edited: big(1), running: big(1), saved: big(1), revision: revision('start') });
  for (let n = 2; n <= 5; n++) await store.commit({ running: big(n), revision: revision('apply') });
  assert.deepEqual(store.revisions().map((r) => r.revision), [1, 5]);
});

test('damaged edited documents are put aside and running takes their place, with a warning', async () => {
  const { files, store } = await fresh();
  await store.commit({ edited: doc(2) });
  const path = `${DIR}/documents/${etagOf(doc(2))}.json`;
  files.put(path, files.text(path).slice(0, 20));
  const again = await open(restart(files));
  assert.deepEqual(again.store.state()?.edited.documents, doc(1));
  assert.match(again.warnings[0]?.message ?? '', new RegExp(`^${path}: the content does not match its checksum; the running configuration takes its place`));
});

test('damaged saved documents refuse the start, naming the file and the cure', async () => {
  const { files } = await fresh();
  const path = `${DIR}/documents/${etagOf(doc(1))}.json`;
  files.put(path, '');
  await assert.rejects(open(restart(files)), (e: unknown) => e instanceof StoreError && e.path === path && /backup/.test(e.cure));
});

test('a damaged or foreign state.json refuses the start, naming the file and the cure', async () => {
  const { files } = await fresh();
  const text = files.text(`${DIR}/state.json`);
  const rows: readonly (readonly [string, RegExp])[] = [
    ['', /the file is empty/],
    [text.slice(0, 100), /cut short or damaged/],
    [text.replace('"format":1', '"format":2'), /checksum/],
    ['{}', /not a state file of weir/],
  ];
  for (const [content, message] of rows) {
    const damaged = restart(files);
    damaged.put(`${DIR}/state.json`, content);
    await assert.rejects(open(damaged), (e: unknown) => e instanceof StoreError && message.test(e.message) && e.path === `${DIR}/state.json` && e.cure !== '');
    // The refused start has given the lock back.
    assert.ok(!damaged.paths().includes(`${DIR}/lock`));
  }
});

test('a damaged revision is put aside; the others stay', async () => {
  const { files, store } = await fresh();
  await store.commit({ running: doc(2), revision: revision('apply') });
  const next = restart(files);
  next.put(`${DIR}/revisions/000001.json`, 'x');
  const again = await open(next);
  assert.deepEqual(again.store.revisions().map((r) => r.revision), [2]);
  assert.equal(again.warnings[0]?.path, `${DIR}/revisions/000001.json`);
});

test('a missing state.json keeps the revisions and counts on', async () => {
  const { files, store } = await fresh();
  await store.commit({ running: doc(2), revision: revision('apply') });
  const next = restart(files);
  await next.remove(`${DIR}/state.json`);
  const again = await open(next);
  assert.equal(again.store.state(), null);
  assert.match(again.warnings[0]?.message ?? '', /2 revisions are kept/);
  assert.equal((await again.store.commit({ edited: doc(1), running: doc(1), saved: doc(1), revision: revision('start') }))?.revision, 3);
});

test('a second weir on one directory is refused, naming the first; a dead one is no obstacle', async () => {
  const { files, store } = await fresh();
  const second: Processes = { pid: 3, lifeOf: (pid) => (pid === 1 ? 'first' : pid === 3 ? 'third' : null) };
  await assert.rejects(open(files, second), (e: unknown) => e instanceof StoreError && /process 1/.test(e.message) && /--state/.test(e.cure));
  const reborn: Processes = { pid: 3, lifeOf: (pid) => (pid === 1 ? 'another life of this number' : 'third') };
  const taken = await open(files, reborn);
  const before = files.operations.length;
  await assert.rejects(store.commit({ edited: doc(2) }), (e: unknown) => e instanceof StoreError && /has taken this directory: process 3/.test(e.message));
  assert.equal(files.operations.length, before, 'the first touches nothing any more');
  await store.close();
  assert.ok(files.paths().includes(`${DIR}/lock`), 'the first must not remove the lock of the second');
  await taken.store.close();
  assert.ok(!files.paths().includes(`${DIR}/lock`));
});

test('on a real disk: directories are 0700, files 0600, the state comes back, two cannot have it', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'weir-store-'));
  try {
    const at = `${dir}/state`;
    const options = { dir: at, files: realFiles, processes: realProcesses, now: () => Date.now() };
    const store = await openStore(options);
    await store.commit({ edited: doc(1), running: doc(1), saved: doc(1), revision: revision('start') });
    await store.audit({ atMs: 1, kind: 'start', who: 'weir', text: 'started' });
    await assert.rejects(openStore(options), new RegExp(`process ${process.pid}`));
    for (const path of ['', '/documents', '/revisions']) assert.equal((await stat(at + path)).mode & 0o777, 0o700);
    for (const path of ['state.json', 'lock', 'audit.jsonl', 'revisions/000001.json']) assert.equal((await stat(`${at}/${path}`)).mode & 0o777, 0o600);
    await store.close();
    const again = await openStore(options);
    assert.deepEqual(again.state()?.saved.documents, doc(1));
    await again.close();
  } finally {
    await rm(dir, { recursive: true });
  }
});

/** Returns a maker of disks as `files` is now, without a lock. */
function snapshot(files: MemoryFiles): () => MemoryFiles {
  const content = new Map(files.paths().filter((p) => p !== `${DIR}/lock`).map((p) => [p, new TextEncoder().encode(files.text(p))]));
  return () => createMemoryFiles(content);
}

function restart(files: MemoryFiles): MemoryFiles {
  return snapshot(files)();
}

/** Opens, then commits with a kill at the given operation of the commit. */
async function commitAndDie(files: MemoryFiles, change: StateChange, point: CrashPoint, limits: { maxRevisions?: number }): Promise<'unreached' | 'died' | 'committed'> {
  const { store } = await open(files, DYING, limits);
  const from = files.operations.length;
  files.crash = { ...point, at: from + point.at };
  const done = await store.commit(change).then(() => true, () => false);
  if (files.operations.length <= from + point.at) return 'unreached';
  return done ? 'committed' : 'died';
}

/** Revisions may have been pruned or not: what counts is that none is lost that is named, and that the stages are one state. */
function same(found: unknown, expected: unknown): boolean {
  const strip = (value: unknown): { state: StoredState; revisions: { revision: number }[] } => value as { state: StoredState; revisions: { revision: number }[] };
  const [a, b] = [strip(found), strip(expected)];
  if (!isDeepStrictEqual(a.state, b.state)) return false;
  const kept = new Map(a.revisions.map((r) => [r.revision, r]));
  return b.revisions.every((r) => withoutTime(kept.get(r.revision)) === withoutTime(r));
}

function withoutTime(value: unknown): string {
  return JSON.stringify(value, (key, v: unknown) => (key === 'atMs' ? 0 : v));
}

test('a lent directory is the borrower\'s alone, comes back when asked for, and is never taken from a third', async () => {
  const { files, store } = await fresh();
  const lives: Record<number, string> = { 1: 'first', 2: 'second', 3: 'third' };
  const as = (pid: number): Processes => ({ pid, lifeOf: (of) => lives[of] ?? null });
  await store.close();
  const { store: lender } = await open(files, as(1));
  await assert.rejects(lender.lend(9), /no process 9/);
  await lender.lend(2);
  await assert.rejects(lender.commit({ edited: doc(2) }), /process 2/);
  await lender.audit({ atMs: 1, kind: 'stop', who: 'weir', text: 'not to be written' });
  await assert.rejects(open(files, as(3)), /process 2/);
  const { store: borrower } = await open(files, as(2));
  await borrower.audit({ atMs: 2, kind: 'start', who: 'weir', text: 'the borrower' });
  await lender.takeBack();
  await lender.audit({ atMs: 3, kind: 'start', who: 'weir', text: 'the lender again' });
  await assert.rejects(borrower.commit({ edited: doc(3) }), /process 1/);
  assert.deepEqual(files.text(`${DIR}/audit.jsonl`).trim().split('\n').map((line) => (JSON.parse(line) as { text: string }).text), ['the borrower', 'the lender again']);
  await lender.lend(2);
  delete lives[2];
  await open(files, as(3));
  await assert.rejects(lender.takeBack(), /process 3/);
});

test('a bit turned anywhere in state.json is refused by name or changes nothing: what was saved is never another text', async () => {
  const { files, store } = await fresh();
  await store.commit({ running: doc(2), overrides: [OVERRIDE], revision: revision('apply') });
  const path = `${DIR}/state.json`;
  const expected = await seen((await open(restart(files))).store);
  const text = new TextEncoder().encode(files.text(path));
  for (let at = 0; at < text.length; at++) {
    const damaged = restart(files);
    const bytes = Uint8Array.from(text);
    bytes[at]! ^= 1 << at % 8;
    await damaged.writeSynced(path, bytes);
    const outcome = await open(damaged).catch((error: unknown) => error);
    if (outcome instanceof StoreError) assert.ok(outcome.path === path && outcome.cure !== '', outcome.message);
    else assert.deepEqual(await seen((outcome as { store: Store }).store), expected, `byte ${at}`);
  }
});

test('state.json cut short at any length is refused by name', async () => {
  const { files } = await fresh();
  const path = `${DIR}/state.json`;
  const text = files.text(path);
  // All but the line feed at its end is the whole of it.
  for (let length = 0; length < text.length - 1; length++) {
    const damaged = restart(files);
    damaged.put(path, text.slice(0, length));
    await assert.rejects(open(damaged), (e: unknown) => e instanceof StoreError && e.path === path && e.cure !== '', `${length} characters`);
  }
});
