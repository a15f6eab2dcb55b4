/** What another user of the host, a viewer, a server under check, a client in somebody's name and whoever may write into the state directory can get out of a running weir. */
import assert from 'node:assert/strict';
import { chmod, lstat, mkdir, readFile, readdir, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { createClient } from '../../src/client/client.ts';
import { until } from '../contract/mailbox.ts';
import { openSocket } from '../fixtures/echo.ts';
import { local } from '../fixtures/loopback.ts';
import { finish, temporaryDirectory } from '../fixtures/process.ts';
import { withScope, type Scope } from '../fixtures/scope.ts';
import { refusedWeir, startWeir, type Weir } from '../fixtures/weir.ts';

const VIP = { ip: local(1), port: 5300 };
const SERVER = { ip: local(11), port: 5301 };
const CONF = `director echo ${VIP.ip}:${VIP.port} UDP\n    server one ${SERVER.ip}:${SERVER.port}\n`;
const PASSWORD = 'correct-horse-battery-staple';
const asRoot = { skip: process.getuid?.() === 0 ? false : 'needs root', timeout: 60_000 };
const patient = { timeout: 60_000 };
const NOBODY = ['setpriv', '--reuid', '65534', '--regid', '65534', '--clear-groups'];

async function urlOf(weir: Weir): Promise<string> {
  return (JSON.parse(await readFile(join(weir.state, 'api.json'), 'utf8')) as { url: string }).url;
}

async function withPassword(scope: Scope, conf: string): Promise<Weir> {
  const file = join(await temporaryDirectory(scope), 'password');
  await writeFile(file, `${PASSWORD}\n`, { mode: 0o600 });
  await openSocket(scope, { ...SERVER, tag: 'one' });
  return startWeir(scope, { conf, args: ['--password-file', file] });
}

/** Returns every file below a directory with its text. */
async function texts(directory: string): Promise<ReadonlyMap<string, string>> {
  const names = await readdir(directory, { recursive: true });
  const found = new Map<string, string>();
  for (const name of names) if ((await stat(join(directory, name))).isFile()) found.set(name, await readFile(join(directory, name), 'utf8'));
  return found;
}

test('another user of the host can neither look into the state directory, nor into the process, nor call', asRoot, () => withScope(async (scope) => {
  const weir = await withPassword(scope, CONF);
  const token = (await readFile(join(weir.state, 'cli.token'), 'utf8')).trim();
  // Where the test keeps it is closed too: what is asked is whether the state itself is.
  await chmod(join(weir.state, '..'), 0o755);
  for (const argv of [['ls', weir.state], ...['cli.token', 'auth.json', 'state.json', 'audit.jsonl', 'api.json'].map((name) => ['cat', join(weir.state, name)]), ['cat', `/proc/${weir.process.pid}/environ`], ['ls', `/proc/${weir.process.pid}/fd`]]) {
    const done = await finish(scope, [...NOBODY, ...argv]);
    assert.ok(done.code !== 0 && /Permission denied/.test(done.output), `${argv.join(' ')}: ${done.output}`);
  }
  const seen = await finish(scope, [...NOBODY, 'cat', `/proc/${weir.process.pid}/cmdline`]);
  assert.match(seen.output, /weir\0run/);
  for (const secret of [token, PASSWORD]) assert.ok(!seen.output.includes(secret));
  const call = await finish(scope, [...NOBODY, process.execPath, '-e', `fetch(${JSON.stringify(await urlOf(weir))} + '/api/v1/status').then(async (r) => console.log(r.status, await r.text()))`]);
  assert.match(call.output, /^401 /);
  for (const [name, { mode }] of await Promise.all([...(await texts(weir.state)).keys(), '.', 'documents', 'revisions'].map(async (name) => [name, await stat(join(weir.state, name))] as const))) {
    assert.equal(mode & 0o077, 0, `${name} has mode ${(mode & 0o777).toString(8)}`);
  }
}));

test('a directory that every user may write to is refused, with the cure', patient, () => withScope(async (scope) => {
  const state = join(await temporaryDirectory(scope), 'state');
  await mkdir(state);
  await chmod(state, 0o777);
  const refused = await refusedWeir(scope, { conf: CONF, state });
  assert.equal(refused.code, 1, refused.output);
  assert.match(refused.output, /every user of this host may write to this directory.*\n {2}chmod 700 \S+\/state, or choose another/);
  assert.deepEqual(await readdir(state), []);
}));

test('links in the state directory are not followed: what they point to keeps its text and its mode', patient, () => withScope(async (scope) => {
  const place = await temporaryDirectory(scope);
  const victim = join(place, 'victim');
  await writeFile(victim, 'precious\n', { mode: 0o644 });
  const planted = async (state: string, names: readonly string[]): Promise<void> => {
    await mkdir(state, { mode: 0o700 });
    for (const name of names) await symlink(victim, join(state, name));
  };
  const intact = async (what: string): Promise<void> => {
    assert.deepEqual([await readFile(victim, 'utf8'), (await stat(victim)).mode & 0o777], ['precious\n', 0o644], what);
  };
  // Names that are written and then renamed: whatever has the name gives way.
  const names = ['state.json.tmp', 'auth.json.tmp', 'cli.token.tmp', 'cli.token', 'api.json.new', 'api.json'];
  const state = join(place, 'replaced');
  await planted(state, names);
  await openSocket(scope, { ...SERVER, tag: 'one' });
  const weir = await startWeir(scope, { conf: CONF, state });
  assert.equal((await weir.cli('status')).code, 0);
  await intact('after a start');
  for (const name of ['cli.token', 'api.json', 'state.json', 'auth.json']) assert.ok((await lstat(join(state, name))).isFile(), name);
  await weir.process.stop();

  // Names that are read: a link is no file of weir's.
  for (const name of ['state.json', 'auth.json', 'audit.jsonl']) {
    const bad = join(place, `bad-${name}`);
    await planted(bad, [name]);
    const refused = await refusedWeir(scope, { conf: CONF, state: bad });
    assert.equal(refused.code, 1, `${name}: ${refused.output}`);
    assert.match(refused.output, new RegExp(`${name.replace('.', '\\.')}`), name);
    assert.doesNotMatch(refused.output, /precious|Error:/);
    await intact(name);
  }
}));

test('no secret leaves by the pages of a viewer, the log, the audit, the revisions or the process list', patient, () => withScope(async (scope) => {
  const weir = await withPassword(scope, `${CONF}# password hunter-running\n`);
  const url = await urlOf(weir);
  // A secret that lacks its quotes: an error, told with what was found.
  const draft = `${CONF}director radius ${VIP.ip}:1812 UDP\n    check\n    option radiuscheck secret hunter-draft HUNTER-rest user bob\n    server two ${SERVER.ip}:1812 check\n`;
  await weir.client.edit({ layer4: draft });
  assert.ok((await weir.client.plan()).issues.some(({ severity, at }) => severity === 'error' && at.line === 5));
  const { token } = await weir.client.createToken({ name: 'watcher', role: 'viewer' });
  const viewer = createClient({ baseUrl: url, token });
  const heard = JSON.stringify([
    await viewer.status(), await viewer.plan(), await viewer.documents('edited'), await viewer.documents('running'), await viewer.documents('saved'),
    await viewer.revisions(), await viewer.revision(1), await viewer.services(), await viewer.servers(), await viewer.events(), await viewer.series(),
  ]) + (await viewer.metrics());
  assert.match(heard, /radiuscheck secret \*\*\*/, 'the viewer was really shown the text');
  await assert.rejects(viewer.tokens(), /FORBIDDEN|role/);

  for (const password of ['guess-a-guess-b', `${PASSWORD} `]) {
    const answer = await fetch(`${url}/api/v1/sign-in`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ user: 'admin', password }) });
    assert.equal(answer.status, 401);
  }
  await fetch(`${url}/api/v1/status?token=${token}`, { headers: { authorization: `Bearer ${token}x` } });
  await weir.client.revokeToken((await weir.client.tokens()).find(({ name }) => name === 'watcher')?.id ?? '');
  const cli = (await readFile(join(weir.state, 'cli.token'), 'utf8')).trim();
  const environment = await readFile(`/proc/${weir.process.pid}/environ`, 'utf8');
  await weir.process.stop();

  const files = await texts(weir.state);
  const kept = [...files].filter(([name]) => name !== 'cli.token' && !name.startsWith('documents/')).map(([, text]) => text).join('\n');
  for (const secret of [PASSWORD, token, cli, 'guess-a-guess-b']) {
    for (const [where, text] of [['what the viewer was shown', heard.replaceAll(token, '')], ['the log', weir.process.output()], ['the state directory', kept], ['the environment', environment]] as const) assert.ok(!text.includes(secret), `${where} holds ${secret}`);
  }
  for (const secret of ['hunter-running', 'hunter-draft', 'HUNTER-rest']) {
    for (const [where, text] of [['what the viewer was shown', heard], ['the log', weir.process.output()], ['the state directory beside the documents', kept]] as const) assert.ok(!text.includes(secret), `${where} holds ${secret}`);
  }
}));

