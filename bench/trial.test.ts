import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { RunningSubject } from './subjects/subject.ts';
import type { Traffic } from './traffic/traffic.ts';
import { BUCKETS, type TrafficRun } from './traffic/layout.ts';
import { visitAll, warmUp } from './trial.ts';

const RUNNING = { target: { ip: { family: 4, text: '192.0.2.1' }, port: 5000 }, pid: null, sessions: null, stop: async () => undefined } as RunningSubject;

/** A generator that sends `share` of what it is told, to a subject that answers `answers` of it. */
function traffic(share: number, answers: number) {
  const runs: Omit<TrafficRun, 'run'>[] = [];
  const asked = new Set<number>();
  const send: Traffic['send'] = async (run) => {
    runs.push(run);
    const sent = Math.round(run.framesPerSecond * run.seconds * share);
    for (let i = 0; i < sent; i++) asked.add(run.firstClient + ((run.turn + i) % run.clients));
    return {
      sender: { sent, kept: 0, skipped: 0, seconds: run.seconds },
      receiver: { replies: Math.round(sent * answers), kept: 0, misdelivered: 0, late: 0, icmp: 0, other: 0, buckets: Array.from({ length: BUCKETS }, () => 0) },
      reflector: { reflected: sent, first: 0, strayed: 0, kept: 0 },
    };
  };
  return { traffic: { send, close: () => undefined } satisfies Traffic, runs, asked };
}

test('all clients get their turn, however much the generator leaves out', async () => {
  const { traffic: choppy, asked } = traffic(0.9, 1);
  const told: number[] = [];
  assert.deepEqual(await visitAll(choppy, RUNNING, { first: 1_000, count: 100_000 }, 20_000, (answered) => told.push(answered)), { answered: 100_000, lost: 0 });
  assert.equal(asked.size, 100_000);
  assert.equal(told.at(-1), 100_000);
});

test('those that are not answered are not counted, and a generator that is stuck ends it', async () => {
  assert.deepEqual(await visitAll(traffic(1, 0.5).traffic, RUNNING, { first: 0, count: 10_000 }, 20_000, () => undefined), { answered: 5_000, lost: 5_000 });
  await assert.rejects(visitAll(traffic(0, 1).traffic, RUNNING, { first: 0, count: 10_000 }, 20_000, () => undefined), /sent nothing/);
});

test('a warm-up of 100,000 clients asks every one of them, in runs of 4 s at most', async () => {
  const { traffic: whole, runs, asked } = traffic(1, 1);
  await warmUp(whole, RUNNING, { first: 0, count: 100_000 });
  assert.equal(asked.size, 100_000);
  assert.ok(runs.length === 4 && runs.every((run) => run.seconds <= 4.5), runs.map((run) => run.seconds).join(' '));
});

test('a warm-up that is not answered is made five times, and says what was seen', async () => {
  const { traffic: deaf, runs } = traffic(1, 0.5);
  await assert.rejects(warmUp(deaf, RUNNING, { first: 0, count: 1_000 }), /does not answer at 8000\/s: replies 800 of 1600(, 800 of 1600){4}/);
  assert.equal(runs.length, 5);
});
