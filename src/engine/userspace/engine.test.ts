import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Desired, DesiredDirector } from '../../plan/desired.ts';
import type { EngineEvent } from '../engine.ts';
import { UserspaceEngine, type Platform } from './engine.ts';
import type { FromWorker } from './protocol.ts';
import { createSharedBuffers } from './shared.ts';
import type { Question, WorkerHandle } from './workers.ts';

const director = (name: string, port = 53, protocol: 'udp' | 'tcp' = 'udp'): DesiredDirector => ({
  name, vip: { family: 4, text: '192.0.2.1' }, ports: { first: port, last: port }, protocol, mode: 'nat', balance: 'leastconn', persistence: null,
  session: { kind: 'two-way', replies: 1, timeoutMs: null, max: null, rate: null, sourceRate: null, amplification: null },
  on: { down: { kind: 'move' }, drain: { kind: 'keep', forMs: null }, remove: { kind: 'move' } },
  sourceNat: null,
  servers: [{ name: 'a', ip: { family: 4, text: '10.0.0.1' }, port: 53, weight: 1, state: 'up', sorry: false }],
});
const planTo = (...directors: DesiredDirector[]): { steps: []; next: Desired } => ({ steps: [], next: { directors } });

/** Workers that answer `done` to everything and remember what they were asked; `refuse` makes one fail a question. */
function world(workers: number, limits = { directors: 4, servers: 4 }) {
  const asked: string[] = [];
  const events: EngineEvent[] = [];
  const dies: ((detail: string) => void)[] = [];
  let refuse: { worker: number; type: Question['type'] } | null = null;
  let startFails = false;
  let started = 0;
  let occupied = false;
  const abandoned: number[] = [];
  const later: { readonly work: () => void; readonly ms: number }[] = [];
  const platform: Platform = {
    io: 'linux', notes: [], workers, limits: { max_sessions: 1, max_upstream_sockets: 1 },
    startWorker: async (index, on) => {
      if (startFails) throw new Error('no memory');
      started++;
      dies[index] = on.death;
      const handle: WorkerHandle = {
        index,
        ask: async (question): Promise<FromWorker> => {
          asked.push(`${index} ${question.type}`);
          if (refuse?.worker === index && refuse.type === question.type) return { type: 'failed', id: 1, message: 'no', cure: 'be nice' };
          return { type: 'done', id: 1 };
        },
        stop: async () => undefined,
      };
      return handle;
    },
    probeListeners: () => {
      if (occupied) throw Object.assign(new Error('occupied'), { cure: 'stop it' });
    },
    abandon: (index) => void abandoned.push(index),
    later: (work, ms) => void later.push({ work, ms }),
    close: () => undefined,
  };
  const buffers = createSharedBuffers({ workers, persistence: 64, ...limits }, 0n);
  const start = (): Promise<UserspaceEngine> => UserspaceEngine.start(platform, buffers, (event) => events.push(event));
  return {
    start, asked, events, dies, abandoned, later, starts: () => started,
    set: (next: { refuse?: typeof refuse; startFails?: boolean; occupied?: boolean }) => {
      refuse = next.refuse ?? null;
      startFails = next.startFails ?? false;
      occupied = next.occupied ?? false;
    },
  };
}

async function until(condition: () => boolean): Promise<void> {
  for (let i = 0; i < 1000 && !condition(); i++) await new Promise((resolve) => setImmediate(resolve));
  assert.ok(condition(), 'it never happened');
}

