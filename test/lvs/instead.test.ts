/** What the lvs engine does where the contract is skipped, and the kernel's own view of it: ipvsadm and nft show what was planned. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { promisify } from 'node:util';
import { after, test } from 'node:test';
import type { OnAction } from '../../src/balance/terms.ts';
import { EngineError, Unsupported } from '../../src/engine/engine.ts';
import { createLvsEngine } from '../../src/engine/lvs/index.ts';
import { endpointText, type Endpoint } from '../../src/net/endpoint.ts';
import { diff } from '../../src/plan/diff.ts';
import { withContext, type Context } from '../contract/context.ts';
import { desired, director, session } from '../contract/make.ts';
import { until } from '../contract/mailbox.ts';
import type { Peer } from '../contract/world.ts';
import { sh } from './netns.ts';
import { createGuestWorld } from './world.ts';

const world = createGuestWorld();
after(() => world.close());

const SYSCTLS = '/proc/sys/net/ipv4/vs';
const sysctl = (name: string): string => readFileSync(`${SYSCTLS}/${name}`, 'utf8').trim();
/** The services as ipvsadm saves them, sorted: one line a service or server. */
const rules = (): string[] => sh('ipvsadm', '-Sn').trim().split('\n').filter((l) => l !== '').toSorted();

function kernelTest(name: string, run: (context: Context) => Promise<void>): void {
  test(name, { timeout: 60_000 }, () => withContext((onEvent) => createLvsEngine({ onEvent }), world, run));
}

kernelTest('ipvsadm shows just what was planned, a second plan is empty, and close puts everything back', async ({ apply, engine, vip, server }) => {
  assert.ok((await engine.probe()).ok, 'and its module is loaded, which makes the switches');
  const was = { nodest: sysctl('expire_nodest_conn'), template: sysctl('expire_quiescent_template'), timeouts: sh('ipvsadm', '-L', '--timeout') };
  const [at, a, b, sorry] = [await vip(), await server('a'), await server('b'), await server('z')];
  const port = (e: Endpoint): string => endpointText(e);
  const range = await world.freePorts(10);
  const wanted = desired([
    director(at, [a.line({ weight: 10 }), b.line({ weight: 5, state: 'drain' }), sorry.line({ sorry: true })], { sourceNat: { rule: 'snat', addresses: null, ports: null }, session: session('two-way', { timeoutMs: 45_000 }) }),
    director(await vip(1), [a.line()], { name: 'range', ports: { first: range, last: range + 9 }, balance: 'source', persistence: { timeoutMs: 300_000, prefix4: 24, prefix6: 64 } }),
    director({ ip: world.vip(2)!, port: 514 }, [a.line(), b.line()], { name: 'syslog', balance: 'roundrobin', session: session('one-way') }),
  ]);
  await apply(...wanted.directors);
  const mark = /-A -f (\d+) /.exec(rules().join('\n'))?.[1] ?? '';
  assert.deepEqual(rules(), [
    `-A -f ${mark} -s sh -p 300 -M 255.255.255.0 -b sh-fallback`, `-A -u 198.51.100.243:514 -s wrr -o`, `-A -u ${port(at)} -s wlc`,
    `-a -f ${mark} -r ${port(a.peer.at)} -m -w 1`,
    `-a -u 198.51.100.243:514 -r ${port(a.peer.at)} -m -w 1`, `-a -u 198.51.100.243:514 -r ${port(b.peer.at)} -m -w 1`,
    `-a -u ${port(at)} -r ${port(a.peer.at)} -m -w 10`, `-a -u ${port(at)} -r ${port(b.peer.at)} -m -w 0`, `-a -u ${port(at)} -r ${port(sorry.peer.at)} -m -w 0`,
  ].toSorted());
  assert.ok(Number(mark) >>> 24 === 0x77, mark);
  assert.match(sh('nft', 'list', 'table', 'inet', 'weir_lvs'), new RegExp(`ip daddr 198.51.100.242 udp dport ${range}-${range + 9} meta mark set 0x${Number(mark).toString(16)} accept comment "director range"`));
  assert.deepEqual([sysctl('expire_nodest_conn'), sysctl('expire_quiescent_template')], ['1', '1']);
  assert.match(sh('ipvsadm', '-L', '--timeout'), /900 120 45$/m);
  assert.deepEqual(diff(wanted, await engine.observe()).steps, []);
  await engine.close('remove');
  assert.deepEqual(rules(), []);
  assert.doesNotMatch(sh('nft', 'list', 'tables'), /weir/);
  assert.deepEqual({ nodest: sysctl('expire_nodest_conn'), template: sysctl('expire_quiescent_template'), timeouts: sh('ipvsadm', '-L', '--timeout') }, was);
});

