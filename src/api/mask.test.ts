import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Issue } from '../config/issue.ts';
import { parseConfig } from '../config/parse.ts';
import { maskDraft, maskIssues, maskSecrets } from './mask.ts';
import { nearest } from './nearest.ts';

test('the word after a secret keyword is masked, however it is quoted, and nothing else is', () => {
  const rows = [
    ['    option radiuscheck secret s3cret user bob', '    option radiuscheck secret *** user bob'],
    ['secret "two words" x', 'secret *** x'],
    ['secret "with \\" quote" x', 'secret *** x'],
    ["secret 'a b' x", 'secret *** x'],
    ['secret "not closed', 'secret ***'],
    ['Community\tpublic', 'Community\t***'],
    ['password a\npassword b', 'password ***\npassword ***'],
    ['secret\n    server s1', 'secret\n    server s1'],
    ['server secretary 10.0.0.1', 'server secretary 10.0.0.1'],
  ] as const;
  for (const [text, masked] of rows) assert.equal(maskSecrets(text), masked);
});

test('in a draft everything after the keyword is masked, and so is what an issue quotes of that line', () => {
  assert.equal(maskDraft('    option radiuscheck secret two words user bob\n    server s 192.0.2.1 # community\n'), '    option radiuscheck secret ***\n    server s 192.0.2.1 # community\n');
  const layer4 = 'director d 192.0.2.1:1812 UDP\n    option radiuscheck secret two WORDS user bob\n    server s 192.0.2.300\n';
  const { issues } = parseConfig([{ file: 'layer4.conf', document: 'layer4', text: layer4 }]);
  assert.doesNotMatch(JSON.stringify(issues), /WORDS/, 'the parser does not quote such a line either');
  // Whoever else makes issues may.
  const quoting: Issue = { severity: 'error', code: 'unknown-word', message: "expected a setting, found 'WORDS'", at: { file: 'layer4.conf', line: 2, col: 38, endCol: 43 } };
  const masked = maskIssues([...issues, quoting], { layer4, nat: '', services: '' });
  assert.doesNotMatch(JSON.stringify(masked), /WORDS/);
  assert.match(JSON.stringify(masked), /192\.0\.2\.300/);
});

test('the nearest word is the one meant, and far ones are none', () => {
  assert.equal(nearest('drian', ['drain', 'disable', 'enable']), 'drain');
  assert.equal(nearest('CLINT', ['client', 'cursor']), 'client');
  assert.equal(nearest('zzzzzz', ['client', 'cursor']), undefined);
  assert.equal(nearest('x'.repeat(1000), ['x']), undefined);
});
