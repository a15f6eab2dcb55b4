/** Damage to any file of a state directory: what was saved is there, or its file is named with a cure; nothing is silently less. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isDeepStrictEqual } from 'node:util';
import fc from 'fast-check';
import { holds } from '../../test/fuzz/holds.ts';
import type { Documents } from '../client/types.ts';
import { StoreError } from './error.ts';
import type { Processes } from './lock.ts';
import { createMemoryFiles, type MemoryFiles } from './memory.ts';
import { revisionName } from './revisions.ts';
import { openStore, type Store } from './store.ts';

const DIR = '/state';
const HERE: Processes = { pid: 1, lifeOf: (pid) => (pid === 1 ? 'now' : null) };
const BEFORE: Processes = { pid: 2, lifeOf: (pid) => (pid === 2 ? 'then' : null) };
const FOR_MS = 2_000;

const doc = (n: number): Documents => ({ layer4: `director d${n} 192.0.2.${n}:53 UDP\n`, nat: `# nätt ${n}\n`, services: '' });

/** A directory with three configurations, four revisions, an override and an audit log, whose weir was killed. */
async function disk(): Promise<ReadonlyMap<string, Uint8Array>> {
  const files = createMemoryFiles();
  const store = await openStore({ dir: DIR, files, processes: BEFORE, now: () => 1000 });
  const by = (what: 'apply' | 'save' | 'start') => ({ who: 'alice', what, note: '' });
  await store.commit({ edited: doc(1), running: doc(1), saved: doc(1), imported: null, revision: by('start') });
  await store.commit({ running: doc(2), revision: by('apply') });
  await store.commit({ saved: doc(2), revision: by('save') });
  await store.commit({ edited: doc(4), running: doc(3), revision: by('apply'), overrides: [{ director: 'd1', server: 's', action: 'drain', who: 'alice', atMs: 5 }] });
  for (const text of ['one', 'two', 'three']) await store.audit({ atMs: 1, kind: 'apply', who: 'alice', text });
  return new Map(await Promise.all(files.paths().map(async (path) => [path, (await files.read(path)) ?? new Uint8Array()] as const)));
}

interface Seen {
  readonly saved: unknown;
  readonly running: unknown;
  readonly edited: unknown;
  readonly overrides: unknown;
  /** By number: what a rollback to it would bring, or the refusal's path. */
  readonly revisions: ReadonlyMap<number, unknown>;
}

async function see(store: Store): Promise<Seen> {
  const state = store.state();
  const revisions = new Map<number, unknown>();
  for (const revision of store.revisions()) {
    revisions.set(revision.revision, { revision, documents: await store.revisionDocuments(revision.revision).catch((error: unknown) => named(error)) });
  }
  return { saved: state?.saved, running: state?.running, edited: state?.edited, overrides: state?.overrides, revisions };
}

/** Returns the error when it is a refusal that names a file and a cure. */
function named(error: unknown): StoreError {
  assert.ok(error instanceof StoreError, `not a refusal: ${error instanceof Error ? (error.stack ?? '') : String(error)}`);
  assert.ok(error.path.startsWith(DIR) && error.cure.length > 10, `${error.path}: ${error.message}; ${error.cure}`);
  return error;
}

type Damage =
  | { readonly kind: 'flip'; readonly file: number; readonly at: number; readonly bit: number }
  | { readonly kind: 'cut'; readonly file: number; readonly at: number }
  | { readonly kind: 'zero'; readonly file: number; readonly at: number; readonly length: number }
  | { readonly kind: 'add'; readonly file: number; readonly text: string }
  | { readonly kind: 'swap'; readonly file: number; readonly other: number }
  | { readonly kind: 'gone'; readonly file: number };

const file = fc.nat({ max: 30 });
const at = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });
const damage: fc.Arbitrary<Damage> = fc.oneof(
  fc.record({ kind: fc.constant('flip' as const), file, at, bit: fc.nat({ max: 7 }) }),
  fc.record({ kind: fc.constant('cut' as const), file, at }),
  fc.record({ kind: fc.constant('zero' as const), file, at, length: fc.integer({ min: 1, max: 600 }) }),
  fc.record({ kind: fc.constant('add' as const), file, text: fc.oneof(fc.string(), fc.constantFrom('{}', 'null', '{"checksum":"","body":null}', '\n')) }),
  fc.record({ kind: fc.constant('swap' as const), file, other: file }),
  fc.record({ kind: fc.constant('gone' as const), file }),
);

