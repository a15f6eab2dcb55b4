import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { AddressTable } from './address-table.ts';
import { createSharedBuffers, sharedViews } from './shared.ts';

const table = (entries: number) => {
  const views = sharedViews(createSharedBuffers({ workers: 1, directors: 4, servers: 4, persistence: entries }, 0n));
  return { words: views.persistence, one: new AddressTable(views.persistence, entries) };
};

describe('the table of addresses', () => {
  it('keeps an address with its server until the time is over, for each director by itself', () => {
    const { one } = table(64);
    one.put(0, [0, 0, 0, 42], 3, 0, 100);
    assert.equal(one.get(0, [0, 0, 0, 42], 99), 3);
    assert.equal(one.get(0, [0, 0, 0, 42], 100), -1);
    assert.equal(one.get(1, [0, 0, 0, 42], 50), -1);
    assert.equal(one.get(0, [0, 0, 42, 0], 50), -1);
  });

  it('is one table for all workers: what one puts the other gets', () => {
    const { words, one } = table(64);
    const other = new AddressTable(words, 64);
    one.put(2, [1, 2, 3, 4], 9, 0, 100);
    assert.equal(other.get(2, [1, 2, 3, 4], 1), 9);
  });

  it('gives up the entry that ends first when a set is full, and counts it', () => {
    const { one } = table(4);
    for (let i = 0; i < 4; i++) one.put(0, [0, 0, 0, i], i, 0, 100 + i);
    one.put(0, [0, 0, 0, 99], 5, 0, 500);
    assert.equal(one.evictions, 1);
    assert.equal(one.get(0, [0, 0, 0, 0], 1), -1);
    assert.equal(one.get(0, [0, 0, 0, 1], 1), 1);
    assert.equal(one.get(0, [0, 0, 0, 99], 1), 5);
  });

  it('goes without a set whose lock a dead worker holds rather than hang', () => {
    const { words, one } = table(4);
    Atomics.store(words, 0, 1);
    one.put(0, [0, 0, 0, 1], 1, 0, 100);
    assert.equal(one.get(0, [0, 0, 0, 1], 1), -1);
  });

  it('counts an address until the time is over, then anew, each by itself', () => {
    const { words, one } = table(64);
    const other = new AddressTable(words, 64);
    assert.deepEqual([one.count(0, [0, 0, 0, 1], 5, 10), other.count(0, [0, 0, 0, 1], 9, 10), one.count(0, [0, 0, 0, 1], 9, 10)], [0, 1, 2]);
    assert.deepEqual([one.count(0, [0, 0, 0, 2], 9, 10), one.count(1, [0, 0, 0, 1], 9, 10)], [0, 0]);
    assert.equal(one.count(0, [0, 0, 0, 1], 10, 20), 0);
  });

  it('counts one that gave way anew', () => {
    const { one } = table(4);
    for (let i = 0; i < 5; i++) one.count(0, [0, 0, 0, i], 0, 10);
    assert.equal(one.evictions, 1);
    assert.equal(one.count(0, [0, 0, 0, 4], 0, 10), 1);
    assert.equal(one.count(0, [0, 0, 0, 0], 0, 10), 0);
  });

  it('forgets a director whose slot is reused', () => {
    const { one } = table(64);
    one.put(3, [0, 0, 0, 7], 1, 0, 100);
    one.clear(3);
    assert.equal(one.get(3, [0, 0, 0, 7], 1), -1);
  });
});
