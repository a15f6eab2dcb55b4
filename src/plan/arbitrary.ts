/** Random desired states for property tests. */
import fc from 'fast-check';
import { BALANCES, type OnAction } from '../balance/terms.ts';
import { parseIp, type Ip } from '../net/ip.ts';
import type { Desired, DesiredDirector, DesiredServer } from './desired.ts';

/** Few names and addresses, so that two states share many of them. */
const name = fc.constantFrom('a', 'b', 'c', 'd');
const ip = fc.constantFrom('192.0.2.1', '192.0.2.2', '2001:db8::1').map((text) => parseIp(text) as Ip);
const ports = fc.constantFrom(null, { first: 53, last: 53 }, { first: 8000, last: 8010 });
const action: fc.Arbitrary<OnAction> = fc.constantFrom({ kind: 'move' }, { kind: 'keep', forMs: null }, { kind: 'keep', forMs: 5000 }, { kind: 'drop' });

const server: fc.Arbitrary<DesiredServer> = fc.record({
  name,
  ip,
  port: fc.constantFrom(0, 53, 8000),
  weight: fc.constantFrom(0, 1, 10),
  state: fc.constantFrom('up', 'down', 'drain', 'disabled'),
  sorry: fc.boolean(),
});

const director: fc.Arbitrary<DesiredDirector> = fc.record({
  name,
  vip: fc.option(ip),
  ports,
  protocol: fc.constantFrom('udp', 'tcp'),
  mode: fc.constantFrom('nat', 'gateway'),
  balance: fc.constantFrom(...BALANCES),
  persistence: fc.option(fc.record({ timeoutMs: fc.constantFrom(1000, 300_000), prefix4: fc.constantFrom(24, 32), prefix6: fc.constant(128) })),
  session: fc.record({ kind: fc.constantFrom('two-way', 'one-way', 'request-reply'), replies: fc.constant(1), timeoutMs: fc.constantFrom(null, 5000), max: fc.constantFrom(null, 10), rate: fc.constantFrom(null, 100), sourceRate: fc.constantFrom(null, 5), amplification: fc.constantFrom(null, 3) }),
  on: fc.record({ down: action, drain: action, remove: action }),
  sourceNat: fc.option(fc.record({ rule: name, addresses: fc.option(fc.record({ first: ip, last: ip })), ports })),
  servers: fc.uniqueArray(server, { selector: (s) => `${s.name}|${s.ip.text}|${s.port}`, maxLength: 5 }),
});

/** A desired state: unique director names in order, unique servers. */
export const desiredArbitrary: fc.Arbitrary<Desired> = fc
  .uniqueArray(director, { selector: (d) => d.name, maxLength: 4 })
  // Cloned, because fast-check's records have no prototype and ours do.
  .map((directors) => structuredClone({ directors: directors.sort((a, b) => (a.name < b.name ? -1 : 1)) }));
