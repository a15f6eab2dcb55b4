/** The data plane outlives its process: restarts, upgrades of the program, kills at any moment, and an end that leaves nothing behind. */
import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { test } from 'node:test';
import { createXdpEngine } from '../../src/engine/xdp/index.ts';
import { netnsId } from '../../src/engine/xdp/record.ts';
import type { DesiredDirector } from '../../src/plan/desired.ts';
import { withContext, type Context } from '../contract/context.ts';
import { director } from '../contract/make.ts';
import { sh } from '../lvs/netns.ts';
import { closedAfter, createXdpWorld } from './world.ts';

const world = closedAfter(createXdpWorld());
const create: Parameters<typeof withContext>[0] = (onEvent) => createXdpEngine({ onEvent, sessions: 1 << 14 });
const PINS = `/sys/fs/bpf/weir/${netnsId()}`;
const RECORD = `/run/weir/xdp-${netnsId()}.json`;

/** The engine in another process of this namespace. */
class Child {
  readonly process: ChildProcess;
  readonly #lines: AsyncIterator<string>;

  constructor(dieAt = -1) {
    this.process = spawn(process.execPath, [join(import.meta.dirname, 'child.js')], { stdio: ['pipe', 'pipe', 'inherit'], env: { ...process.env, WEIR_DIE_AT: String(dieAt) } });
    this.#lines = createInterface({ input: this.process.stdout! })[Symbol.asyncIterator]();
    this.process.stdin?.on('error', () => undefined);
  }

  /** Applies these directors; false when it died on the way. */
  async apply(...directors: DesiredDirector[]): Promise<boolean> {
    this.process.stdin?.write(`${JSON.stringify(directors)}\n`);
    return (await this.#lines.next()).done !== true;
  }

  async end(how: 'leave' | 'remove' | 'kill'): Promise<void> {
    const ended = new Promise<void>((resolve) => void this.process.once('exit', () => resolve()));
    if (this.process.exitCode !== null || this.process.signalCode !== null) return;
    if (how === 'kill') this.process.kill('SIGKILL');
    else this.process.stdin?.write(`close ${how}\n`);
    await ended;
  }
}

/** Asks on and on from one client, each datagram answered before the next; returns how many were until it is stopped. */
function keepAsking({ ask }: Context, client: Parameters<Context['ask']>[0], at: Parameters<Context['ask']>[1]): () => Promise<number> {
  let stop = false;
  const run = (async () => {
    let asked = 0;
    for (; !stop; asked++) await ask(client, at);
    return asked;
  })();
  run.catch(() => undefined);
  return () => {
    stop = true;
    return run;
  };
}

/** What there is of weir in this namespace: programs on interfaces, pins, the record, neighbours kept. */
function traces(): string[] {
  const devices = sh('ip', '-j', 'link', 'show');
  return [
    ...(devices.includes('"xdp"') ? ['a program'] : []), ...(existsSync(PINS) ? readdirSync(PINS).map((name) => `pin ${name}`) : []), ...(existsSync(RECORD) ? ['the record'] : []),
    ...(sh('ip', 'neigh', 'show').includes('managed') ? ['a managed neighbour'] : []),
  ];
}

test('a kill, a restart and another program lose no datagram and no session', { timeout: 60_000 }, async () => {
  await withContext(create, world, async (context) => {
    const { vip, server, client, engine, sessions } = context;
    const [at, a, b, c] = [await vip(), await server('a'), await server('b'), await client()];
    const main = director(at, [a.line(), b.line()]);
    const first = new Child();
    assert.ok(await first.apply(main));
    const home = await context.ask(c, at);
    const stop = keepAsking(context, c, at);
    await first.end('kill');
    for (let round = 0; round < 3; round++) {
      // Each start loads the program anew and puts it in the place of the one that runs.
      const again = new Child();
      assert.ok(await again.apply(main));
      await again.end(round === 1 ? 'kill' : 'leave');
    }
    assert.deepEqual((await engine.observe()).directors, [main]);
    const asked = await stop();
    assert.ok(asked > 20, `only ${asked} datagrams`);
    const [session] = await sessions();
    assert.deepEqual([session?.server, session?.packetsIn, session?.packetsOut], [home, asked + 1, asked + 1]);
    assert.equal((await engine.read()).directors[0]?.packetsIn, asked + 1);
  });
});

test('a kill before any step of an apply loses no datagram, and the next start brings the apply to its end', { timeout: 240_000 }, async () => {
  await withContext(create, world, async (context) => {
    const { vip, server, client, ask } = context;
    const [at, other, a, b, c] = [await vip(), await vip(1), await server('a'), await server('b'), await client()];
    const before = director(at, [a.line()], { balance: 'maglev' });
    const after = [director(at, [a.line(), b.line()], { balance: 'roundrobin' }), director(other, [b.line()], { name: 'other' })];
    let running = new Child();
    let steps = 0;
    for (let lived = false; !lived; steps++) {
      assert.ok(await running.apply(before));
      await running.end('leave');
      assert.equal(await ask(c, at), 'a');
      const stop = keepAsking(context, c, at);
      const dying = new Child(steps);
      lived = await dying.apply(...after);
      await dying.end('kill');
      running = new Child();
      // What it is told is what was under way: where that is true already, nothing is left to do.
      assert.ok(await running.apply(...after));
      assert.ok(await stop() >= 0);
      assert.equal(await ask(await client(), other), 'b');
      assert.equal(await ask(c, at), 'a', 'its session is where it was');
    }
    await running.end('remove');
    assert.deepEqual(traces(), []);
    assert.ok(steps > 8, `only ${steps} steps`);
  });
});

test("close('remove') leaves no program, pin, record or neighbour behind; also when nothing was loaded since the start", { timeout: 60_000 }, async () => {
  await withContext(create, world, async ({ vip, server, client, apply, ask, engine }) => {
    const [at, a, c] = [await vip(), await server('a'), await client()];
    await apply(director(at, [a.line()]));
    assert.equal(await ask(c, at), 'a');
    assert.ok(traces().length > 10);
    await engine.close('leave');
    assert.equal(await ask(c, at), 'a');
    assert.ok(traces().length > 10);
    const later = await createXdpEngine({ onEvent: () => undefined });
    await later.close('remove');
    assert.deepEqual(traces(), []);
  });
});

test('adding and removing servers a hundred times under load loses nothing', { timeout: 120_000 }, async () => {
  await withContext(create, world, async (context) => {
    const { vip, server, client, apply, reading } = context;
    const at = await vip();
    const [a, b, extra] = [await server('a'), await server('b'), await server('x')];
    await apply(director(at, [a.line(), b.line()]));
    const clients = await Promise.all(Array.from({ length: 8 }, () => client()));
    const stops = clients.map((c) => keepAsking(context, c, at));
    for (let round = 0; round < 50; round++) {
      await apply(director(at, [a.line(), b.line(), extra.line()], { balance: round % 2 === 0 ? 'leastconn' : 'maglev' }));
      await apply(director(at, [a.line(), b.line({ weight: 1 + (round % 3) })]));
    }
    const asked = (await Promise.all(stops.map((stop) => stop()))).reduce((x, y) => x + y, 0);
    const { packetsIn, packetsOut } = await reading();
    assert.deepEqual([packetsIn, packetsOut], [asked, asked]);
  });
});
