import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseConfig } from '../config/parse.ts';
import type { Config, Server } from '../config/model.ts';
import { desire, judgeServer, natActsOnBalanced, type HealthState, type OverrideAction } from './desire.ts';

function config(text: string): Config {
  const parsed = parseConfig([{ file: 't.conf', document: 'any', text }]);
  assert.ok(parsed.config, JSON.stringify(parsed.issues));
  return parsed.config;
}

const PLAIN = { healthOf: (): HealthState => 'unknown', overrideOf: (): null => null };
const server = (words: Partial<Server>): Server => ({ ...(config('director d 192.0.2.1:53 UDP\n server s 192.0.2.9:53').directors[0]?.servers[0] as Server), ...words });

const ROWS: readonly (readonly [string, { disabled?: boolean; drain?: boolean }, OverrideAction | null, HealthState, string])[] = [
  ['nothing said and not checked', {}, null, 'unknown', 'unknown'],
  ['checks pass', {}, null, 'up', 'up'],
  ['checks fail', {}, null, 'down', 'down'],
  ['drain in the configuration', { drain: true }, null, 'up', 'drain'],
  ['a dead server is down even while it drains, so that `on down` frees its sessions', { drain: true }, null, 'down', 'down'],
  ['disabled in the configuration', { disabled: true }, null, 'down', 'disabled'],
  ['an operator disables', {}, 'disable', 'up', 'disabled'],
  ['an operator drains', {}, 'drain', 'up', 'drain'],
  ['an operator drains what is disabled', { disabled: true }, 'drain', 'up', 'disabled'],
  ['an operator enables what is disabled', { disabled: true }, 'enable', 'up', 'up'],
  ['an operator enables what drains', { drain: true }, 'enable', 'up', 'up'],
  ['enabling does not make a dead server alive', { disabled: true }, 'enable', 'down', 'down'],
];

for (const [name, words, override, health, expected] of ROWS) {
  test(`state: ${name} -> ${expected}`, () => {
    assert.equal(judgeServer(server(words), { health, override, inhibit: false }).shown, expected);
  });
}

test('engines are told up for what nobody has checked, and drain for a dead server with inhibit', () => {
  assert.equal(judgeServer(server({}), { health: 'unknown', override: null, inhibit: false }).engine, 'up');
  const inhibited = judgeServer(server({}), { health: 'down', override: null, inhibit: true });
  assert.deepEqual([inhibited.shown, inhibited.engine], ['down', 'drain']);
});

test('evidence against a sorry server does not take the last resort away', () => {
  assert.equal(judgeServer(server({ sorry: true }), { health: 'down', override: null, inhibit: false }).engine, 'up');
});

const PAGE = `director web 10.0.0.3:8000 UDP
  server web1 10.0.0.20:8000 check
director alpha 10.0.0.4 UDP
  server a 10.0.0.21
nat snat
  in eth0
  out eth0
  protocol udp
  before destination 10.0.0.3 dport 8000
  after source 10.0.0.3
`;

test("the page's NAT rule is the source NAT of its director, and of no other", () => {
  const desired = desire(config(`${PAGE}service lvs\n  conntrack\n`), PLAIN);
  assert.deepEqual(desired.directors.map((d) => [d.name, d.sourceNat?.rule ?? null]), [['alpha', null], ['web', 'snat']]);
  assert.equal(desired.directors[1]?.sourceNat?.addresses?.first.text, '10.0.0.3');
  assert.equal(desired.directors[0]?.servers[0]?.port, 0);
});

test('without conntrack no NAT rule acts on balanced traffic', () => {
  const without = config(PAGE);
  assert.equal(natActsOnBalanced(without), false);
  assert.ok(desire(without, PLAIN).directors.every((d) => d.sourceNat === null));
});

test('a rule for some clients only is not the source NAT of the director', () => {
  const some = PAGE.replace('before destination', 'before source 192.0.2.0/24 destination');
  assert.ok(desire(config(`${some}service lvs\n  conntrack\n`), PLAIN).directors.every((d) => d.sourceNat === null));
});

test('a masquerading rule without destination matches every director of its protocol', () => {
  const text = 'director a 192.0.2.1:53 UDP\n server s 192.0.2.9:53\ndirector b 192.0.2.2:53 TCP\n server s 192.0.2.9:53\nnat m\n protocol udp\n after source masquerade\nservice lvs\n conntrack\n';
  assert.deepEqual(desire(config(text), PLAIN).directors.map((d) => d.sourceNat), [{ rule: 'm', addresses: null, ports: null }, null]);
});

test('shares of weights reach the data plane in one scale; failover and sorry servers keep theirs', () => {
  const text = (balance: string): Config => config(`director d 192.0.2.1:53 UDP\n balance ${balance}\n server a 192.0.2.9:53\n server b 192.0.2.10:53 weight 2\n server s 192.0.2.11:53 sorry\n`);
  const weights = (balance: string): (number | undefined)[] => desire(text(balance), { ...PLAIN, weightPercentOf: (_d, s) => (s.name === 'b' ? 100 : 10) }).directors[0]?.servers.map((s) => s.weight) ?? [];
  assert.deepEqual(weights('roundrobin'), [2, 40, 20]);
  assert.deepEqual(weights('failover'), [1, 2, 1]);
  assert.deepEqual(desire(text('roundrobin'), PLAIN).directors[0]?.servers.map((s) => s.weight), [1, 2, 1]);
});
