/** The watch inside the whole daemon: traffic as the engine counts it, seconds of a fake clock, and what comes of it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createHarness, type Harness } from './harness.ts';

const SERVERS = ['a', 'b', 'c'].map((name, i) => `    server ${name} 10.0.1.${i + 1}:53\n`).join('');
const director = (lines: string): string => `director dns 10.0.0.3:53 UDP\n    session request-reply\n${lines}${SERVERS}`;
const PASSIVE = director('    passive hold 5s\n');

/** Lets `seconds` pass, each with `perServer` requests to each server that is not down; `mute` answers none. */
async function traffic(h: Harness, seconds: number, options: { mute?: string; perServer?: number; also?: readonly string[] } = {}): Promise<void> {
  for (let s = 0; s < seconds; s++) {
    for (const { name, state } of h.engine.current.directors[0]?.servers ?? []) {
      if (state !== 'up' && !(options.also ?? []).includes(name)) continue;
      const packets = options.perServer ?? 50;
      h.engine.traffic('dns', name, { in: packets, out: options.mute === name ? 0 : packets });
    }
    await h.clock.advance(1000);
  }
}

const kinds = (h: Harness, kind: string): string[] => h.daemon.events(0).filter((e) => e.kind === kind).map((e) => e.text);

test('a server that eats requests is put out in the engine, told with its figures, and comes back by weight', async () => {
  const h = await createHarness({ layer4: PASSIVE });
  await traffic(h, 8);
  assert.deepEqual(kinds(h, 'server-down'), []);
  await traffic(h, 5, { mute: 'b' });
  assert.deepEqual(h.engine.current.directors[0]?.servers.map((s) => s.state), ['up', 'down', 'up']);
  assert.match(kinds(h, 'server-down')[0] ?? '', /^server dns\/b .* -> down: passive: answered \d+ % of its requests, the others 100 %$/);
  const view = (await h.daemon.servers()).find((s) => s.name === 'b');
  assert.deepEqual([view?.state, view?.weight], ['down', 0]);
  for (let s = 0; s < 8 && h.engine.current.directors[0]?.servers[1]?.state === 'down'; s++) await traffic(h, 1);
  assert.deepEqual(h.engine.current.directors[0]?.servers.map((s) => s.weight), [20, 2, 20]);
  const back = (await h.daemon.servers()).find((s) => s.name === 'b');
  assert.deepEqual([back?.weightPercent, back?.weight], [10, 1]);
  await traffic(h, 20);
  assert.deepEqual(h.engine.current.directors[0]?.servers.map((s) => [s.state, s.weight]), [['up', 1], ['up', 1], ['up', 1]]);
  assert.equal(kinds(h, 'passive-over').length, 1);
  await h.daemon.stop();
});

test('without `passive` nobody is judged, and taking it out of the configuration lets everybody back', async () => {
  const off = await createHarness({ layer4: director('') });
  await traffic(off, 8);
  await traffic(off, 20, { mute: 'b' });
  assert.deepEqual(kinds(off, 'server-down'), []);
  await off.daemon.stop();
  const h = await createHarness({ layer4: PASSIVE });
  await traffic(h, 8);
  await traffic(h, 5, { mute: 'b' });
  assert.equal(h.engine.current.directors[0]?.servers[1]?.state, 'down');
  await h.daemon.edit({ layer4: director('') }, { who: 'alice' });
  await h.daemon.apply({ who: 'alice' });
  await traffic(h, 2);
  assert.equal(h.engine.current.directors[0]?.servers[1]?.state, 'up');
  await h.daemon.stop();
});

test('a server that answers none of its sessions raises an alarm, which ends when it answers', async () => {
  const h = await createHarness({ layer4: director('') });
  h.engine.addSessions('dns', 'b', 7);
  await traffic(h, 5);
  assert.equal(h.daemon.traffic?.().expects('dns'), 'replies');
  await traffic(h, 13, { mute: 'b' });
  const { blackholes, warnings } = await h.daemon.status();
  assert.deepEqual(blackholes.map((b) => [b.director, b.server, b.address, b.cause, b.sessions]), [['dns', 'b', '10.0.1.2:53', 'one-way', 7]]);
  assert.deepEqual(kinds(h, 'blackhole'), ['server dns/b (10.0.1.2:53) gets requests and answers none, the others do: 7 sessions on it']);
  assert.deepEqual(warnings.filter((w) => w.code === 'blackhole').map((w) => w.hint), ['weir purge --blackholed ends these sessions; their next datagrams are balanced anew']);
  assert.equal(await h.daemon.purge({ blackholed: true, server: 'a' }, 'alice'), 0);
  assert.equal(await h.daemon.purge({ blackholed: true }, 'alice'), 7);
  assert.match(kinds(h, 'purge').at(-1) ?? '', /purged 7 sessions \(blackholed\)/);
  await traffic(h, 3);
  assert.deepEqual((await h.daemon.status()).blackholes, []);
  assert.equal(kinds(h, 'blackhole-over').length, 1);
  await h.daemon.stop();
});

test('a one-way service raises no alarm, however little it answers', async () => {
  const h = await createHarness({ layer4: director('').replace('request-reply', 'one-way') });
  h.engine.addSessions('dns', 'b', 7);
  for (let s = 0; s < 30; s++) {
    for (const name of ['a', 'b', 'c']) h.engine.traffic('dns', name, { in: 50, out: 0 });
    await h.clock.advance(1000);
  }
  assert.deepEqual((await h.daemon.status()).blackholes, []);
  assert.equal(h.daemon.traffic?.().expects('dns'), 'nothing');
  await h.daemon.stop();
});

test('sessions kept on a dead server are an alarm once their clients have sent for ten seconds, and end by a purge of it alone', async () => {
  const h = await createHarness({ layer4: director('    on down keep\n').replace(/:53\n/g, ':53 check\n').replace('10.0.0.3:53 check', '10.0.0.3:53') });
  h.engine.addSessions('dns', 'a', 5);
  h.engine.addSessions('dns', 'b', 3);
  await traffic(h, 12);
  h.health.set('dns', 'b', 'down');
  await traffic(h, 8, { also: ['b'] });
  assert.deepEqual((await h.daemon.status()).blackholes, [], 'not at once: the policy needs time to work');
  await traffic(h, 5, { also: ['b'] });
  const [alarm] = (await h.daemon.status()).blackholes;
  assert.deepEqual([alarm?.server, alarm?.cause, alarm?.sessions], ['b', 'not-in-set', 3]);
  assert.equal(await h.daemon.purge({ blackholed: true }, 'alice'), 3);
  assert.equal((await h.daemon.sessions({})).total, 5, 'the others are left alone');
  await h.daemon.stop();
});

test('blackholed goes with director and server, not with client', async () => {
  const h = await createHarness({ layer4: director('') });
  await assert.rejects(h.daemon.purge({ blackholed: true, client: '192.0.2.1' }, 'alice'), /not with client/);
  await h.daemon.stop();
});
