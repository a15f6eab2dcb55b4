import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { SESSION_FREE, SESSION_LINGERING, SessionTable } from './sessions.ts';

const key = (n: number) => ({ listener: n % 3, portBe: n & 0xffff, a0: 0, a1: 0, a2: 0, a3: n * 7919 });
const find = (t: SessionTable, n: number, server = -1) => {
  const k = key(n);
  return t.findClient(k.listener, k.portBe, k.a0, k.a1, k.a2, k.a3, server);
};

describe('the session table', () => {
  it('finds a session by its client and by its reply path, and not after it is removed', () => {
    const t = new SessionTable(16);
    const s = t.create(key(5), { server: 2, endpoint: 7, upstream: 3 }, 100);
    assert.equal(find(t, 5), s);
    assert.equal(t.findReply(3, 7), s);
    assert.equal(t.findReply(7, 3), -1);
    t.remove(s);
    assert.equal(find(t, 5), -1);
    assert.equal(t.findReply(3, 7), -1);
    assert.equal(t.state[s], SESSION_FREE);
  });

  it('tells sessions of one client with different servers apart', () => {
    const t = new SessionTable(16);
    const a = t.create(key(1), { server: 2, endpoint: 2, upstream: 0 }, 0);
    const b = t.create(key(1), { server: 3, endpoint: 3, upstream: 0 }, 0);
    assert.equal(find(t, 1, 2), a);
    assert.equal(find(t, 1, 3), b);
    assert.equal(find(t, 1, 4), -1);
  });

  it('lets a lingering session go on delivering replies but hides it from its client', () => {
    const t = new SessionTable(16);
    const s = t.create(key(1), { server: 0, endpoint: 0, upstream: 0 }, 0);
    t.linger(s);
    assert.equal(t.state[s], SESSION_LINGERING);
    assert.equal(find(t, 1), -1);
    assert.equal(t.findReply(0, 0), s);
    const again = t.create(key(1), { server: 1, endpoint: 1, upstream: 0 }, 0);
    assert.equal(find(t, 1), again);
    t.remove(s);
    assert.equal(find(t, 1), again);
  });

  it('refuses at its cap and takes sessions again once one is removed', () => {
    const t = new SessionTable(3);
    const made = [0, 1, 2].map((n) => t.create(key(n), { server: 0, endpoint: n, upstream: 0 }, 0));
    assert.equal(t.create(key(3), { server: 0, endpoint: 3, upstream: 0 }, 0), -1);
    t.remove(made[1]);
    assert.notEqual(t.create(key(3), { server: 0, endpoint: 3, upstream: 0 }, 0), -1);
    assert.equal(t.used, 3);
  });

  it('finds each of a million sessions by both keys', () => {
    const t = new SessionTable(1 << 20);
    for (let n = 0; n < 1 << 20; n++) t.create({ listener: 0, portBe: n & 0xffff, a0: 0, a1: 0, a2: 0, a3: n >>> 16 }, { server: 0, endpoint: n & 15, upstream: n >>> 4 }, 0);
    for (let n = 0; n < 1 << 20; n += 1013) {
      assert.equal(t.findClient(0, n & 0xffff, 0, 0, 0, n >>> 16, -1), n);
      assert.equal(t.findReply(n >>> 4, n & 15), n);
    }
  });

  it('agrees with a plain Map through any sequence of creations and removals, growth included', () => {
    fc.assert(fc.property(fc.array(fc.record({ n: fc.nat(3000), add: fc.boolean() }), { maxLength: 4000, size: 'max' }), (steps) => {
      const t = new SessionTable(4096);
      const model = new Map<number, number>();
      for (const { n, add } of steps) {
        const known = model.get(n);
        if (add && known === undefined) model.set(n, t.create(key(n), { server: 0, endpoint: n, upstream: n % 5 }, 0));
        else if (!add && known !== undefined) {
          t.remove(known);
          model.delete(n);
        }
      }
      assert.equal(t.used, model.size);
      for (const [n, s] of model) {
        assert.equal(find(t, n), s);
        assert.equal(t.findReply(n % 5, n), s);
      }
    }), { numRuns: 30, seed: 7 });
  });
});
