import assert from 'node:assert/strict';
import { test } from 'node:test';
import { EngineError, Unsupported } from '../engine/engine.ts';
import { etagOf } from '../store/documents.ts';
import { Refusal, type RefusalCode } from './control.ts';
import { createHarness, type Harness } from './harness.ts';

const WEB = `director web 10.0.0.3:8000 UDP
    server web1 10.0.0.20:8000 weight 10 check
    server web2 10.0.0.21:8000 weight 10 check
`;
const MAGLEV = `${WEB}    balance maglev\n`;

function refused(code: RefusalCode, message?: RegExp): (error: unknown) => boolean {
  return (error) => {
    assert.ok(error instanceof Refusal, String(error));
    assert.equal(error.code, code);
    assert.ok(error.cure !== undefined && error.cure !== '', 'every refusal has a cure');
    if (message) assert.match(error.message, message);
    return true;
  };
}

/** What must not change when something is refused. */
async function picture({ daemon, engine }: Harness): Promise<unknown> {
  const { etags, confirmBy } = await daemon.status();
  return { etags, confirmBy, revisions: daemon.revisions(), desired: engine.current };
}

test('edit, plan, apply and save: each stage follows, and the diffs show what is still to do', async () => {
  const h = await createHarness({ layer4: WEB });
  const { daemon, engine } = h;
  const { etag, issues } = await daemon.edit({ layer4: MAGLEV }, { who: 'alice' });
  assert.deepEqual(issues.filter((i) => i.severity === 'error'), []);
  assert.match((await daemon.status()).diff.editedToRunning, /--- running\/layer4.conf\n\+\+\+ edited\/layer4.conf\n[^]*\n\+    balance maglev\n/);
  assert.deepEqual((await daemon.plan()).steps, [{ op: 'change-director', text: 'director web: balance leastconn -> maglev' }]);
  assert.equal(engine.applied.length, 1);

  const applied = await daemon.apply({ who: 'alice', ifMatch: etag });
  assert.equal(applied.revision, 2);
  assert.equal(applied.confirmBy, null);
  assert.equal(engine.applied.length, 2);
  const status = await daemon.status();
  assert.equal(status.diff.editedToRunning, '');
  assert.match(status.diff.runningToSaved, /--- saved\/layer4.conf\n\+\+\+ running\/layer4.conf/);

  assert.equal((await daemon.save('alice')).what, 'save');
  assert.equal((await daemon.status()).diff.runningToSaved, '');
  assert.deepEqual(daemon.revisions().map((r) => [r.revision, r.what, r.who]), [[1, 'start', 'weir'], [2, 'apply', 'alice'], [3, 'save', 'alice']]);
  assert.equal((await daemon.save('alice')).revision, 3, 'saving again is no new revision');
  await daemon.stop();
});

test('an apply that changes nothing in the data plane touches nothing there', async () => {
  const { daemon, engine } = await createHarness({ layer4: WEB });
  await daemon.edit({ layer4: `# only a comment\n${WEB}` }, { who: 'alice' });
  const before = engine.calls.filter((c) => c === 'apply').length;
  const result = await daemon.apply({ who: 'alice' });
  assert.deepEqual(result.steps, []);
  assert.equal(result.revision, 2);
  assert.equal(engine.calls.filter((c) => c === 'apply').length, before);
  const again = await daemon.apply({ who: 'alice' });
  assert.equal(again.revision, 2, 'the same text again is no new revision');
  await daemon.stop();
});

test('an apply repairs what others changed in the data plane', async () => {
  const { daemon, engine } = await createHarness({ layer4: WEB });
  engine.tamper(() => ({ directors: [] }));
  const result = await daemon.apply({ who: 'alice' });
  assert.deepEqual(result.steps.map((s) => s.op), ['add-director']);
  assert.equal(engine.current.directors.length, 1);
  await daemon.stop();
});

