import assert from 'node:assert/strict';
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test, type TestContext } from 'node:test';
import { Refusal } from '../../daemon/control.ts';
import { openAuth, type Auth } from './auth.ts';
import { AuthFileError } from './auth-file.ts';

const cost = { N: 16, r: 1, p: 1 };

async function start(t: TestContext): Promise<{ directory: string; file: string; open(warn?: (text: string) => void): Promise<Auth>; clock: { nowMs: number } }> {
  const directory = await mkdtemp(path.join(tmpdir(), 'weir-auth-'));
  t.after(() => rm(directory, { recursive: true }));
  const clock = { nowMs: 1_800_000_000_000 };
  return { directory, file: path.join(directory, 'auth.json'), clock, open: (warn) => openAuth({ directory, cost, now: () => clock.nowMs, ...(warn === undefined ? {} : { warn }) }) };
}

test('the first start makes an admin password and a CLI token, later ones keep both', async (t) => {
  const s = await start(t);
  const auth = await s.open();
  const made = await auth.bootstrap();
  assert.match(made.adminPassword ?? '', /^([a-z2-9]{5}-){3}[a-z2-9]{5}$/);
  assert.equal((await auth.bootstrap()).adminPassword, null);
  const token = await readFile(made.cliTokenFile, 'utf8');
  const again = await s.open();
  assert.equal((await again.bootstrap()).adminPassword, null);
  assert.equal(await readFile(made.cliTokenFile, 'utf8'), token);
  assert.equal(again.byToken(token.trim())?.role, 'admin');
  assert.notEqual(await again.signIn('admin', made.adminPassword ?? '', 'x'), null);
  assert.deepEqual((await readdir(s.directory)).toSorted(), ['auth.json', 'cli.token']);
});

test('a CLI token that is missing, revoked, a viewer or was readable by others is made anew, and the old one ends', async (t) => {
  const s = await start(t);
  const auth = await s.open();
  const { cliTokenFile } = await auth.bootstrap();
  const current = async (): Promise<string> => (await readFile(cliTokenFile, 'utf8')).trim();
  const spoil: (() => Promise<unknown>)[] = [
    () => rm(cliTokenFile),
    () => auth.revokeToken(auth.tokens().find((token) => token.name === 'cli')?.id ?? ''),
    () => chmod(cliTokenFile, 0o644),
    async () => writeFile(cliTokenFile, (await auth.createToken({ name: 'v', role: 'viewer' })).token),
    () => writeFile(cliTokenFile, 'nonsense'),
  ];
  for (const harm of spoil) {
    const old = await current();
    await harm();
    await auth.bootstrap();
    assert.notEqual(await current(), old);
    assert.equal(auth.byToken(old), undefined);
    assert.equal(auth.byToken(await current())?.who, 'token:cli');
    assert.equal((await stat(cliTokenFile)).mode & 0o777, 0o600);
    assert.equal(auth.tokens().filter((token) => token.name === 'cli').length, 1);
  }
});

test('auth.json is for its owner only; one that others could read is closed and said so', async (t) => {
  const s = await start(t);
  await (await s.open()).bootstrap();
  assert.equal((await stat(s.file)).mode & 0o777, 0o600);
  await chmod(s.file, 0o644);
  const warnings: string[] = [];
  await s.open((text) => warnings.push(text));
  assert.equal((await stat(s.file)).mode & 0o777, 0o600);
  assert.match(warnings.join(), /was readable by others/);
});

