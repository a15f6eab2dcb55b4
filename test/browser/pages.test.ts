/** How every page looks, to people and to axe: each at 360 and 1440 px, light and dark, and each dialog. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { test } from 'node:test';
import type { Page } from 'playwright-core';
import { openBrowser, sendOn, shoot, signIn, startWeir, tab } from './browser.ts';
import { createWorld } from './world.ts';

/** Sum of the shifts while a page is shown; Chrome calls 0.1 good. */
const SHIFT_MAX = 0.05;
const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

const PAGES: readonly (readonly [name: string, address: string, ready: (page: Page) => Promise<void>])[] = [
  ['overview', '#/overview', (page) => page.getByRole('row', { name: /game.*degraded/ }).waitFor()],
  ['director', '#/director/web', (page) => page.locator('.plot canvas').nth(4).waitFor()],
  ['down', '#/director/radius', (page) => page.getByText('no_server', { exact: true }).last().waitFor()],
  ['layer4', '#/layer4', (page) => page.locator('.cm-line', { hasText: 'director game' }).waitFor()],
  ['nat', '#/nat', (page) => page.getByRole('row', { name: /web.*127\.0\.0\.1.*\d\/s/ }).waitFor()],
  ['services', '#/services?log=health', (page) => page.getByRole('region', { name: 'Log of health' }).getByRole('row', { name: /server-down/ }).first().waitFor()],
  ['setup', '#/setup', (page) => page.getByRole('row', { name: /first start/ }).waitFor()],
  ['sessions', '#/sessions', (page) => page.getByRole('row', { name: /srv1/ }).first().waitFor()],
  ['logs', '#/logs', (page) => page.getByRole('row', { name: /server-up/ }).first().waitFor()],
];

test('every tab at 360 and 1440 px, light and dark: axe finds nothing serious, nothing is wider than the window, nothing jumps', async (t) => {
  const world = await createWorld(t);
  const subject = await startWeir(t, world.text);
  const browser = await openBrowser(t);
  sendOn(t, world.web);
  sendOn(t, world.game, 8);
  sendOn(t, world.radius, 4);
  const problems: string[] = [];
  for (const dark of [true, false]) {
    const page = await signIn(t, browser, subject, { dark });
    await page.evaluate("globalThis.shifts = []; new PerformanceObserver((list) => shifts.push(...list.getEntries().filter((entry) => !entry.hadRecentInput).map((entry) => entry.value))).observe({ type: 'layout-shift' })");
    for (const width of [1440, 360]) {
      await page.setViewportSize({ width, height: width === 360 ? 740 : 900 });
      for (const [name, address, ready] of PAGES) {
        await page.evaluate(`location.hash = ${JSON.stringify(address)}; shifts.length = 0`);
        await ready(page);
        problems.push(...(await judge(page, `${name}-${width}-${dark ? 'dark' : 'light'}`)));
        const shifted = ((await page.evaluate('shifts')) as number[]).reduce((sum, value) => sum + value, 0);
        if (shifted > SHIFT_MAX) problems.push(`${name} at ${width} px shifted by ${shifted.toFixed(3)}`);
      }
      if (!dark) for (const [name, open] of DIALOGS) problems.push(...(await dialog(page, `${name}-${width}-light`, open)));
    }
    await page.context().close();
  }
  assert.deepEqual(problems, []);
});

/** What opens each, from any page, and leaves it open. */
const DIALOGS: readonly (readonly [name: string, open: (page: Page) => Promise<void>])[] = [
  ['nat-rule', async (page) => {
    await tab(page, 'NAT');
    await page.getByRole('button', { name: 'Edit web' }).click();
    await page.getByText(/^One-arm/).waitFor();
  }],
  ['insert-director', async (page) => {
    await tab(page, 'LB Layer4');
    await page.getByRole('button', { name: 'Insert director' }).click();
  }],
  ['pin', async (page) => {
    await tab(page, 'Sessions');
    await page.getByRole('button', { name: /^Acts on the session of/ }).first().click();
    await shoot(page, `menu-${page.viewportSize()?.width}-light`, false);
    await page.getByRole('menuitem', { name: 'Pin to…' }).click();
  }],
  ['service-setup', async (page) => {
    await tab(page, 'Services');
    await page.getByRole('button', { name: 'Setup of lvs' }).click();
    await page.getByRole('dialog').locator('.cm-line', { hasText: 'conntrack' }).waitFor();
  }],
  ['revision', async (page) => {
    await tab(page, 'Setup');
    await page.getByRole('button', { name: 'View revision 1' }).click();
  }],
  ['token', async (page) => {
    await tab(page, 'Setup');
    await page.getByRole('button', { name: 'New token' }).click();
  }],
  // Last: what is edited here stays edited, so that the narrow pages after it show the banner of it too.
  ['plan', async (page) => {
    await tab(page, 'LB Layer4');
    await page.getByRole('textbox', { name: /layer4\.conf/ }).click();
    await page.keyboard.press('ControlOrMeta+Home');
    await page.keyboard.insertText('# changed\n');
    await page.keyboard.press('ControlOrMeta+End');
    await page.keyboard.insertText('    server r3 127.0.0.1:9 weight 3\n');
    await page.getByRole('button', { name: 'Apply', exact: true }).click();
    await page.getByRole('dialog').getByText('add server radius/r3').or(page.getByRole('dialog').getByText(/r3/)).first().waitFor();
  }],
];

async function dialog(page: Page, name: string, open: (page: Page) => Promise<void>): Promise<readonly string[]> {
  await open(page);
  const shown = page.getByRole('dialog');
  await shown.waitFor();
  const found = await judge(page, name);
  await shown.getByRole('button', { name: 'Close' }).first().click();
  await shown.waitFor({ state: 'hidden' });
  return found;
}

/** Keeps a picture; returns what axe calls serious, and whether it is wider than the window. */
async function judge(page: Page, name: string): Promise<readonly string[]> {
  await shoot(page, name);
  const fits = (await page.evaluate('document.documentElement.scrollWidth <= document.documentElement.clientWidth')) as boolean;
  await page.evaluate(AXE);
  const found = await page.evaluate(async () => {
    const { axe: run } = globalThis as unknown as { axe: { run(): Promise<{ violations: { id: string; impact: string; nodes: { html: string; failureSummary: string }[] }[] }> } };
    const { violations } = await run.run();
    return violations.filter(({ impact }) => impact === 'serious' || impact === 'critical').map(({ id, nodes }) => `${id}: ${nodes.slice(0, 3).map((node) => `${node.html} ${node.failureSummary}`).join(' | ')}`);
  });
  return [...(fits ? [] : [`${name} is wider than the window`]), ...found.map((text) => `${name}: ${text}`)];
}
