/** What the pages do when others edit too, when the daemon goes, for those who may only look; and how they look to people and to axe. */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { test, type TestContext } from 'node:test';
import type { Page } from 'playwright-core';
import { startDemo } from '../../src/bin/demo.ts';
import { ROOT, freePorts, weir } from '../loopback/weir.ts';
import { PASSWORD, fillSignIn, openBrowser, sendOn, shoot, signIn, startWeir, tab, write } from './browser.ts';

const NAT = 'nat dns\n    in lo\n    out lo\n    protocol udp\n    before destination 127.0.0.1 dport 53\n    after source masquerade\n\n# the one below is for the games\nnat games\n    protocol udp\n    before dport 27000-27050\n    after source 127.0.0.1\n';

async function configuration(t: TestContext): Promise<{ readonly vip: number; readonly text: string }> {
  const demo = await startDemo([{ name: 'srv1', port: 0 }, { name: 'srv2', port: 0 }, { name: 'srv3', port: 0 }]);
  t.after(() => demo.close());
  const [vip = 0, idle = 0] = await freePorts(2);
  const servers = demo.ports.map((port, i) => `    server srv${i + 1} 127.0.0.1:${port} weight ${i === 2 ? 5 : 10} check\n`).join('');
  return { vip, text: `director web 127.0.0.1:${vip} UDP\n    balance leastconn\n    check interval 1s timeout 500ms\n    option udpcheck\n${servers}\ndirector game 127.0.0.1:${idle} UDP\n    balance maglev\n    server only 127.0.0.1:9\n` };
}

test('two people edit at once: the second is told, sees both changes, and merges them', async (t) => {
  const { text } = await configuration(t);
  const subject = await startWeir(t, text);
  const browser = await openBrowser(t);
  const mine = await signIn(t, browser, subject);
  const theirs = await signIn(t, browser, subject);
  for (const page of [mine, theirs]) await tab(page, 'LB Layer4');
  await write(mine, /layer4\.conf/, text.replace('maglev', 'random'));
  await write(theirs, /layer4\.conf/, text.replace('leastconn', 'source'));
  await theirs.getByRole('button', { name: 'OK', exact: true }).click();
  await theirs.getByText('OK: kept as edited').waitFor();
  await mine.getByRole('button', { name: 'OK', exact: true }).click({ force: true, noWaitAfter: true }).catch(() => undefined);
  const dialog = mine.getByRole('dialog', { name: 'Somebody else edited this too' });
  await dialog.getByText('+    balance source').waitFor();
  await dialog.getByText('+    balance random').waitFor();
  await dialog.getByRole('button', { name: 'Merge both' }).click();
  await mine.getByRole('button', { name: 'OK', exact: true }).click();
  await mine.getByText('OK: kept as edited').waitFor();
  assert.match((await weir(['show', 'edited', 'layer4'], { state: subject.state })).out, /balance source[^]*balance random/);
  await theirs.getByText('balance random').or(theirs.locator('.cm-line', { hasText: 'random' })).first().waitFor();
});

