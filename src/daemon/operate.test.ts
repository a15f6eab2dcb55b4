import assert from 'node:assert/strict';
import { test } from 'node:test';
import { EngineError, Unsupported } from '../engine/engine.ts';
import { brokenLine } from '../store/audit.ts';
import { Refusal, type RefusalCode } from './control.ts';
import { createHarness } from './harness.ts';

const WEB = `director web 10.0.0.3:8000 UDP
    option udpcheck
    server web1 10.0.0.20:8000 weight 10 check
    server web2 10.0.0.21:8000 weight 20 check
    server sorry 10.0.0.99:8000 sorry
director dns 10.0.0.3:53 UDP
    server d1 10.0.0.30:53
`;

const refused = (code: RefusalCode, cure?: RegExp) => (error: unknown): boolean => {
  assert.ok(error instanceof Refusal, String(error));
  assert.equal(error.code, code);
  assert.match(error.cure ?? '', cure ?? /./);
  return true;
};

test('drain, disable, enable and reset reach the engine, are shown with who did it, and survive a restart', async () => {
  const h = await createHarness({ layer4: WEB });
  const drained = await h.daemon.override('web', 'web1', 'drain', 'alice');
  assert.deepEqual([drained.state, drained.reason, drained.weight, drained.configuredWeight, drained.override], ['drain', 'drained by alice', 0, 10, 'drain']);
  assert.deepEqual(h.engine.applied.at(-1)?.steps.map((s) => s.text), ['server web/web1 10.0.0.20:8000: state up -> drain']);
  const disabled = await h.daemon.override('web', 'web2', 'disable', 'bob');
  assert.deepEqual([disabled.state, disabled.reason], ['disabled', 'disabled by bob']);
  assert.deepEqual(h.health.targets.map((t) => t.server), ['web1'], 'a disabled server is not checked');
  assert.equal((await h.daemon.directors())[0]?.state, 'sorry');
  await h.daemon.stop();

  const again = await createHarness({ layer4: WEB, files: h.files });
  assert.deepEqual((await again.daemon.servers()).map((s) => s.override), ['drain', 'disable', null, null]);
  assert.equal(again.engine.current.directors[1]?.servers[0]?.state, 'drain');
  await again.daemon.override('web', 'web1', 'reset', 'alice');
  const reset = await again.daemon.override('web', 'web2', 'reset', 'alice');
  assert.deepEqual([reset.state, reset.override], ['unknown', null]);
  assert.deepEqual(again.health.targets.map((t) => t.server), ['web1', 'web2']);
  await again.daemon.stop();
});

test('an override that the engine or the disk refuses has changed nothing', async () => {
  const { daemon, engine, files, store } = await createHarness({ layer4: WEB });
  const before = engine.current;
  engine.faults.applyAt = { step: 0 };
  await assert.rejects(daemon.override('web', 'web1', 'drain', 'alice'), refused('APPLY_FAILED'));
  engine.faults.applyAt = null;
  files.fail = () => true;
  await assert.rejects(daemon.override('web', 'web1', 'drain', 'alice'), refused('STORE_FAILED', /free space/));
  files.fail = null;
  assert.deepEqual(engine.current, before);
  assert.deepEqual(store.state()?.overrides, []);
  assert.equal((await daemon.servers())[0]?.override, null);
  await daemon.stop();
});

test('an unknown director or server names the nearest', async () => {
  const { daemon } = await createHarness({ layer4: WEB });
  await assert.rejects(daemon.override('wbe', 'web1', 'drain', 'a'), refused('NOT_FOUND', /did you mean web\?/));
  await assert.rejects(daemon.override('web', 'wep1', 'drain', 'a'), refused('NOT_FOUND', /did you mean web1\?/));
  await assert.rejects(daemon.override('web', 'xyz', 'drain', 'a'), refused('NOT_FOUND', /there are web1, web2, sorry/));
  await daemon.stop();
});

test('an override outlives a rollback of its server, and goes when a configuration without it is saved', async () => {
  const { daemon, store } = await createHarness({ layer4: WEB });
  await daemon.override('dns', 'd1', 'drain', 'alice');
  await daemon.edit({ layer4: WEB.slice(0, WEB.indexOf('director dns')) }, { who: 'alice' });
  await daemon.apply({ who: 'alice' });
  await daemon.rollback(1, 'alice');
  assert.equal((await daemon.servers()).at(-1)?.state, 'drain');
  await daemon.rollback(2, 'alice');
  await daemon.save('alice');
  assert.deepEqual(store.state()?.overrides, []);
  await daemon.stop();
});

