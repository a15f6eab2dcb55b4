/** One engine hands its work to another: in one process here, so that every part can be looked at; between processes in test/loopback/takeover.test.ts. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import koffi from 'koffi';
import type { Engine, EngineHandover, Reading } from '../../src/engine/engine.ts';
import { createUserspaceEngine } from '../../src/engine/userspace/index.ts';
import { endpointText } from '../../src/net/endpoint.ts';
import { withContext, type Context } from './context.ts';
import { loopbackWorld } from './loopback.ts';
import { until } from './mailbox.ts';
import { desired, director, session } from './make.ts';
import { planOf } from './plan.ts';

const skip = process.platform === 'linux' ? false : 'only the Linux fast path hands over';
const world = loopbackWorld();
const onEvent = (): void => undefined;

/** As the kernel would name them in another process: the successor owns descriptors of its own. */
function duplicated({ parts, descriptors }: EngineHandover): EngineHandover {
  const dup = koffi.load('libc.so.6').func('int dup(int)') as (fd: number) => number;
  return { parts, descriptors: descriptors.map((fd) => dup(fd)) };
}

/** Makes a successor and gives it the engine's work; the old one waits for close then. */
async function succeed(old: Engine, context: Pick<Context, 'defer'>, alter: (handover: EngineHandover) => EngineHandover = (h) => h): Promise<Engine> {
  const { succession } = old;
  assert.ok(succession);
  const terms = await succession.terms();
  const { promise, resolve, reject } = settled<Engine>();
  let ended = (): void => undefined;
  const freeze = (): Promise<EngineHandover> => new Promise((frozen, refused) => {
    succession.handOver((handover) => {
      frozen(alter(duplicated(handover)));
      return promise.then(() => undefined);
    }).then(() => ended(), (error: unknown) => {
      refused(error);
      ended();
    });
  });
  const over = new Promise<void>((done) => (ended = done));
  try {
    const engine = await createUserspaceEngine({ onEvent, predecessor: { terms, freeze } });
    context.defer(() => engine.close('remove'));
    resolve(engine);
    await over;
    await old.close('leave');
    return engine;
  } catch (error) {
    reject(error);
    await over;
    throw error;
  }
}

function settled<T>(): { promise: Promise<T>; resolve: (value: T) => void; reject: (error: unknown) => void } {
  let resolve!: (value: T) => void;
  let reject!: (error: unknown) => void;
  const promise = new Promise<T>((yes, no) => {
    resolve = yes;
    reject = no;
  });
  promise.catch(() => undefined);
  return { promise, resolve, reject };
}

const run = (name: string, body: (context: Context) => Promise<void>): void => {
  void test(name, { skip, timeout: 30_000 }, () => withContext((on) => createUserspaceEngine({ onEvent: on, workers: 2 }), world, body));
};

/** Sessions of an engine by client, with what must not change over a handover. */
async function kept(engine: Engine): Promise<string[]> {
  const { sessions, next } = await engine.sessions({}, { limit: 1000 });
  assert.equal(next, null);
  return sessions.map((s) => `${s.director} ${s.client} ${s.vip} ${s.server} ${s.serverAddress} ${s.sourcePort} ${s.packetsIn} ${s.packetsOut} ${s.outstanding}`).toSorted();
}

const countersOf = ({ epoch, directors, drops }: Reading): unknown => ({ epoch, directors, drops });

run('sessions of every kind go on: same server, same source port, same counters, and the applied state', async (context) => {
  const { apply, vip, client, server, ask, tell, engine } = context;
  const at = [await vip(0), await vip(1), await vip(2)];
  const [a, b, hold] = [await server('a'), await server('b'), await server('h', { behaviour: 'silent' })];
  const port = await world.freePorts(1);
  const any = { ip: world.anyVip()!, port };
  const clients = await Promise.all(Array.from({ length: 40 }, () => client()));
  await apply(
    director(any, [b.line()], { name: 'any' }),
    director(at[1]!, [hold.line()], { name: 'asking', session: session('request-reply', { replies: 2 }) }),
    director(at[0]!, [a.line(), b.line({ weight: 3 })], { name: 'main', persistence: { timeoutMs: 60_000, prefix4: 32, prefix6: 128 } }),
    director(at[2]!, [a.line(), b.line()], { name: 'oneway', session: session('one-way'), balance: 'roundrobin' }),
  );
  const hit = { ip: world.vip(1)!, port };
  const homes = [];
  for (const c of clients) homes.push((await ask(c, at[0]!)) + (await ask(c, hit)));
  const question = await tell(clients[0]!, at[1]!);
  const waiting = await hold.peer.inbox.take();
  await clients[1]!.send('gone', at[2]!);
  await until('the counters to settle', () => engine.read(), (r) => r.directors.every((d) => d.packetsIn === d.servers.reduce((sum, s) => sum + s.packetsIn, 0)));
  const before = { sessions: await kept(engine), counters: countersOf(await engine.read()), observed: await engine.observe() };
  const next = await succeed(engine, context);
  assert.deepEqual({ sessions: await kept(next), counters: countersOf(await next.read()), observed: await next.observe() }, before);
  for (const [n, c] of clients.entries()) assert.equal((await ask(c, at[0]!)) + (await ask(c, hit)), homes[n]);
  await hold.peer.send(`late:${question}`, waiting.from);
  assert.equal((await clients[0]!.inbox.take((d) => d.text.startsWith('late'))).from.port, at[1]!.port);
  const { directors } = await next.read();
  assert.deepEqual(directors.map((d) => [d.name, d.sessionsCreated, d.packetsIn]), [['any', 40, 80], ['asking', 1, 1], ['main', 40, 80], ['oneway', 0, 1]]);
  assert.equal(await ask(await client(), at[0]!), homes[0]![0], 'persistence holds for a new port of the address');
});

