/** What an operator does at night: sessions pinned and ended, rules counted and put in order, a service's log, response times, files, tokens, the password. */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import type { Page } from 'playwright-core';
import { directory, weir } from '../loopback/weir.ts';
import { PASSWORD, client, openBrowser, sendOn, signIn, startWeir, tab, type Subject } from './browser.ts';
import { createWorld } from './world.ts';

test('a session is found, pinned from its menu by keys, goes where it was pinned, comes back, and is ended', async (t) => {
  const world = await createWorld(t);
  const subject = await startWeir(t, world.layer4);
  const page = await signIn(t, await openBrowser(t), subject);
  const mine = client(t, world.web);
  const first = await mine.ask('one');
  const second = first === 'srv1' ? 'srv2' : 'srv1';
  await client(t, world.web).ask('another');

  await tab(page, 'Sessions');
  await page.getByLabel('Client', { exact: true }).fill('127.0.');
  await page.getByText('goes on to a whole address').waitFor();
  assert.equal(await page.getByRole('alert').count(), 0, 'half an address is no error');
  await page.getByLabel('Client', { exact: true }).fill(`127.0.0.1:${mine.port()}`);
  await page.getByRole('status').getByText(/^1 of 2 sessions$/).waitFor();

  const menu = page.getByRole('button', { name: `Acts on the session of 127.0.0.1:${mine.port()}` });
  await menu.focus();
  await page.keyboard.press('ArrowDown');
  await page.getByRole('menuitem', { name: 'Pin to…' }).waitFor();
  await page.keyboard.press('ArrowDown');
  await focused(page, 'Explain');
  await page.keyboard.press('Escape');
  await focused(page, `Acts on the session of 127.0.0.1:${mine.port()}`);
  await page.keyboard.press('Enter');
  await focused(page, 'Pin to…');
  await page.keyboard.press('Enter');
  const dialog = page.getByRole('dialog', { name: `Pin 127.0.0.1:${mine.port()}` });
  await dialog.getByLabel('Server of web').selectOption(second);
  await dialog.getByText(new RegExp(`From its next datagram on, this session goes to ${second}, and ${first} sees no more of it`)).waitFor();
  await dialog.getByRole('button', { name: `Pin to ${second}` }).click();
  await dialog.waitFor({ state: 'hidden' });
  await page.getByRole('row', { name: new RegExp(`:${mine.port()} .*${second}`) }).waitFor();
  assert.equal(await mine.ask('two'), second);
  assert.equal(await mine.ask('three'), second);
  await page.getByRole('button', { name: `Back to ${first}` }).click();
  await page.getByRole('row', { name: new RegExp(`:${mine.port()} .*${first}`) }).waitFor();
  assert.equal(await mine.ask('four'), first);

  await menu.click();
  await page.getByRole('menuitem', { name: 'Explain' }).click();
  await page.getByText(new RegExp(`^To ${first} of web\\.`)).waitFor();
  await menu.click();
  await page.getByRole('menuitem', { name: 'Purge…' }).click();
  await page.getByRole('dialog', { name: /^Purge 127/ }).getByRole('button', { name: 'Purge' }).click();
  await page.getByText('None match this search.').waitFor();

  await tab(page, 'Logs');
  await page.getByRole('row', { name: new RegExp(`pin .*admin.*pinned the session of 127\\.0\\.0\\.1:${mine.port()} to web/${second}`) }).waitFor();
  const other = await weir(['pin', '127.0.0.9', 'web', 'srv1'], { state: subject.state });
  assert.deepEqual([other.code, other.err], [8, 'weir: 127.0.0.9 has no live session with director web\n  weir sessions --director web lists them; weir explain says where its next one would go\n']);
});

