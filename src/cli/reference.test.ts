import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { COMMANDS } from './commands.ts';
import { EXIT_CODES } from './exit-codes.ts';
import { longFlag, optionsOf } from './options.ts';
import { cliReference } from './reference.ts';

test('docs/reference/cli.md is what the table of commands says', () => {
  const path = join(import.meta.dirname, '../../../docs/reference/cli.md');
  if (process.env['WEIR_UPDATE'] === '1') writeFileSync(path, cliReference());
  assert.equal(readFileSync(path, 'utf8'), cliReference(), 'run this test with WEIR_UPDATE=1 to write it again');
});

test('no command has an option twice, every name and every exit code is used once', () => {
  for (const command of COMMANDS) {
    const flags = optionsOf(command).map(longFlag);
    assert.deepEqual(flags, [...new Set(flags)], command.name);
  }
  const names = COMMANDS.map(({ name }) => name);
  assert.deepEqual(names, [...new Set(names)]);
  const codes = EXIT_CODES.map(({ code }) => code);
  assert.deepEqual(codes, [...new Set(codes)]);
});