kernelTest('a restart touches nothing: sessions, counters and servers stay, and the new engine knows them', async ({ apply, engine, vip, client, server, ask, sessions }) => {
  const [at, a, b, c] = [await vip(), await server('a'), await server('b'), await client()];
  const wanted = desired([director(at, [a.line(), b.line()])]);
  await apply(...wanted.directors);
  const home = await ask(c, at);
  const before = [rules(), (await sessions()).length];
  await engine.close('leave');
  assert.deepEqual(rules(), before[0]);
  assert.equal(await ask(c, at), home, 'traffic flows without weir');
  const next = await createLvsEngine({ onEvent: () => undefined });
  assert.deepEqual(diff(wanted, await next.observe()).steps, []);
  assert.equal((await next.sessions({}, { limit: 10 })).total, before[1]);
  await until('the counters to be summed', () => next.read(), (r) => r.directors[0]?.packetsIn === 2);
  await next.close('leave');
});

kernelTest('a foreign service survives every apply and the end; its address is refused by name, and nothing changes', async ({ apply, engine, vip, client, server, ask }) => {
  const [at, theirs, a, c] = [await vip(), await vip(1), await server('a'), await client()];
  sh('ipvsadm', '-A', '-u', endpointText(theirs), '-s', 'rr');
  sh('ipvsadm', '-a', '-u', endpointText(theirs), '-r', endpointText(a.peer.at), '-m', '-w', '3');
  try {
    const main = director(at, [a.line()]);
    await apply(main);
    await assert.rejects(apply(main, director(theirs, [a.line()], { name: 'other' })), (error) => error instanceof EngineError && /that weir did not set/.test(error.message) && /ipvsadm -D -u/.test(error.cure) && error.landed.length === 0);
    assert.deepEqual((await engine.observe()).directors, [main]);
    assert.equal(await ask(c, at), 'a');
    await engine.close('remove');
    assert.deepEqual(rules(), [`-A -u ${endpointText(theirs)} -s rr`, `-a -u ${endpointText(theirs)} -r ${endpointText(a.peer.at)} -m -w 3`].toSorted());
  } finally {
    sh('ipvsadm', '-D', '-u', endpointText(theirs));
  }
});

kernelTest('what somebody changed with ipvsadm is seen and put right by the next plan', async ({ apply, engine, vip, server, client, ask }) => {
  const [at, a, b, c] = [await vip(), await server('a'), await server('b'), await client()];
  const wanted = desired([director(at, [a.line(), b.line()])]);
  await apply(...wanted.directors);
  const planned = rules();
  const service = endpointText(at);
  const damages: [string[], RegExp][] = [
    [['-e', '-u', service, '-r', endpointText(a.peer.at), '-m', '-w', '77'], /weight 77 -> 1/],
    [['-d', '-u', service, '-r', endpointText(b.peer.at)], /add server main\/b/],
    [['-a', '-u', service, '-r', '192.0.2.200:9', '-m'], /remove server main\/unknown-192\.0\.2\.200-9/],
    [['-E', '-u', service, '-s', 'rr'], /balance roundrobin -> leastconn/],
    [['-D', '-u', service], /add director main/],
  ];
  for (const [damage, words] of damages) {
    sh('ipvsadm', ...damage);
    const plan = diff(wanted, await engine.observe());
    assert.match(plan.steps.map((s) => s.text).join('\n'), words);
    await engine.apply(plan);
    assert.deepEqual(rules(), planned, damage.join(' '));
  }
  assert.match(await ask(c, at), /[ab]/);
});

kernelTest('a step the kernel refuses takes the earlier ones back', async ({ apply, engine, vip, server, defer }) => {
  const [at, next, a, b] = [await vip(), await vip(1), await server('a'), await server('b')];
  await apply(director(at, [a.line()]));
  const planned = rules();
  // The kernel asks this program for the scheduler's module, and is not given it.
  const modprobe = readFileSync('/proc/sys/kernel/modprobe', 'utf8');
  writeFileSync('/proc/sys/kernel/modprobe', '/bin/false');
  defer(async () => writeFileSync('/proc/sys/kernel/modprobe', modprobe));
  if (existsSync('/sys/module/ip_vs_lblcr')) sh('rmmod', 'ip_vs_lblcr');
  await assert.rejects(apply(director(at, [b.line()]), director(next, [a.line()], { name: 'zz', balance: 'localitybased-replication' })), (error) => {
    assert.ok(error instanceof EngineError);
    assert.match(`${error.message} ${error.cure}`, /lblcr/);
    assert.deepEqual(error.landed, []);
    return true;
  });
  assert.deepEqual(rules(), planned);
  assert.deepEqual((await engine.observe()).directors.map((d) => d.name), ['main']);
});

