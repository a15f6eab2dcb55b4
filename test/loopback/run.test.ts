/** `weir run` from its first start to its end, with real datagrams, and every way it refuses to start. */
import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { startDemo } from '../../src/bin/demo.ts';
import { until } from '../contract/mailbox.ts';
import { directory, freePorts, start, weir } from './weir.ts';

/** Two answering servers and the text of a configuration for them. */
async function world(t: TestContext): Promise<{ readonly vip: number; readonly text: string }> {
  const demo = await startDemo([{ name: 'one', port: 0 }, { name: 'two', port: 0 }]);
  t.after(() => demo.close());
  const [vip = 0] = await freePorts(1);
  const servers = demo.ports.map((port, i) => `    server ${i === 0 ? 'one' : 'two'} 127.0.0.1:${port}\n`).join('');
  return { vip, text: `director web 127.0.0.1:${vip} UDP\n    balance roundrobin\n${servers}` };
}

function file(t: TestContext, name: string, text: string): string {
  const path = join(directory(t), name);
  writeFileSync(path, text);
  return path;
}

test('a first start answers a datagram, tells the password once, and ends in order; a second keeps the state', async (t) => {
  const { vip, text } = await world(t);
  const state = join(directory(t), 'state');
  const conf = file(t, 'web.conf', text);
  const first = start(t, ['run', conf, '--api', '127.0.0.1:0'], { state });
  const said = await first.said(/^ {2}state /m);
  assert.match(said, /^weir \d.* runs, engine userspace: /);
  assert.match(said, /^ {2}password {2}[a-z0-9-]{20,} {3}\(user admin; shown this once\)$/m);
  assert.match(said, new RegExp(`^  director  web  127\\.0\\.0\\.1:${vip} udp, 2 servers, roundrobin$`, 'm'));
  assert.equal(statSync(state).mode & 0o777, 0o700);
  assert.equal(statSync(join(state, 'cli.token')).mode & 0o777, 0o600);

  const answers = [await weir(['send', `127.0.0.1:${vip}`, 'hello']), await weir(['send', `127.0.0.1:${vip}`, 'hello'])].map(({ out }) => out).toSorted();
  assert.deepEqual(answers, ['one got 5 bytes: hello\n', 'two got 5 bytes: hello\n']);
  // A reading is shared for a quarter of a second.
  const counted = await until('both datagrams to be counted', async () => {
    const [web] = JSON.parse((await weir(['status', '--json'], { state })).out).directors as { packetsIn: number; packetsOut: number; servers: { packetsIn: number }[] }[];
    return [web?.packetsIn, web?.packetsOut, web?.servers.map((s) => s.packetsIn)];
  }, ([packetsIn]) => packetsIn === 2);
  assert.deepEqual(counted, [2, 2, [1, 1]]);

  // Saved: survives. Applied and not saved: does not.
  assert.equal((await weir(['apply', '-', '--save'], { state, stdin: text.replace('roundrobin', 'leastconn') })).code, 0);
  assert.equal((await weir(['apply', '-'], { state, stdin: text.replace('roundrobin', 'random') })).code, 0);
  const ended = await first.stop('SIGTERM');
  assert.equal(ended.code, 0, ended.err);
  assert.ok(!existsSync(join(state, 'api.json')));
  assert.equal((await weir(['status'], { state })).code, 3);

  const second = start(t, ['run', conf, '--api', '127.0.0.1:0'], { state });
  const again = await second.said(/^ {2}state /m);
  assert.ok(!again.includes('password'), again);
  assert.match(again, /FILE is as it was when last loaded, so what was saved since \(revision \d+\) runs/);
  assert.match(again, /2 servers, leastconn$/m);
  assert.equal((await second.stop('SIGINT')).code, 0);

  writeFileSync(conf, text.replace('roundrobin', 'source'));
  const third = start(t, ['run', conf, '--api', '127.0.0.1:0'], { state });
  assert.match(await third.said(/^ {2}state /m), /FILE is new or has changed: it runs and is saved; what was saved before is kept as revision \d+[^]*2 servers, source$/m);
});

test('SIGHUP loads FILE again, or changes nothing and says why', async (t) => {
  const { text } = await world(t);
  const state = join(directory(t), 'state');
  const conf = file(t, 'web.conf', text);
  const running = start(t, ['run', conf, '--api', '127.0.0.1:0'], { state });
  await running.said(/^ {2}state /m);
  writeFileSync(conf, 'directr web\n');
  running.child.kill('SIGHUP');
  await running.errSaid(/SIGHUP: nothing was changed\n.*web\.conf:1:1: error: /);
  writeFileSync(conf, text.replace('roundrobin', 'leastconn'));
  running.child.kill('SIGHUP');
  await running.errSaid(/SIGHUP: FILE runs as revision 2, saved/);
  assert.match((await weir(['show', 'saved', 'layer4'], { state })).out, /leastconn/);
});

test('a killed weir leaves a state that the next start takes over', async (t) => {
  const { vip, text } = await world(t);
  const state = join(directory(t), 'state');
  const first = start(t, ['run', file(t, 'web.conf', text), '--api', '127.0.0.1:0'], { state });
  await first.said(/^ {2}state /m);
  await first.stop('SIGKILL');
  assert.ok(existsSync(join(state, 'api.json')));
  const gone = await weir(['status'], { state });
  assert.deepEqual([gone.code, /no running weir found/.test(gone.err)], [3, true]);
  const second = start(t, ['run', '--api', '127.0.0.1:0'], { state });
  await second.said(/^ {2}state /m);
  assert.match((await weir(['send', `127.0.0.1:${vip}`, 'x'])).out, /got 1 bytes: x/);
});