test('a configuration with errors is kept as edited, refused with all of them, and changes nothing', async () => {
  const h = await createHarness({ layer4: WEB });
  const bad = 'director web 10.0.0.3:8000 UDP\n    balanze leastconn\n    server web1 10.0.0.300:8000\n';
  const { issues } = await h.daemon.edit({ layer4: bad }, { who: 'alice' });
  assert.equal(issues.filter((i) => i.severity === 'error').length, 2);
  const before = await picture(h);
  await assert.rejects(h.daemon.apply({ who: 'alice' }), (e) => refused('CONFIG_INVALID', /2 errors/)(e) && (e as Refusal).issues.length >= 2);
  assert.deepEqual(await picture(h), before);
  assert.deepEqual((await h.daemon.plan()).steps, []);
  assert.equal((await h.daemon.plan()).issues.length, issues.length);
  await h.daemon.stop();
});

test('what the engine cannot do is refused by name, all at once', async () => {
  const h = await createHarness({
    layer4: WEB,
    engineOptions: { unsupported: (d) => d.directors.flatMap((x) => (x.mode === 'nat' ? [] : [new Unsupported('userspace', `mode ${x.mode}`, x.name), new Unsupported('userspace', 'the second thing', x.name)])) },
  });
  await h.daemon.edit({ layer4: WEB.replace('UDP\n', 'UDP\n    mode gateway\n') }, { who: 'alice' });
  const plan = await h.daemon.plan();
  assert.deepEqual(plan.issues.filter((i) => i.severity === 'error'), []);
  assert.equal(plan.unsupported[0], 'engine userspace cannot do mode gateway (director web)');
  assert.equal(plan.unsupported[1], 'engine userspace cannot do the second thing (director web)');
  const before = await picture(h);
  await assert.rejects(h.daemon.apply({ who: 'alice' }), refused('UNSUPPORTED', /mode gateway.*\n.*second/));
  assert.deepEqual(await picture(h), before);
  await h.daemon.stop();
});

test('an engine that refuses leaves all as it was, with its cure', async () => {
  const h = await createHarness({ layer4: WEB });
  await h.daemon.edit({ layer4: MAGLEV }, { who: 'alice' });
  const before = await picture(h);
  h.engine.faults.applyAt = { step: 0, message: 'bind 10.0.0.3:8000: EADDRINUSE', cure: 'stop what listens there: ss -ulpn sport = :8000' };
  await assert.rejects(h.daemon.apply({ who: 'alice' }), (e) => refused('APPLY_FAILED', /EADDRINUSE/)(e) && (e as Refusal).cure === 'stop what listens there: ss -ulpn sport = :8000');
  assert.deepEqual(await picture(h), before);
  h.engine.faults.applyAt = null;
  assert.equal((await h.daemon.apply({ who: 'alice' })).revision, 2);
  await h.daemon.stop();
});

test('what an engine could not take back is taken back by the next pass', async () => {
  const { daemon, engine, clock } = await createHarness({ layer4: WEB });
  await clock.advance(100);
  const before = engine.current;
  await daemon.edit({ layer4: `${MAGLEV}director b 10.0.0.4:53 UDP\n    server s 10.0.0.9:53\n` }, { who: 'alice' });
  engine.faults.applyAt = { step: 1, landed: true };
  await assert.rejects(daemon.apply({ who: 'alice' }), refused('APPLY_FAILED', /changed and being taken back: director web: balance/));
  engine.faults.applyAt = null;
  assert.notDeepEqual(engine.current, before);
  await clock.advance(100);
  assert.deepEqual(engine.current, before);
  await daemon.stop();
});

test('a store that cannot be written refuses before the engine is asked', async () => {
  const h = await createHarness({ layer4: WEB });
  await h.daemon.edit({ layer4: MAGLEV }, { who: 'alice' });
  const before = await picture(h);
  const applies = h.engine.applied.length;
  h.files.fail = (operation) => operation.includes('/revisions/');
  await assert.rejects(h.daemon.apply({ who: 'alice' }), refused('STORE_FAILED', /ENOSPC/));
  assert.equal(h.engine.applied.length, applies);
  assert.deepEqual(await picture(h), before);
  h.files.fail = (operation) => operation.includes('state.json');
  await assert.rejects(h.daemon.apply({ who: 'alice' }), refused('STORE_FAILED', /ENOSPC/));
  assert.deepEqual(await picture(h), before, 'the data plane went back with the state');
  h.files.fail = null;
  assert.equal((await h.daemon.apply({ who: 'alice' })).revision, 2);
  await h.daemon.stop();
});

