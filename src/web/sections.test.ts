import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { appendSection, innerComments, moveSection, removeSection, replaceSection, sectionsOf, textOf } from './sections.ts';

const TEXT = '# all rules\n\n# first\nnat a\n    in eth0\n    # why\n    after source 10.0.0.1\n\n# second\nnat b\n    protocol udp\n\nnat c\n';

test('a document is its sections, whatever it holds', () => {
  const line = fc.constantFrom('nat a', 'nat b # x', '    in eth0', '# c', '    # c', '', 'what', '\tout eth1', 'director d', ' ');
  fc.assert(fc.property(fc.array(line), fc.boolean(), (lines, ended) => {
    const text = lines.join('\n') + (ended ? '\n' : '');
    assert.equal(textOf(sectionsOf(text)), text);
  }), { seed: 4, numRuns: 300 });
  assert.deepEqual(sectionsOf(TEXT).blocks.map(({ name, line }) => [name, line]), [['a', 4], ['b', 10], ['c', 13]]);
});

test('a moved section takes the comments above it along, and sections stay apart', () => {
  const moved = moveSection(TEXT, 1, 0);
  assert.equal(moved, '# second\nnat b\n    protocol udp\n\n# all rules\n\n# first\nnat a\n    in eth0\n    # why\n    after source 10.0.0.1\n\nnat c\n');
  assert.equal(moveSection(TEXT, 0, -1), TEXT);
  assert.equal(moveSection(TEXT, 2, 3), TEXT);
});

test('replacing keeps what stands around, removing takes the comments above', () => {
  assert.equal(replaceSection(TEXT, 1, 'nat b\n    protocol tcp'), TEXT.replace('protocol udp', 'protocol tcp'));
  const removed = removeSection(TEXT, 1);
  assert.ok(!removed.includes('# second') && removed.includes('# first') && removed.endsWith('nat c\n'));
  assert.equal(removeSection('nat a\n    in eth0\n', 0), '');
});

test('a section is added with an empty line before it, and none at the top', () => {
  assert.equal(appendSection('', 'nat a\n'), 'nat a\n');
  assert.equal(appendSection('nat a', 'nat b\n'), 'nat a\n\nnat b\n');
  assert.equal(appendSection('nat a\n\n', 'nat b'), 'nat a\n\nnat b\n');
});

test('comments inside a section are found for the form to keep', () => {
  assert.equal(innerComments('nat a\n    # why\n    in eth0 # not this\n'), '    # why\n');
});
