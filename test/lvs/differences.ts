/**
 * Where ip_vs differs from the contract: why, and what is run in the place of the case. What the kernel cannot do is refused by name
 * without a change; what it does another way is shown to be done that way.
 */
import assert from 'node:assert/strict';
import { Unsupported } from '../../src/engine/engine.ts';
import { endpointText } from '../../src/net/endpoint.ts';
import type { DesiredDirector } from '../../src/plan/desired.ts';
import type { Case } from '../contract/case.ts';
import { pinCases } from '../contract/cases/pins.ts';
import type { Context } from '../contract/context.ts';
import { desired, director, ON_DEFAULT, session } from '../contract/make.ts';
import { until } from '../contract/mailbox.ts';
import { planOf } from '../contract/plan.ts';
import { closesTwice, instead as insteadOf, mixed, occupied, standby, type Difference } from '../contract/instead.ts';
import type { Family } from '../contract/world.ts';

const REQUEST_REPLY = 'ip_vs counts no replies';
const REFUSAL = 'ip_vs tells nobody of ICMP errors: the health checks are the evidence';
const NO_PIN = 'ip_vs chooses the server of a connection once';
const ONE_CLIENT = 'ip_vs ends sessions only with their server';
const LATE_COUNTERS = 'the kernel sums its counters every two seconds';
const TWO_VIPS = 'servers see the client itself: its one port on several VIPs of one server port is one flow to the replies of ip_vs in nat mode';
const CLIENT_ITSELF = "ip_vs keeps the client's address: who sends to it, late or unasked, is not the balancer's to say";