test('the states of a director: up, degraded, sorry, down, and events for each change', async () => {
  const { daemon, health, clock } = await createHarness({ layer4: WEB });
  const seen: string[] = [];
  const look = async (): Promise<void> => {
    await clock.advance(50);
    seen.push((await daemon.directors())[0]?.state ?? '');
  };
  await look();
  health.set('web', 'web1', 'down');
  await look();
  health.set('web', 'web2', 'down');
  await look();
  await daemon.override('web', 'sorry', 'disable', 'alice');
  await look();
  health.set('web', 'web2', 'up');
  await look();
  health.set('web', 'web1', 'up');
  await look();
  assert.deepEqual(seen, ['up', 'degraded', 'sorry', 'down', 'degraded', 'up']);
  assert.deepEqual(daemon.events(0).filter((e) => e.director === 'web' && e.kind.startsWith('director')).map((e) => e.kind), ['director-degraded', 'director-sorry', 'director-down', 'director-degraded', 'director-up']);
  await daemon.stop();
});

test('evidence of the data plane takes a server out at once, checked or not', async () => {
  const { daemon, engine, health, clock } = await createHarness({ layer4: WEB });
  engine.refuse('dns', 'd1', 'ICMP port unreachable from 10.0.0.30');
  await clock.advance(20);
  assert.deepEqual(health.evidences.map((e) => e.key), ['dns|d1|10.0.0.30|53']);
  assert.equal(engine.current.directors.find((d) => d.name === 'dns')?.servers[0]?.state, 'down');
  assert.equal((await daemon.servers()).at(-1)?.reason, 'ICMP port unreachable from 10.0.0.30');
  await daemon.stop();
});

test('a hundred servers that fail at once are one apply', async () => {
  const many = `director big 10.0.0.3:53 UDP\n${Array.from({ length: 100 }, (_, i) => `    server s${i} 10.1.0.${i}:53 check\n`).join('')}`;
  const { daemon, engine, health, clock } = await createHarness({ layer4: many });
  await clock.advance(100);
  const before = engine.applied.length;
  for (let i = 0; i < 100; i++) health.set('big', `s${i}`, 'down');
  await clock.advance(100);
  assert.equal(engine.applied.length, before + 1);
  assert.equal(engine.applied.at(-1)?.steps.length, 100);
  await daemon.stop();
});

test('an unknown server that comes up changes nothing in the data plane', async () => {
  const { daemon, engine, health, clock } = await createHarness({ layer4: WEB });
  await clock.advance(100);
  const before = engine.calls.filter((c) => c === 'apply').length;
  health.set('web', 'web1', 'up', '1 of 2 good checks');
  await clock.advance(100);
  assert.equal(engine.calls.filter((c) => c === 'apply').length, before);
  assert.equal((await daemon.servers())[0]?.state, 'up');
  await daemon.stop();
});

test('an engine that fails is tried again with growing patience, and status says so', async () => {
  const { daemon, engine, health, clock } = await createHarness({ layer4: WEB });
  await clock.advance(100);
  engine.faults.applyAt = { step: 0, message: 'ENOBUFS', cure: 'raise net.core.wmem_max' };
  const before = engine.calls.filter((c) => c === 'apply').length;
  health.set('web', 'web1', 'down');
  await clock.advance(10_000);
  const tries = engine.calls.filter((c) => c === 'apply').length - before;
  assert.ok(tries >= 4 && tries <= 7, `${tries} tries in 10 s`);
  const warning = (await daemon.status()).warnings.find((w) => w.code === 'data-plane-behind');
  assert.match(warning?.message ?? '', /ENOBUFS/);
  assert.equal(warning?.hint, 'raise net.core.wmem_max');
  engine.faults.applyAt = null;
  await clock.advance(30_000);
  assert.equal(engine.current.directors[1]?.servers[0]?.state, 'down');
  assert.deepEqual(daemon.events(0).filter((e) => e.kind.startsWith('apply')).map((e) => e.kind), ['apply-failed', 'apply-recovered']);
  await daemon.stop();
});