/** Damages the files in place; returns the paths that hold something else than before. */
function apply(files: Map<string, Uint8Array>, damages: readonly Damage[]): ReadonlySet<string> {
  const before = new Map([...files].map(([path, bytes]) => [path, Buffer.from(bytes).toString('latin1')]));
  const paths = [...files.keys()].toSorted();
  for (const d of damages) {
    const path = paths[d.file % paths.length];
    const bytes = Uint8Array.from(files.get(path) ?? []);
    const from = 'at' in d ? Math.floor(d.at * bytes.length) : 0;
    if (d.kind === 'flip' && bytes.length > 0) bytes[from] ^= 1 << d.bit;
    if (d.kind === 'zero') bytes.fill(0, from, from + d.length);
    if (d.kind === 'cut') files.set(path, bytes.subarray(0, from));
    else if (d.kind === 'add') files.set(path, Buffer.concat([bytes, Buffer.from(d.text)]));
    else if (d.kind === 'gone') files.delete(path);
    else if (d.kind === 'swap') {
      const other = paths[d.other % paths.length];
      const [mine, its] = [files.get(path), files.get(other)];
      if (its !== undefined) files.set(path, its);
      if (mine !== undefined) files.set(other, mine);
    } else files.set(path, bytes);
  }
  return new Set(paths.filter((path) => before.get(path) !== (files.has(path) ? Buffer.from(files.get(path) ?? []).toString('latin1') : undefined)));
}

/** Throws unless the directory either gives what it held, or says by name what it cannot give. */
async function givesOrNames(files: MemoryFiles, changed: ReadonlySet<string>, whole: Seen): Promise<void> {
  const warnings: StoreError[] = [];
  let store: Store;
  try {
    store = await openStore({ dir: DIR, files, processes: HERE, now: () => 2000, onWarning: (warning) => warnings.push(named(warning)) });
  } catch (error) {
    const { path } = named(error);
    assert.ok(changed.has(path), `refused for ${path}, which is as it was; changed: ${[...changed].join(' ')}`);
    return;
  }
  const seen = await see(store);
  const told = (what: string): boolean => warnings.some(({ path }) => path.includes(what));
  if (store.state() === null) {
    assert.ok(told('state.json'), 'the state is gone and nothing was said');
  } else {
    for (const stage of ['saved', 'running', 'edited', 'overrides'] as const) {
      if (isDeepStrictEqual(seen[stage], whole[stage])) continue;
      assert.notEqual(stage, 'saved', 'another configuration is saved');
      assert.notEqual(stage, 'overrides', 'other overrides');
      assert.ok(told('/documents/'), `another configuration is ${stage}, and nothing was said`);
    }
  }
  for (const [number, revision] of whole.revisions) {
    const now = seen.revisions.get(number);
    if (isDeepStrictEqual(now, revision)) continue;
    // A file that somebody removed is a revision that somebody removed, as weir does itself with the oldest.
    if (now === undefined && changed.has(`${DIR}/revisions/${revisionName(number)}`) && (await files.read(`${DIR}/revisions/${revisionName(number)}`)) === null && !told('/revisions/')) continue;
    const { documents } = (now ?? { documents: null }) as { documents: unknown };
    assert.ok(documents instanceof StoreError || told('/revisions/'), `revision ${number} is ${now === undefined ? 'gone' : 'another'}, and nothing was said`);
  }
  for (const number of seen.revisions.keys()) assert.ok(whole.revisions.has(number), `revision ${number} was never made`);
  // What was found can be worked with.
  await store.commit({ edited: doc(7), running: doc(7), saved: doc(7), revision: { who: 'alice', what: 'apply', note: '' } });
  assert.deepEqual(store.state()?.saved.documents, doc(7));
}

test('a damaged state directory gives what it held, or says by name what it cannot give', async (t) => {
  const held = await disk();
  const whole = await see(await openStore({ dir: DIR, files: createMemoryFiles(held), processes: HERE, now: () => 1500 }));
  const runs = await holds('store: damaged files', fc.asyncProperty(fc.array(damage, { minLength: 1, maxLength: 3 }), async (damages) => {
    const files = new Map(held);
    const changed = apply(files, damages);
    await givesOrNames(createMemoryFiles(files), changed, whole);
  }), { forMs: FOR_MS });
  t.diagnostic(`${runs} directories`);
});