test('the daemon goes: the page says since when it is stale; it comes back: the page goes on, with what was written', async (t) => {
  const { text } = await configuration(t);
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

test('a viewer sees all and changes nothing, also past the buttons', async (t) => {
  const { text } = await configuration(t);
  const subject = await startWeir(t, text);
  await subject.stop();
  const file = join(subject.state, 'auth.json');
  const accounts = JSON.parse(readFileSync(file, 'utf8')) as { users: { name: string; role: string }[] };
  writeFileSync(file, JSON.stringify({ ...accounts, users: [...accounts.users, { ...accounts.users[0], name: 'guest', role: 'viewer' }] }), { mode: 0o600 });
  await subject.restart();
  const context = await (await openBrowser(t)).newContext();
  const page = await context.newPage();
  await page.goto(subject.url);
  await page.getByLabel('User').fill('guest');
  await page.getByLabel('Password', { exact: true }).fill(PASSWORD);
  await page.getByRole('button', { name: 'Sign in' }).click();
  for (const [name, gone] of [['LB Layer4', /Apply|OK|Insert/], ['NAT', /Apply|Insert/], ['Services', /Setup|Restart|Stop/], ['Setup', /Save|Roll back|Upload|New token/], ['Sessions', /Purge/]] as const) {
    await tab(page, name);
    assert.equal(await page.locator('main').getByRole('button', { name: gone }).count(), 0, name);
  }
  await tab(page, 'LB Layer4');
  await page.locator('.cm-line', { hasText: 'director web' }).waitFor();
  const refused = await page.evaluate(async () => {
    const { csrf } = (await (await fetch('/api/v1/sign-in')).json()) as { csrf: string };
    const headers = { 'content-type': 'application/json', 'x-weir-csrf': csrf };
    const calls = [['PUT', '/api/v1/documents/edited', '{"layer4":""}'], ['POST', '/api/v1/apply', '{}'], ['POST', '/api/v1/save'], ['POST', '/api/v1/sessions/purge', '{"all":true}']] as const;
    return Promise.all(calls.map(async ([method, path, body]) => (await fetch(path, { method, headers: body === undefined ? { 'x-weir-csrf': csrf } : headers, ...(body === undefined ? {} : { body }) })).status));
  });
  assert.deepEqual(refused, [403, 403, 403, 403]);
  assert.equal((await weir(['show', 'edited', 'layer4'], { state: subject.state })).out, text);
});

test('every tab at 360 and 1440 px, light and dark: axe finds nothing serious, nothing is wider than the window', async (t) => {
  const { vip, text } = await configuration(t);
  const subject = await startWeir(t, `${text}${NAT}`);
  const browser = await openBrowser(t);
  sendOn(t, vip);
  const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
  for (const dark of [false, true]) {
    const page = await signIn(t, browser, subject, { dark });
    if (!dark) await dialogs(page, axe);
    for (const width of [1440, 360]) {
      await page.setViewportSize({ width, height: width === 360 ? 740 : 900 });
      for (const [name, address, ready] of PAGES) {
        await page.evaluate(`location.hash = ${JSON.stringify(address)}`);
        await ready(page);
        await judge(page, axe, `${name}-${width}-${dark ? 'dark' : 'light'}`);
      }
    }
    await page.context().close();
  }
});

const PAGES: readonly (readonly [name: string, address: string, ready: (page: Page) => Promise<void>])[] = [
  ['overview', '#/overview', (page) => page.getByRole('row', { name: /game/ }).waitFor()],
  ['director', '#/director/web', (page) => page.locator('.plot canvas').nth(3).waitFor()],
  ['layer4', '#/layer4', (page) => page.locator('.cm-line', { hasText: 'director game' }).waitFor()],
  ['nat', '#/nat', (page) => page.getByRole('row', { name: /games/ }).waitFor()],
  ['services', '#/services', (page) => page.getByRole('row', { name: /lvs/ }).waitFor()],
  ['setup', '#/setup', (page) => page.getByRole('row', { name: /first start/ }).waitFor()],
  ['sessions', '#/sessions', (page) => page.getByRole('row', { name: /srv1/ }).first().waitFor()],
  ['logs', '#/logs', (page) => page.getByRole('row', { name: /server-up/ }).first().waitFor()],
];

async function dialogs(page: Page, axe: string): Promise<void> {
  await tab(page, 'NAT');
  await page.getByRole('button', { name: 'Edit dns' }).click();
  await page.getByText(/^One-arm/).waitFor();
  await judge(page, axe, 'nat-rule-1440-light');
  await page.getByRole('button', { name: 'Cancel' }).click();
  await tab(page, 'LB Layer4');
  await page.getByRole('button', { name: 'Insert director' }).click();
  await judge(page, axe, 'insert-director-1440-light');
  await page.getByRole('button', { name: 'Cancel' }).click();
}

async function judge(page: Page, axe: string, name: string): Promise<void> {
  await shoot(page, name);
  assert.ok(await page.evaluate('document.documentElement.scrollWidth <= document.documentElement.clientWidth'), `${name} is wider than the window`);
  await page.evaluate(axe);
  const found = await page.evaluate(async () => {
    const { axe: run } = globalThis as unknown as { axe: { run(): Promise<{ violations: { id: string; impact: string; nodes: { html: string; failureSummary: string }[] }[] }> } };
    const { violations } = await run.run();
    return violations.filter(({ impact }) => impact === 'serious' || impact === 'critical').map(({ id, nodes }) => `${id}: ${nodes.slice(0, 3).map((node) => `${node.html} ${node.failureSummary}`).join(' | ')}`);
  });
  assert.deepEqual(found, [], name);
}

test('the first page is less than 200 kB with all it loads, the editor included', () => {
  const names = [...readFileSync(join(ROOT, 'dist/web/index.html'), 'utf8').matchAll(/\/assets\/([\w.-]+)/g)].map(([, name = '']) => name);
  const size = (name: string): number => gzipSync(readFileSync(join(ROOT, 'dist/web/assets', name)), { level: 9 }).length;
  const first = names.reduce((sum, name) => sum + size(name), 0);
  const code = /code-[\w-]+\.js/.exec(names.map((name) => (name.endsWith('.js') ? readFileSync(join(ROOT, 'dist/web/assets', name), 'utf8') : '')).join('\n'))?.[0];
  assert.ok(code !== undefined, 'the editor is a file of its own');
  assert.ok(first < 100_000, `${first} bytes before the editor`);
  assert.ok(first + size(code) < 200_000, `${first + size(code)} bytes with the editor`);
});