test('a configuration with errors refuses the start with all of them and exit code 2, and leaves no state', async (t) => {
  const state = join(directory(t), 'state');
  const { code, out, err } = await weir(['run', file(t, 'bad.conf', 'director web 127.0.0.1:99999 UDP\n    servr a 127.0.0.1\n')], { state });
  assert.deepEqual([code, out], [2, '']);
  assert.match(err, /bad\.conf:1:\d+: error: /);
  assert.match(err, /bad\.conf:2:5: error: .*did you mean 'server'/);
  assert.ok(!existsSync(state));
});

test('two weirs cannot share a state directory', async (t) => {
  const { text } = await world(t);
  const state = join(directory(t), 'state');
  const first = start(t, ['run', file(t, 'web.conf', text), '--api', '127.0.0.1:0'], { state });
  await first.said(/^ {2}state /m);
  const { code, err } = await weir(['run', '--api', '127.0.0.1:0'], { state });
  assert.equal(code, 1);
  assert.match(err, new RegExp(`another weir uses this directory: process ${first.child.pid}\\n  stop process`));
  // The refused one has not taken anything of the first away.
  assert.equal((await weir(['status'], { state })).code, 0);
});

test('an occupied VIP port, an occupied API port, a VIP of another host: each names what is wrong and the cure', async (t) => {
  const { vip, text } = await world(t);
  const conf = file(t, 'web.conf', text);
  const squatter = createSocket('udp4');
  squatter.bind(vip, '127.0.0.1');
  await once(squatter, 'listening');
  const taken = await weir(['run', conf, '--api', '127.0.0.1:0'], { state: join(directory(t), 's') });
  assert.equal(taken.code, 1, taken.err);
  assert.match(taken.err, new RegExp(`127\\.0\\.0\\.1:${vip}`));
  squatter.close();

  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const busy = await weir(['run', conf, '--api', `127.0.0.1:${port}`], { state: join(directory(t), 's') });
  server.close();
  assert.equal(busy.code, 1, busy.err);
  assert.match(busy.err, new RegExp(`API cannot listen on 127\\.0\\.0\\.1:${port}: another process does\\n  .*--api HOST:PORT`));

  const elsewhere = await weir(['run', file(t, 'far.conf', text.replace('127.0.0.1:', '203.0.113.77:')), '--api', '127.0.0.1:0'], { state: join(directory(t), 's') });
  assert.equal(elsewhere.code, 1, elsewhere.err);
  assert.match(elsewhere.err, /203\.0\.113\.77/);
});

test('an open API address is refused without TLS, and wrong options before anything is touched', async (t) => {
  const state = join(directory(t), 'state');
  for (const [args, code, message] of [
    [['--api', '0.0.0.0:0'], 1, /without TLS[^]*ssh -L/],
    [['--api', 'nowhere'], 1, /expected ADDRESS:PORT for the API/],
    [['--tls-cert', 'x'], 5, /--tls-cert and --tls-key go together/],
    [['--tls-cert', '/none/c', '--tls-key', '/none/k'], 1, /cannot read the certificate/],
    [['--password-file', file(t, 'pw', 'short\n')], 1, /must have 12-256 characters, its first line has 5/],
    [['--engine', 'warp', '--api', '127.0.0.1:0'], 5, /'warp' is invalid\. Allowed choices are auto, xdp, lvs, userspace/],
  ] as const) {
    const ended = await weir(['run', ...args], { state });
    assert.deepEqual([ended.code, ended.out], [code, ''], ended.err);
    assert.match(ended.err, message);
  }
});

test('without FILE and without state weir starts empty and takes a configuration', async (t) => {
  const { vip, text } = await world(t);
  const state = join(directory(t), 'state');
  const running = start(t, ['run', '--api', '127.0.0.1:0', '--password-file', file(t, 'pw', 'correct horse battery\n')], { state });
  const said = await running.said(/^ {2}state /m);
  assert.match(said, /none yet: .*weir apply FILE --save/);
  assert.ok(!said.includes('password'), said);
  const { url } = JSON.parse(readFileSync(join(state, 'api.json'), 'utf8')) as { url: string };
  const signIn = await fetch(`${url}/api/v1/sign-in`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ user: 'admin', password: 'correct horse battery' }) });
  assert.equal(signIn.status, 200);
  const applied = await weir(['apply', '-', '--confirm', '60s'], { state, stdin: text });
  assert.equal(applied.code, 0, applied.err);
  assert.equal((await weir(['apply'], { state })).code, 6);
  assert.equal((await weir(['confirm'], { state })).code, 0);
  assert.match((await weir(['send', `127.0.0.1:${vip}`, 'x'])).out, /got 1 bytes: x/);
  const { out } = await weir(['explain', '127.0.0.1:5000', `127.0.0.1:${vip}`], { state });
  assert.match(out, /director web: it would go to (one|two)/);
  const viewer = (await weir(['token', 'create', 'v'], { state })).out.trim();
  assert.equal((await weir(['save'], { state, env: { WEIR_TOKEN: viewer } })).code, 4);
  assert.equal((await weir(['status'], { state, env: { WEIR_TOKEN: 'weir_wrong' } })).code, 4);
  assert.equal((await weir(['status', '--api', 'http://127.0.0.1:9'], { state })).code, 3);
  assert.equal((await weir(['drain', 'web', 'three'], { state })).code, 8);
});