/** Holds every sync of the disk back until it is let go; returns how to let it go. */
function slowDisk(files: Harness['files']): () => void {
  let go = (): void => undefined;
  const gate = new Promise<void>((resolve) => (go = resolve));
  const { writeSynced, syncDir } = files;
  files.writeSynced = async (path, bytes) => {
    await gate;
    return writeSynced(path, bytes);
  };
  files.syncDir = async (path) => {
    await gate;
    return syncDir(path);
  };
  return () => {
    Object.assign(files, { writeSynced, syncDir });
    go();
  };
}

/** Holds the disk back from the moment at which the engine has taken a plan: the switch of the state file alone waits. */
function slowCommit(h: Harness): () => void {
  const { rename } = h.files;
  let go = (): void => undefined;
  const gate = new Promise<void>((resolve) => (go = resolve));
  h.files.rename = async (from, to) => {
    if (to.endsWith('/state.json')) await gate;
    return rename(from, to);
  };
  return () => {
    h.files.rename = rename;
    go();
  };
}

const serverStates = (h: Harness): unknown => h.engine.current.directors[0]?.servers.map(({ name, state }) => `${name} ${state}`);

test('while the disk holds an apply up, health reaches the data plane, reads are answered, and nothing is acknowledged', async () => {
  const h = await createHarness({ layer4: WEB });
  h.health.set('web', 'web1', 'up');
  h.health.set('web', 'web2', 'up');
  await h.clock.advance(1000);
  await h.daemon.edit({ layer4: MAGLEV }, { who: 'alice' });
  for (const [hold, engineHas] of [[() => slowDisk(h.files), 'leastconn'], [() => slowCommit(h), 'maglev']] as const) {
    const letGo = hold();
    let acknowledged = false;
    const applied = h.daemon.apply({ who: 'alice' }).then(() => (acknowledged = true));
    await h.clock.advance(1000);
    h.health.set('web', 'web1', 'down');
    await h.clock.advance(1000);
    assert.deepEqual(serverStates(h), ['web1 down', 'web2 up']);
    assert.equal(h.engine.current.directors[0]?.balance, engineHas, 'health changes servers and takes no configuration back');
    assert.equal((await h.daemon.status()).directors[0]?.balance, 'leastconn', 'what is not acknowledged is not shown as running');
    assert.deepEqual((await h.daemon.plan()).unsupported, []);
    assert.equal(acknowledged, false);
    letGo();
    await applied;
    assert.deepEqual([h.engine.current.directors[0]?.balance, serverStates(h)], ['maglev', ['web1 down', 'web2 up']]);
    h.health.set('web', 'web1', 'up');
    await h.daemon.rollback(1, 'alice');
    await h.daemon.edit({ layer4: MAGLEV }, { who: 'alice' });
    await h.clock.advance(1000);
  }
  await h.daemon.stop();
});

test('an apply whose last write fails is taken back with the health of that moment', async () => {
  const h = await createHarness({ layer4: WEB });
  h.health.set('web', 'web1', 'up');
  await h.daemon.edit({ layer4: MAGLEV }, { who: 'alice' });
  const letGo = slowCommit(h);
  const applied = assert.rejects(h.daemon.apply({ who: 'alice' }), refused('STORE_FAILED'));
  await h.clock.advance(1000);
  h.health.set('web', 'web1', 'down');
  await h.clock.advance(1000);
  assert.equal(h.engine.current.directors[0]?.balance, 'maglev');
  h.files.fail = (operation) => operation.startsWith('rename');
  letGo();
  await applied;
  h.files.fail = null;
  assert.deepEqual([h.engine.current.directors[0]?.balance, serverStates(h)], ['leastconn', ['web1 down', 'web2 up']]);
  assert.equal(h.daemon.documents('running').documents.layer4, WEB);
  await h.daemon.stop();
});

