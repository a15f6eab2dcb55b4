/** Sessions that are kept on a server which was taken out: the banner that says so on every tab, and the one thing to do about it. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { directory, weir } from '../loopback/weir.ts';
import { WAIT_MS, client, openBrowser, shoot, signIn, startWeir, tab } from './browser.ts';
import { createWorld } from './world.ts';

test('sessions kept on a server that was taken out raise a banner, and its button moves them and no others', async (t) => {
  const world = await createWorld(t);
  const layer4 = world.layer4.replace('balance leastconn', 'balance roundrobin\n    on remove keep');
  const subject = await startWeir(t, layer4);
  const page = await signIn(t, await openBrowser(t), subject);
  const clients = Array.from({ length: 5 }, () => client(t, world.web));
  const ask = (text: string): Promise<string[]> => Promise.all(clients.map((one) => one.ask(text)));
  const homes = await ask('first');
  assert.deepEqual([...new Set(homes)].toSorted(), ['srv1', 'srv2', 'srv3']);
  const kept = homes.filter((name) => name === 'srv2').length;
  let asking: Promise<unknown> = Promise.resolve();
  const timer = setInterval(() => { asking = asking.then(() => ask('again')).catch(() => undefined); }, 200);
  t.after(() => clearInterval(timer));

  const file = join(directory(t), 'layer4.conf');
  writeFileSync(file, layer4.replace(/.*server srv2 .*\n/, ''));
  assert.equal((await weir(['apply', file], { state: subject.state })).code, 0);
  // The grace, a search and a reading: src/health/blackhole.ts, src/daemon/watch.ts.
  const alarm = page.getByRole('alert').getByText('Datagrams are lost.');
  await alarm.waitFor({ timeout: WAIT_MS });
  await page.getByRole('listitem').getByText(new RegExp(`^${kept} sessions? .*srv2|srv2.* ${kept} sessions?`)).waitFor();
  await shoot(page, 'blackhole-1440-light');
  await tab(page, 'Sessions');
  await alarm.waitFor();

  await page.getByRole('button', { name: kept === 1 ? 'Purge this session' : `Purge these ${kept} sessions` }).click();
  await page.getByText(`${kept} ${kept === 1 ? 'session' : 'sessions'} ended.`).waitFor();
  await alarm.waitFor({ state: 'hidden', timeout: WAIT_MS });
  clearInterval(timer);
  await asking;
  const now = await ask('last');
  assert.ok(!now.includes('srv2'), now.join());
  homes.forEach((home, i) => home !== 'srv2' && assert.equal(now[i], home, 'a session of another server stays where it was'));
});
