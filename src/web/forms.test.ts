import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseConfig } from '../config/parse.ts';
import { EMPTY_DIRECTOR, directorText } from './director-form.ts';
import { EMPTY_RULE, afterText, armsOf, beforeText, freeName, natRows, natText } from './nat-form.ts';
import { hasConntrack, serviceText, startsWithWeir, withAutostart, withConntrack, withServiceText } from './service-text.ts';

test('a rule goes from form to text and back, with its comments', () => {
  const form = { ...EMPTY_RULE, name: 'dns', inIface: 'eth0', outIface: 'eth1', source: '192.0.2.0/24', destination: '10.0.0.3', dport: '50000-51000', afterSource: '10.0.0.3-10.0.0.5', afterSport: '2000-3000' };
  const text = natText(form, 'nat old\n    # keep me\n    in eth9\n');
  assert.equal(text, 'nat dns\n    in eth0\n    out eth1\n    protocol udp\n    before source 192.0.2.0/24 destination 10.0.0.3 dport 50000-51000\n    after source 10.0.0.3-10.0.0.5 sport 2000-3000\n    # keep me\n');
  assert.deepEqual(natRows(text).map((row) => row.form), [form]);
  assert.deepEqual(natRows(natText({ ...EMPTY_RULE, name: 'm', protocol: 'any', afterSource: 'masquerade' }))[0]?.form, { ...EMPTY_RULE, name: 'm', protocol: 'any', afterSource: 'masquerade' });
});

test('a rule that does not parse is a row with its errors, and the others stay rows', () => {
  const rows = natRows('nat a\n    in\nnat b\n    in lo\n');
  assert.deepEqual(rows.map(({ name, form, line }) => [name, form?.inIface ?? null, line]), [['a', null, 1], ['b', 'lo', 3]]);
  assert.ok(rows[0]?.issues.some(({ severity }) => severity === 'error'));
});

test('a rule reads as a sentence', () => {
  assert.deepEqual([beforeText(EMPTY_RULE), afterText(EMPTY_RULE)], ['anything', 'unchanged']);
  assert.equal(beforeText({ ...EMPTY_RULE, source: '192.0.2.0/24', destination: '2001:db8::1', dport: '53' }), 'from 192.0.2.0/24 to [2001:db8::1]:53');
  assert.equal(afterText({ ...EMPTY_RULE, afterSource: 'masquerade', afterSport: '2000-3000', afterDport: '54' }), 'from masquerade:2000-3000 to port 54');
});

test('one interface is one-arm, two are two-arm, and a new rule gets a name that is free', () => {
  assert.deepEqual([armsOf({ inIface: 'a', outIface: 'a' }), armsOf({ inIface: 'a', outIface: 'b' }), armsOf({ inIface: 'a', outIface: '' })], ['one-arm', 'two-arm', 'any']);
  assert.equal(freeName('udp', ['udp-1', 'udp-2']), 'udp-3');
});

test('the Insert form writes a director the parser takes', () => {
  const text = directorText({ ...EMPTY_DIRECTOR, name: 'web', address: '192.0.2.3:53', check: 'dnscheck', session: 'request-reply', servers: [{ name: 'a', address: '192.0.2.4:53', weight: '10' }, { name: 'b', address: '', weight: '' }] });
  const { config, issues } = parseConfig([{ file: 'layer4.conf', document: 'layer4', text }]);
  assert.deepEqual(issues, []);
  assert.deepEqual([config?.directors[0]?.probe.kind, config?.directors[0]?.session.kind, config?.directors[0]?.servers.length], ['dns', 'request-reply', 1]);
});

test('whether a service starts with weir is a line of its section', () => {
  const text = 'service lvs\n    # engine\n    conntrack\n';
  const off = withAutostart(text, false);
  assert.equal(off, `${text}    no autostart\n`);
  assert.deepEqual([startsWithWeir(text), startsWithWeir(off), withAutostart(off, false) === off, withAutostart(off, true) === text], [true, false, true, true]);
  assert.ok(startsWithWeir('service lvs\n    # no autostart\n'));
});

test('conntrack goes into service lvs once, and a setup text replaces its section alone', () => {
  const text = '# parts\nservice health\n    no autostart\n\nservice lvs\n    # Linux Virtual Server\n    engine userspace\n';
  const on = withConntrack(text);
  assert.equal(on, `${text}    conntrack\n`);
  assert.equal(withConntrack(on), on);
  assert.equal(withConntrack(''), 'service lvs\n    conntrack\n');
  assert.ok(hasConntrack(on) && !hasConntrack(text) && !hasConntrack('service lvs\n    # conntrack\n'));
  assert.equal(serviceText(text, 'network', 'eth0'), 'service network eth0\n');
  assert.equal(withServiceText(text, 'health', null, 'service health\n'), '# parts\nservice health\n\nservice lvs\n    # Linux Virtual Server\n    engine userspace\n');
  assert.equal(withServiceText('service lvs\n', 'lvs', null, ''), '');
});