kernelTest('a client of a director without servers is told by ICMP at once', async ({ apply, vip }) => {
  const at = await vip();
  await apply(director(at, []));
  // A connected socket hears of it.
  const heard = world.clients.run(process.execPath, '-e', `
    const s = require('dgram').createSocket('udp4');
    s.on('error', (e) => { console.log(e.code); process.exit(0); });
    s.connect(${at.port}, '${at.ip.text}', () => s.send('x'));
    setTimeout(() => { console.log('silence'); process.exit(0); }, 5000);`).trim();
  assert.equal(heard, 'ECONNREFUSED');
});

kernelTest('keep for a time: the session stays, new ones go elsewhere, and after the time it moves', async ({ apply, vip, client, server, ask }) => {
  const [at, a, b, c] = [await vip(), await server('a'), await server('b'), await client()];
  for (const event of ['down', 'drain', 'remove'] as const) {
    const action = (name: string): OnAction => (name === event ? { kind: 'keep', forMs: 1500 } : { kind: 'move' });
    const on = { down: action('down'), drain: action('drain'), remove: action('remove') };
    await apply(director(at, [a.line(), b.line()], { on }));
    const home = await ask(c, at);
    const [stays, goes] = home === 'a' ? [b, a] : [a, b];
    const lines = event === 'remove' ? [stays.line()] : [stays.line(), goes.line({ state: event })];
    await apply(director(at, lines, { on }));
    assert.equal(await ask(c, at), home);
    assert.equal(await ask(await client(), at), stays.name);
    // Nothing of it may be on its way when it ends: so look at the kernel.
    await until('the server to leave ip_vs', async () => rules(), (list) => !list.some((l) => l.includes(endpointText(goes.peer.at))));
    assert.equal(await ask(c, at), stays.name);
  }
});

kernelTest('a removed server whose sessions are kept leaves ip_vs with the last of them', async ({ apply, vip, client, server, ask, engine }) => {
  const [at, a, b, c] = [await vip(), await server('a'), await server('b'), await client()];
  const options = { on: { down: { kind: 'move' }, drain: { kind: 'keep', forMs: null }, remove: { kind: 'keep', forMs: null } }, session: session('two-way', { timeoutMs: 2000 }) } as const;
  await apply(director(at, [a.line()], options));
  assert.equal(await ask(c, at), 'a');
  await apply(director(at, [b.line()], options));
  assert.equal(await ask(c, at), 'a');
  assert.deepEqual((await engine.observe()).directors[0]?.servers.map((s) => s.name), ['b'], 'it is not part of what was planned');
  await until('the server to leave ip_vs', async () => rules(), (list) => !list.some((l) => l.includes(endpointText(a.peer.at))), 15_000);
  assert.equal(await ask(c, at), 'b');
});

kernelTest('an established flow from a fixed port moves at once when its server dies, with connection tracking on too', async ({ apply, vip, client, server, ask }) => {
  const at = await vip();
  const [a, b] = [await server('a'), await server('b')];
  for (const conntrack of ['0', '1']) {
    writeFileSync(`${SYSCTLS}/conntrack`, conntrack);
    const c = await client({ port: await world.freePorts(1) });
    const main = (down: string): Parameters<typeof apply>[0] => director(at, [a, b].map((s) => s.line({ state: s.name === down ? 'down' : 'up' })));
    await apply(main(''));
    const home = await ask(c, at);
    await apply(main(home));
    assert.notEqual(await ask(c, at), home, `conntrack ${conntrack}: with the very first datagram`);
  }
  writeFileSync(`${SYSCTLS}/conntrack`, '0');
});