test('what a server under check answers cannot steer a terminal or split a line of the log', patient, () => withScope(async (scope) => {
  const evil = '\u001b]0;owned\u0007\u001b[2J\r\n{"level":60,"msg":"forged"}\u202e';
  // It answers every datagram with its tag and what it got: here, with what would harm.
  await openSocket(scope, { ...SERVER, tag: evil });
  const conf = `director echo ${VIP.ip}:${VIP.port} UDP\n    check interval 1s timeout 500ms rise 1 fall 1\n    option udpcheck send "ping" expect "pong"\n    server one ${SERVER.ip}:${SERVER.port} check\n`;
  const weir = await startWeir(scope, { conf });
  await until('the check has failed', () => weir.server('one'), ({ state }) => state === 'down');
  const shown = [await weir.cli('status'), await weir.cli('servers'), await weir.cli('events')].map(({ output }) => output).join('');
  assert.match(shown, /reply of \d+ bytes does not hold/);
  assert.doesNotMatch(shown, /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202e]|forged/);
  await weir.process.stop();
  for (const line of weir.process.output().split('\n').filter((text) => text.startsWith('{'))) {
    const { level, msg } = JSON.parse(line) as { level: number; msg: string };
    assert.ok(level < 60 && !/[\u0000-\u001f]/.test(msg), line);
  }
}));