test('many callers at once never make engine calls overlap', async () => {
  const { daemon, health, clock } = await createHarness({ layer4: WEB });
  const work = [
    ...Array.from({ length: 20 }, () => daemon.status()),
    daemon.apply({ who: 'a' }), daemon.plan(), daemon.sessions({}), daemon.purge({}, 'a'), daemon.override('web', 'web1', 'drain', 'a'),
    daemon.explain({ client: '192.0.2.1', vip: '10.0.0.3:53', protocol: 'udp' }), daemon.reading(),
  ];
  health.set('web', 'web2', 'down');
  const advanced = clock.advance(2000);
  await Promise.all(work);
  await advanced;
  await daemon.stop();
});

test('sessions come in pages, are found by client, and are purged', async () => {
  const { daemon, engine } = await createHarness({ layer4: WEB });
  engine.addSessions('web', 'web1', 5);
  const first = await daemon.sessions({ limit: 3 });
  assert.deepEqual([first.sessions.length, first.total], [3, 5]);
  const second = await daemon.sessions({ limit: 3, cursor: first.next ?? '' });
  assert.deepEqual([second.sessions.length, second.next], [2, null]);
  assert.equal((await daemon.sessions({ client: '192.0.2.2' })).sessions.length, 1);
  for (const query of [{ limit: 0 }, { limit: 1001 }, { client: 'nobody' }]) await assert.rejects(daemon.sessions(query), refused('BAD_REQUEST'));
  for (const cursor of ['x', '', '-1', '1e9', '-1e15.0', '0.0.0', '1'.repeat(20)]) await assert.rejects(daemon.sessions({ cursor }), refused('BAD_REQUEST', /without a cursor/), cursor);
  assert.deepEqual((await daemon.sessions({ cursor: '4000000000' })).sessions, []);
  assert.equal(await daemon.purge({ server: 'web1' }, 'alice'), 5);
  assert.equal((await daemon.directors())[0]?.sessions, 0);
  await daemon.stop();
});

test('a pin moves the sessions of one client, tells who did it, and refuses what would lose them', async () => {
  const { daemon, engine, health } = await createHarness({ layer4: WEB });
  engine.addSessions('web', 'web1', 2);
  const [first, second] = (await daemon.sessions({})).sessions;
  const client = first?.client ?? assert.fail();
  assert.equal(await daemon.pin({ client, director: 'web', server: 'web2' }, 'alice'), 1);
  assert.deepEqual((await daemon.sessions({})).sessions.map((s) => s.server), ['web2', 'web1']);
  const { kind, who, text, server, service } = daemon.events(0).at(-1) ?? assert.fail();
  assert.deepEqual([kind, who, text, server, service], ['pin', 'alice', `pinned the session of ${client} to web/web2`, 'web2', 'lvs']);
  await assert.rejects(daemon.pin({ client, director: 'wbe', server: 'web2' }, 'a'), refused('NOT_FOUND', /did you mean web\?/));
  await assert.rejects(daemon.pin({ client, director: 'web', server: 'wep2' }, 'a'), refused('NOT_FOUND', /did you mean web[12]\?/));
  await assert.rejects(daemon.pin({ client: 'x', director: 'web', server: 'web2' }, 'a'), refused('BAD_REQUEST'));
  await assert.rejects(daemon.pin({ client: '203.0.113.9', director: 'web', server: 'web2' }, 'a'), refused('NOT_FOUND', /weir sessions --director web/));
  health.set('web', 'web2', 'down');
  await assert.rejects(daemon.pin({ client: second?.client ?? '', director: 'web', server: 'web2' }, 'a'), refused('NOT_USABLE', /^servers that are up: web1, sorry$/));
  engine.faults.pin = new EngineError('director web schedules every datagram by itself', { cure: 'drain the other servers' });
  await assert.rejects(daemon.pin({ client, director: 'web', server: 'web1' }, 'a'), refused('NOT_USABLE', /^drain the other servers$/));
  engine.faults.pin = new Unsupported('userspace', 'pinning sessions', 'web');
  await assert.rejects(daemon.pin({ client, director: 'web', server: 'web1' }, 'a'), refused('UNSUPPORTED', /weir check --engine/));
  assert.equal(daemon.events(0).filter((event) => event.kind === 'pin').length, 1);
  await daemon.stop();
});

