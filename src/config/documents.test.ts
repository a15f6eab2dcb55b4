import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { documentOfFile, documentsOf } from './documents.ts';

test('a file with all sections becomes three documents, comments with the section they stand above', () => {
  const text = '# head\ndirector web 192.0.2.1:53 UDP\n    # inside\n    server a 192.0.2.2\n\n# the rule\nnat out\n    in eth0\nservice lvs\n    conntrack\n# the end\n';
  assert.deepEqual(documentsOf([{ file: 'all.conf', text }]), {
    layer4: '# head\ndirector web 192.0.2.1:53 UDP\n    # inside\n    server a 192.0.2.2\n',
    nat: '\n# the rule\nnat out\n    in eth0\n',
    services: 'service lvs\n    conntrack\n# the end\n',
  });
});

test('a file named after a document stands for that document alone, byte for byte', () => {
  const text = '# only rules\r\nnat out\r\n    in eth0\r\n';
  assert.deepEqual(documentsOf([{ file: '/etc/weir/nat.conf', text }]), { nat: text });
  assert.equal(documentOfFile('/etc/weir/services.conf'), 'services');
  assert.equal(documentOfFile('my-layer4.conf'), null);
});

test('several files add up, also without a line feed at their end', () => {
  const documents = documentsOf([
    { file: 'layer4.conf', text: 'director a' },
    { file: 'more.conf', text: 'director b\nnat x' },
  ]);
  assert.deepEqual(documents, { layer4: 'director a\ndirector b\n', nat: 'nat x', services: '' });
});

test('an unknown section stays where the parser will meet it', () => {
  assert.deepEqual(documentsOf([{ file: 'x.conf', text: 'directr web\n' }]), { layer4: 'directr web\n', nat: '', services: '' });
});

test('no line is lost or made up', () => {
  const line = fc.constantFrom('director a', '    server b', '# c', '', 'nat d', 'service e', '  ', 'junk');
  fc.assert(fc.property(fc.array(line), (lines) => {
    const text = lines.map((l) => `${l}\n`).join('');
    const documents = documentsOf([{ file: 'x', text }]);
    const out = Object.values(documents).join('').split('\n').slice(0, -1);
    assert.deepEqual(out.toSorted(), lines.toSorted());
  }), { seed: 7 });
});
