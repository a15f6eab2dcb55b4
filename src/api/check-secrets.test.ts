/** The secrets of checks, through the whole daemon behind the API: an administrator reads them in the documents, nobody else anywhere. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createHarness as createDaemonHarness } from '../daemon/harness.ts';
import { createHarness, EVERY_CALL } from './harness.ts';

const SECRETS = { radius: 'r4dius-s3cret', password: 'us3r passw0rd', community: 'c0mmunity', changed: 'ch4nged', broken: 'br0ken', torn: 't0rn' };
const LAYER4 = `director aaa 192.0.2.3:1812 UDP
    check all
    option radiuscheck secret ${SECRETS.radius} user bob password "${SECRETS.password}"
    option snmpcheck community ${SECRETS.community} port 161
    server a 198.51.100.1:1812 check
`;

test('no answer to a viewer, no event, no log line and no plan holds a secret of a check', async (t) => {
  const { daemon, health } = await createDaemonHarness({ layer4: LAYER4 });
  t.after(() => daemon.stop());
  const h = await createHarness(t, { control: daemon });
  const answers: string[] = [];
  const look = async (url: string): Promise<void> => {
    h.clock.nowMs += 15_000;
    const answer = await h.call({ url, token: h.viewer });
    assert.equal(answer.statusCode, 200, `${url}: ${answer.body}`);
    answers.push(answer.body, JSON.stringify(answer.headers));
  };
  const reads = Object.values(EVERY_CALL).filter(({ method, access, url, status }) => method === 'GET' && access === 'viewer' && status === 200 && !url.includes('sign-in')).map(({ url }) => url);
  const lookAtAll = async (): Promise<void> => {
    for (const url of [...reads, '/api/v1/documents/running', '/api/v1/documents/saved']) await look(url.replace('vip=127.0.0.1:8000', 'vip=192.0.2.3:1812'));
  };
  await lookAtAll();
  // Edited text that differs: the diffs; edited text with errors on the very lines: the messages.
  await daemon.edit({ layer4: LAYER4.replace(SECRETS.radius, SECRETS.changed) }, { who: 'alice' });
  await lookAtAll();
  await daemon.edit({ layer4: LAYER4.replace(`secret ${SECRETS.radius}`, `secret "${SECRETS.broken}\\q"`).replace(`community ${SECRETS.community}`, `community "x"${SECRETS.torn}`) }, { who: 'alice' });
  assert.ok((await daemon.plan()).issues.length >= 2, 'the text is broken where the secrets stand');
  const plan = await h.call({ url: '/api/v1/plan', token: h.viewer });
  answers.push(plan.body);
  await assert.rejects(daemon.apply({ who: 'alice' }));
  await daemon.edit({ layer4: LAYER4.replace(SECRETS.radius, SECRETS.changed) }, { who: 'alice' });
  await daemon.apply({ who: 'alice' });
  await daemon.save('alice');
  health.set('aaa', 'a', 'down', 'no answer within 5000 ms; another secret is silent too');
  await lookAtAll();

  const heard = answers.join('\n');
  const kept = h.logged.join('\n') + JSON.stringify(daemon.events(0));
  for (const [name, secret] of Object.entries(SECRETS)) {
    assert.ok(!heard.includes(secret), `${name} was told to a viewer: ${heard.slice(Math.max(0, heard.indexOf(secret) - 200), heard.indexOf(secret) + 50)}`);
    assert.ok(!kept.includes(secret), `${name} is in the log or the events`);
  }
  assert.match(heard, /secret \*\*\*/, 'the documents were really read');
  const admin = await h.call({ url: '/api/v1/documents/running', token: h.admin });
  for (const secret of [SECRETS.changed, SECRETS.password, SECRETS.community]) assert.ok(admin.body.includes(secret), 'an administrator reads what stands there');
});
