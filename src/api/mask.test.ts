import assert from 'node:assert/strict';
import { test } from 'node:test';
import { maskDraft, maskSecrets } from './mask.ts';
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

test('in a draft everything after the keyword is masked', () => {
  assert.equal(maskDraft('    option radiuscheck secret two words user bob\n    server s 192.0.2.1 # community\n'), '    option radiuscheck secret ***\n    server s 192.0.2.1 # community\n');
});

test('the nearest word is the one meant, and far ones are none', () => {
  assert.equal(nearest('drian', ['drain', 'disable', 'enable']), 'drain');
  assert.equal(nearest('CLINT', ['client', 'cursor']), 'client');
  assert.equal(nearest('zzzzzz', ['client', 'cursor']), undefined);
  assert.equal(nearest('x'.repeat(1000), ['x']), undefined);
});