test('response times and shares are those of the last seconds, by server and director', async () => {
  const { daemon, engine, clock } = await createHarness({ layer4: WEB });
  engine.traffic('web', 'web1', { in: 100, out: 100, replyMs: 500 });
  engine.addSessions('web', 'web1', 9);
  await clock.advance(25_000);
  assert.deepEqual((await daemon.servers())[0]?.responses, { replies: 0, p50Ms: null, p90Ms: null, p99Ms: null }, 'what was answered long ago is no news');
  engine.addSessions('web', 'web2', 4);
  engine.traffic('web', 'web1', { in: 90, out: 90, replyMs: 2 });
  engine.traffic('web', 'web2', { in: 10, out: 10, replyMs: 100 });
  await clock.advance(1000);
  const [web, dns] = await daemon.directors();
  assert.deepEqual(web?.servers.map((s) => [s.sessions, s.recent]), [[9, { sessions: 0, packetsIn: 90 }], [4, { sessions: 4, packetsIn: 10 }], [0, { sessions: 0, packetsIn: 0 }]]);
  assert.deepEqual([web?.responses?.replies, web?.servers.map((s) => s.responses?.replies), dns?.responses?.replies], [100, [90, 10, 0], 0]);
  assert.ok((web?.responses?.p50Ms ?? 9) < 2.2 && (web?.responses?.p99Ms ?? 0) > 60, JSON.stringify(web?.responses));
  assert.equal(daemon.series().at(-1)?.directors.find(({ name }) => name === 'web')?.responses?.replies, 100);
  engine.restartCounters();
  await clock.advance(300);
  assert.equal((await daemon.status()).directors[0]?.responses?.replies, 0);
  await daemon.stop();
});

test('each event stands in the log of the service it is of', async () => {
  const { daemon, engine, health, clock } = await createHarness({ layer4: WEB });
  health.set('web', 'web1', 'down');
  await daemon.service('health', null, 'restart', 'alice');
  daemon.note({ kind: 'sign-in', who: 'alice', text: 'signed in' });
  await daemon.purge({}, 'alice');
  await daemon.save('alice');
  await clock.advance(100);
  const logOf = (service: string | undefined): readonly string[] => daemon.events(0).filter((event) => event.service === service).map(({ kind }) => kind);
  assert.deepEqual(logOf('health'), ['server-down', 'service', 'director-degraded']);
  assert.deepEqual(logOf('api'), ['sign-in']);
  assert.deepEqual(logOf('lvs'), ['start', 'purge']);
  assert.deepEqual(logOf(undefined), []);
  assert.equal(engine.closed, null);
  await daemon.stop();
});

test('explain takes an address with or without a port, and says what nobody has checked', async () => {
  const { daemon } = await createHarness({ layer4: WEB });
  const said = await daemon.explain({ client: '192.0.2.1', vip: '10.0.0.3:8000', protocol: 'udp' });
  assert.equal(said.server, 'web1');
  assert.match(said.why, /as if from port 40000/);
  assert.equal(said.candidates[0]?.state, 'unknown');
  await assert.rejects(daemon.explain({ client: 'x', vip: '10.0.0.3:8000', protocol: 'udp' }), refused('BAD_REQUEST'));
  await assert.rejects(daemon.explain({ client: '192.0.2.1', vip: '10.0.0.3', protocol: 'udp' }), refused('BAD_REQUEST', /10\.0\.0\.3:8000/));
  await daemon.stop();
});

test('status still answers when the engine cannot be read', async () => {
  const { daemon, engine } = await createHarness({ layer4: WEB });
  engine.faults.read = new Error('worker 0 is gone');
  const status = await daemon.status();
  assert.equal(status.directors.length, 2);
  assert.match(status.warnings.map((w) => w.message).join(), /worker 0 is gone/);
  await assert.rejects(daemon.reading(), refused('APPLY_FAILED'));
  await daemon.stop();
});

