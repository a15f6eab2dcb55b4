import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseMap, readMachine, readMaps } from './memory.ts';

const FDINFO = `pos:\t0
flags:\t02000002
mnt_id:\t16
ino:\t1057
map_type:\t9
key_size:\t12
value_size:\t12
max_entries:\t4194304
map_flags:\t0x0
map_extra:\t0x0
memlock:\t402653184
map_id:\t31
frozen:\t0
`;

test('a map is read from what the kernel says of its descriptor', () => {
  assert.deepEqual(parseMap(FDINFO), { id: 31, type: 9, keyBytes: 12, valueBytes: 12, capacity: 4_194_304, bytes: 402_653_184 });
});

test('other descriptors are no maps: a program names its maps too, by another word', () => {
  assert.equal(parseMap('pos:\t0\nflags:\t02\nprog_type:\t6\nprog_id:\t8\n'), null);
  assert.equal(parseMap(''), null);
});

test('a process without maps has none, and the machine has memory', { skip: process.platform === 'linux' ? false : 'needs /proc' }, () => {
  assert.deepEqual(readMaps(process.pid), []);
  const { availableBytes, slabBytes } = readMachine();
  assert.ok(availableBytes > 1e6 && slabBytes > 1e5, `${availableBytes} ${slabBytes}`);
});
