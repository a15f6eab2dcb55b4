import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { unifiedDiff } from './textdiff.ts';

const diff = (a: string, b: string): string => unifiedDiff({ name: 'running/layer4.conf', text: a }, { name: 'edited/layer4.conf', text: b });

/** Applies a unified diff, checking each kept and removed line. */
function patch(before: string, text: string): string {
  const lines = before === '' ? [] : before.replace(/\n$/, '').split('\n');
  const out: string[] = [];
  let at = 0;
  for (const line of text.split('\n').slice(2, -1)) {
    const hunk = /^@@ -(\d+),(\d+) \+\d+,\d+ @@$/.exec(line);
    if (hunk) {
      const start = Number(hunk[1]) - (hunk[2] === '0' ? 0 : 1);
      out.push(...lines.slice(at, start));
      at = start;
      continue;
    }
    if (line[0] !== '+') assert.equal(lines[at++], line.slice(1));
    if (line[0] !== '-') out.push(line.slice(1));
  }
  out.push(...lines.slice(at));
  return out.length === 0 ? '' : `${out.join('\n')}\n`;
}

test('a diff of any two texts makes the second out of the first', () => {
  const text = fc.array(fc.constantFrom('a', 'b', 'c', '  server x', ''), { maxLength: 30 }).map((lines) => lines.map((l) => `${l}\n`).join(''));
  fc.assert(
    fc.property(text, text, (a, b) => {
      if (a === b) assert.equal(diff(a, b), '');
      else assert.equal(patch(a, diff(a, b)), b);
    }),
    { seed: 5, numRuns: 2000 },
  );
});

test('a change reads as diff -u prints it', () => {
  const before = 'director web 10.0.0.3:8000 UDP\n  balance leastconn\n  mode nat\n  server a 10.0.0.1:1\n  server b 10.0.0.2:1\n';
  assert.equal(
    diff(before, before.replace('leastconn', 'maglev')),
    [
      '--- running/layer4.conf', '+++ edited/layer4.conf', '@@ -1,5 +1,5 @@', ' director web 10.0.0.3:8000 UDP', '-  balance leastconn', '+  balance maglev',
      '   mode nat', '   server a 10.0.0.1:1', '   server b 10.0.0.2:1', '',
    ].join('\n'),
  );
});

test('a missing newline at the end shows', () => {
  assert.match(diff('a\n', 'a'), /-a\n\+a\n\\ No newline at end of file\n/);
});

test('texts of a hundred thousand lines with nothing in common come as a summary, soon', () => {
  const [a, b] = ['a', 'b'].map((x) => Array.from({ length: 100_000 }, (_, i) => `${x}${i}\n`).join(''));
  assert.match(diff(a ?? '', b ?? ''), /too much differs to show: lines 1 to 100000 \(of 100000\) became lines 1 to 100000/);
});

test('one changed line in a hundred thousand comes with its place', () => {
  const a = Array.from({ length: 100_000 }, (_, i) => `line ${i}\n`).join('');
  assert.match(diff(a, a.replace('line 50000\n', 'other\n')), /@@ -49998,7 \+49998,7 @@/);
});
