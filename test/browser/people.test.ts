/** What the pages do when others edit too, when the daemon goes, when a sign-in ends, and for those who may only look. */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { weir } from '../loopback/weir.ts';
import { PASSWORD, WAIT_MS, fillSignIn, openBrowser, signIn, startWeir, tab, write } from './browser.ts';
import { createWorld } from './world.ts';

test('two people edit at once: the second is told, sees both changes, and merges them', async (t) => {
  const { layer4: text } = await createWorld(t);
  const subject = await startWeir(t, text);
  const browser = await openBrowser(t);
  const mine = await signIn(t, browser, subject);
  const theirs = await signIn(t, browser, subject);
  for (const page of [mine, theirs]) await tab(page, 'LB Layer4');
  await write(mine, /layer4\.conf/, text.replace('maglev', 'random'));
  await write(theirs, /layer4\.conf/, text.replace('leastconn', 'source'));
  await theirs.getByRole('button', { name: 'OK', exact: true }).click();
  await theirs.getByText('OK: kept as edited').waitFor();
  // The offer may come by itself, from the status, before this click does.
  await mine.getByRole('button', { name: 'OK', exact: true }).click({ force: true, noWaitAfter: true, timeout: 1000 }).catch(() => undefined);
  const dialog = mine.getByRole('dialog', { name: 'Somebody else edited this too' });
  await dialog.getByText('+    balance source').waitFor();
  await dialog.getByText('+    balance random').waitFor();
  await dialog.getByRole('button', { name: 'Merge both' }).click();
  await mine.getByRole('button', { name: 'OK', exact: true }).click();
  await mine.getByText('OK: kept as edited').waitFor();
  assert.match((await weir(['show', 'edited', 'layer4'], { state: subject.state })).out, /balance source[^]*balance random/);
  await theirs.locator('.cm-line', { hasText: 'random' }).waitFor();
});

test('both change the same line: nothing is merged by itself; later is a choice, and theirs can be taken back', async (t) => {
  const { layer4: text } = await createWorld(t);
  const subject = await startWeir(t, text);
  const page = await signIn(t, await openBrowser(t), subject);
  await tab(page, 'LB Layer4');
  await write(page, /layer4\.conf/, text.replace('leastconn', 'random'));
  const file = join(subject.state, 'other.conf');
  writeFileSync(file, text.replace('leastconn', 'source'));
  assert.equal((await weir(['edit', file], { state: subject.state })).code, 0);
  const dialog = page.getByRole('dialog', { name: 'Somebody else edited this too' });
  await dialog.getByText(/^Both of you changed the same lines of layer4\.conf/).waitFor();
  assert.ok(await dialog.getByRole('button', { name: 'Merge both' }).isDisabled());
  await dialog.getByRole('button', { name: 'Later' }).click();
  await page.locator('.cm-line', { hasText: 'balance random' }).waitFor();
  await page.getByRole('button', { name: 'Merge…' }).click();
  await dialog.getByRole('button', { name: 'Take theirs, drop mine' }).click();
  await page.locator('.cm-line', { hasText: 'balance source' }).waitFor();
  await page.getByRole('button', { name: 'Bring mine back' }).click();
  await page.locator('.cm-line', { hasText: 'balance random' }).waitFor();
  await page.getByRole('button', { name: 'OK', exact: true }).click();
  await page.getByText('OK: kept as edited').waitFor();
  assert.match((await weir(['show', 'edited', 'layer4'], { state: subject.state })).out, /balance random/);
});

test('the daemon goes: the page says since when it is stale; it comes back: the page goes on, with what was written', async (t) => {
  const { layer4: text } = await createWorld(t);
  const subject = await startWeir(t, text);
  const page = await signIn(t, await openBrowser(t), subject);
  await tab(page, 'LB Layer4');
  await write(page, /layer4\.conf/, text.replace('leastconn', 'random'));
  await subject.stop();
  await page.getByText(/^Stale since \d\d:\d\d:\d\d\.$/).waitFor();
  await tab(page, 'Overview');
  await page.getByRole('row', { name: /web/ }).waitFor();
  await subject.restart();
  await fillSignIn(page);
  await page.getByText(/^Stale since/).waitFor({ state: 'hidden' });
  await tab(page, 'LB Layer4');
  await page.locator('.cm-line', { hasText: 'balance random' }).waitFor();
});