test('an automatic rollback waits for no disk', async () => {
  const h = await createHarness({ layer4: WEB });
  await h.daemon.edit({ layer4: MAGLEV }, { who: 'alice' });
  await h.daemon.apply({ who: 'alice', confirmMs: 1000 });
  const letGo = slowDisk(h.files);
  await h.clock.advance(1000);
  assert.equal(h.engine.current.directors[0]?.balance, 'leastconn');
  letGo();
  await h.clock.advance(0);
  assert.equal(h.daemon.documents('running').documents.layer4, WEB);
  await h.daemon.stop();
});

test('an automatic rollback that cannot be recorded is recorded when there is room', async () => {
  const h = await createHarness({ layer4: WEB });
  await h.daemon.edit({ layer4: MAGLEV }, { who: 'alice' });
  await h.daemon.apply({ who: 'alice', confirmMs: 1000 });
  h.files.fail = () => true;
  await h.clock.advance(1000);
  assert.equal(h.engine.current.directors[0]?.balance, 'leastconn');
  assert.equal(h.daemon.documents('running').documents.layer4, MAGLEV, 'the store cannot know yet');
  await h.clock.advance(60_000);
  assert.equal(h.daemon.events(0).filter((e) => e.kind === 'store-failed').length, 1);
  h.files.fail = null;
  await h.clock.advance(10_000);
  assert.equal(h.daemon.documents('running').documents.layer4, WEB);
  assert.equal(h.daemon.revisions().at(-1)?.what, 'auto-rollback');
  await h.daemon.stop();
});

test('after an automatic rollback that could not be recorded, an apply of what runs records it', async () => {
  const h = await createHarness({ layer4: WEB });
  await h.daemon.edit({ layer4: MAGLEV }, { who: 'alice' });
  await h.daemon.apply({ who: 'alice', confirmMs: 1000 });
  h.files.fail = () => true;
  await h.clock.advance(1000);
  h.files.fail = null;
  await h.daemon.edit({ layer4: WEB }, { who: 'alice' });
  await h.daemon.apply({ who: 'alice' });
  assert.equal(h.daemon.documents('running').documents.layer4, WEB);
  await h.daemon.stop();
});

test('whoever edited from an older text is refused', async () => {
  const { daemon } = await createHarness({ layer4: WEB });
  const { etag } = daemon.documents('edited');
  await daemon.edit({ layer4: MAGLEV }, { who: 'alice', ifMatch: etag });
  await assert.rejects(daemon.edit({ layer4: WEB }, { who: 'bob', ifMatch: etag }), refused('EDITED_BY_ANOTHER'));
  await assert.rejects(daemon.apply({ who: 'bob', ifMatch: etag }), refused('EDITED_BY_ANOTHER'));
  assert.equal(daemon.documents('edited').etag, etagOf({ layer4: MAGLEV, nat: '', services: '' }));
  await daemon.stop();
});

test('two edits at once with one etag: exactly one wins', async () => {
  const { daemon } = await createHarness({ layer4: WEB });
  const { etag } = daemon.documents('edited');
  const outcomes = await Promise.allSettled(['a', 'b', 'c'].map((who) => daemon.edit({ nat: `# ${who}\n` }, { who, ifMatch: etag })));
  assert.deepEqual(outcomes.map((o) => o.status).sort(), ['fulfilled', 'rejected', 'rejected']);
  await daemon.stop();
});

test('an apply that nobody confirms is taken back by itself; edited stays for another try', async () => {
  const h = await createHarness({ layer4: WEB });
  const { daemon, engine, clock } = h;
  await daemon.edit({ layer4: MAGLEV }, { who: 'alice' });
  const { confirmBy, revision } = await daemon.apply({ who: 'alice', confirmMs: 60_000 });
  assert.equal(confirmBy, clock.now() + 60_000);
  assert.equal((await daemon.status()).confirmBy, confirmBy);
  await assert.rejects(daemon.apply({ who: 'bob' }), refused('CONFIRM_PENDING', /revision 2 waits to be confirmed; it is taken back in 60 s/));
  await assert.rejects(daemon.save('bob'), refused('CONFIRM_PENDING'));
  await assert.rejects(daemon.rollback(revision, 'bob'), refused('CONFIRM_PENDING'));
  await clock.advance(59_000);
  assert.equal(engine.current.directors[0]?.balance, 'maglev');
  await clock.advance(1000);
  assert.equal(engine.current.directors[0]?.balance, 'leastconn');
  assert.equal(daemon.documents('running').documents.layer4, WEB);
  assert.equal(daemon.documents('edited').documents.layer4, MAGLEV);
  const last = daemon.revisions().at(-1);
  assert.deepEqual([last?.what, last?.who, last?.note], ['auto-rollback', 'weir', 'revision 2 was not confirmed in time']);
  await assert.rejects(daemon.confirm('alice'), refused('NOTHING_TO_CONFIRM'));
  await daemon.stop();
});

