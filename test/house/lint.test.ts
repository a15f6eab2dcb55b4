import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { ROOT } from './root.ts';

test('oxlint --type-aware finds no error', () => {
  const { status, stdout, stderr } = spawnSync(process.execPath, ['node_modules/oxlint/bin/oxlint', '--type-aware', '--quiet'], { cwd: ROOT, encoding: 'utf8' });
  assert.equal(status, 0, `${stdout}${stderr}`);
});