test('NAT rules count what they take, live, and are put in order by keys with the focus on the rule that moves', async (t) => {
  const world = await createWorld(t);
  const subject = await startWeir(t, world.text);
  const page = await signIn(t, await openBrowser(t), subject);
  await tab(page, 'NAT');
  const web = page.getByRole('row', { name: /^1? ?web / });
  await web.getByText('0', { exact: true }).first().waitFor();
  const asking = Array.from({ length: 5 }, () => client(t, world.web));
  for (const one of asking) await one.ask('hello');
  await page.getByRole('row', { name: /web .*127\.0\.0\.1 engine web 5 .* 10 / }).waitFor();
  for (const one of asking) await one.ask('again');
  await page.getByRole('row', { name: /web .*127\.0\.0\.1 engine web 5 .* 20 / }).waitFor();
  assert.match((await weir(['nat'], { state: subject.state })).out, /^web +engine: web +5 +20$/m);

  await page.getByRole('button', { name: 'Move web down' }).focus();
  await page.keyboard.press('Enter');
  await page.getByText('Rule web is now number 2.').waitFor();
  await focused(page, 'Move web up');
  await page.keyboard.press('Alt+ArrowUp');
  await page.getByText('Rule web is now number 1.').waitFor();
  await focused(page, 'Move web down');
  await page.keyboard.press('Alt+ArrowDown');
  await page.getByRole('row', { name: /^2 web / }).waitFor();
  await focused(page, 'Move web up');
  assert.match((await weir(['show', 'edited', 'nat'], { state: subject.state })).out, /^# players come from everywhere\nnat games[^]*\n\nnat web\n/);

  await page.getByRole('button', { name: 'Delete games' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Delete' }).click();
  await page.getByRole('row', { name: /games/ }).waitFor({ state: 'hidden' });
  await page.getByRole('button', { name: 'Undo' }).last().click();
  await page.getByRole('row', { name: /games/ }).waitFor();
});

test('the log of one service is its own, follows, is searched, and holds still when asked', async (t) => {
  const world = await createWorld(t);
  const subject = await startWeir(t, world.layer4);
  const page = await signIn(t, await openBrowser(t), subject);
  await tab(page, 'Services');
  await page.getByRole('link', { name: 'Log of health' }).click();
  const log = page.getByRole('region', { name: 'Log of health' });
  await log.getByRole('row', { name: /server-down.*game\/g2/ }).first().waitFor();
  assert.equal(await log.getByRole('row', { name: /sign-in/ }).count(), 0);
  await log.getByLabel('Search').fill('health restart');
  await log.getByText('No event matches').waitFor();
  await page.getByRole('button', { name: 'Restart health' }).click();
  await log.getByRole('row', { name: /service.*admin.*service health: restart/ }).waitFor();
  await log.getByLabel('Follow').uncheck();
  assert.equal((await weir(['service', 'reload', 'health'], { state: subject.state })).code, 0);
  await log.getByText(/^Follow \(\d+ new\)$/).waitFor();
  await log.getByLabel('Search').fill('health reload');
  await log.getByText('No event matches').waitFor();
  await log.getByLabel(/^Follow/).check();
  await log.getByRole('row', { name: /service health: reload/ }).waitFor();
  await page.getByRole('link', { name: 'Log of lvs' }).click();
  await page.getByRole('region', { name: 'Log of lvs' }).getByRole('row', { name: /start.*engine/ }).waitFor();
  await page.getByRole('link', { name: 'Close the log of lvs' }).click();
  await page.getByRole('region', { name: 'Log of lvs' }).waitFor({ state: 'hidden' });
});

test("a director's page shows response times, shares against weights, drops with their meaning; alarms stand above every page", async (t) => {
  const world = await createWorld(t);
  const subject = await startWeir(t, world.text);
  const page = await signIn(t, await openBrowser(t), subject);
  sendOn(t, world.web);
  sendOn(t, world.radius, 4);
  await page.getByRole('link', { name: 'web', exact: true }).click();
  await page.getByRole('img', { name: /^Packets a second, the last \d+ samples; now in [1-9]/ }).waitFor();
  await page.getByRole('img', { name: /^Response time, .*now p50 [\d.]+ m?s, p90 [\d.]+ m?s, p99 [\d.]+ m?s$/ }).waitFor();
  await page.getByRole('row', { name: /srv1 127.* \d+\.\d % of 40\.0 % by weight [\d.]+ ms [\d.]+ ms [\d.]+ m?s / }).waitFor();
  assert.match((await weir(['servers', 'web'], { state: subject.state })).out, /P50 +P90 +P99[^]*srv1.* \d+\.\d+ms +\d/);
  assert.match((await weir(['metrics'], { state: subject.state })).out, /^weir_server_response_seconds_bucket\{director="web",server="srv1",.*le="\+Inf"\} [1-9]/m);
  await page.getByRole('button', { name: '15 min' }).click();
  assert.equal(await page.getByRole('button', { name: '15 min' }).getAttribute('aria-pressed'), 'true');

  await page.getByRole('link', { name: 'All directors' }).click();
  await page.getByRole('link', { name: 'radius' }).click();
  await page.getByRole('row', { name: /^no_server .*takes sessions and there is no sorry server [1-9]/ }).waitFor();
  await page.getByRole('img', { name: /^Drops a second, by reason, .*now no_server [\d.]/ }).waitFor();

  await tab(page, 'Services');
  await page.getByRole('button', { name: 'Stop lvs' }).click();
  const dialog = page.getByRole('dialog', { name: 'Stop lvs' });
  await dialog.getByText(/every datagram to every director is lost/).waitFor();
  assert.ok(await dialog.getByRole('button', { name: 'Stop lvs' }).isDisabled());
  await dialog.getByLabel('Type lvs to go on').fill('lvs');
  await dialog.getByRole('button', { name: 'Stop lvs' }).click();
  await page.getByText('the service lvs is stopped: nothing is balanced').waitFor();
  await tab(page, 'Logs');
  await page.getByRole('link', { name: 'Start it in Services' }).click();
  await page.getByRole('button', { name: 'Start lvs' }).click();
  await page.getByText('the service lvs is stopped: nothing is balanced').waitFor({ state: 'hidden' });
});

test('a configuration is downloaded, uploaded, discarded; a token is made, used and revoked; the password is changed', async (t) => {
  const world = await createWorld(t);
  const subject = await startWeir(t, world.text);
  const page = await signIn(t, await openBrowser(t), subject);
  await tab(page, 'Setup');
  const [download] = await Promise.all([page.waitForEvent('download'), page.getByRole('button', { name: 'Download running' }).click()]);
  assert.match(download.suggestedFilename(), /^weir-running-\d{4}-\d\d-\d\d\.conf$/);
  const text = readFileSync(await download.path(), 'utf8');
  assert.equal(text, world.text);

  const file = join(directory(t), 'other.conf');
  writeFileSync(file, text.replace('leastconn', 'source'));
  await page.getByLabel('Configuration file').setInputFiles(file);
  await page.getByText('other.conf is now the edited configuration.').waitFor();
  await page.getByRole('region', { name: 'Difference from running to edited' }).getByText('+    balance source').waitFor();
  await page.getByRole('button', { name: 'Discard edits' }).click();
  await page.getByText('The edited text is the running one again.').waitFor();
  await page.getByRole('region', { name: 'Difference from running to edited' }).waitFor({ state: 'hidden' });
  assert.doesNotMatch((await weir(['show', 'edited', 'layer4'], { state: subject.state })).out, /balance source/);

  await page.getByRole('button', { name: 'New token' }).click();
  const dialog = page.getByRole('dialog', { name: 'New token' });
  await dialog.getByLabel('Name').fill('grafana');
  await dialog.getByRole('button', { name: 'Make it' }).click();
  const token = await dialog.getByLabel('The token').inputValue();
  assert.equal(await statusWith(subject, token), 200);
  await dialog.getByRole('button', { name: 'I have copied it' }).click();
  await page.getByRole('button', { name: 'Revoke grafana' }).click();
  await page.getByLabel('Type grafana to go on').fill('grafana');
  await page.getByRole('dialog').getByRole('button', { name: 'Revoke' }).click();
  await page.getByText('Token grafana is revoked.').waitFor();
  assert.equal(await statusWith(subject, token), 401);

  await page.getByLabel('Old password').fill('wrong');
  await page.getByLabel('New password').fill('a battery of horses');
  await page.getByRole('button', { name: 'Change password' }).click();
  await page.getByRole('alert').waitFor();
  await page.getByLabel('Old password').fill(PASSWORD);
  await page.getByRole('button', { name: 'Change password' }).click();
  await page.getByText('The password is changed.').waitFor();
});

test('an apply that nobody confirms goes back; the way in by keys skips the tabs, and the text says what its words mean', async (t) => {
  const world = await createWorld(t);
  const subject = await startWeir(t, world.layer4);
  const page = await signIn(t, await openBrowser(t), subject);
  await page.reload();
  await page.getByRole('navigation', { name: 'Tabs' }).waitFor();
  await page.keyboard.press('Tab');
  await focused(page, 'Skip to the page');
  await page.keyboard.press('Enter');
  assert.equal(await page.evaluate('document.activeElement.id'), 'content');

  await tab(page, 'LB Layer4');
  const text = page.getByRole('textbox', { name: /layer4\.conf/ });
  await text.focus();
  await page.keyboard.press('ControlOrMeta+Home');
  await page.getByText(/^director <name>/).waitFor();
  await page.keyboard.press('ArrowDown');
  await page.keyboard.press('End');
  await page.getByText(/the fewest live sessions for its weight/).waitFor();
  await page.locator('.cm-line', { hasText: 'balance leastconn' }).getByText('balance').hover();
  await page.locator('.hint-box').getByText(/how a new session/).waitFor();
  await page.keyboard.press('ControlOrMeta+Backspace');
  await page.keyboard.type('map');
  await page.keyboard.press('ControlOrMeta+Backspace');
  await page.keyboard.type('magl');
  await page.locator('.cm-tooltip-autocomplete').getByText('maglev').waitFor();
  await page.keyboard.press('Enter');
  await page.locator('.cm-line', { hasText: 'balance maglev' }).first().waitFor();
  await page.keyboard.press('Escape');
  assert.equal(await page.evaluate("document.activeElement.closest('.cm-editor')"), null, 'Escape leaves the text');

  assert.equal((await weir(['apply', writeFirst(t, world.layer4.replace('leastconn', 'source')), '--confirm', '4s'], { state: subject.state })).code, 0);
  await page.getByText(/The last apply goes back in \d s/).waitFor();
  await page.getByText(/The last apply goes back in/).waitFor({ state: 'hidden' });
  await page.getByText('Edited, not applied.').waitFor();
  assert.match((await weir(['show', 'running', 'layer4'], { state: subject.state })).out, /balance leastconn/);
});

function writeFirst(t: Parameters<typeof directory>[0], text: string): string {
  const file = join(directory(t), 'layer4.conf');
  writeFileSync(file, text);
  return file;
}

/** Resolves when what has the focus is named so. */
async function focused(page: Page, name: string): Promise<void> {
  await page.waitForFunction((wanted) => {
    const { activeElement } = (globalThis as unknown as { document: { activeElement: { getAttribute(name: string): string | null; textContent: string } } }).document;
    return (activeElement.getAttribute('aria-label') ?? activeElement.textContent) === wanted;
  }, name);
}

async function statusWith(subject: Subject, token: string): Promise<number> {
  return (await fetch(`${subject.url}/api/v1/status`, { headers: { authorization: `Bearer ${token}` } })).status;
}
