import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { test } from 'node:test';
import { realFiles } from './files.ts';
import { realProcesses } from './lock.ts';
import { openStore, type Store, type StoreOptions } from './store.ts';

/** Applies configuration n, n + 1, … for ever and says after each that it is done. */
const CHILD = `
  const { openStore } = await import(process.env.STORE);
  const { realFiles } = await import(process.env.FILES);
  const { realProcesses } = await import(process.env.LOCK);
  const store = await openStore({ dir: process.env.DIR, files: realFiles, processes: realProcesses, now: () => Date.now() });
  for (let n = Number(process.env.FROM); ; n++) {
    const documents = { layer4: 'layer4 ' + n, nat: 'nat ' + n, services: 'services ' + n };
    await store.commit({ edited: documents, running: documents, saved: documents, revision: { who: 'child', what: 'apply', note: '' } });
    await store.audit({ atMs: n, kind: 'apply', who: 'child', text: 'configuration ' + n });
    console.log(n);
  }
`;

test('a process killed with -9 again and again loses nothing it has confirmed, and its lock is no obstacle', async () => {
  const dir = join(await mkdtemp(join(tmpdir(), 'weir-kill-')), 'state');
  try {
    let next = 1;
    for (let round = 0; round < 4; round++) {
      const confirmed = await runAndKill(dir, next, 3 + round);
      const warnings: string[] = [];
      const store = await open(dir, (w) => warnings.push(w.message));
      const state = store.state();
      assert.ok(state, 'there is a state');
      const found = Number(state.running.documents.layer4.split(' ')[1]);
      // The one it was at when it died may or may not have come through.
      assert.ok(found >= confirmed, `confirmed ${confirmed}, found ${found}`);
      for (const stage of [state.edited, state.running, state.saved]) {
        assert.deepEqual(stage.documents, { layer4: `layer4 ${found}`, nat: `nat ${found}`, services: `services ${found}` });
      }
      for (const { revision } of store.revisions()) assert.notEqual(await store.revisionDocuments(revision), null);
      assert.deepEqual(warnings, []);
      await store.close();
      next = found + 1;
    }
  } finally {
    await rm(join(dir, '..'), { recursive: true });
  }
});

function open(dir: string, onWarning: NonNullable<StoreOptions['onWarning']>): Promise<Store> {
  return openStore({ dir, files: realFiles, processes: realProcesses, now: () => Date.now(), onWarning });
}

/** Returns the last configuration the child confirmed before it was killed, which is while it works on a later one. */
async function runAndKill(dir: string, from: number, lines: number): Promise<number> {
  const module = (name: string): string => new URL(`./${name}.js`, import.meta.url).href;
  const child = spawn(process.execPath, ['--input-type=module', '-e', CHILD], {
    env: { ...process.env, DIR: dir, FROM: String(from), STORE: module('store'), FILES: module('files'), LOCK: module('lock') },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const exited = once(child, 'exit');
  let last = 0;
  for await (const line of createInterface({ input: child.stdout })) {
    last = Number(line);
    if (last - from + 1 >= lines) child.kill('SIGKILL');
  }
  await exited;
  return last;
}