test('the service lvs stops, starts and restarts the data plane; unknown services name the nearest', async () => {
  const { daemon, engine } = await createHarness({ layer4: WEB });
  assert.equal((await daemon.service('lvs', null, 'stop', 'alice')).state, 'stopped');
  assert.deepEqual(engine.current.directors, []);
  assert.ok((await daemon.status()).warnings.some((w) => w.code === 'lvs-stopped'));
  assert.equal((await daemon.service('lvs', null, 'start', 'alice')).state, 'running');
  assert.equal(engine.current.directors.length, 2);
  engine.tamper(() => ({ directors: [] }));
  await daemon.service('lvs', null, 'restart', 'alice');
  assert.equal(engine.current.directors.length, 2);
  engine.faults.applyAt = { step: 0, message: 'EPERM' };
  engine.tamper(() => ({ directors: [] }));
  await assert.rejects(daemon.service('lvs', null, 'reload', 'alice'), refused('APPLY_FAILED'));
  assert.match(daemon.services().find((s) => s.name === 'lvs')?.lastError ?? '', /EPERM/);
  engine.faults.applyAt = null;
  await assert.rejects(daemon.service('lsv', null, 'stop', 'a'), refused('NOT_FOUND', /did you mean lvs\?/));
  assert.equal((await daemon.service('health', null, 'stop', 'alice')).state, 'stopped');
  assert.deepEqual(daemon.services().map((s) => [s.name, s.state]), [['health', 'stopped'], ['lvs', 'running']]);
  await daemon.stop();
});

test('`no autostart` of lvs starts weir with an empty data plane', async () => {
  const { daemon, engine } = await createHarness({ initial: { layer4: WEB, nat: '', services: 'service lvs\n    no autostart\n' } });
  assert.deepEqual(engine.current.directors, []);
  assert.deepEqual(daemon.services().find((s) => s.name === 'lvs')?.state, 'stopped');
  await daemon.service('lvs', null, 'start', 'alice');
  assert.equal(engine.current.directors.length, 2);
  await daemon.stop();
});

test('another engine in the configuration is asked for by status and taken by a restart of lvs', async () => {
  const h = await createHarness({ layer4: WEB });
  await h.daemon.edit({ services: 'service lvs\n    engine lvs\n' }, { who: 'alice' });
  assert.ok((await h.daemon.apply({ who: 'alice' })).issues.some((w) => w.code === 'engine-restart'));
  assert.ok((await h.daemon.status()).warnings.some((w) => w.code === 'engine-restart'));
  await h.daemon.service('lvs', null, 'restart', 'alice');
  assert.equal((await h.daemon.status()).engine.name, 'lvs');
  assert.deepEqual([h.engines.length, h.engines[0]?.closed], [2, 'remove']);
  assert.equal(h.engine.current.directors.length, 2);
  assert.ok(!(await h.daemon.status()).warnings.some((w) => w.code === 'engine-restart'));
  await h.daemon.stop();
});

test('what this host lacks is asked for with the engine that runs and the directors whose answers were seen', async () => {
  let last: readonly [string | null, readonly string[]] | null = null;
  const h = await createHarness({ layer4: WEB, engineWanted: 'lvs', hostIssues: (_, { engine, answered }) => ((last = [engine, [...answered]]), []) });
  const asked = async (): Promise<typeof last> => {
    await h.clock.advance(1000);
    await h.daemon.status();
    h.daemon.check({ layer4: WEB });
    return last;
  };
  h.engine.traffic('web', 'web1', { in: 3, out: 0 });
  assert.deepEqual(await asked(), ['lvs', []]);
  h.engine.traffic('web', 'web1', { in: 0, out: 1 });
  assert.deepEqual(await asked(), ['lvs', ['web']]);
  assert.deepEqual(await asked(), ['lvs', ['web']]);
  await h.daemon.stop();
});

test('what people do is in the audit log, chained; what servers do is not', async () => {
  const { daemon, files, health, clock } = await createHarness({ layer4: WEB });
  health.set('web', 'web1', 'down');
  await clock.advance(50);
  daemon.note({ kind: 'sign-in', who: 'alice', text: 'signed in from 127.0.0.1' });
  await daemon.edit({ layer4: '' }, { who: 'alice' });
  await daemon.apply({ who: 'alice' });
  await daemon.stop();
  const text = files.text('/state/audit.jsonl');
  assert.equal(brokenLine(text), null);
  assert.deepEqual(text.trimEnd().split('\n').map((l) => (JSON.parse(l) as { kind: string }).kind), ['start', 'sign-in', 'edit', 'apply', 'stop']);
});

test('an audit log that cannot be written is an event, and the change stands', async () => {
  const { daemon, files } = await createHarness({ layer4: WEB });
  files.fail = (operation) => operation.startsWith('append');
  await daemon.edit({ nat: '# x\n' }, { who: 'alice' });
  daemon.note({ kind: 'sign-in', who: 'alice', text: 'again' });
  await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual(daemon.events(0).filter((e) => e.kind === 'audit-failed').length, 1);
  assert.equal(daemon.documents('edited').documents.nat, '# x\n');
  files.fail = null;
  await daemon.stop();
});

