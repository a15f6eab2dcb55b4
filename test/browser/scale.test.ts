/** 500 directors with 20 servers each: the page stays quick. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { freePorts } from '../loopback/weir.ts';
import { openBrowser, signIn, startWeir, tab } from './browser.ts';

/** A person sees a stutter at some 100 ms; a busy machine with software rendering may take a few times that. */
const LONGEST_MS = 400;

test('500 directors and 10,000 servers: no task holds the page up, the filter finds one, its page opens', async (t) => {
  const ports = await freePorts(500);
  const text = ports.map((port, d) => `director d${d} 127.0.0.1:${port} UDP\n${Array.from({ length: 20 }, (_, k) => `    server s${k} 127.1.${d >> 8}.${d & 255}:${20_000 + k}\n`).join('')}`).join('\n');
  const page = await signIn(t, await openBrowser(t), await startWeir(t, text));
  await page.getByRole('row', { name: /d100 / }).waitFor();
  await page.evaluate("globalThis.tasks = []; new PerformanceObserver((list) => tasks.push(...list.getEntries().map((entry) => entry.duration))).observe({ type: 'longtask' })");
  const updates = async (): Promise<void> => {
    // Two readings of the status pass while it is shown.
    for (let i = 0; i < 2; i++) await page.waitForResponse((response) => response.url().endsWith('/api/v1/status'));
  };
  await updates();
  await page.getByLabel('Filter directors').fill('d499');
  await page.getByRole('row', { name: /d499 / }).waitFor();
  assert.equal(await page.getByRole('row').count(), 2);
  await page.getByRole('link', { name: 'd499' }).click();
  await page.getByRole('row', { name: /s19 / }).waitFor();
  await updates();
  await tab(page, 'LB Layer4');
  await page.locator('.cm-line', { hasText: 'director d0' }).waitFor();
  await updates();
  const longest = Math.max(0, ...((await page.evaluate('tasks')) as number[]));
  assert.ok(longest < LONGEST_MS, `a task of ${Math.round(longest)} ms`);
});
