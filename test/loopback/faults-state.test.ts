/** State files that a disk has damaged, and a second weir on one state directory: refused, or done without, with a word of what was found; nothing is lost in silence. */
import assert from 'node:assert/strict';
import { cp, readFile, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import type { Documents, Stage } from '../../src/client/types.ts';
import { openSocket } from '../fixtures/echo.ts';
import { local } from '../fixtures/loopback.ts';
import { finish, temporaryDirectory, type Finished } from '../fixtures/process.ts';
import { Scope, withScope } from '../fixtures/scope.ts';
import { more, startLoad } from '../fixtures/steady-load.ts';
import { refusedWeir, startWeir, WEIR, type Weir } from '../fixtures/weir.ts';

const VIP = { ip: local(1), port: 5300 };
const STAGES = ['edited', 'running', 'saved'] as const;
/** Saved, running and edited are three configurations, so that it shows which of them a start has found. */
const NUMBER: Readonly<Record<Stage, number>> = { saved: 1, running: 2, edited: 3 };

const conf = (n: number): string => `# number ${n}\ndirector echo ${VIP.ip}:${VIP.port} UDP\n    server one ${local(11)}:5301 weight ${n}\n`;

interface Saved {
  readonly state: string;
  /** Paths below it, of the documents of each stage and of a revision. */
  readonly documents: Readonly<Record<Stage, string>>;
}

/** Returns a state directory as a killed weir leaves it. */
async function killed(scope: Scope): Promise<Saved> {
  const state = join(await temporaryDirectory(scope), 'state');
  const weir = await startWeir(scope, { state, conf: conf(NUMBER.saved), args: ['--workers', '1'] });
  await weir.client.edit({ layer4: conf(NUMBER.running) });
  await weir.client.apply();
  await weir.client.edit({ layer4: conf(NUMBER.edited) });
  const documents = await Promise.all(STAGES.map(async (stage) => [stage, `documents/${(await weir.client.documents(stage)).etag}.json`] as const));
  weir.process.signal('SIGKILL');
  await weir.process.exit;
  return { state, documents: Object.fromEntries(documents) as Record<Stage, string> };
}

const half = (bytes: Buffer): Buffer => bytes.subarray(0, bytes.length >> 1);
const empty = (): Buffer => Buffer.alloc(0);
/** One bit in the middle, as a disk turns it. */
const flipped = (bytes: Buffer): Buffer => {
  const next = Buffer.from(bytes);
  next[next.length >> 1]! ^= 4;
  return next;
};
const HOW = { 'cut in half': half, emptied: empty, 'one bit turned': flipped } as const;

interface Damage {
  readonly file: (saved: Saved) => string;
  readonly how: keyof typeof HOW;
}

/** Each alone refuses the start. Every other length and bit of state.json: src/store/store.test.ts. */
const REFUSED: readonly (Damage & { readonly found: RegExp; readonly cure: RegExp })[] = [
  { file: () => 'state.json', how: 'cut in half', found: /state\.json: the file is cut short or damaged/, cure: /bring the file back from a backup, or move it aside and start with a configuration FILE/ },
  { file: ({ documents }) => documents.saved, how: 'one bit turned', found: /documents\/[0-9a-f]{64}\.json: the content does not match its checksum/, cure: /bring the file back from a backup, or move state\.json aside/ },
  { file: () => 'auth.json', how: 'cut in half', found: /auth\.json is not JSON/, cure: /bring it back from a backup, or move it away/ },
];

/** All of these together do not, and each is said. */
const DONE_WITHOUT: readonly (Damage & { readonly said: RegExp | null })[] = [
  { file: ({ documents }) => documents.running, how: 'one bit turned', said: /the content does not match its checksum; the saved configuration takes its place as running/ },
  { file: ({ documents }) => documents.edited, how: 'cut in half', said: /the content does not match its checksum; the running configuration takes its place as edited/ },
  { file: () => 'revisions/000002.json', how: 'one bit turned', said: /revisions\/000002\.json: (the content does not match its checksum|the file is cut short or damaged)/ },
  { file: () => 'audit.jsonl', how: 'one bit turned', said: /audit\.jsonl: line \d+: the chain of hashes is broken there/ },
  // A lock without an owner is nobody's, and the token is made anew.
  { file: () => 'lock', how: 'cut in half', said: null },
  { file: () => 'cli.token', how: 'emptied', said: null },
];

/** All files of a directory and what is in them. */
async function contents(directory: string): Promise<ReadonlyMap<string, string>> {
  const names = (await readdir(directory, { recursive: true, withFileTypes: true })).filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  return new Map(await Promise.all(names.toSorted().map(async (name) => [name, (await readFile(name)).toString('latin1')] as const)));
}

async function shown(weir: Weir): Promise<Record<Stage, number>> {
  const numbers = await Promise.all(STAGES.map(async (stage) => {
    const { documents }: { documents: Documents } = await weir.client.documents(stage);
    const n = Number(/^# number (\d)/.exec(documents.layer4)?.[1]);
    assert.equal(documents.layer4, conf(n), `${stage} is whole`);
    return [stage, n] as const;
  }));
  return Object.fromEntries(numbers) as Record<Stage, number>;
}

/** Returns a copy of the directory with these damages. */
async function damaged(scope: Scope, saved: Saved, damages: readonly Damage[]): Promise<string> {
  const state = join(await temporaryDirectory(scope), 'state');
  await cp(saved.state, state, { recursive: true, filter: (from) => !from.endsWith('.sock') });
  for (const { file, how } of damages) await writeFile(join(state, file(saved)), HOW[how](await readFile(join(state, file(saved)))));
  return state;
}

test('a state file that is cut short or has a wrong bit is refused by its name with the cure and left as it is, or done without and told; what was saved is never another text', () => withScope(async (scope) => {
  await openSocket(scope, { ip: local(11), port: 5301, tag: 'one' });
  const saved = await killed(scope);
  for (const damage of REFUSED) {
    const what = `${damage.file(saved)}, ${damage.how}`;
    const state = await damaged(scope, saved, [damage]);
    const before = await contents(state);
    const { code, output } = await start(scope, state);
    assert.equal(code, 1, `${what}: ${output}`);
    assert.match(output, damage.found, what);
    assert.match(output, damage.cure, what);
    const after = await contents(state);
    for (const name of before.keys()) if (name.endsWith(damage.file(saved)) || name.includes('/documents/')) assert.equal(after.get(name), before.get(name), `${what}: ${name} is as it was found`);
  }
  const state = await damaged(scope, saved, DONE_WITHOUT);
  const weir = await startWeir(scope, { state, args: ['--workers', '1'] });
  for (const { said } of DONE_WITHOUT) if (said !== null) await weir.process.match(said);
  assert.deepEqual(await shown(weir), { edited: NUMBER.saved, running: NUMBER.saved, saved: NUMBER.saved });
  assert.equal((await weir.server('one')).configuredWeight, NUMBER.saved);
  assert.equal((await readdir(join(state, 'documents'))).filter((name) => name.includes('.corrupt-')).length, 2, 'what was damaged is kept');
  await weir.client.edit({ layer4: conf(7) });
  await weir.client.apply();
  await weir.client.save();
}));

/** Starts weir on a directory from what is saved there; it is to end by itself. */
function start(scope: Scope, state: string): Promise<Finished> {
  return finish(scope, [process.execPath, WEIR, 'run', '--engine', 'userspace', '--workers', '1', '--api', '127.0.0.1:0', '--state', state], { env: { WEIR_API: undefined, WEIR_TOKEN: undefined, WEIR_STATE: undefined } });
}

test('of three that start at once on one new directory one runs and the others are refused by its name, as is any later one; the first goes on: traffic, sessions, API, changes', () => withScope(async (scope) => {
  await openSocket(scope, { ip: local(11), port: 5301, tag: 'one' });
  const state = join(await temporaryDirectory(scope), 'state');
  const started = await Promise.allSettled(Array.from({ length: 3 }, () => startWeir(scope, { state, conf: conf(1), args: ['--workers', '1'] })));
  const [weir, ...others] = started.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
  assert.ok(weir && others.length === 0, `${others.length + 1} run`);
  const refused = new RegExp(`another weir uses this directory: process ${weir.process.pid}\\n[^]*stop process ${weir.process.pid}, or choose another directory with --state DIR`);
  for (const one of started) if (one.status === 'rejected') assert.match(String(one.reason), refused);

  const load = await startLoad(scope, { ip: local(30), port: 6000, clients: 10, everyMs: 10, vip: VIP });
  await more(load, 100);
  const before = await contents(state);
  // With another FILE, and with none.
  const later = await Promise.all([refusedWeir(scope, { state, conf: conf(9) }), start(scope, state)]);
  for (const { code, output } of later) {
    assert.equal(code, 1, output);
    assert.match(output, refused);
  }
  assert.deepEqual(await contents(state), before, 'nothing of the first has changed');
  assert.equal((await weir.cli('apply', await weir.file('two.conf', conf(2)), '--save')).code, 0, 'the CLI finds the first');
  await more(load, 100);
  const { sent, ...lost } = await load.stop();
  assert.deepEqual(lost, { lost: 0, twice: 0, moved: [] }, `of ${sent} datagrams`);
}));