run('datagrams that come while nobody reads wait in their sockets, and ICMP errors with them', async (context) => {
  const { apply, vip, client, server, engine } = context;
  const [at, a, hold, c] = [await vip(), await server('a'), await server('h', { behaviour: 'silent' }), await client()];
  const other = await vip(1);
  await apply(director(at, [a.line()], { name: 'main' }), director(other, [hold.line()], { name: 'other' }));
  await c.send('early', other);
  const early = await hold.peer.inbox.take();
  const next = await succeed(engine, context, (handover) => {
    // The old one has stopped, the new one not begun.
    for (let n = 0; n < 100; n++) void c.send(`q${n}`, at);
    void hold.peer.send('reply', early.from);
    return handover;
  });
  for (let n = 0; n < 100; n++) await c.inbox.take((d) => d.text === `a:q${n}`);
  await c.inbox.take((d) => d.text === 'reply');
  const { directors } = await next.read();
  assert.deepEqual(directors.map((d) => [d.name, d.packetsIn, d.packetsOut, Object.values(d.drops).reduce((x, y) => x + y, 0)]), [['main', 100, 100, 0], ['other', 1, 1, 0]]);
});

run('the successor is a whole engine: it applies, pins, purges, and a freed port goes on resting', async (context) => {
  const { apply, vip, client, server, ask, engine } = context;
  const at = await vip();
  const [a, b, c, d] = [await server('a'), await server('b'), await client(), await client()];
  const main = director(at, [a.line(), b.line({ weight: 0 })]);
  await apply(main);
  assert.equal(await ask(c, at), 'a');
  assert.equal(await ask(d, at), 'a');
  const [{ sourcePort }] = (await engine.sessions({ client: endpointText(c.at) }, { limit: 1 })).sessions;
  assert.equal(await engine.purge({ client: endpointText(c.at) }), 1);
  const next = await succeed(engine, context);
  for (let n = 0; n < 20; n++) assert.equal(await ask(await client(), at), 'a');
  const used = (await next.sessions({}, { limit: 100 })).sessions.map((s) => s.sourcePort);
  assert.ok(used.length === 21 && !used.includes(sourcePort), `port ${sourcePort} rests: ${used.join(' ')}`);
  assert.equal(await next.pin({ director: 'main', client: endpointText(d.at), server: 'b' }), 1);
  assert.equal(await ask(d, at), 'b');
  const more = await vip(1);
  const wanted = desired([{ ...main, servers: [a.line({ state: 'down' }), b.line()] }, director(more, [b.line()], { name: 'more' })]);
  await next.apply(planOf(wanted, await next.observe()));
  assert.equal(await ask(await client(), more), 'b');
  assert.equal(await ask(await client(), at), 'b');
  const again = await succeed(next, context);
  assert.equal(await ask(d, at), 'b', 'and so on, from successor to successor');
  assert.equal((await again.read()).directors.length, 2);
});

run('a handover that fails leaves the old engine as it was', async (context) => {
  const { apply, vip, client, server, ask, engine } = context;
  const [at, a, c] = [await vip(), await server('a'), await client()];
  await apply(director(at, [a.line()]));
  await ask(c, at);
  const before = await kept(engine);
  await assert.rejects(engine.succession!.handOver(() => Promise.reject(new Error('nobody came'))), /nobody came/);
  assert.deepEqual(await kept(engine), before);
  await assert.rejects(succeed(engine, context, (handover) => ({ ...handover, parts: handover.parts.map((part) => part.subarray(0, 100)) })), /cannot be read/);
  await assert.rejects(succeed(engine, context, (handover) => ({ ...handover, descriptors: handover.descriptors.map(() => 99_999) })), /epoll_ctl failed/);
  assert.equal(await ask(c, at), 'a');
  assert.equal(await ask(await client(), at), 'a');
  assert.equal((await engine.read()).directors[0]!.sessionsCreated, 2);
});
