import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createPasswords, parseHash, PasswordBusy, SCRYPT_COST } from './password.ts';

const CHEAP = { N: 16, r: 1, p: 1 };

test('a hash fits its password and no other, and two of the same password differ', async () => {
  const passwords = createPasswords(CHEAP);
  const hash = await passwords.hash('päss word');
  assert.match(hash, /^scrypt\$16\$1\$1\$/);
  assert.notEqual(hash, await passwords.hash('päss word'));
  assert.equal(await passwords.verify('päss word', hash), true);
  assert.equal(await passwords.verify('pa\u0308ss word', hash), true, 'typed with a combining letter');
  assert.equal(await passwords.verify('päss worD', hash), false);
  assert.equal(await passwords.verify('', hash), false);
  assert.equal(await passwords.verify('anything', null), false, 'no such user');
});

test('the cost in force takes 64 MiB and a hash keeps the cost it was made with', async () => {
  assert.equal(128 * SCRYPT_COST.N * SCRYPT_COST.r, 64 * 1024 * 1024);
  const hash = await createPasswords().hash('p');
  assert.match(hash, /^scrypt\$65536\$8\$1\$/);
  assert.equal(await createPasswords(CHEAP).verify('p', hash), true);
});

test('what is no hash of ours, or would take all memory, is refused', () => {
  const [salt, key] = ['A'.repeat(22), 'A'.repeat(43)];
  for (const hash of ['', 'x', `scrypt$15$1$1$${salt}$${key}`, `scrypt$0$1$1$${salt}$${key}`, `scrypt$16$0$1$${salt}$${key}`, `scrypt$16777216$8$1$${salt}$${key}`, `scrypt$16$1$1$${salt}$short`, `bcrypt$16$1$1$${salt}$${key}`]) {
    assert.throws(() => parseHash(hash), /not a scrypt hash/, hash);
  }
});

test('the ninth that waits is refused, and the queue is empty again afterwards', async () => {
  const passwords = createPasswords(CHEAP);
  const waiting = Array.from({ length: 8 }, () => passwords.verify('p', null));
  await assert.rejects(passwords.verify('p', null), PasswordBusy);
  await Promise.all(waiting);
  await assert.rejects(passwords.verify('p', 'malformed'), /not a scrypt hash/);
  assert.equal(await passwords.verify('p', await passwords.hash('p')), true);
});