kernelTest('purge ends the sessions of a server or a director; of one client it is Unsupported by name', async ({ apply, vip, client, server, ask, engine }) => {
  const [at, a, b] = [await vip(), await server('a'), await server('b')];
  const clients = await Promise.all(Array.from({ length: 6 }, () => client()));
  await apply(director(at, [a.line(), b.line()], { balance: 'roundrobin' }));
  for (const c of clients) await ask(c, at);
  await assert.rejects(engine.purge({ client: endpointText(clients[0]!.at) }), (e) => e instanceof Unsupported && e.engine === 'lvs');
  assert.equal(await engine.purge({ server: 'a' }), 3);
  assert.equal((await engine.sessions({}, { limit: 1 })).total, 3);
  assert.equal(await engine.purge({}), 3);
  assert.equal((await engine.sessions({}, { limit: 1 })).total, 0);
  assert.match(await ask(clients[0]!, at), /[ab]/);
});

kernelTest('session filters by director, server and client select exactly what they say', async ({ apply, vip, client, server, ask, engine }) => {
  const [one, two, a, b] = [await vip(), await vip(), await server('a'), await server('b')];
  const clients = await Promise.all([0, 1].map((n) => client({ ip: world.clientIp(n) })));
  await apply(director(one, [a.line()], { name: 'one' }), director(two, [b.line()], { name: 'two' }));
  for (const c of clients) for (const at of [one, two]) await ask(c, at);
  const count = async (filter: object): Promise<number> => (await engine.sessions(filter, { limit: 100 })).sessions.length;
  assert.deepEqual(
    [await count({}), await count({ director: 'one' }), await count({ server: 'b' }), await count({ client: endpointText(clients[0]!.at) }), await count({ client: clients[1]!.at.ip.text, director: 'two' })],
    [4, 2, 2, 2, 1],
  );
  const [view] = (await engine.sessions({ director: 'one' }, { limit: 1 })).sessions;
  assert.deepEqual([view?.vip, view?.serverAddress, view?.sourcePort], [endpointText(one), endpointText(a.peer.at), Number(view?.client.split(':')[1])]);
  assert.ok(view!.expiresInMs > 60_000 && view!.expiresInMs <= 120_000);
});

kernelTest('a director on all addresses, and one on a range, give way to a narrower one', async ({ apply, vip, client, server, ask }) => {
  const at = await vip();
  const [a, b, d] = [await server('a'), await server('b'), await server('d')];
  await apply(
    director(at, [a.line()], { name: 'exact' }),
    director(at, [b.line()], { name: 'range', ports: { first: at.port, last: at.port + 5 } }),
    director({ ip: world.anyVip()!, port: at.port }, [d.line()], { name: 'any' }),
  );
  const c = async (): Promise<Peer> => client();
  assert.equal(await ask(await c(), at), 'a');
  assert.equal(await ask(await c(), { ip: at.ip, port: at.port + 1 }), 'b');
  assert.equal(await ask(await c(), { ip: world.vip(2)!, port: at.port }), 'd');
});

kernelTest('a director without an address is fed by its mark', async ({ apply, engine, vip, client, server, ask }) => {
  const [at, a, c] = [await vip(), await server('a'), await client()];
  await apply(director({ ip: at.ip, port: 1 }, [a.line()], { vip: null, ports: null }));
  const mark = /-A -f (\d+) /.exec(rules().join('\n'))?.[1] ?? '';
  sh('nft', 'add table inet own; add chain inet own pre { type filter hook prerouting priority mangle; }');
  try {
    sh('nft', `add rule inet own pre ip daddr ${at.ip.text} udp dport ${at.port} meta mark set ${mark}`);
    assert.equal(await ask(c, at), 'a');
    assert.equal((await engine.observe()).directors.length, 1);
  } finally {
    sh('nft', 'delete table inet own');
  }
});

kernelTest('TCP is balanced too', async ({ apply, engine, vip }) => {
  const [at, port] = [await vip(), await world.freePorts(1)];
  const listener = createServer((s) => s.end('hello'));
  // Without a host the socket is made before listen returns.
  world.servers.within(() => listener.listen({ port, exclusive: true }));
  try {
    await apply(director(at, [{ name: 'a', ip: world.serverIp(0), port, weight: 1, state: 'up', sorry: false }], { protocol: 'tcp' }));
    const { stdout } = await promisify(execFile)('ip', ['netns', 'exec', 'clients', 'bash', '-c', `cat < /dev/tcp/${at.ip.text}/${at.port}`], { timeout: 20_000 });
    assert.equal(stdout, 'hello');
    assert.match(rules().join('\n'), new RegExp(`-A -t ${endpointText(at)} -s wlc`));
    assert.equal((await engine.read()).directors[0]?.name, 'main');
  } finally {
    listener.close();
  }
});
