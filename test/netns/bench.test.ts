/** The bench measures what is really there: what is asked little of loses nothing, and nothing is left afterwards. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { test, type TestContext } from 'node:test';
import { timeProgram } from '../../bench/program/program.ts';
import { dgram } from '../../bench/subjects/dgram.ts';
import { nftables } from '../../bench/subjects/nftables.ts';
import { routing } from '../../bench/subjects/routing.ts';
import type { RunningSubject, Subject } from '../../bench/subjects/subject.ts';
import { xdp } from '../../bench/subjects/weir-start.ts';
import { limit, naive } from '../../bench/subjects/xdp-programs.ts';
import { benchNamespaces } from '../../bench/topology/topology.ts';
import { observe, warmUp, type ClientRange, type Observation } from '../../bench/trial.ts';
import { CannotMeasure, onStage, requireMachine, type Stage } from '../../bench/stage.ts';

const CLIENTS: ClientRange = { first: 0, count: 50 };
const LIMITS = ['/proc/sys/net/core/rmem_default', '/proc/sys/net/netfilter/nf_conntrack_max'];

/** Returns why the bench cannot run here, or undefined. */
function missing(): string | undefined {
  try {
    requireMachine();
  } catch (error) {
    if (error instanceof CannotMeasure) return error.message;
    throw error;
  }
  for (const tool of ['clang', 'ip', 'ethtool', 'taskset', 'chrt', 'nft', 'conntrack']) {
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

/** One try of three counts, as in the bench: other jobs on the machine may hold the generator up, or the subject beyond the end. */
async function best(stage: Stage, running: RunningSubject, clients: ClientRange, rate: number): Promise<Observation> {
  await warmUp(stage.traffic, running, clients);
  let seen = await observe(stage.traffic, running, { clients, rate, seconds: 0.3 });
  for (let tries = 1; tries < 3 && seen.loss > 0; tries++) seen = await observe(stage.traffic, running, { clients, rate, seconds: 0.3 });
  return seen;
}

test('the plain node:dgram proxy answers 50 clients at 2000/s without loss, each its own', options, async (context) => {
  const readLimits = () => LIMITS.filter((path) => existsSync(path)).map((path) => readFileSync(path, 'utf8'));
  const limits = readLimits();
  await withSubject(context, dgram, async (stage, running) => {
    assert.equal(benchNamespaces().filter((name) => name.includes(`-${process.pid}-`)).length, 3);
    const seen = await best(stage, running, CLIENTS, 2_000);
    assert.ok(seen.sent > 100 && seen.sent <= 601, `sent ${seen.sent}`);
    assert.ok(seen.loss <= 0.005, `loss ${seen.loss}`);
    assert.equal(seen.misdelivered, 0);
    assert.ok(seen.p50Us > 1 && seen.p99Us >= seen.p50Us, `p50 ${seen.p50Us} µs, p99 ${seen.p99Us} µs`);
  });
  assert.deepEqual(benchNamespaces().filter((name) => name.includes(`-${process.pid}-`)), [], 'namespaces are gone');
  assert.deepEqual(readLimits(), limits, 'the machine-wide limits are what they were');
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

test('what forwards in the kernel answers 1000 clients at 20,000/s, 64 bytes and 1514, each its own; one after the other on one stage', options, async (context) => {
  const clients: ClientRange = { first: 0, count: 1_000 };
  await onStage(4, true, { signal: context.signal, progress: (line) => context.diagnostic(line) }, async (stage) => {
    // Without clang at build time there is no engine to start; the others are measured all the same.
    for (const subject of [limit, routing, nftables, naive, ...(xdp.version().ok ? [xdp] : [])]) {
      const running = await subject.start(stage.topology, { clients: clients.count });
      try {
        const seen = await best(stage, running, clients, 20_000);
        assert.ok(seen.sent > 600 && seen.loss <= 0.005, `${subject.name}: sent ${seen.sent}, loss ${seen.loss}`);
        assert.equal(seen.misdelivered, 0, subject.name);
        const long = await observe(stage.traffic, running, { clients, rate: 5_000, seconds: 0.2, frameBytes: 1_514 });
        assert.ok(long.replies > 0, `${subject.name}: ${long.replies} of ${long.sent} long frames came back`);
        // Conntrack and weir know a session for each client; conntrack forgets them with the subject.
        if (running.sessions !== null) assert.equal(await running.sessions(), clients.count, subject.name);
      } finally {
        await running.stop();
      }
    }
    assert.equal(await (await nftables.start(stage.topology, { clients: 1 })).sessions?.(), 0);
  });
});

test('servers and receiver as classifiers of tc answer a proxy, and what redirects its frames', options, async (context) => {
  await onStage(2, true, { signal: context.signal, progress: (line) => context.diagnostic(line), ends: 'skb' }, async (stage) => {
    for (const subject of [dgram, limit]) {
      const running = await subject.start(stage.topology, { clients: CLIENTS.count });
      try {
        const seen = await best(stage, running, CLIENTS, 2_000);
        assert.ok(seen.sent > 100 && seen.loss <= 0.005, `${subject.name}: sent ${seen.sent}, loss ${seen.loss}`);
        assert.equal(seen.misdelivered, 0, subject.name);
        assert.ok(seen.p50Us > 1, `${subject.name}: p50 ${seen.p50Us} µs`);
      } finally {
        await running.stop();
      }
    }
  });
});

test('a program is timed pass by pass, its packet put back each time; without a program there is nothing to time', options, async (context) => {
  await withSubject(context, naive, async (stage, running) => {
    const [few] = timeProgram(stage, running, [200]);
    assert.ok(few);
    // A pass that saw its own output would meet no session and take some 10 ns; a NAT with a FIB lookup takes more, and a new session most.
    assert.ok(few.toServerNs > 40 && few.toServerNs < 5_000, `${few.toServerNs} ns to the server`);
    assert.ok(few.toClientNs > 40 && few.toClientNs < 5_000, `${few.toClientNs} ns to the client`);
    assert.ok(few.newSessionNs > few.toServerNs, `${few.newSessionNs} ns for a new session`);
  });
  await withSubject(context, routing, async (stage, running) => {
    assert.throws(() => timeProgram(stage, running, [10]), /no native XDP program runs on wb/);
  });
});
