/** The walk of the ALOHA page in a browser, with real datagrams at its end, and what comes back after a restart. */
import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { startDemo } from '../../src/bin/demo.ts';
import { freePorts, weir } from '../loopback/weir.ts';
import { answers, apply, fillSignIn, openBrowser, signIn, startWeir, tab, write } from './browser.ts';

async function servers(t: TestContext): Promise<{ readonly vip: number; readonly lines: string }> {
  const demo = await startDemo([{ name: 'srv1', port: 0 }, { name: 'srv2', port: 0 }]);
  t.after(() => demo.close());
  const [vip = 0] = await freePorts(1);
  return { vip, lines: demo.ports.map((port, i) => `    server srv${i + 1} 127.0.0.1:${port} weight 10 check\n`).join('') };
}

function names(texts: readonly string[]): readonly string[] {
  return [...new Set(texts.map((text) => text.split(' ')[0] ?? ''))].toSorted();
}

test('LB Layer4, NAT, Services, Setup as on the page; it balances, and a restart brings all of it back', async (t) => {
  const { vip, lines } = await servers(t);
  const subject = await startWeir(t, '');
  const page = await signIn(t, await openBrowser(t), subject);

  await tab(page, 'LB Layer4');
  await write(page, /layer4\.conf/, `director udp1 127.0.0.1:${vip} UDP\n    balance roundrobin\n    mode nat\n    check interval 10s timeout 2s\n${lines}`);
  await page.getByRole('button', { name: 'OK', exact: true }).click();
  await page.getByText('OK: kept as edited').waitFor();
  assert.match((await weir(['show', 'edited', 'layer4'], { state: subject.state })).out, /director udp1/);
  assert.doesNotMatch((await weir(['show', 'running', 'layer4'], { state: subject.state })).out, /director udp1/);
  await page.getByRole('button', { name: 'Apply', exact: true }).click();
  await page.getByRole('dialog').getByText('No live session moves.').waitFor();
  await apply(page);
  await page.getByText(/^Applied: revision \d+ runs/).waitFor();
  assert.deepEqual(names(await answers(t, vip, 4)), ['srv1', 'srv2']);

  await tab(page, 'NAT');
  await page.getByRole('button', { name: 'Insert', exact: true }).click();
  const rule = page.getByRole('dialog', { name: 'New Rule' });
  await rule.getByLabel('IN', { exact: true }).selectOption('lo');
  await rule.getByLabel('OUT', { exact: true }).selectOption('lo');
  await rule.getByText(/^One-arm: /).waitFor();
  await rule.getByLabel('Protocol').selectOption('udp');
  const before = rule.getByRole('group', { name: 'Before: as it arrives here' });
  await before.getByLabel('Destination', { exact: true }).fill('127.0.0.1');
  await before.getByLabel('Destination port').fill(String(vip));
  await rule.getByRole('group', { name: 'After: what it becomes' }).getByLabel('Source', { exact: true }).fill('127.0.0.1');
  await rule.getByRole('button', { name: 'Add', exact: true }).click();
  await rule.waitFor({ state: 'hidden' });
  await page.getByRole('row', { name: new RegExp(`udp-1 .*to 127\\.0\\.0\\.1:${vip} from 127\\.0\\.0\\.1`) }).waitFor();
  await page.getByRole('button', { name: 'Apply', exact: true }).click();
  await apply(page);
  await page.getByText('conntrack is off in service lvs.').waitFor();

  await page.getByRole('link', { name: 'Set it in Services' }).click();
  const setup = page.getByRole('dialog', { name: 'Setup: service lvs' });
  await setup.getByRole('button', { name: 'Add conntrack' }).click();
  await setup.getByText('conntrack', { exact: true }).first().waitFor();
  await setup.getByRole('button', { name: 'OK', exact: true }).click();
  await setup.waitFor({ state: 'hidden' });
  await page.getByRole('button', { name: 'Restart lvs' }).click();
  await apply(page, 'Apply and restart lvs');
  await page.getByText('lvs restarted.').waitFor();
  await page.getByText('conntrack on').waitFor();

  await tab(page, 'Setup');
  await page.getByRole('button', { name: 'Save', exact: true }).click();
  await page.getByText(/^Saved: revision \d+/).waitFor();
  await page.getByText('Running, not saved.').waitFor({ state: 'hidden' });
  assert.deepEqual(names(await answers(t, vip, 4)), ['srv1', 'srv2']);

  await subject.restart();
  assert.deepEqual(names(await answers(t, vip, 4)), ['srv1', 'srv2']);
  const saved = await weir(['show', 'running'], { state: subject.state });
  assert.match(saved.out, /director udp1[^]*nat udp-1[^]*service lvs\n\s+conntrack/);
  await fillSignIn(page);
  await tab(page, 'Overview');
  await page.getByRole('row', { name: /udp1.*up/ }).waitFor();
  await tab(page, 'NAT');
  await page.getByRole('row', { name: /udp-1/ }).waitFor();
  assert.equal(await page.getByText('conntrack is off').count(), 0);
});

