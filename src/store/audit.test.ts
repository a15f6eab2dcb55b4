import assert from 'node:assert/strict';
import { test } from 'node:test';
import { brokenLine, openAudit } from './audit.ts';
import type { StoreError } from './error.ts';
import { createMemoryFiles } from './memory.ts';

const entry = (n: number): { atMs: number; kind: string; who: string; text: string } => ({ atMs: n, kind: 'apply', who: 'alice', text: `revision ${n}` });

test('each line holds the hash of the one before; a change, a gap and an insertion show', async () => {
  const files = createMemoryFiles();
  const log = await openAudit({ files, dir: '/s' });
  await Promise.all([1, 2, 3].map((n) => log.append(entry(n))));
  const text = files.text('/s/audit.jsonl');
  const lines = text.trimEnd().split('\n');
  assert.deepEqual(lines.map((l) => (JSON.parse(l) as { text: string }).text), ['revision 1', 'revision 2', 'revision 3']);
  assert.equal(brokenLine(text), null);
  assert.equal(brokenLine(text.replace('revision 2', 'revision 9')), 2);
  assert.equal(brokenLine(`${lines[0]}\n${lines[2]}\n`), 2);
  assert.equal(brokenLine(`${lines[0]}\n${lines[0]}\n`), 2);
});

test('a line torn by a kill is cut, and the chain goes on', async () => {
  const files = createMemoryFiles();
  const log = await openAudit({ files, dir: '/s' });
  await log.append(entry(1));
  files.crash = { at: files.operations.length, how: 'torn' };
  await assert.rejects(log.append(entry(2)));
  for (const survivor of files.survivors()) {
    const warnings: StoreError[] = [];
    const again = await openAudit({ files: survivor, dir: '/s', onWarning: (w) => warnings.push(w) });
    await again.append(entry(3));
    assert.equal(brokenLine(survivor.text('/s/audit.jsonl')), null);
    assert.deepEqual(warnings, []);
  }
});

test('a full disk is told, and the next line begins at the start of a line', async () => {
  const files = createMemoryFiles();
  const log = await openAudit({ files, dir: '/s' });
  await log.append(entry(1));
  files.fail = (operation) => operation.startsWith('append');
  await assert.rejects(log.append(entry(2)), /ENOSPC/);
  files.fail = null;
  await log.append(entry(3));
  assert.equal(brokenLine(files.text('/s/audit.jsonl')), null);
});

test('at its size cap the file is put aside, the chain goes on across files, the oldest go', async () => {
  const files = createMemoryFiles();
  const log = await openAudit({ files, dir: '/s', maxBytes: 600, keep: 2 });
  for (let n = 1; n <= 12; n++) await log.append(entry(n));
  const names = files.paths();
  assert.equal(names.filter((p) => /audit\.\d+\.jsonl$/.test(p)).length, 2);
  const whole = [...names.filter((p) => p !== '/s/audit.jsonl'), '/s/audit.jsonl'].map((p) => files.text(p)).join('');
  assert.equal(brokenLine(whole), null);
  assert.match(whole, /revision 12/);
});

test('a log that somebody changed is told at the next start, with its line', async () => {
  const files = createMemoryFiles();
  const log = await openAudit({ files, dir: '/s' });
  for (let n = 1; n <= 3; n++) await log.append(entry(n));
  files.put('/s/audit.jsonl', files.text('/s/audit.jsonl').replace('"who":"alice"', '"who":"mallory"'));
  const warnings: StoreError[] = [];
  await openAudit({ files, dir: '/s', onWarning: (w) => warnings.push(w) });
  assert.match(warnings[0]?.message ?? '', /line 1: the chain of hashes is broken/);
});