/** Returns the differences. */
export function differences(): readonly Difference[] {
  const requestReply = refused('session request-reply', REQUEST_REPLY, { session: session('request-reply') }, /^session request-reply/);
  const max = refused('session max', 'ip_vs has limits for servers only', { session: session('two-way', { max: 3 }) }, /^session max/);
  const noRate = 'ip_vs has no limit on new sessions';
  const rate = refused('session rate', noRate, { session: session('two-way', { rate: 3 }) }, /^session rate/);
  const sourceRate = refused('session source-rate', noRate, { session: session('two-way', { sourceRate: 1 }) }, /^session source-rate/);
  const amplification = refused('session amplification', 'ip_vs does not weigh replies against requests', { session: session('two-way', { amplification: 3 }) }, /^session amplification/);
  const pin = (test: string): Difference => instead(test, NO_PIN, 'pinning is unsupported by name, and moves nothing', async ({ apply, vip, client, server, ask, engine }) => {
    const [at, a, b, c] = [await vip(), await server('a'), await server('b'), await client()];
    await apply(director(at, [a.line(), b.line({ weight: 0 })]));
    assert.equal(await ask(c, at), 'a');
    await assert.rejects(engine.pin({ director: 'main', client: endpointText(c.at), server: 'b' }), (e) => e instanceof Unsupported && e.engine === 'lvs' && e.director === 'main');
    assert.equal(await ask(c, at), 'a');
  });
  const plain: readonly (readonly [string, (test: string) => Difference])[] = [
    ['an IPv6 client reaches an IPv4 server, big and empty datagrams too', twoFamilies(6)],
    ['an IPv4 client reaches an IPv6 server', twoFamilies(4)],
    ["close('remove') frees every port and may be called twice", (test) => instead(test, 'two families in nat mode are refused', "close('remove') may be called twice, and the address is as free as ever", closesTwice)],
    ['request-reply: after a refusal no request goes to the server that refused', requestReply],
    ['request-reply spreads the requests of one client port by least outstanding, and each reply arrives', requestReply],
    ['request-reply under leastconn leaves a slow server alone', requestReply],
    ['request-reply ends after the stated number of replies', requestReply],
    ['a request that waits shows its outstanding replies', requestReply],
    ['a session that ends without any reply counts as unanswered, one with a reply does not', requestReply],
    ['observe shows what was applied, and applying it again is an empty plan that touches nothing', (test) => instead(test, `it uses request-reply: ${REQUEST_REPLY}`, 'observe shows what was applied, persistence and one-way too', observes)],
    ['one-way and request-reply datagrams leave a draining server at once', (test) => instead(test, REQUEST_REPLY, 'one-way datagrams leave a draining server at once', drains)],
    ['two-way: a server that refuses is evidence at once, and the next datagram goes elsewhere', (test) => instead(test, REFUSAL, 'two-way: a server that refuses is left once an apply says that it is down', (c) => refuses(c, 'two-way'))],
    ['one-way: after a refusal every datagram goes to the servers that are left', (test) => instead(test, REFUSAL, 'one-way: a server that refuses is left once an apply says that it is down', (c) => refuses(c, 'one-way'))],
    ['a server that refused serves again once an apply says that it is up', (test) => instead(test, REFUSAL, 'a server that was down serves again once an apply says that it is up', comesBack)],
    ['session max: one more is dropped and counted, and a place that is free again is used', max],
    ['session max holds over all workers under many clients at once', max],
    ['session source-rate: one address makes so many new sessions a second, another is not held to it, and those that live go on', sourceRate],
    ["session amplification: a session carries so many times its client's bytes, the rest is dropped and counted; another director is not held to it, and a change moves nobody", amplification],
    ['session rate: all sources together make so many new sessions a second, over all workers; another director has its own', rate],
    ['what came in equals what went to servers and what was dropped', max],
    ['zero servers: datagrams are dropped and counted; with one they are served', (test) => instead(test, 'ip_vs counts no drops', 'zero servers: datagrams are dropped; with one they are served', zeroServers)],
    ['any sequence of datagrams, applies and purges: each answer is from an allowed server to the right client', (test) => instead(test, 'the model counts drops and purges single clients', 'a sequence of datagrams and applies: each answer is from an allowed server', sequence)],
    ...['down', 'drain', 'remove'].map((event) => [`on ${event} drop`, drop(event)] as const),
    ['on remove, by disabled, drop', drop('remove')],
    ...['down', 'drain', 'remove', 'remove, by disabled,'].map((event) => [`on ${event} keep for a time`, keeps(event)] as const),
    ['filters by director, server, address and address:port select exactly what they say, and so does purge', purge],
    ['a purged client starts a new session from another source port', purge],
    ['explain agrees with where roundrobin then sends the datagram', turn('roundrobin')],
    ['explain agrees with where maglev then sends the datagram', turn('maglev')],
    ['random with weights 1, 2, 3: shares follow the weights', refused('balance random', 'ip_vs has no such scheduler', { balance: 'random' }, /^balance random/)],
    ['a session view tells what the server and the client saw', (test) => instead(test, 'the kernel tells no traffic and no age of one connection', 'a session view tells addresses, server and remaining time', view)],
    ['an occupied port is an EngineError with a cure; nothing changes and the other directors work', (test) => instead(test, 'ip_vs takes datagrams before any socket does', 'a port that a program has is balanced all the same', occupied)],
    ['a VIP that is not on this host is an EngineError with a cure, and nothing changes', (test) => instead(test, 'the standby of a pair has the service before it has the address', 'a VIP that is not on this host is taken, for when it comes', standby)],
    ...pinCases.map(({ name }) => [name, pin] as const),
    ['the first reply after a request is counted under the time since the last request', (test) => instead(test, 'the kernel times no replies', 'response times are null: not known', async ({ apply, vip, client, server, ask, reading }) => {
      const [at, a, c] = [await vip(), await server('a'), await client()];
      await apply(director(at, [a.line()]));
      await ask(c, at);
      assert.deepEqual((await reading()).servers.map((s) => s.responseTimes), [null]);
    })],
    ['a late reply to a purged session reaches no other client', late],
    ['a late reply to an expired session reaches no other client', late],
    ["a datagram to a session's source port from anybody but its server reaches no client", late],
    ['the reply leaves from the VIP that was hit, with a director on each of several addresses', twoVips(false)],
    ['the reply leaves from the address that was hit, with one director on all addresses', twoVips(true)],
    ['one client on several VIPs of one director has its replies kept apart', twoVips(true)],
    ['two-way: an idle session ends and the next datagram starts a new one', lateCounters],
    ['two-way: datagrams keep a session alive beyond its timeout', lateCounters],
    ['applies under traffic lose no datagram and move no session they need not', (test) => instead(test, LATE_COUNTERS, 'applies under traffic lose no datagram and move no client', underTraffic)],
    ['persistence ends after its time without datagrams', (test) => instead(test, 'ip_vs lets a persistence entry outlive its time by up to a minute', 'persistence is set in whole seconds', async ({ apply, vip, engine }) => {
      const wanted = director(await vip(), [], { persistence: { timeoutMs: 100, prefix4: 32, prefix6: 128 } });
      await apply(wanted);
      assert.deepEqual((await engine.observe()).directors, [wanted]);
    })],
    ['localitybased with weights 4, 4, 0: sessions go where the algorithm says', (test) => instead(test, 'lblc calls a server overloaded by its TCP connections alone', 'localitybased keeps the clients of one address together', async ({ apply, vip, client, server, ask }) => {
      const [at, a, b] = [await vip(), await server('a'), await server('b')];
      await apply(director(at, [a.line({ weight: 4 }), b.line({ weight: 4 })], { balance: 'localitybased' }));
      const tags = new Set<string>();
      for (let n = 0; n < 10; n++) tags.add(await ask(await client(), at));
      assert.equal(tags.size, 1);
    })],
    ['explain says why: a session that exists, no server, no director; and changes nothing', (test) => instead(test, 'ip_vs knows a server by its address: two with one address are refused', 'explain says why: a session that exists, no server, no director', explains)],
  ];
  return plain.map(([test, of]) => of(test));
}