test('a confirmed apply stays', async () => {
  const { daemon, engine, clock } = await createHarness({ layer4: WEB });
  await daemon.edit({ layer4: MAGLEV }, { who: 'alice' });
  await daemon.apply({ who: 'alice', confirmMs: 60_000 });
  await daemon.confirm('alice');
  await clock.advance(120_000);
  assert.equal(engine.current.directors[0]?.balance, 'maglev');
  assert.equal((await daemon.status()).confirmBy, null);
  await daemon.save('alice');
  await daemon.stop();
});

test('rolling back to what ran before ends the wait for a confirmation', async () => {
  const { daemon, engine, clock } = await createHarness({ layer4: WEB });
  await daemon.edit({ layer4: MAGLEV }, { who: 'alice' });
  await daemon.apply({ who: 'alice', confirmMs: 60_000 });
  await daemon.rollback(1, 'alice');
  assert.equal(engine.current.directors[0]?.balance, 'leastconn');
  assert.equal((await daemon.status()).confirmBy, null);
  await clock.advance(120_000);
  assert.deepEqual(daemon.revisions().map((r) => r.what), ['start', 'apply', 'rollback']);
  await daemon.stop();
});

test('an automatic rollback that the engine refuses is tried until it succeeds', async () => {
  const { daemon, engine, clock } = await createHarness({ layer4: WEB });
  await daemon.edit({ layer4: MAGLEV }, { who: 'alice' });
  await daemon.apply({ who: 'alice', confirmMs: 1000 });
  engine.faults.applyAt = { step: 0, message: 'out of memory' };
  await clock.advance(3000);
  assert.equal(daemon.documents('running').documents.layer4, WEB);
  const status = await daemon.status();
  assert.match(status.warnings.map((w) => w.message).join(), /does not follow the running configuration: .*out of memory/);
  engine.faults.applyAt = null;
  await clock.advance(30_000);
  assert.equal(engine.current.directors[0]?.balance, 'leastconn');
  assert.ok(daemon.events(0).some((e) => e.kind === 'apply-recovered'));
  assert.deepEqual((await daemon.status()).warnings.filter((w) => w.at.file === 'weir'), []);
  await daemon.stop();
});

test('a time to confirm that makes no sense is refused', async () => {
  const { daemon } = await createHarness({ layer4: WEB });
  for (const confirmMs of [0, -1, Number.NaN, 999, 1e12]) await assert.rejects(daemon.apply({ who: 'a', confirmMs }), refused('BAD_REQUEST'));
  await daemon.stop();
});

test('any revision can be brought back; one that is not there names those that are', async () => {
  const { daemon, engine } = await createHarness({ layer4: WEB });
  await daemon.edit({ layer4: MAGLEV }, { who: 'alice' });
  await daemon.apply({ who: 'alice' });
  await daemon.edit({ layer4: '# work in progress' }, { who: 'alice' });
  const result = await daemon.rollback(1, 'bob');
  assert.equal(result.revision, 3);
  assert.deepEqual([daemon.documents('edited').documents.layer4, daemon.documents('running').documents.layer4], [WEB, WEB]);
  assert.equal(engine.current.directors[0]?.balance, 'leastconn');
  assert.equal((await daemon.revision(2)).documents.layer4, MAGLEV);
  await assert.rejects(daemon.rollback(77, 'bob'), refused('NOT_FOUND'));
  await assert.rejects(daemon.revision(77), refused('NOT_FOUND'));
  await daemon.stop();
});