test('whoever asks in the name of another brings at most three times his bytes down on it with amplification 3; a director without it is as before', patient, () => withScope(async (scope) => {
  const OPEN = { ip: local(1), port: 5302 };
  const server = await openSocket(scope, SERVER);
  const victim = await openSocket(scope, { ip: local(21) });
  const conf = `director guarded ${VIP.ip}:${VIP.port} UDP\n    session amplification 3\n    server one ${SERVER.ip}:${SERVER.port}\ndirector open ${OPEN.ip}:${OPEN.port} UDP\n    server one ${SERVER.ip}:${SERVER.port}\n`;
  const weir = await startWeir(scope, { conf });
  const request = 'q'.repeat(100);
  // One request, answered by 20 times its bytes: in one datagram, and in twenty.
  const provoke = async (vip: typeof VIP): Promise<void> => {
    await victim.send(request, vip);
    const { from } = await server.inbox.take();
    const to = { ip: from.slice(0, from.lastIndexOf(':')), port: Number(from.slice(from.lastIndexOf(':') + 1)) };
    await server.send('B'.repeat(2000), to);
    for (let n = 0; n < 20; n++) await server.send(request, to);
  };
  const bytesFrom = (vip: typeof VIP): number => victim.inbox.all.filter(({ from }) => from === `${vip.ip}:${vip.port}`).reduce((sum, { text }) => sum + text.length, 0);
  const drops = async (director: string): Promise<number> => Number(new RegExp(`^weir_director_drops_total\\{director="${director}",reason="amplification"\\} (\\d+)$`, 'm').exec(await weir.client.metrics())?.[1] ?? 0);

  await provoke(VIP);
  await until('all that is beyond it to be counted', () => drops('guarded'), (count) => count === 18);
  await provoke(OPEN);
  await until('all of the other director to arrive', async () => bytesFrom(OPEN), (bytes) => bytes === 4000);
  assert.equal(bytesFrom(VIP), 300);
  assert.equal(await drops('open'), 0);
}));
