import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hintAt, meaningAt, offersAt } from './completion.ts';

const words = (document: 'layer4' | 'nat' | 'services', before: string): readonly string[] => offersAt(document, before).offers.map(({ word }) => word);
const inDirector = (line: string): readonly string[] => words('layer4', `director web 192.0.2.1:53 UDP\n${line}`);

test('the left edge offers the sections of the document, an indented line its keywords', () => {
  assert.deepEqual(words('layer4', 'dir'), ['director']);
  assert.deepEqual(words('nat', ''), ['nat']);
  assert.ok(inDirector('    ').includes('balance') && inDirector('    ').includes('server'));
  assert.deepEqual(words('layer4', '    bal'), []);
});

test('after a keyword come its words, after a value what may follow it, never one twice', () => {
  assert.ok(inDirector('    balance ').includes('maglev'));
  assert.deepEqual(inDirector('    balance leastconn '), ['localitybased', 'replication']);
  assert.deepEqual(inDirector('    check interval '), []);
  assert.ok(inDirector('    check interval 5s ').includes('timeout') && !inDirector('    check interval 5s ').includes('interval'));
  assert.deepEqual(inDirector('    server a '), []);
  assert.ok(inDirector('    server a 192.0.2.2:53 ').includes('weight'));
  assert.ok(inDirector('    server a 192.0.2.2:53 weight 10 ').includes('check'));
  assert.deepEqual(inDirector('    on '), ['down', 'drain', 'remove']);
  assert.deepEqual(inDirector('    on down '), ['move', 'keep', 'drop']);
  assert.ok(inDirector('    option persistence timeout 5s ').includes('netmask'));
});

test('a NAT rule may have several keywords on a line; services have theirs; comments have none', () => {
  assert.ok(words('nat', 'nat a\n    before destination 192.0.2.1 ').includes('dport'));
  assert.ok(words('nat', 'nat a\n    in eth0 before ').includes('source'));
  assert.ok(words('services', 'service ').includes('lvs'));
  assert.ok(words('services', 'service lvs\n    ').includes('conntrack'));
  assert.deepEqual(words('services', 'service sshd\n    '), ['no autostart']);
  assert.deepEqual(inDirector('    # bal'), []);
});

test('the hint is of the keyword at the cursor, else of the one to its left; comments and empty lines have none', () => {
  const at = (before: string, rest = ''): string | null => hintAt('layer4', `director web 192.0.2.1:53 UDP\n${before}`, rest)?.word ?? null;
  assert.equal(at('    bal', 'ance'), 'balance');
  assert.equal(at('    balance maglev'), 'maglev');
  assert.equal(at('    check interval 5'), 'interval');
  assert.equal(at('    server srv1 192.0.2.9'), 'server');
  assert.equal(at('    # balance'), null);
  assert.equal(at(''), null);
  assert.equal(hintAt('layer4', 'dir', 'ector')?.word, 'director');
});

test('a word where it stands has a meaning, a name has none', () => {
  assert.match(meaningAt('layer4', 'director a\n    ', 'balance')?.meaning ?? '', /how a new session/);
  assert.equal(meaningAt('layer4', 'director ', 'balance'), undefined);
});
