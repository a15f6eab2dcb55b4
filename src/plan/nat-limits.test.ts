import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseConfig } from '../config/parse.ts';
import { desire } from './desire.ts';
import { natLimits } from './nat-limits.ts';

const ON = 'service lvs\n conntrack\n';
const PLAIN = { healthOf: () => 'unknown' as const, overrideOf: () => null };

function limits(director: string, rules: readonly string[], service = ON): readonly string[] {
  const text = `director d ${director}\n server s 198.51.100.20\n${rules.map((rule, i) => `nat r${i}\n ${rule}\n`).join('')}${service}`;
  const { config, issues } = parseConfig([{ file: 't.conf', document: 'any', text }]);
  assert.ok(config, JSON.stringify(issues));
  const found = natLimits(config).map(({ rule, what }) => `${rule}: ${what.replace(/:.*/, '')}`);
  const used = desire(config, PLAIN).directors[0]?.sourceNat?.rule;
  return used === undefined ? found : [...found, `uses ${used}`];
}

const ROWS: readonly (readonly [name: string, director: string, rules: readonly string[], expected: readonly string[]])[] = [
  ["the page's rule", '192.0.2.1:8000-8010', ['in eth0 out eth1 protocol udp before destination 192.0.2.1 dport 8000-8010 after source 192.0.2.1'], ['uses r0']],
  ['a wider rule', '192.0.2.1:53', ['before destination 192.0.2.0/24 dport 1-100 after source masquerade sport 1024-2000'], ['uses r0']],
  ['another address, port, protocol or family', '192.0.2.1:53', ['before destination 192.0.2.2 after source masquerade', 'before dport 54 after source masquerade', 'protocol tcp after source masquerade', 'after source 2001:db8::1'], []],
  ['a rule for some clients', '192.0.2.1:53', ['before source 192.0.2.0/25 after source masquerade', 'after source 192.0.2.1'], ["r0: 'before source'", 'uses r1']],
  ['a rule for some source ports', '192.0.2.1:53', ['before sport 53 after source masquerade'], ["r0: 'before sport'"]],
  ['a rule for some ports of the director', '192.0.2.1:53-60', ['before dport 53 after source masquerade'], ["r0: 'before dport' narrower than the director's ports"]],
  ['a rule for some ports of all', '192.0.2.1', ['before dport 53 after source masquerade'], ["r0: 'before dport' narrower than the director's ports"]],
  ['a rule for one address of a wildcard', '0.0.0.0:53', ['before destination 192.0.2.1 after source masquerade'], ["r0: 'before destination' narrower than the director"]],
  ['what stands after a rule that takes all', '192.0.2.1:53', ['after source 192.0.2.1', 'before source 192.0.2.0/25 after source masquerade'], ['uses r0']],
  ['an IPv4 source towards an IPv6 server', '192.0.2.1:53\n server six 2001:db8::1', ['after source 192.0.2.1'], ["r0: a source of IPv4 towards server 'six', which is IPv6", 'uses r0']],
];

for (const [name, director, rules, expected] of ROWS) {
  test(`${name} -> ${expected.join(', ') || 'nothing'}`, () => assert.deepEqual(limits(director, rules), expected));
}

test('without conntrack no rule acts, so none is refused', () => {
  assert.deepEqual(limits('192.0.2.1:53', ['before source 192.0.2.0/25 after source masquerade'], ''), []);
});