function instead(test: string, reason: string, name: string, run: Case['run']): Difference {
  return insteadOf('lvs', test, reason, name, run);
}

/** What is Unsupported is named with its director and refused by apply, and nothing changes. */
function refused(words: string, reason: string, options: Partial<DesiredDirector>, what: RegExp): (test: string) => Difference {
  return (test) => instead(test, reason, `${words} is unsupported by name`, (c) => refusedBy(c, options, what));
}

async function refusedBy({ apply, engine, vip }: Context, options: Partial<DesiredDirector>, what: RegExp): Promise<void> {
  const main = director(await vip(), []);
  await apply(main);
  const wanted = desired([main, director(await vip(1), [], { ...options, name: 'x' })]);
  const cannot = engine.unsupported(wanted);
  assert.deepEqual(cannot.map((u) => [u instanceof Unsupported, u.engine, u.director]), [[true, 'lvs', 'x']]);
  assert.match(cannot[0]?.what ?? '', what);
  await assert.rejects(engine.apply(planOf(wanted, await engine.observe())));
  assert.deepEqual((await engine.observe()).directors, [main]);
}

function twoFamilies(family: Family): (test: string) => Difference {
  return (test) => instead(test, 'in nat mode ip_vs keeps the address family', 'another family in nat mode is unsupported by name', mixed(family));
}

function drop(event: string): (test: string) => Difference {
  return refused(`on ${event} drop`, 'ip_vs drops datagrams of servers that are gone for all services or for none', { on: { ...ON_DEFAULT, [event]: { kind: 'drop' } } }, new RegExp(`^on ${event} drop`));
}

async function observes({ apply, vip, server, engine, client, ask }: Context): Promise<void> {
  const [at, a, b] = [await vip(), await server('a'), await server('b')];
  const wanted = desired([
    director(at, [a.line({ weight: 7 }), b.line({ state: 'drain' })], { balance: 'maglev', persistence: { timeoutMs: 9000, prefix4: 24, prefix6: 64 } }),
    director(await vip(1), [b.line()], { name: 'other', session: session('one-way') }),
  ]);
  await apply(...wanted.directors);
  assert.deepEqual(await engine.observe(), wanted);
  assert.equal(await ask(await client(), at), 'a');
  const again = planOf(wanted, await engine.observe());
  assert.deepEqual(again.steps, []);
  await engine.apply(again);
  assert.equal((await engine.sessions({}, { limit: 9 })).total, 1);
}

async function drains({ apply, vip, client, server }: Context): Promise<void> {
  const [at, c, a, b] = [await vip(), await client(), await server('a', { behaviour: 'silent' }), await server('b', { behaviour: 'silent' })];
  const options = { session: session('one-way'), balance: 'roundrobin' } as const;
  await apply(director(at, [a.line(), b.line()], options));
  for (let n = 0; n < 2; n++) await c.send('x', at);
  await Promise.all([a.peer.inbox.take(), b.peer.inbox.take()]);
  await apply(director(at, [a.line({ state: 'drain' }), b.line()], options));
  for (let n = 0; n < 4; n++) await c.send('y', at);
  for (let n = 0; n < 4; n++) await b.peer.inbox.take((d) => d.text === 'y');
}

