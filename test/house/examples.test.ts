import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { formatDocument } from '../../src/config/format.ts';
import { parseConfig } from '../../src/config/parse.ts';
import { ROOT } from './root.ts';

/** The ALOHA page's own director checks without saying how; weir says what that cannot see. */
const WARNINGS: Readonly<Record<string, number>> = { 'first.conf': 1 };

const examples = readdirSync(join(ROOT, 'examples')).filter((name) => name.endsWith('.conf'));

for (const file of examples) {
  test(`examples/${file} has no errors, no unexpected warnings, and is laid out by weir fmt`, () => {
    const text = readFileSync(join(ROOT, 'examples', file), 'utf8');
    const { config, issues } = parseConfig([{ file, document: 'any', text }]);
    assert.ok(config !== null && config.directors.length > 0);
    assert.equal(issues.filter(({ severity }) => severity === 'error').length, 0);
    assert.equal(issues.length, WARNINGS[file] ?? 0, JSON.stringify(issues));
    assert.equal(formatDocument(text, file).text, text);
  });
}

test('the examples of the README are configurations too', () => {
  const readme = readFileSync(join(ROOT, 'README.md'), 'utf8');
  const blocks = [...readme.matchAll(/```weir\n([^]*?)```/g)].map(([, text = '']) => text);
  assert.ok(blocks.length > 0);
  for (const text of blocks) {
    const { issues } = parseConfig([{ file: 'README.md', document: 'any', text }]);
    assert.deepEqual(issues.filter(({ severity }) => severity === 'error'), [], text);
  }
});
