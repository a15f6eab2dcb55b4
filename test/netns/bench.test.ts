/** The bench measures what is really there: the plain proxy at a low rate loses nothing, and nothing is left afterwards. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { test, type TestContext } from 'node:test';
import { dgram } from '../../bench/subjects/dgram.ts';
import { routing } from '../../bench/subjects/routing.ts';
import type { RunningSubject, Subject } from '../../bench/subjects/subject.ts';
import { benchNamespaces } from '../../bench/topology/topology.ts';
import { observe, warmUp, type ClientRange } from '../../bench/trial.ts';
import { CannotMeasure, onStage, requireMachine, type Stage } from '../../bench/stage.ts';

const CLIENTS: ClientRange = { first: 0, count: 50 };
const RMEM = '/proc/sys/net/core/rmem_default';

/** Returns why the bench cannot run here, or undefined. */
function missing(): string | undefined {
  try {
    requireMachine();
  } catch (error) {
    if (error instanceof CannotMeasure) return error.message;
    throw error;
  }
  for (const tool of ['clang', 'ip', 'ethtool', 'taskset']) {
    if (spawnSync(tool, ['--version']).error !== undefined) return `${tool} is not installed`;
  }
  if (!existsSync('/usr/include/bpf/bpf_helpers.h')) return 'libbpf-dev is not installed';
  return undefined;
}

const reason = missing();
const options = { skip: reason ?? false, timeout: 50_000 };

async function withSubject(context: TestContext, subject: Subject, use: (stage: Stage, running: RunningSubject) => Promise<void>): Promise<void> {
  await onStage(2, true, { signal: context.signal, progress: (line) => context.diagnostic(line) }, async (stage) => {
    const running = await subject.start(stage.topology, { clients: CLIENTS.count });
    try {
      await use(stage, running);
    } finally {
      await running.stop();
    }
  });
}

test('the plain node:dgram proxy answers 50 clients at 2000/s without loss, each its own', options, async (context) => {
  const limits = readFileSync(RMEM, 'utf8');
  await withSubject(context, dgram, async (stage, running) => {
    assert.equal(benchNamespaces().filter((name) => name.includes(`-${process.pid}-`)).length, 3);
    await warmUp(stage.traffic, running, CLIENTS);
    // One try of three, as the bench does: other jobs on the machine may hold the generator up, or the proxy beyond the end.
    let seen = await observe(stage.traffic, running, { clients: CLIENTS, rate: 2_000, seconds: 0.5 });
    for (let tries = 1; tries < 3 && seen.loss > 0; tries++) seen = await observe(stage.traffic, running, { clients: CLIENTS, rate: 2_000, seconds: 0.5 });
    assert.ok(seen.sent > 100 && seen.sent <= 1_001, `sent ${seen.sent}`);
    assert.ok(seen.loss <= 0.005, `loss ${seen.loss}`);
    assert.equal(seen.misdelivered, 0);
    assert.ok(seen.p50Us > 1 && seen.p99Us >= seen.p50Us, `p50 ${seen.p50Us} µs, p99 ${seen.p99Us} µs`);
  });
  assert.deepEqual(benchNamespaces().filter((name) => name.includes(`-${process.pid}-`)), [], 'namespaces are gone');
  assert.equal(readFileSync(RMEM, 'utf8'), limits, 'the machine-wide receive buffer is what it was');
});

test('a measurement that throws leaves no namespace either', options, async (context) => {
  await assert.rejects(
    withSubject(context, routing, () => Promise.reject(new Error('on purpose'))),
    /on purpose/,
  );
  assert.deepEqual(benchNamespaces().filter((name) => name.includes(`-${process.pid}-`)), []);
});

test('a subject that answers nobody fails the warm-up and says what was seen', options, async (context) => {
  const deaf: Subject = { ...routing, name: 'deaf', start: async (topology) => ({ target: topology.vip, pid: null, sessions: null, stop: async () => undefined }) };
  await withSubject(context, deaf, async (stage, running) => {
    await assert.rejects(warmUp(stage.traffic, running, CLIENTS), /does not answer at 8000\/s: replies 0 of \d+ \(\d+ ICMP errors\)/);
  });
});
