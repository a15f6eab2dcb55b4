import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createHarness } from './harness.ts';

const WEB = `director web 10.0.0.3:8000 UDP
    balance leastconn
    mode nat
    option udpcheck
    server web1 10.0.0.20:8000 weight 10 check
    server web2 10.0.0.21:8000 weight 10 check
`;

test('the first start makes the file edited, running and saved, and the engine runs it', async () => {
  const { daemon, engine } = await createHarness({ layer4: WEB });
  const status = await daemon.status();
  assert.equal(status.etags.edited, status.etags.saved);
  assert.equal(status.diff.editedToRunning, '');
  assert.equal(status.directors[0]?.state, 'up');
  assert.deepEqual(engine.applied.map((p) => p.steps.map((s) => s.op)), [['add-director']]);
  assert.equal(daemon.revisions()[0]?.what, 'start');
  await daemon.stop();
});

test('a server that goes down is told to the engine, and shown with its reason', async () => {
  const { daemon, engine, health, clock } = await createHarness({ layer4: WEB });
  await clock.advance(100);
  health.set('web', 'web1', 'down', 'no answer within 5000 ms');
  await clock.advance(100);
  assert.deepEqual(engine.applied.at(-1)?.steps.map((s) => s.text), ['server web/web1 10.0.0.20:8000: state up -> down']);
  const view = (await daemon.servers())[0];
  assert.equal(view?.state, 'down');
  assert.equal(view?.reason, 'no answer within 5000 ms');
  assert.deepEqual(daemon.events(0).map((e) => e.kind), ['start', 'server-down', 'director-degraded']);
  await daemon.stop();
});