async function refuses({ apply, vip, client, server }: Context, kind: 'two-way' | 'one-way'): Promise<void> {
  const [at, c] = [await vip(), await client()];
  const servers = [await server('a', { behaviour: 'silent' }), await server('b', { behaviour: 'silent' })];
  const main = (down: string): DesiredDirector => director(at, servers.map((s) => s.line({ state: s.name === down ? 'down' : 'up' })), { session: session(kind), balance: 'roundrobin' });
  await apply(main(''));
  await c.send('first', at);
  const home = await Promise.race(servers.map(async (s) => { await s.peer.inbox.take((d) => d.text === 'first'); return s; }));
  await home.peer.close();
  await apply(main(home.name));
  const other = servers.find((s) => s !== home)!;
  for (let n = 0; n < 4; n++) await c.send('next', at);
  for (let n = 0; n < 4; n++) await other.peer.inbox.take((d) => d.text === 'next');
}

async function comesBack({ apply, vip, client, server, ask }: Context): Promise<void> {
  const [at, a, b] = [await vip(), await server('a'), await server('b')];
  await apply(director(at, [a.line({ state: 'down' }), b.line()]));
  assert.equal(await ask(await client(), at), 'b');
  await apply(director(at, [a.line(), b.line()]));
  assert.equal(await ask(await client(), at), 'a');
}

async function zeroServers({ apply, vip, client, server, ask, tell }: Context): Promise<void> {
  const [at, a, c] = [await vip(), await server('a'), await client()];
  await apply(director(at, []));
  await tell(c, at);
  await apply(director(at, [a.line()]));
  assert.equal(await ask(c, at), 'a');
  await apply(director(at, [a.line({ state: 'down' })]));
  await tell(c, at);
  await apply(director(at, [a.line({ state: 'unknown' })]));
  assert.equal(await ask(c, at), 'a', 'unknown takes sessions');
  assert.equal(a.peer.inbox.all.length, 2);
}

/** A fixed walk through what the model would draw: each state of each server, clients old and new. */
async function sequence({ apply, vip, client, server, ask }: Context): Promise<void> {
  const at = await vip();
  const [a, b, d] = [await server('a'), await server('b'), await server('d')];
  const clients = await Promise.all([0, 1, 2].map(() => client()));
  const homes = new Map<number, string>();
  const states = ['up', 'drain', 'down', 'unknown', 'disabled'] as const;
  for (let step = 0; step < 10; step++) {
    const [sa, sb] = [states[step % 5]!, states[(step * 2 + 1) % 5]!];
    await apply(director(at, [a.line({ state: sa }), b.line({ state: sb, weight: step % 3 }), d.line()], { balance: step % 2 === 0 ? 'leastconn' : 'maglev' }));
    const state = new Map<string, string>([['a', sa], ['b', sb], ['d', 'up']]);
    for (const [n, c] of clients.entries()) {
      const home = homes.get(n);
      const stays = home !== undefined && ['up', 'unknown', 'drain'].includes(state.get(home) ?? '');
      const allowed = stays ? [home] : ['a', 'b', 'd'].filter((s) => ['up', 'unknown'].includes(state.get(s) ?? '') && (s !== 'b' || step % 3 > 0));
      const tag = await ask(c, at);
      assert.ok(allowed.includes(tag), `step ${step}: client ${n} was answered by ${tag}, allowed ${allowed.join()}`);
      homes.set(n, tag);
    }
  }
}

