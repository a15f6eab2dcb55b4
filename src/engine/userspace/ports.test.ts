import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { PortPool } from './ports.ts';

const pool = (maxSockets: number, open: (i: number) => boolean = () => true) => new PortPool({ maxSockets, open });

describe('the port pool', () => {
  it('shares one socket between sessions of different servers and opens another for the same server', () => {
    const p = pool(10);
    assert.equal(p.take(1, 0), 0);
    assert.equal(p.take(2, 0), 0);
    assert.equal(p.take(3, 0), 0);
    assert.equal(p.sockets, 1);
    assert.equal(p.take(1, 0), 1);
    assert.equal(p.take(2, 0), 1);
    assert.equal(p.sockets, 2);
  });

  it('gives a freed port out again only after it has rested', () => {
    const p = pool(1);
    assert.equal(p.take(1, 0), 0);
    p.release(1, 0, 1000, 30_000);
    assert.equal(p.take(1, 30_999), -1);
    assert.equal(p.take(1, 31_000), 0);
  });

  it('asks a kernel that refuses not for every datagram, and tries again later', () => {
    let asked = 0;
    let allow = false;
    const p = pool(10, () => (asked++, allow));
    assert.equal(p.take(1, 0), -1);
    assert.equal(p.take(1, 50), -1);
    assert.equal(asked, 1);
    allow = true;
    assert.equal(p.take(1, 100), 0);
    assert.equal(p.refused, 1);
  });

  it('never has one port in two sessions of a server, whatever is taken and released when', () => {
    fc.assert(fc.property(fc.array(fc.record({ endpoint: fc.nat(3), release: fc.boolean(), wait: fc.nat(100) }), { maxLength: 300 }), (steps) => {
      const p = pool(8);
      const held: { endpoint: number; socket: number }[] = [];
      const freedAt = new Map<string, number>();
      let now = 0;
      for (const { endpoint, release, wait } of steps) {
        now += wait;
        if (release) {
          const one = held.shift();
          if (!one) continue;
          p.release(one.endpoint, one.socket, now, 50);
          freedAt.set(`${one.endpoint}|${one.socket}`, now);
        } else {
          const socket = p.take(endpoint, now);
          if (socket < 0) continue;
          assert.ok(!held.some((h) => h.endpoint === endpoint && h.socket === socket));
          assert.ok(now - (freedAt.get(`${endpoint}|${socket}`) ?? -Infinity) >= 50);
          held.push({ endpoint, socket });
        }
      }
      assert.ok(p.sockets <= 8);
    }), { numRuns: 300, seed: 11 });
  });
});
