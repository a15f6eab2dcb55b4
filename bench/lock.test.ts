import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { takeLock } from './lock.ts';

function lockFile(context: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'weir-lock-'));
  context.after(() => rmSync(folder, { recursive: true, force: true }));
  return join(folder, 'lock');
}

test('the lock holds our process id and is gone once given back', async (context) => {
  const path = lockFile(context);
  const release = await takeLock({ path, signal: context.signal, progress: () => undefined });
  assert.equal(readFileSync(path, 'utf8'), String(process.pid));
  release();
  assert.equal(existsSync(path), false);
});

test('a holder that lives is told of, and refused to wait for beyond the limit', async (context) => {
  const path = lockFile(context);
  writeFileSync(path, '4711');
  const lines: string[] = [];
  await assert.rejects(takeLock({ path, signal: context.signal, progress: (line) => lines.push(line), waitMs: 0, isAlive: () => true }), /process 4711\) still runs/);
  assert.equal(readFileSync(path, 'utf8'), '4711');
});

test('a lock whose holder is dead is taken over', async (context) => {
  const path = lockFile(context);
  writeFileSync(path, '4711');
  const release = await takeLock({ path, signal: context.signal, progress: () => undefined, waitMs: 0, isAlive: () => false });
  assert.equal(readFileSync(path, 'utf8'), String(process.pid));
  release();
});

test('waiting ends when interrupted', async (context) => {
  const path = lockFile(context);
  writeFileSync(path, '4711');
  const interrupted = new AbortController();
  const waiting = takeLock({ path, signal: interrupted.signal, progress: () => interrupted.abort(new Error('interrupted')), isAlive: () => true });
  await assert.rejects(waiting);
});