test('sign out everywhere ends the other browser too, which says so and keeps what was written; a wrong password says what it is', async (t) => {
  const { layer4: text } = await createWorld(t);
  const subject = await startWeir(t, text);
  const browser = await openBrowser(t);
  const here = await signIn(t, browser, subject);
  const there = await signIn(t, browser, subject);
  await tab(there, 'LB Layer4');
  await write(there, /layer4\.conf/, text.replace('leastconn', 'random'));
  await tab(here, 'Setup');
  await here.getByText(/^admin, admin, until \d{4}-\d\d-\d\d \d\d:\d\d:\d\d at the latest$/).waitFor();
  await here.getByRole('button', { name: 'Sign out everywhere' }).click();
  await here.getByRole('dialog').getByRole('button', { name: 'Sign out everywhere' }).click();
  await here.getByRole('button', { name: 'Sign in' }).waitFor();
  await there.getByRole('button', { name: 'Sign in' }).waitFor();
  await there.getByRole('status').getByText(/sign-in/).waitFor();
  await there.getByLabel('Password', { exact: true }).fill('not this one');
  await there.getByRole('button', { name: 'Sign in' }).click();
  await there.getByRole('alert').getByText('wrong user or password').waitFor();
  await fillSignIn(there);
  await there.locator('.cm-line', { hasText: 'balance random' }).waitFor();
});

test('a viewer sees all and changes nothing, also past the buttons', async (t) => {
  const { text, layer4 } = await createWorld(t);
  const subject = await startWeir(t, text);
  await subject.stop();
  const file = join(subject.state, 'auth.json');
  const accounts = JSON.parse(readFileSync(file, 'utf8')) as { users: { name: string; role: string }[] };
  writeFileSync(file, JSON.stringify({ ...accounts, users: [...accounts.users, { ...accounts.users[0], name: 'guest', role: 'viewer' }] }), { mode: 0o600 });
  await subject.restart();
  const context = await (await openBrowser(t)).newContext();
  const page = await context.newPage();
  page.setDefaultTimeout(WAIT_MS);
  await page.goto(subject.url);
  await page.getByLabel('User').fill('guest');
  await page.getByLabel('Password', { exact: true }).fill(PASSWORD);
  await page.getByRole('button', { name: 'Sign in' }).click();
  const shown: readonly (readonly [tab: string, row: RegExp, gone: RegExp])[] = [
    ['Overview', /game/, /Apply/], ['NAT', /web/, /Apply|Insert|Move|Edit|Delete/], ['Services', /health/, /Setup|Restart|Reload|Stop|Apply/],
    ['Setup', /first start/, /Save|Apply|Discard|Roll back|Upload|New token|Change password/], ['Logs', /start/, /Apply/],
  ];
  for (const [name, row, gone] of shown) {
    await tab(page, name);
    await page.getByRole('row', { name: row }).first().waitFor();
    assert.equal(await page.locator('main').getByRole('button', { name: gone }).count(), 0, name);
  }
  await page.evaluate("location.hash = '#/director/web'");
  await page.getByRole('row', { name: /srv1/ }).waitFor();
  assert.equal(await page.locator('main').getByRole('button', { name: /Drain|Disable|Enable/ }).count(), 0);
  await tab(page, 'LB Layer4');
  await page.locator('.cm-line', { hasText: 'director web' }).waitFor();
  assert.equal(await page.locator('main').getByRole('button', { name: /Apply|OK|Insert/ }).count(), 0);
  await page.getByRole('textbox', { name: /layer4\.conf/ }).click();
  await page.keyboard.type('changed');
  assert.equal(await page.locator('.cm-line', { hasText: 'changed' }).count(), 0, 'the text takes no keys');
  const refused = await page.evaluate(async () => {
    const { csrf } = (await (await fetch('/api/v1/sign-in')).json()) as { csrf: string };
    const headers = { 'content-type': 'application/json', 'x-weir-csrf': csrf };
    const calls = [
      ['PUT', '/api/v1/documents/edited', '{"layer4":""}'], ['POST', '/api/v1/apply', '{}'], ['POST', '/api/v1/save'], ['POST', '/api/v1/sessions/purge', '{"all":true}'],
      ['POST', '/api/v1/sessions/pin', '{"client":"127.0.0.1","director":"web","server":"srv1"}'], ['POST', '/api/v1/override', '{"director":"web","server":"srv1","action":"drain"}'],
      ['POST', '/api/v1/services/action', '{"name":"lvs","action":"stop"}'], ['GET', '/api/v1/tokens'],
    ] as const;
    return Promise.all(calls.map(async ([method, path, body]) => (await fetch(path, { method, headers: body === undefined ? { 'x-weir-csrf': csrf } : headers, ...(body === undefined ? {} : { body }) })).status));
  });
  assert.deepEqual(refused, Array.from({ length: 8 }, () => 403));
  assert.equal((await weir(['show', 'edited', 'layer4'], { state: subject.state })).out, layer4);
  await context.close();
});
