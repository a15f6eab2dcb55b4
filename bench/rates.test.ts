/** How rounds go, with subjects of known capacity and a machine that is disturbed now and then. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { SubjectName } from './args.ts';
import { measureRounds, searchOptions, type RoundsOptions } from './rates.ts';
import type { Stage } from './stage.ts';
import type { RunningSubject, Subject } from './subjects/subject.ts';
import { BUCKETS } from './traffic/layout.ts';
import type { TrafficCounts } from './traffic/traffic.ts';

const TARGET = { ip: { family: 4, text: '192.0.2.1' }, port: 5000 } as RunningSubject['target'];

/** A stage on which the running subject carries `capacity(name, start)`, `start` being how often it was started before. */
function stage(capacity: (name: string, start: number) => number) {
  const starts: string[] = [];
  const turns: number[] = [];
  let carries = 0;
  const send: Stage['traffic']['send'] = async ({ framesPerSecond, seconds, turn, clients }) => {
    if (framesPerSecond > 8_000) turns.push(turn / clients);
    const sent = Math.round(framesPerSecond * seconds);
    const replies = Math.round(Math.min(1, carries / framesPerSecond) * sent);
    return {
      sender: { sent, kept: 0, skipped: 0, seconds },
      receiver: { replies, kept: 0, misdelivered: 0, late: 0, icmp: 0, other: 0, buckets: Array.from({ length: BUCKETS }, (_, i) => (i === 100 ? replies : 0)) },
      reflector: { reflected: replies, first: 0, strayed: 0, kept: 0 },
    } satisfies TrafficCounts;
  };
  const subject = (name: SubjectName): Subject => ({
    name,
    guess: 16_000,
    sessionsPerSecond: 8_000,
    version: () => ({ ok: true, version: '1' }),
    start: async () => {
      carries = capacity(name, starts.filter((one) => one === name).length);
      starts.push(name);
      if (carries === 0) throw new Error(`${name} does not start`);
      return { target: TARGET, pid: null, sessions: null, stop: async () => undefined };
    },
  });
  const failures: string[] = [];
  const names: SubjectName[] = ['limit', 'nftables', 'xdp'];
  const options: Omit<RoundsOptions, 'rounds'> = {
    names,
    subjects: Object.fromEntries(names.map((name) => [name, subject(name)])) as Record<SubjectName, Subject>,
    loads: [{ clients: 1000 }],
    onFailure: (message) => failures.push(message),
    signal: new AbortController().signal,
  };
  const on = { topology: { place: { servers: 3 }, renewPolling: () => undefined }, traffic: { send, close: () => undefined }, quick: false, progress: () => undefined } as unknown as Stage;
  return { on, options, starts, turns, failures };
}

test('subjects are measured in turn, and the best of the rounds counts', async () => {
  const { on, options, starts } = stage((name, start) => (name === 'xdp' ? [600_000, 700_000, 650_000] : [100_000, 90_000, 95_000])[start] ?? 0);
  const [limit, , xdp] = await measureRounds(on, { ...options, rounds: 3 });
  assert.deepEqual(starts, ['limit', 'nftables', 'xdp', 'limit', 'nftables', 'xdp', 'limit', 'nftables', 'xdp']);
  assert.ok(xdp && Math.abs(xdp.rate / 700_000 - 1) < 0.03, `${xdp?.rate}`);
  assert.ok(limit && Math.abs(limit.rate / 100_000 - 1) < 0.03, `${limit?.rate}`);
  assert.equal(xdp.rounds.length, 3);
  assert.ok(xdp.rounds.every((rate, i) => Math.abs(rate / ([600_000, 700_000, 650_000][i] ?? 0) - 1) < 0.03), xdp.rounds.join(' '));
  assert.ok(xdp.half !== null && Math.abs(xdp.half.rate / xdp.rate - 0.5) < 0.01);
});

test('every load is in every round', async () => {
  const { on, options, starts } = stage(() => 50_000);
  const results = await measureRounds(on, { ...options, names: ['limit', 'xdp'], loads: [{ clients: 1000 }, { clients: 2000 }], rounds: 2 });
  assert.deepEqual(starts, ['limit', 'xdp', 'limit', 'xdp', 'limit', 'xdp', 'limit', 'xdp']);
  assert.deepEqual(results.map((one) => [one.subject, one.clients, one.rounds.length]), [['limit', 1000, 2], ['xdp', 1000, 2], ['limit', 2000, 2], ['xdp', 2000, 2]]);
});

test('a round far below the best was disturbed: it is shown as 0 and costs few tries', async () => {
  const { on, options } = stage((_, start) => [400_000, 100_000][start] ?? 0);
  const [limit] = await measureRounds(on, { ...options, names: ['limit'], rounds: 2 });
  assert.ok(limit && limit.rate > 380_000);
  assert.equal(limit.rounds[1], 0);
  assert.ok(limit.trials < 60, `${limit.trials} tries`);
});

test('a subject that fails twice in its first round is told once and not tried again; one that fails later keeps what it had', async () => {
  const { on, options, starts, failures } = stage((name, start) => (name === 'nftables' || (name === 'xdp' && start >= 1) ? 0 : 50_000));
  const results = await measureRounds(on, { ...options, rounds: 2 });
  assert.deepEqual(results.map((one) => one.subject), ['limit', 'xdp']);
  assert.equal(starts.filter((name) => name === 'nftables').length, 2);
  assert.deepEqual(failures, ['nftables, 1000 clients, 3 servers, round 1: nftables does not start', 'xdp, 1000 clients, 3 servers, round 2: xdp does not start']);
  assert.deepEqual(results[1]?.rounds.map((rate) => rate > 0), [true, false]);
});

test('a subject that fails once is measured all the same', async () => {
  const { on, options, failures } = stage((_, start) => (start === 0 ? 0 : 50_000));
  const [limit] = await measureRounds(on, { ...options, names: ['limit'], rounds: 1 });
  assert.ok(limit && limit.rate > 48_000);
  assert.deepEqual(failures, []);
});

test('each try goes on with the client after the last: a slow subject sees all of 100,000 clients', async () => {
  const { on, options, turns } = stage(() => 20_000);
  await measureRounds(on, { ...options, names: ['limit'], loads: [{ clients: 100_000 }], rounds: 1 });
  const tries = turns.filter((turn) => turn > 0);
  assert.ok(new Set(tries.map((turn) => Math.floor(turn * 10))).size >= 5, turns.join(' '));
});

test('a later round begins at the best so far and steps finely', () => {
  const [first, later] = [searchOptions(false, 16_000), searchOptions(false, 16_000, 500_000)];
  assert.deepEqual([first.start, first.step], [16_000, 1.5]);
  assert.deepEqual([later.start, later.step, later.lowest], [500_000, 1.06, 350_000]);
});