test('a refused rollback leaves edited alone, too', async () => {
  const h = await createHarness({ layer4: WEB });
  await h.daemon.edit({ layer4: MAGLEV }, { who: 'alice' });
  await h.daemon.apply({ who: 'alice' });
  const before = await picture(h);
  h.engine.faults.applyAt = { step: 0 };
  await assert.rejects(h.daemon.rollback(1, 'alice'), refused('APPLY_FAILED'));
  assert.deepEqual(await picture(h), before);
  await h.daemon.stop();
});

test('a restart runs what was saved; edited is kept, and what ran unsaved can be brought back', async () => {
  const first = await createHarness({ layer4: WEB });
  await first.daemon.edit({ layer4: MAGLEV }, { who: 'alice' });
  await first.daemon.apply({ who: 'alice' });
  await first.daemon.stop();
  const second = await createHarness({ layer4: WEB, files: first.files });
  assert.equal(second.daemon.documents('running').documents.layer4, WEB);
  assert.equal(second.daemon.documents('edited').documents.layer4, MAGLEV);
  assert.equal(second.engine.current.directors[0]?.balance, 'leastconn');
  assert.equal(second.daemon.revisions().at(-1)?.note, 'saved revision 1; revision 2 ran unsaved before');
  await second.daemon.rollback(2, 'alice');
  await second.daemon.save('alice');
  await second.daemon.stop();
  const third = await createHarness({ layer4: WEB, files: first.files });
  assert.equal(third.daemon.documents('running').documents.layer4, MAGLEV, 'an unchanged FILE does not undo what was saved');
  assert.equal(third.daemon.revisions().length, second.daemon.revisions().length, 'a restart of what was saved is no new revision');
  await third.daemon.stop();
  const fourth = await createHarness({ layer4: `${WEB}# changed by hand\n`, files: first.files });
  assert.match(fourth.daemon.documents('saved').documents.layer4, /changed by hand/, 'a changed FILE is taken');
  await fourth.daemon.imported({ layer4: WEB, nat: '', services: '' });
  await fourth.daemon.stop();
  const fifth = await createHarness({ layer4: WEB, files: first.files });
  assert.match(fifth.daemon.documents('saved').documents.layer4, /changed by hand/, 'a FILE that was loaded while weir ran has not changed');
  await fifth.daemon.stop();
});

test('a start that cannot run refuses with everything and gives the directory back', async () => {
  const bad = await createHarness({ layer4: 'directr x\n', start: false });
  await assert.rejects(bad.daemon.start(), (e) => refused('CONFIG_INVALID')(e) && (e as Refusal).issues.length > 0);
  assert.equal(bad.files.paths().includes('/state/lock'), false);
  const engine = await createHarness({ layer4: WEB, start: false, createEngine: async () => { throw new EngineError('engine lvs cannot run here', { cure: 'modprobe ip_vs' }); } });
  await assert.rejects(engine.daemon.start(), (e) => refused('APPLY_FAILED', /lvs/)(e) && (e as Refusal).cure === 'modprobe ip_vs');
});

test('the first start with a port that is taken leaves no state behind', async () => {
  const h = await createHarness({ layer4: WEB, start: false, createEngine: async () => {
    const { createFakeEngine } = await import('../engine/fake.ts');
    const engine = createFakeEngine();
    engine.faults.applyAt = { step: 0, message: 'EADDRINUSE' };
    return { engine, why: 'test' };
  } });
  await assert.rejects(h.daemon.start(), refused('APPLY_FAILED', /EADDRINUSE/));
  assert.equal(h.store.state(), null);
});

test('documents that are no texts or too large are refused', async () => {
  const { daemon } = await createHarness({ layer4: WEB });
  await assert.rejects(daemon.edit({ nat: 5 as unknown as string }, { who: 'a' }), refused('BAD_REQUEST', /nat/));
  await assert.rejects(daemon.edit({ nat: '#'.repeat(65 * 1024 * 1024) }, { who: 'a' }), refused('BAD_REQUEST'));
  await daemon.stop();
});
