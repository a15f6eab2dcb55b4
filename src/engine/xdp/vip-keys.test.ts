import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { parseIp } from '../../net/ip.ts';
import { CONSTANTS } from './abi/spec.ts';
import { directorAt, prefixes, vipEntries, type VipClaim } from './vip-keys.ts';

const ip = (text: string) => parseIp(text) ?? assert.fail(text);
const local = [ip('198.51.100.1'), ip('198.51.100.2'), ip('2001:db8::1')];

test('a range of ports is the fewest prefixes that hold each of its ports once', () => {
  fc.assert(fc.property(fc.integer({ min: 0, max: 65_535 }), fc.integer({ min: 0, max: 65_535 }), (a, b) => {
    const [first, last] = [Math.min(a, b), Math.max(a, b)];
    const list = prefixes(first, last);
    assert.ok(list.length <= 30);
    let next = first;
    for (const { port, bits } of list) {
      assert.equal(port, next);
      assert.equal(port % 2 ** (16 - bits), 0, 'aligned');
      next = port + 2 ** (16 - bits);
    }
    assert.equal(next, last + 1);
  }));
});

test('whatever overlaps, each address and port leads to the narrowest director: its own address first, then the fewest ports', () => {
  const address = fc.constantFrom('198.51.100.1', '198.51.100.2', '0.0.0.0', '2001:db8::1', '::');
  const range = fc.option(fc.tuple(fc.integer({ min: 1, max: 64 }), fc.integer({ min: 0, max: 20 })).map(([first, more]) => ({ first, last: first + more })));
  fc.assert(fc.property(fc.array(fc.tuple(address, range), { maxLength: 6 }), (list) => {
    const claims = list.map(([text, ports], slot): VipClaim => ({ slot, name: `d${slot}`, ip: ip(text), ports }));
    const entries = vipEntries(claims, local);
    const wide = (c: VipClaim): number => (c.ip.text === '0.0.0.0' || c.ip.text === '::' ? 0x20000 : 0) + (c.ports === null ? 0x10000 : c.ports.last - c.ports.first);
    for (const at of local) {
      for (let port = 0; port < 90; port++) {
        const mine = claims.filter((c) => (c.ip.text === at.text || (wide(c) >= 0x20000 && c.ip.family === at.family)) && (c.ports === null || (c.ports.first <= port && port <= c.ports.last)));
        const expected = mine.toSorted((a, b) => wide(a) - wide(b) || (a.name < b.name ? -1 : 1))[0]?.slot;
        const found = directorAt(entries, at, port);
        assert.equal(found === CONSTANTS.MAX_DIRECTORS ? undefined : found, expected, `${at.text} port ${port}`);
      }
    }
  }), { numRuns: 30 });
});

test('every address of a director has an entry for what has no port', () => {
  const entries = vipEntries([{ slot: 3, name: 'd', ip: ip('198.51.100.1'), ports: { first: 53, last: 53 } }], local);
  assert.deepEqual([...entries.values()].toSorted(), [CONSTANTS.MAX_DIRECTORS, 3]);
  assert.equal(vipEntries([{ slot: 3, name: 'd', ip: ip('198.51.100.1'), ports: null }], local).size, 1, 'all ports of an address are one entry, which is that one');
});
