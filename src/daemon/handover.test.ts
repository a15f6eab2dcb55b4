import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createFakeEngine } from '../engine/fake.ts';
import type { EngineHandover, Succession } from '../engine/engine.ts';
import { brokenLine } from '../store/audit.ts';
import { Refusal } from './control.ts';
import { createHarness } from './harness.ts';

const WEB = `director web 10.0.0.3:8000 UDP
    option udpcheck
    server web1 10.0.0.20:8000 check
    server web2 10.0.0.21:8000 check
`;
/** The successor's process, beside the harness's own. */
const SUCCESSOR = 2;

/** A daemon whose engine can hand over; `life` of its store's processes has both alive. */
async function giver() {
  const said: string[] = [];
  const succession: Succession = {
    terms: async () => 'terms',
    async handOver(give) {
      said.push('stopped');
      try {
        await give({ parts: [], descriptors: [] });
      } catch (error) {
        said.push('goes on');
        throw error;
      }
    },
  };
  const h = await createHarness({
    layer4: WEB,
    lives: { [SUCCESSOR]: 'successor' },
    createEngine: async ({ onEvent }) => ({ engine: { ...createFakeEngine({ onEvent }), name: 'userspace', succession }, why: 'a fake that hands over' }),
  });
  return { daemon: h.daemon, files: h.files, said };
}

const frozen = (): Promise<void> => Promise.resolve();

test('while a successor gets ready the state directory is its own, and nothing is changed here', async () => {
  const { daemon, files, said } = await giver();
  let edited: Promise<unknown> = Promise.resolve();
  let seen: EngineHandover | null = null;
  await daemon.handOver(SUCCESSOR, async (estate) => {
    assert.deepEqual([estate.terms, estate.lvs], ['terms', 'running']);
    assert.match(files.text('/state/lock'), /"pid":2,"life":"successor","lent":true/);
    edited = daemon.edit({ nat: '# new\n' }, { who: 'alice' });
    edited.catch(() => undefined);
    await estate.freeze(async (handover) => {
      seen = handover;
    });
  });
  assert.deepEqual([said, seen === null], [['stopped'], false]);
  await assert.rejects(edited, /another weir has taken this directory: process 2/);
  await daemon.stop();
  assert.match(files.text('/state/lock'), /"pid":2/, 'what is the successor\'s is not taken away');
  assert.equal(brokenLine(files.text('/state/audit.jsonl')), null);
  assert.doesNotMatch(files.text('/state/audit.jsonl'), /weir stops/);
});

test('a takeover that fails gives everything back: the lock, the audit log, the changes that waited', async () => {
  const { daemon, files, said } = await giver();
  let edited: Promise<unknown> = Promise.resolve();
  await assert.rejects(daemon.handOver(SUCCESSOR, async (estate) => {
    edited = daemon.edit({ nat: '# new\n' }, { who: 'alice' });
    await estate.freeze(() => Promise.reject(new Error('it died')));
  }), /it died/);
  assert.deepEqual(said, ['stopped', 'goes on']);
  await edited;
  await daemon.apply({ who: 'alice' });
  assert.match(files.text('/state/lock'), /"pid":1,/);
  assert.equal(brokenLine(files.text('/state/audit.jsonl')), null);
  assert.match(daemon.events(0).map((e) => e.text).join('\n'), /process 2 did not take over: it died; this process goes on/);
});

test('it is refused where the engine cannot, and while an apply waits to be confirmed', async () => {
  const plain = await createHarness({ layer4: WEB });
  await assert.rejects(plain.daemon.handOver(SUCCESSOR, frozen), (e) => e instanceof Refusal && /does not hand over/.test(e.message) && e.cure !== undefined);
  const { daemon, files } = await giver();
  await daemon.edit({ nat: '# new\n' }, { who: 'alice' });
  await daemon.apply({ who: 'alice', confirmMs: 60_000 });
  await assert.rejects(daemon.handOver(SUCCESSOR, frozen), { code: 'CONFIRM_PENDING' });
  assert.match(files.text('/state/lock'), /"pid":1,/);
});

test('who is no process is lent nothing', async () => {
  const { daemon } = await giver();
  await assert.rejects(daemon.handOver(77, frozen), { code: 'STORE_FAILED' });
  await daemon.edit({ nat: '# new\n' }, { who: 'alice' });
});

test('an heir goes on with what ran, knows who was down, and stores nothing', async () => {
  const h = await createHarness({ layer4: WEB });
  h.health.set('web', 'web1', 'down', 'no answer');
  await h.daemon.edit({ layer4: `${WEB}    server web3 10.0.0.22:8000\n` }, { who: 'alice' });
  await h.daemon.apply({ who: 'alice' });
  const memory = h.health.memory();
  await h.daemon.stop();
  const before = h.files.text('/state/state.json');
  const heir = await createHarness({ files: h.files, inheritance: { lvs: 'running', health: memory } });
  assert.deepEqual((await heir.daemon.servers()).map((s) => [s.name, s.state]), [['web1', 'down'], ['web2', 'unknown'], ['web3', 'unknown']]);
  assert.equal(heir.engine.applied[0]?.next.directors[0]?.servers[0]?.state, 'down', 'the first plan knows it already');
  assert.equal(h.files.text('/state/state.json'), before);
  await heir.daemon.stop();
  const plain = await createHarness({ files: h.files });
  assert.deepEqual((await plain.daemon.servers()).map((s) => s.name), ['web1', 'web2'], 'a plain start takes what was saved');
});

test('a plain start knows who was down, from its first plan on, unless nobody would be asked again', async () => {
  const h = await createHarness({ layer4: WEB });
  h.health.set('web', 'web1', 'down', 'no answer');
  const remembered = h.health.memory();
  await h.daemon.stop();
  const next = await createHarness({ files: h.files, remembered });
  assert.deepEqual((await next.daemon.servers()).map((s) => [s.name, s.state]), [['web1', 'down'], ['web2', 'unknown']]);
  assert.equal(next.engine.applied[0]?.next.directors[0]?.servers[0]?.state, 'down');
  await next.daemon.edit({ services: 'service health\n    no autostart\n' }, { who: 'alice' });
  await next.daemon.apply({ who: 'alice' });
  await next.daemon.save('alice');
  await next.daemon.stop();
  const unchecked = await createHarness({ files: h.files, remembered });
  assert.deepEqual((await unchecked.daemon.servers()).map((s) => s.state), ['unknown', 'unknown']);
  await unchecked.daemon.stop();
});