/** As the contract's, but for the moment at which it ends: a reply on its way then passes the balancer's address by. */
function keeps(event: string): (test: string) => Difference {
  return (test) => instead(test, 'a reply that is on its way when its session ends is routed as it is', `on ${event} keep for a time: kept, then moved`, async ({ apply, vip, client, server, ask, engine }) => {
    const [at, c, a, b] = [await vip(), await client(), await server('a'), await server('b')];
    const on = { ...ON_DEFAULT, [event.startsWith('remove') ? 'remove' : event]: { kind: 'keep', forMs: 1200 } } as const;
    await apply(director(at, [a.line(), b.line()], { on }));
    const home = await ask(c, at);
    const [goes, stays] = home === 'a' ? [a, b] : [b, a];
    const state = event.includes('disabled') ? 'disabled' : event === 'down' ? 'down' : 'drain';
    await apply(director(at, event === 'remove' ? [stays.line()] : [goes.line({ state }), stays.line()], { on }));
    assert.equal(await ask(c, at), home);
    assert.equal(await ask(await client(), at), stays.name, 'new sessions go elsewhere');
    await until('the kept session to end', () => engine.sessions({ client: endpointText(c.at) }, { limit: 9 }), (page) => page.sessions.length === 0);
    assert.equal(await ask(c, at), stays.name);
  });
}

function purge(test: string): Difference {
  return instead(test, ONE_CLIENT, 'purge of one client is unsupported by name, and ends nothing', async ({ apply, vip, client, server, ask, engine }) => {
    const [at, a, c] = [await vip(), await server('a'), await client()];
    await apply(director(at, [a.line()]));
    await ask(c, at);
    await assert.rejects(engine.purge({ client: endpointText(c.at) }), (e) => e instanceof Unsupported && e.engine === 'lvs');
    assert.equal((await engine.sessions({}, { limit: 9 })).total, 1);
    assert.equal(await engine.purge({ server: 'none' }), 0);
    assert.equal(await engine.purge({ director: 'main' }), 1);
    assert.equal((await engine.sessions({}, { limit: 9 })).total, 0);
  });
}

function turn(balance: 'roundrobin' | 'maglev'): (test: string) => Difference {
  return (test) => instead(test, 'the kernel does not show what its scheduler will do next', `explain says that it cannot know under ${balance}, and names the candidates`, async ({ apply, vip, client, server, ask, engine }) => {
    const [at, a, b, c] = [await vip(), await server('a'), await server('b'), await client()];
    await apply(director(at, [a.line(), b.line()], { balance }));
    const query = { client: endpointText(c.at), vip: endpointText(at), protocol: 'udp' } as const;
    const before = await engine.explain(query);
    assert.equal(before.server, null);
    assert.match(before.why, /one of 2 servers: the kernel does not show/);
    assert.deepEqual(before.candidates.map((s) => s.server), ['a', 'b']);
    const home = await ask(c, at);
    assert.equal((await engine.explain(query)).server, home);
  });
}

async function view({ apply, vip, client, server, ask, sessions }: Context): Promise<void> {
  const [at, a, c] = [await vip(), await server('a'), await client()];
  await apply(director(at, [a.line()]));
  await ask(c, at);
  const [seen] = await sessions();
  assert.deepEqual([seen?.director, seen?.client, seen?.vip, seen?.server, seen?.serverAddress, seen?.sourcePort], ['main', endpointText(c.at), endpointText(at), 'a', endpointText(a.peer.at), c.at.port]);
  assert.equal(a.peer.inbox.all[0]?.from.port, c.at.port);
  assert.ok(seen!.expiresInMs > 60_000 && seen!.expiresInMs <= 120_000, String(seen!.expiresInMs));
}

function late(test: string): Difference {
  return instead(test, CLIENT_ITSELF, 'a late reply reaches the client it is for, and no other', async ({ apply, vip, client, server, engine }) => {
    const [at, hold, first, other] = [await vip(), await server('a', { behaviour: 'silent' }), await client(), await client()];
    await apply(director(at, [hold.line()]));
    await first.send('slow question', at);
    const slow = await hold.peer.inbox.take();
    assert.equal(slow.from.port, first.at.port, 'the server sees the client itself');
    await engine.purge({});
    await other.send('new', at);
    const fresh = await hold.peer.inbox.take();
    await hold.peer.send('late', slow.from);
    await hold.peer.send('in time', fresh.from);
    assert.equal((await other.inbox.take()).text, 'in time');
    assert.equal((await first.inbox.take()).text, 'late');
    assert.deepEqual(other.inbox.drain(), []);
  });
}