test('a file that is broken stops the start with a cure and is left as it is', async (t) => {
  const s = await start(t);
  await (await s.open()).bootstrap();
  const good = await readFile(s.file, 'utf8');
  for (const text of ['', '{', 'null', '[]', '{"version":2,"users":[],"tokens":[]}', good.replace('"admin"', '"root"').replace('"role": "admin"', '"role": "root"'), good.replace(/scrypt\$[^"]*/, 'plain'), good.slice(0, -20), good.replace('"users"', '"users2"')]) {
    await writeFile(s.file, text);
    await assert.rejects(s.open(), (error) => error instanceof AuthFileError && /backup/.test(error.cure), text.slice(0, 50));
    assert.equal(await readFile(s.file, 'utf8'), text);
  }
});

test('what a killed write left behind is in nobody’s way', async (t) => {
  const s = await start(t);
  await writeFile(`${s.file}.tmp`, '{"half');
  const auth = await s.open();
  await auth.bootstrap();
  assert.deepEqual((await readdir(s.directory)).toSorted(), ['auth.json', 'cli.token']);
});

test('when the file cannot be written the change is refused and has not happened', async (t) => {
  const s = await start(t);
  const auth = await s.open();
  const { adminPassword } = await auth.bootstrap();
  const kept = await auth.createToken({ name: 'kept', role: 'viewer' });
  const before = await readFile(s.file, 'utf8');
  // A directory in the place of the temporary file stops root too.
  await mkdir(`${s.file}.tmp`);
  const refused = (error: unknown): boolean => error instanceof Refusal && error.code === 'STORE_FAILED';
  await assert.rejects(auth.createToken({ name: 'new', role: 'admin' }), refused);
  await assert.rejects(auth.revokeToken(kept.id), refused);
  await assert.rejects(auth.passwd({ user: 'admin', oldPassword: null, newPassword: 'a new password' }), refused);
  assert.equal(auth.byToken(kept.token)?.who, 'token:kept');
  assert.equal(auth.tokens().some((token) => token.name === 'new'), false);
  assert.notEqual(await auth.signIn('admin', adminPassword ?? '', 'x'), null);
  assert.equal(await readFile(s.file, 'utf8'), before);
  await rm(`${s.file}.tmp`, { recursive: true });
  await auth.createToken({ name: 'new', role: 'admin' });
});

test('changes at the same time are all kept', async (t) => {
  const s = await start(t);
  const auth = await s.open();
  await Promise.all(Array.from({ length: 10 }, (_, i) => auth.createToken({ name: `t${i}`, role: 'viewer' })));
  assert.equal((await s.open()).tokens().length, 10);
  const same = await Promise.allSettled([1, 2, 3].map(() => auth.createToken({ name: 'same', role: 'viewer' })));
  assert.deepEqual(same.map((r) => r.status), ['fulfilled', 'rejected', 'rejected']);
});

test('the last use of a token is written at most once a minute, and when closing', async (t) => {
  const s = await start(t);
  const auth = await s.open();
  const { token } = await auth.createToken({ name: 'u', role: 'viewer' });
  s.clock.nowMs += 1000;
  auth.byToken(token);
  assert.equal((await s.open()).tokens()[0]?.lastUsedAtMs, null);
  await auth.close();
  assert.equal((await s.open()).tokens()[0]?.lastUsedAtMs, s.clock.nowMs);
});

test('the thousandth token is the last, and tokens long expired make room', async (t) => {
  const s = await start(t);
  const auth = await s.open();
  const first = await auth.createToken({ name: 'first', role: 'viewer', expiresInMs: 60_000 });
  const stored = JSON.parse(await readFile(s.file, 'utf8')) as { tokens: { id: string; name: string }[] };
  const many = Array.from({ length: 999 }, (_, i) => ({ ...stored.tokens[0], id: i.toString(16).padStart(16, '0'), name: `t${i}` }));
  await writeFile(s.file, JSON.stringify({ ...stored, tokens: [...stored.tokens, ...many] }));
  const full = await s.open();
  await assert.rejects(full.createToken({ name: 'more', role: 'viewer' }), /at most 1000 tokens/);
  s.clock.nowMs += 31 * 24 * 3_600_000;
  await full.createToken({ name: 'more', role: 'viewer' });
  assert.deepEqual(full.tokens().map((token) => token.name), ['more']);
  assert.equal(full.byToken(first.token), undefined);
});
