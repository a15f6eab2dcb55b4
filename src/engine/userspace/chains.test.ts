import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { Chains, NONE } from './chains.ts';

// A plain mixer (the finaliser of MurmurHash3), so that what is found here says nothing of the hashes of sessions.
function mix(n: number): number {
  let h = Math.imul(n ^ (n >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return h ^ (h >>> 16);
}

function chainOf(chains: Chains, hash: number): number[] {
  const chain: number[] = [];
  for (let i = chains.first(hash); i !== NONE; i = chains.after(i)) chain.push(i);
  return chain;
}

describe('hash chains', () => {
  it('grow from nothing to half a million records with no link that does more than a chain of work', () => {
    const count = 1 << 19;
    let hashed = 0;
    const chains = new Chains(count, (i) => {
      hashed++;
      return mix(i);
    });
    let most = 0;
    for (let i = 0; i < count; i++) {
      hashed = 0;
      chains.link(i);
      most = Math.max(most, hashed);
    }
    assert.equal(chains.buckets, count);
    assert.ok(most <= 16, `one link hashed ${most} records`);
    let longest = 0;
    for (let i = 0; i < count; i += 97) longest = Math.max(longest, chainOf(chains, mix(i)).length);
    assert.ok(longest <= 12, `a chain of ${longest}`);
  });

  it('hold exactly what is linked, through any sequence and at every capacity, hashes that collide included', () => {
    fc.assert(fc.property(fc.integer({ min: 1, max: 3000 }), fc.nat(31), fc.array(fc.nat(2999), { maxLength: 3000, size: 'max' }), (capacity, shift, steps) => {
      const hashOf = (i: number): number => mix(i) >> shift;
      const chains = new Chains(capacity, hashOf);
      const linked = new Set<number>();
      for (const step of steps) {
        const record = step % capacity;
        if (linked.delete(record)) chains.unlink(record);
        else {
          chains.link(record);
          linked.add(record);
        }
      }
      for (let i = 0; i < capacity; i++) assert.equal(chainOf(chains, hashOf(i)).includes(i), linked.has(i));
    }), { numRuns: 60, seed: 11 });
  });
});
