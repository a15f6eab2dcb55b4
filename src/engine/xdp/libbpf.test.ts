import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BpfError } from './bpf-error.ts';
import { difference, openObject } from './libbpf.ts';

test('an object file that is not there is refused with libbpf\'s words and how to build it', () => {
  assert.throws(() => openObject('/nonexistent/weir.bpf.o'), (error: unknown) => {
    assert.ok(error instanceof BpfError);
    assert.equal(error.errno, 2);
    assert.match(error.message, /cannot open \/nonexistent\/weir\.bpf\.o: no such thing \(ENOENT\)\n.*No such file/);
    assert.match(error.cure, /npm run setup/);
    return true;
  });
});

test('what differs between two maps is named with both values', () => {
  const map = { type: 2, keySize: 4, valueSize: 128, maxEntries: 1024, flags: 1024 };
  assert.equal(difference(map, map), null);
  assert.equal(difference(map, { ...map, valueSize: 64, maxEntries: 2048 }), 'value size 128, wanted 64, entries 1024, wanted 2048');
});

test('an error says the call, errno in words and the end of a long log; the whole log stays beside', () => {
  const error = new BpfError('the kernel refused x', 1, { log: `${'a'.repeat(5000)}the reason` });
  assert.match(error.message, /^the kernel refused x: operation not permitted \(EPERM\)\na+the reason$/);
  assert.ok(error.message.length < 2200);
  assert.equal(error.log.length, 5010);
  assert.match(error.cure, /CAP_BPF/);
});
