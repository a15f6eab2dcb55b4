import assert from 'node:assert/strict';
import { test } from 'node:test';
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
  assert.deepEqual(documents, { layer4: 'director a\ndirector b\n', nat: 'nat x\n', services: '' });
});

