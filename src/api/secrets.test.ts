import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { createHarness, EVERY_CALL } from './harness.ts';

test('no answer, no line of the log, no event and no file of the accounts holds a password or a token', async (t) => {
  const h = await createHarness(t);
  const typed = 'correct-horse-battery';
  const cliToken = (await readFile(path.join(h.directory, 'cli.token'), 'utf8')).trim();
  const answers: string[] = [];
  const call = async (options: Parameters<typeof h.call>[0]) => {
    h.clock.nowMs += 15_000;
    const answer = await h.call(options);
    answers.push(answer.body, JSON.stringify(answer.headers));
    return answer;
  };
  const made = await h.call({ method: 'POST', url: '/api/v1/tokens', token: h.admin, body: { name: 'told-once', role: 'admin' } });
  const { token } = made.json<{ token: string }>();
  const signedIn = await h.call({ method: 'POST', url: '/api/v1/sign-in', body: { user: 'admin', password: h.password } });
  const cookie = String(signedIn.headers['set-cookie']).split(';')[0] ?? '';

  const json = { 'content-type': 'application/json' };
  for (const url of ['/api/v1/sign-in', '/api/v1/passwd', '/api/v1/tokens']) {
    for (const payload of [
      `{"user":"admin","password":"${typed}"`, `{"password":"${typed}",}`, `"${typed}"`, `{"${typed}":1}garbage`, typed, `{"user":"admin","password":["${typed}"]}`,
      `{"user":"admin","password":"${typed}","oldPassword":"${typed}","newPassword":"${typed}"}`, `{"newPassword":"${typed.slice(0, 11)}"}`, `{"user":"${typed}","password":"${typed}"}`, `{"name":"${typed} ${token}","role":"root"}`,
    ]) {
      await call({ method: 'POST', url, token, payload, headers: json });
    }
  }
  for (const { method, url, body } of Object.values(EVERY_CALL)) {
    if (url === '/api/v1/passwd' || (url === '/api/v1/tokens' && method === 'POST')) continue;
    await call({ method, url, token, ...(body === undefined ? {} : { body }) });
    await call({ method, url: `${url}${url.includes('?') ? '&' : '?'}access_token=${token}`, headers: { cookie } });
  }
  await call({ url: `/api/v1/nowhere?token=${token}` });
  await call({ url: '/api/v1/status', headers: { authorization: token, cookie } });
  h.control.save = () => Promise.reject(new Error('fault'));
  await call({ method: 'POST', url: '/api/v1/save', token });

  const heard = answers.join('\n');
  const kept = h.logged.join('\n') + JSON.stringify(h.control.noted);
  const onDisk = await readFile(path.join(h.directory, 'auth.json'), 'utf8');
  for (const secret of [token, token.slice(22), h.admin, h.viewer, cliToken, h.password, cookie.slice('weir='.length), typed.slice(0, 11)]) {
    // An unknown field is named back to who sent it; it is never logged.
    const told = secret === typed.slice(0, 11) ? heard.replaceAll(/unknown field \\"[^"]*\\"/g, '') : heard;
    assert.ok(!told.includes(secret), `an answer holds ${secret}: ${told.slice(told.indexOf(secret) - 200, told.indexOf(secret) + 60)}`);
    assert.ok(!kept.includes(secret), `log or events hold ${secret}: ${kept.slice(kept.indexOf(secret) - 200, kept.indexOf(secret) + 60)}`);
    assert.ok(!onDisk.includes(secret), 'auth.json holds a secret');
  }
  assert.match(kept, /fault while answering/, 'the log was really written');
});

test('the log removes secrets by name even when somebody logs a whole request', async (t) => {
  const { createLog } = await import('./log.ts');
  const lines: string[] = [];
  const log = createLog({ destination: { write: (line: string) => void lines.push(line) } });
  log.info({ headers: { authorization: 'Bearer s3cret', cookie: 's3cret', 'x-weir-csrf': 's3cret' }, req: { headers: { authorization: 's3cret', 'set-cookie': 's3cret' } }, body: { password: 's3cret', newPassword: 's3cret', token: 's3cret' }, password: 's3cret' });
  assert.equal(lines.length, 1);
  assert.doesNotMatch(lines[0] ?? '', /s3cret/);
  t.diagnostic('redacted');
});