function twoVips(all: boolean): (test: string) => Difference {
  return (test) => instead(test, TWO_VIPS, `replies leave from the VIP that was hit, each client on one of several${all ? ' of one director' : ''}`, async ({ apply, world, client, server, ask }) => {
    const [a, port] = [await server('a'), await world.freePorts(1)];
    const vips = [0, 1, 2].flatMap((n) => world.vip(n) ?? []).map((ip) => ({ ip, port }));
    await apply(...(all ? [director({ ip: world.anyVip()!, port }, [a.line()])] : vips.map((at, n) => director(at, [a.line()], { name: `d${n}` }))));
    const clients = await Promise.all(vips.map(() => client()));
    for (let round = 0; round < 2; round++) for (const [n, at] of vips.entries()) assert.equal(await ask(clients[n]!, at), 'a');
  });
}

function lateCounters(test: string): Difference {
  return instead(test, LATE_COUNTERS, 'a session lives while datagrams come, ends after its time without, and is counted soon', async ({ apply, vip, client, server, ask, sessions, reading }) => {
    const [at, a, c] = [await vip(), await server('a'), await client()];
    await apply(director(at, [a.line()], { session: session('two-way', { timeoutMs: 2000 }) }));
    const started = performance.now();
    while (performance.now() - started < 4000) {
      await ask(c, at);
      assert.equal((await sessions()).length, 1);
    }
    await until('the session to end', () => sessions(), (list) => list.length === 0);
    await ask(c, at);
    await until('both sessions to be counted', () => reading(), (r) => r.sessionsCreated === 2);
  });
}

async function underTraffic({ apply, vip, client, server, engine, reading }: Context): Promise<void> {
  const at = await vip();
  const [a, b, extra] = [await server('a'), await server('b'), await server('x')];
  const clients = await Promise.all(Array.from({ length: 6 }, () => client()));
  const main = (options: Partial<DesiredDirector> = {}, more = false): DesiredDirector => director(at, [a.line(), b.line(), ...(more ? [extra.line()] : [])], options);
  await apply(main());
  let stop = false;
  const ask = async (n: number, k: number): Promise<void> => {
    await clients[n]!.send(`c${n}.${k}`, at);
    await clients[n]!.inbox.take((d) => d.text.endsWith(`:c${n}.${k}`));
  };
  for (const n of clients.keys()) await ask(n, 0);
  const rounds = clients.map(async (_, n) => {
    let k = 1;
    for (; !stop || k < 20; k++) await ask(n, k);
    return k;
  });
  try {
    await apply(main({}, true));
    await apply(main({ balance: 'roundrobin' }, true), director(await vip(1), [a.line()], { name: 'other' }));
    await apply(main({ balance: 'maglev' }));
  } finally {
    stop = true;
  }
  const sent = (await Promise.all(rounds)).reduce((x, y) => x + y, 0);
  for (const n of clients.keys()) {
    const homes = [a, b, extra].filter((s) => s.peer.inbox.all.some((d) => d.text.startsWith(`c${n}.`)));
    assert.equal(homes.length, 1, `client ${n} was on ${homes.map((s) => s.name).join()}`);
  }
  await until('every datagram to be counted', () => reading(), (r) => r.packetsOut === sent && r.packetsIn === sent && r.sessionsCreated === 6);
  assert.equal((await engine.sessions({}, { limit: 1 })).total, 6);
}

async function explains({ apply, vip, client, server, ask, engine }: Context): Promise<void> {
  const [at, empty, a, b, c] = [await vip(), await vip(), await server('a'), await server('b'), await client()];
  await apply(director(at, [a.line(), b.line({ state: 'down' })]), director(empty, [], { name: 'empty' }));
  await ask(c, at);
  const why = (vipText: string): ReturnType<typeof engine.explain> => engine.explain({ client: endpointText(c.at), vip: vipText, protocol: 'udp' });
  const [pinned, none, nowhere] = [await why(endpointText(at)), await why(endpointText(empty)), await why('192.0.2.1:9')];
  assert.deepEqual([pinned.director, pinned.server], ['main', 'a']);
  assert.match(pinned.why, /session/i);
  assert.deepEqual(pinned.candidates.map((s) => [s.server, s.state, s.weight, s.sessions]), [['a', 'up', 1, 1], ['b', 'down', 1, 0]]);
  assert.deepEqual([none.director, none.server], ['empty', null]);
  assert.match(none.why, /no.server/i);
  assert.deepEqual([nowhere.director, nowhere.server], [null, null]);
}
