/**
 * The page's walk by the API, for one shape: Apply, NAT rule, Apply, conntrack in service lvs, Apply, restart lvs. Until the last step clients
 * are not answered from the VIP, as the page implies, and each answer of the API said so and why.
 */
import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { director, rule, services, type Shape } from './page-texts.ts';
import { codes, type Page } from './page.ts';
import { HOSTS } from './hosts.ts';
import { readFileSync } from 'node:fs';

const CLIENT = HOSTS.client.ip;

/** `told` is what weir says of the way back before there is a rule; `answer` is where the client's answer comes from then, null: it gets none. */
export interface Expected {
  readonly told: string;
  readonly words: RegExp;
  readonly answer: (server: keyof typeof HOSTS) => string | null;
}

/** Walks; both documents hold this shape alone, and conntrack is off at first. */
export async function walk(page: Page, shape: Shape, { told, words, answer }: Expected, t: TestContext): Promise<void> {
  const fails = async (why: string): Promise<void> => {
    const { server, seen, from } = await page.ask(shape);
    assert.deepEqual([seen, from], [CLIENT, answer(server)], why);
  };
  const first = await page.apply({ layer4: director(shape), nat: '', services: services({ conntrack: false }) });
  assert.deepEqual(codes(first.issues), [told]);
  const [issue] = first.issues.filter(({ code }) => code === told);
  assert.match(issue?.message ?? '', words);
  assert.match(issue?.hint ?? '', /add a NAT rule whose 'after source' is an address of this host \(and conntrack to 'service lvs'\)/);
  await fails('without a rule');

  const second = await page.apply({ nat: rule(shape) });
  assert.deepEqual(codes(second.issues), ['nat-no-conntrack', told]);
  assert.deepEqual(second.steps.map(({ op }) => op), ['nat']);
  await fails('without conntrack the rule does nothing');

  const third = await page.apply({ services: services({ conntrack: true }) });
  assert.deepEqual(codes(third.issues), ['service-restart'], 'what is left to do');
  await fails('before the restart');
  assert.equal(conntrack(), '0');

  const lvs = await page.client.service('lvs', null, 'restart');
  assert.deepEqual([lvs.state, /conntrack on/.test(lvs.text), conntrack()], ['running', true, '1']);
  const { warnings } = await page.status('all servers up', (s) => s.directors.every((d) => d.servers.every(({ state }) => state === 'up')));
  assert.deepEqual(codes(warnings), []);
  await page.balances(shape);
  assert.deepEqual([(await page.client.plan()).steps, (await page.client.apply({})).steps], [[], []]);
  t.diagnostic(`${shape.title}: weir said ${[first, second, third].map(({ issues }) => codes(issues).join(' and ')).join('; then ')}; then nothing`);
}

/** Returns net.ipv4.vs.conntrack. */
export function conntrack(): string {
  return readFileSync('/proc/sys/net/ipv4/vs/conntrack', 'utf8').trim();
}