test('subscribers get events and samples until they leave; a broken one hurts nobody', async () => {
  const { daemon, engine, clock } = await createHarness({ layer4: WEB });
  await clock.advance(100);
  const got: string[] = [];
  daemon.subscribe({
    event() {
      throw new Error('gone');
    },
  });
  const leave = daemon.subscribe({ event: (e) => got.push(e.kind), sample: (s) => got.push(`sample ${s.directors.length}`) });
  daemon.note({ kind: 'sign-in', who: 'a', text: 'x' });
  engine.traffic('web', 'web1', { in: 10, out: 10 });
  await clock.advance(1000);
  leave();
  await clock.advance(1000);
  assert.deepEqual(got, ['sign-in', 'sample 2']);
  assert.equal(daemon.series().length, 2);
  const { seq } = daemon.events(0).at(-1) ?? { seq: 0 };
  assert.deepEqual(daemon.events(seq), []);
  assert.equal(daemon.events(seq + 1000).length, seq, 'a reader from an earlier life gets all');
  await daemon.stop();
});

test('after stop nothing waits and the engine is closed', async () => {
  const { daemon, engine, clock, files, health } = await createHarness({ layer4: WEB });
  await daemon.edit({ layer4: '' }, { who: 'a' });
  await daemon.apply({ who: 'a', confirmMs: 60_000 });
  await daemon.stop();
  await daemon.stop();
  assert.equal(clock.pending(), 0);
  assert.equal(engine.closed, 'leave');
  assert.equal(health.running, false);
  assert.equal(files.paths().includes('/state/lock'), false);
});

test('status answers within two seconds when the engine never does', async () => {
  const { createFakeEngine } = await import('../engine/fake.ts');
  const fake = createFakeEngine();
  const { daemon, clock } = await createHarness({ layer4: WEB, createEngine: async () => ({ engine: { ...fake, read: () => new Promise<never>(() => undefined) }, why: 'test' }) });
  const asked = daemon.status();
  await clock.advance(2000);
  assert.match((await asked).warnings.map((w) => w.message).join(), /no answer within 2000 ms/);
});

test('a restart of lvs replaces an engine that cannot answer any more', async () => {
  const h = await createHarness({ layer4: WEB });
  const broken = h.engine;
  broken.faults.observe = new Error('worker 0 is gone');
  await h.daemon.service('lvs', null, 'restart', 'alice');
  assert.equal(h.engines.length, 2);
  assert.equal(broken.closed, 'remove');
  assert.equal(h.engine.current.directors.length, 2);
  await h.daemon.stop();
});

test('an engine that cannot take over gives way to the old kind', async () => {
  const { createFakeEngine } = await import('../engine/fake.ts');
  const made: string[] = [];
  let last = createFakeEngine();
  const { daemon, health } = await createHarness({
    layer4: WEB,
    createEngine: async ({ wanted, onEvent }) => {
      made.push(wanted);
      const engine = createFakeEngine({ name: wanted === 'lvs' ? 'lvs' : 'userspace', onEvent });
      last = engine;
      if (wanted === 'lvs') engine.faults.applyAt = { step: 0, message: 'no ip_vs' };
      return { engine, why: 'test' };
    },
  });
  await daemon.edit({ services: 'service lvs\n    engine lvs\n' }, { who: 'alice' });
  await daemon.apply({ who: 'alice' });
  await assert.rejects(daemon.service('lvs', null, 'restart', 'alice'), refused('APPLY_FAILED'));
  assert.deepEqual(made, ['auto', 'lvs', 'auto']);
  assert.equal((await daemon.status()).engine.name, 'userspace');
  await daemon.service('lvs', null, 'reload', 'alice');
  assert.deepEqual((await daemon.plan()).steps, []);
  last.refuse('web', 'web1');
  assert.equal(health.evidences.length, 1, 'the old kind is heard');
  await daemon.stop();
});

test('events of an engine that was replaced count no more', async () => {
  const h = await createHarness({ layer4: WEB });
  const old = h.engine;
  old.faults.observe = new Error('gone');
  await h.daemon.service('lvs', null, 'restart', 'alice');
  old.refuse('web', 'web1');
  assert.deepEqual(h.health.evidences, []);
  h.engine.refuse('web', 'web1');
  assert.equal(h.health.evidences.length, 1);
  await h.daemon.stop();
});