describe('an apply', () => {
  it('opens in every worker before any worker switches', async () => {
    const w = world(2);
    const engine = await w.start();
    await engine.apply(planTo(director('a')));
    assert.deepEqual(w.asked, ['0 prepare', '1 prepare', '0 commit', '1 commit']);
  });

  it('that one worker refuses is taken back in all, and nothing has changed', async () => {
    const w = world(2);
    const engine = await w.start();
    await engine.apply(planTo(director('a')));
    w.set({ refuse: { worker: 1, type: 'prepare' } });
    w.asked.length = 0;
    await assert.rejects(engine.apply(planTo(director('b'))), { name: 'EngineError', message: 'no', cure: 'be nice' });
    assert.deepEqual(w.asked, ['0 prepare', '1 prepare', '0 abort', '1 abort']);
    assert.deepEqual((await engine.observe()).directors.map((d) => d.name), ['a']);
  });

  it('is refused before any worker hears of it: a port of another program, a thing it cannot do, too many directors', async () => {
    const w = world(1);
    const engine = await w.start();
    w.set({ occupied: true });
    await assert.rejects(engine.apply(planTo(director('a'))), { message: 'occupied', cure: 'stop it' });
    w.set({});
    await assert.rejects(engine.apply(planTo(director('a', 53, 'tcp'))), /cannot do TCP \(director a\)/);
    await assert.rejects(engine.apply(planTo(...[1, 2, 3, 4, 5].map((n) => director(`d${n}`, n)))), /too many directors \(the engine has room for 4\)/);
    assert.deepEqual(w.asked, []);
  });

  it('that was refused for want of room leaves room for the next', async () => {
    const w = world(1);
    const engine = await w.start();
    await assert.rejects(engine.apply(planTo(...[1, 2, 3, 4, 5].map((n) => director(`d${n}`, n)))), /too many/);
    await engine.apply(planTo(...[6, 7, 8, 9].map((n) => director(`d${n}`, n))));
    assert.equal((await engine.observe()).directors.length, 4);
  });
});

describe('a packet worker that dies', () => {
  it('is started again with the running state, and said to have lost its sessions', async () => {
    const w = world(2);
    const engine = await w.start();
    await engine.apply(planTo(director('a')));
    w.asked.length = 0;
    w.dies[1]!('out of memory');
    await until(() => w.events.length > 0);
    assert.deepEqual(w.asked, ['1 prepare', '1 commit']);
    assert.deepEqual(w.events, [{ kind: 'fault', detail: 'out of memory; started again, its sessions were lost', recovered: true }]);
  });

  it('gives way after five deaths within a minute, which is said, and is tried again later', async () => {
    const w = world(1);
    await w.start();
    for (let death = 1; death <= 6; death++) {
      w.dies[0]!('crash');
      await until(() => w.events.length === death);
    }
    assert.equal(w.starts(), 6);
    assert.deepEqual(w.events.map((e) => e.kind === 'fault' && e.recovered), [true, true, true, true, true, false]);
    assert.match(JSON.stringify(w.events.at(-1)), /it died 5 times within a minute; tried again in 30 s/);
    assert.deepEqual(w.abandoned, [0]);
    w.later[0]!.work();
    await until(() => w.events.length === 7);
    assert.match(JSON.stringify(w.events.at(-1)), /packet worker 0 was down; started again/);
    assert.equal(w.starts(), 7);
  });

  it('that cannot be started again leaves no listener behind, is said to be down, and is tried until it can', async () => {
    const w = world(1);
    await w.start();
    w.set({ startFails: true });
    w.dies[0]!('crash');
    await until(() => w.events.length === 1);
    assert.match(w.events[0]!.kind === 'fault' ? w.events[0]!.detail : '', /starting it again failed: Error: no memory; tried again in 30 s/);
    assert.deepEqual([w.abandoned, w.later.map(({ ms }) => ms)], [[0], [30_000]]);
    w.later[0]!.work();
    await until(() => w.events.length === 2);
    assert.equal(w.later.length, 2, 'and again');
    w.set({});
    // Both at once, as two failures of one start would leave them: one worker, not two.
    w.later[0]!.work();
    w.later[1]!.work();
    await until(() => w.events.length === 3);
    assert.deepEqual(w.events.at(-1), { kind: 'fault', detail: 'packet worker 0 was down; started again, its sessions were lost', recovered: true });
    assert.equal(w.starts(), 2);
  });
});

describe('the start', () => {
  it('rejects when a worker does not come up', async () => {
    const w = world(2);
    w.set({ startFails: true });
    await assert.rejects(w.start(), /no memory/);
  });
});
