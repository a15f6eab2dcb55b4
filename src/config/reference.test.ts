import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, it } from 'node:test';
import { parseConfig } from './parse.ts';
import { configurationReference, issuesReference } from './reference.ts';

const DOCS = join(import.meta.dirname, '../../../docs/reference');

describe('the reference pages', () => {
  for (const [name, text] of [['configuration.md', configurationReference()], ['issues.md', issuesReference()]] as const) {
    it(`${name} is what the tables say`, () => {
      const path = join(DOCS, name);
      if (process.env['WEIR_UPDATE'] === '1') {
        mkdirSync(dirname(path), { recursive: true });
        writeFileSync(path, text);
      }
      assert.equal(readFileSync(path, 'utf8'), text, 'run with WEIR_UPDATE=1 to write it again');
    });
  }
  it('shows only examples without errors and without warnings', () => {
    const examples = [...configurationReference().matchAll(/```weir\n([^]*?)```/g)].map((match) => match[1] ?? '');
    assert.equal(examples.length, 3);
    for (const text of examples) assert.deepEqual(parseConfig([{ file: 'example', document: 'any', text }]).issues, []);
  });
});