test('a wrong line shows its error where it is, and Apply refuses it and changes nothing', async (t) => {
  const { vip, lines } = await servers(t);
  const good = `director web 127.0.0.1:${vip} UDP\n    balance roundrobin\n${lines}`;
  const subject = await startWeir(t, good);
  const page = await signIn(t, await openBrowser(t), subject);
  await tab(page, 'LB Layer4');
  await write(page, /layer4\.conf/, good.replace('balance', 'balnce'));
  await page.locator('.cm-lintRange-error', { hasText: 'balnce' }).waitFor();
  const issue = page.getByRole('button', { name: /error 2:5 .*Did you mean balance/ });
  await issue.click();
  assert.equal(await page.locator('.cm-activeLine').innerText(), '    balnce roundrobin');
  await page.getByRole('button', { name: 'Apply', exact: true }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByText('It cannot be applied: the text has an error.').waitFor();
  await dialog.getByText(/balnce/).first().waitFor();
  assert.ok(await dialog.getByRole('button', { name: 'Apply now' }).isDisabled());
  await dialog.getByRole('button', { name: 'Cancel' }).click();
  assert.deepEqual(names(await answers(t, vip, 4)), ['srv1', 'srv2']);

  // What is typed faster than the page draws stays as typed.
  const typed = '# the quick brown fox jumps over the lazy dog 0123456789';
  await page.getByRole('textbox', { name: /layer4\.conf/ }).click();
  await page.keyboard.press('ControlOrMeta+End');
  await page.keyboard.type(typed);
  await page.locator('.cm-line', { hasText: typed }).waitFor();
  for (let i = 0; i < 3 && (await page.locator('.cm-line', { hasText: typed.slice(0, 6) }).count()) > 0; i++) await page.keyboard.press('ControlOrMeta+z');

  // Undo reaches back over a look at another tab.
  await tab(page, 'NAT');
  await tab(page, 'LB Layer4');
  await page.getByRole('button', { name: 'Undo', exact: true }).click();
  await page.locator('.cm-line', { hasText: 'balance roundrobin' }).waitFor();
  await page.locator('.cm-lintRange-error').waitFor({ state: 'detached' });
  await page.getByRole('button', { name: 'OK', exact: true }).click();
  await page.getByText('Edited, not applied.').waitFor({ state: 'hidden' });
});

test('the Insert form writes a director that runs, drain takes its server out of new sessions, and revisions bring the old back', async (t) => {
  const { vip, lines } = await servers(t);
  const subject = await startWeir(t, '# mine\n');
  const page = await signIn(t, await openBrowser(t), subject);
  await tab(page, 'LB Layer4');
  await page.getByRole('button', { name: 'Insert director' }).click();
  const dialog = page.getByRole('dialog', { name: 'Insert director' });
  await dialog.getByLabel('Name', { exact: true }).fill('game');
  await dialog.getByLabel('Address and port').fill(`127.0.0.1:${vip}`);
  await dialog.getByLabel('Balance').selectOption('roundrobin');
  for (const [i, [, address = '']] of [...lines.matchAll(/(127\.0\.0\.1:\d+)/g)].entries()) await dialog.getByLabel(`Address of server ${i + 1}`).fill(address);
  await dialog.getByRole('button', { name: 'Insert', exact: true }).click();
  await page.getByRole('button', { name: 'Apply', exact: true }).click();
  await apply(page);
  assert.deepEqual(names(await answers(t, vip, 4)), ['srv1', 'srv2']);
  assert.match((await weir(['show', 'running', 'layer4'], { state: subject.state })).out, /^# mine\n\ndirector game/);

  await tab(page, 'Overview');
  await page.getByRole('link', { name: 'game' }).click();
  await page.getByRole('row', { name: /srv1/ }).getByRole('button', { name: 'Drain' }).click();
  await page.getByRole('row', { name: /srv1.*drain/ }).waitFor();
  assert.deepEqual(names(await answers(t, vip, 4)), ['srv2']);
  await page.getByRole('row', { name: /srv1/ }).getByRole('button', { name: 'Enable' }).click();
  await page.getByRole('row', { name: /srv1.*up/ }).waitFor();

  await tab(page, 'Sessions');
  await page.getByRole('row', { name: /game.*srv2/ }).first().waitFor();
  await page.getByLabel('Client address and port').fill('127.0.0.1:5000');
  await page.getByRole('button', { name: 'Explain' }).click();
  await page.getByText(/^To srv[12] of game\./).waitFor();
  await page.getByRole('button', { name: 'Purge…' }).click();
  const purge = page.getByRole('dialog', { name: 'Purge sessions' });
  assert.ok(await purge.getByRole('button', { name: /^Purge \d+ sessions?$/ }).isDisabled());
  await purge.getByLabel(/^Type all/).fill('all');
  await purge.getByRole('button', { name: /^Purge \d+ sessions?$/ }).click();
  await page.getByText(/^\d+ sessions? ended\.$/).waitFor();
  await page.getByText('No sessions', { exact: true }).waitFor();

  await tab(page, 'Setup');
  await page.getByRole('button', { name: 'Roll back to revision 1' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Roll back to 1' }).click();
  await page.getByText(/^Revision 1 runs again/).waitFor();
  assert.equal((await weir(['show', 'running', 'layer4'], { state: subject.state })).out, '# mine\n');
  await tab(page, 'Logs');
  await page.getByRole('row', { name: /drain/ }).first().waitFor();
});

test('a confirmed apply counts down and stays when it is kept', async (t) => {
  const { vip, lines } = await servers(t);
  const text = `director web 127.0.0.1:${vip} UDP\n    balance roundrobin\n${lines}`;
  const subject = await startWeir(t, text);
  const page = await signIn(t, await openBrowser(t), subject);
  await tab(page, 'LB Layer4');
  await write(page, /layer4\.conf/, text.replace('roundrobin', 'source'));
  await page.getByRole('button', { name: 'Apply', exact: true }).click();
  await page.getByLabel('After the apply').selectOption('120000');
  await apply(page);
  await page.getByText(/The last apply goes back in \d+ s/).waitFor();
  await page.getByRole('button', { name: 'Keep it' }).click();
  await page.getByText('Confirmed: it stays.').waitFor();
  assert.match((await weir(['show', 'running', 'layer4'], { state: subject.state })).out, /balance source/);
});
