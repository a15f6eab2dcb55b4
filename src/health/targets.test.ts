import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Director, Server } from '../config/model.ts';
import { parseIp, type Ip } from '../net/ip.ts';
import { namesOfKey, targetKey, targetsOf } from './targets.ts';

const ip = (text: string): Ip => parseIp(text) as Ip;
const at = { file: 'f', line: 1, col: 1, endCol: 2 };

function server(name: string, more: Partial<Server> = {}): Server {
  return { name, ip: ip('192.0.2.1'), port: 53, weight: 1, checked: true, sorry: false, drain: false, disabled: false, at, ...more };
}
function director(servers: readonly Server[], port: number | null = null): Director {
  return {
    name: 'dns', vip: ip('198.51.100.1'), ports: { first: 5353, last: 5354 }, protocol: 'udp', balance: 'leastconn', mode: 'nat',
    check: { intervalMs: 10_000, timeoutMs: 5000, rise: 2, fall: 3, source: null, port, inhibit: false, slowStartMs: 0, vip: false, damping: null }, probe: { kind: 'default' }, passive: null, persistence: null,
    session: { kind: 'two-way', replies: 0, timeoutMs: null, max: null, rate: null, sourceRate: null, amplification: null },
    on: { down: { kind: 'move' }, drain: { kind: 'keep', forMs: null }, remove: { kind: 'move' } }, servers, at,
  };
}

test('checked servers become targets; sorry, disabled and unchecked ones do not', () => {
  const config = { directors: [director([server('a'), server('b', { checked: false }), server('c', { sorry: true }), server('d', { disabled: true }), server('e', { drain: true })])] };
  assert.deepEqual(targetsOf(config).map((t) => t.key), ['dns|a|192.0.2.1|53', 'dns|e|192.0.2.1|53']);
});

test('the port probed is `check port`, else the server\'s, else the first of the director', () => {
  const servers = [server('a'), server('b', { port: null })];
  assert.deepEqual(targetsOf({ directors: [director(servers)] }).map((t) => t.port), [53, 5353]);
  assert.deepEqual(targetsOf({ directors: [director(servers, 80)] }).map((t) => t.port), [80, 80]);
});

test('`check` without an option on a TCP director makes a TCP handshake', () => {
  const kinds = (protocol: 'udp' | 'tcp') => targetsOf({ directors: [{ ...director([server('a')]), protocol }] }).map((t) => t.probe.kind);
  assert.deepEqual([kinds('udp'), kinds('tcp')], [['default'], ['tcp']]);
});

test('with `check vip` a server is asked at the VIP and the port clients know, by its mode; in mode nat and without a VIP never', () => {
  const via = (more: Partial<Director>) => {
    const of = director([server('a')]);
    return targetsOf({ directors: [{ ...of, mode: 'gateway', check: { ...of.check, vip: true }, ...more }] }).map((t) => [t.via?.vip.text, t.via?.mode, t.port]);
  };
  assert.deepEqual(via({}), [['198.51.100.1', 'gateway', 5353]]);
  assert.deepEqual(via({ mode: 'tunnel' }), [['198.51.100.1', 'tunnel', 5353]]);
  assert.deepEqual([via({ mode: 'nat' }), via({ vip: null })].map(([first]) => first?.[0]), [undefined, undefined]);
  assert.deepEqual(targetsOf({ directors: [director([server('a')])] }).map((t) => t.via), [null]);
});

test('names are read back from a key', () => {
  assert.deepEqual(namesOfKey(targetKey({ name: 'dns' }, { name: 'a', ip: ip('2001:db8::1'), port: 53 })), { director: 'dns', server: 'a' });
});
