/** What works without a daemon: check, fmt, completion, send. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { COMMANDS } from './commands.ts';
import { completionScript } from './completion.ts';
import { EXIT } from './exit-codes.ts';
import { runFake } from './fake-client.ts';

const GOOD = 'director web 127.0.0.1:8000 UDP\n    server a 127.0.0.1:8001\n';
const BAD = 'director web 127.0.0.1:8000 UDP\n    servr a 127.0.0.1:8001\n    balance leastcon\n';

test('a good configuration is ok, in a file, a directory, several files, and on stdin', async () => {
  const files = { 'a.conf': GOOD, '/etc/weir/layer4.conf': GOOD, '/etc/weir/services.conf': 'service lvs\n    conntrack\n', 'nat.conf': 'nat out\n    protocol udp\n    before destination 192.0.2.1\n    after source 192.0.2.9\n' };
  for (const args of [['a.conf'], ['/etc/weir'], ['a.conf', '/etc/weir/services.conf'], ['-']]) {
    const { code, out } = await runFake(['check', ...args], { files, stdin: GOOD });
    assert.deepEqual([code, /^ok: 1 director/m.test(out)], [0, true], args.join(' '));
  }
});

test('every problem is printed with its place, and the exit code is 2', async () => {
  const { code, out, err } = await runFake(['check', 'a.conf'], { files: { 'a.conf': BAD } });
  assert.deepEqual([code, err], [EXIT.invalid, '']);
  assert.match(out, /^a\.conf:2:5: error: .*did you mean 'server'/m);
  assert.match(out, /^a\.conf:3:13: error: .*did you mean 'leastconn'/m);
  assert.match(out, /^not ok: 2 errors/m);
  const json = await runFake(['check', 'a.conf', '--json'], { files: { 'a.conf': BAD } });
  const value = JSON.parse(json.out);
  const lines = value.issues.filter(({ severity }: { severity: string }) => severity === 'error').map(({ at }: { at: { line: number } }) => at.line);
  assert.deepEqual([json.code, value.ok, value.errors, lines], [EXIT.invalid, false, 2, [2, 3]]);
});

test('a document in the wrong file is an error, as it is in the daemon', async () => {
  const { code, out } = await runFake(['check', 'nat.conf'], { files: { 'nat.conf': GOOD } });
  assert.equal(code, EXIT.invalid);
  assert.match(out, /nat\.conf:1:1: error: .*layer4\.conf/s);
});

test('warnings pass, and fail with --strict', async () => {
  const files = { 'a.conf': `${GOOD.replace('8001\n', '8001 check\n')}` };
  assert.equal((await runFake(['check', 'a.conf'], { files })).code, 0);
  assert.equal((await runFake(['check', 'a.conf', '--strict'], { files })).code, EXIT.invalid);
});

test('what an engine cannot do is told, with exit code 7', async () => {
  const { code, out } = await runFake(['check', 'a.conf', '--engine', 'userspace'], { files: { 'a.conf': GOOD }, limits: ['mode tunnel (director web)'] });
  assert.equal(code, EXIT.unsupported);
  assert.match(out, /^engine userspace: mode tunnel \(director web\)$/m);
});

test('with --here what this host lacks is told at its place', async () => {
  const { code, out } = await runFake(['check', 'a.conf', '--here', '--engine', 'lvs', '--strict'], { files: { 'a.conf': GOOD } });
  assert.equal(code, EXIT.invalid);
  assert.match(out, /^a\.conf:1:\d+: warning: not here with lvs$/m);
});

test('import prints the configuration alone and reports on standard error; --strict fails on anything lost', async () => {
  const files = { 'rules.txt': '-A -u 192.0.2.1:53 -s wlc\n-a -u 192.0.2.1:53 -r 198.51.100.2:53 -m -w 1 -x 5 -y 1\n' };
  const { code, out, err, written } = await runFake(['import', 'ipvsadm', 'rules.txt'], { files });
  assert.deepEqual([code, written.size], [0, 0]);
  assert.equal((await runFake(['check', 'a.conf'], { files: { 'a.conf': out } })).code, 0);
  assert.match(err, /^rules\.txt:1: carried over: director udp-192\.0\.2\.1-53 /m);
  assert.match(err, /^rules\.txt:2: not carried over: connection thresholds/m);
  const file = await runFake(['import', 'ipvsadm', '-', '-o', 'new.conf', '--strict', '-q'], { stdin: files['rules.txt'] });
  assert.deepEqual([file.code, file.out, file.written.get('new.conf'), /carried over: director/.test(file.err)], [EXIT.failed, '', out, false]);
  const json: unknown = JSON.parse((await runFake(['import', 'ipvsadm', 'rules.txt', '--json'], { files })).out);
  assert.ok(typeof json === 'object' && json !== null && 'notes' in json && Array.isArray(json.notes) && json.notes.length === 2);
  assert.equal((await runFake(['import', 'squid', 'rules.txt'], { files })).code, EXIT.usage);
});

test('files that are not there, not text, or given twice on stdin are refused by name', async () => {
  assert.match((await runFake(['check', 'none.conf'])).err, /no such file or directory: none\.conf/);
  const binary = await runFake(['check', 'b.conf'], { files: { 'b.conf': new Uint8Array([0x64, 0, 0xff]) } });
  assert.deepEqual([binary.code, /b\.conf:1:2: error: .*zero byte/.test(binary.err)], [EXIT.invalid, true]);
  assert.equal((await runFake(['check', '-', '-'])).code, EXIT.usage);
  assert.match((await runFake(['check', '/etc/x'], { files: { '/etc/x/readme': '' } })).err, /holds none of layer4\.conf/);
});

test('fmt prints, writes what changes, and checks', async () => {
  const messy = 'director web   127.0.0.1:8000 UDP\n server a 127.0.0.1:8001   # first\n';
  const neat = 'director web 127.0.0.1:8000 UDP\n    server a 127.0.0.1:8001  # first\n';
  const files = { 'm.conf': messy, 'n.conf': neat };
  assert.equal((await runFake(['fmt', 'm.conf'], { files })).out, neat);
  const write = await runFake(['fmt', '-w', 'm.conf', 'n.conf'], { files });
  assert.deepEqual([write.out, [...write.written]], ['m.conf\n', [['m.conf', neat]]]);
  const check = await runFake(['fmt', '--check', 'm.conf', 'n.conf'], { files });
  assert.deepEqual([check.code, check.out, check.written.size], [EXIT.failed, 'm.conf\n', 0]);
  const bad = await runFake(['fmt', '-w', 'm.conf', 'b.conf'], { files: { ...files, 'b.conf': BAD } });
  assert.deepEqual([bad.code, bad.written.size], [EXIT.invalid, 0]);
});

test('send prints the answer; none is a failure', async () => {
  assert.deepEqual(await runFake(['send', '127.0.0.1:8000', 'hi']).then(({ code, out }) => [code, out]), [0, 'hi\n']);
  assert.equal((await runFake(['send', '[::1]:8000'])).code, EXIT.failed);
  assert.equal((await runFake(['send', 'localhost'])).code, EXIT.usage);
});

test('the bash completion completes commands, options, choices and the second word', (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'weir-completion-'));
  t.after(() => rmSync(directory, { recursive: true }));
  const script = join(directory, 'weir.bash');
  writeFileSync(script, completionScript(COMMANDS));
  const complete = (...words: string[]): readonly string[] => {
    const { stdout, stderr, status } = spawnSync('bash', ['-c', 'source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _weir; printf "%s\\n" "${COMPREPLY[@]}"', 'bash', script, 'weir', ...words], { encoding: 'utf8' });
    assert.deepEqual([status, stderr], [0, '']);
    return stdout.trim().split('\n');
  };
  assert.deepEqual(complete('se'), ['services', 'service', 'servers', 'sessions', 'send']);
  assert.deepEqual(complete('apply', '--c'), ['--confirm']);
  assert.deepEqual(complete('run', '--engine', 'user'), ['userspace']);
  assert.deepEqual(complete('token', ''), ['list', 'create', 'revoke']);
  assert.deepEqual(complete('token', 'create', '--r'), ['--role']);
  assert.deepEqual(complete('show', 'sa'), ['saved']);
  assert.deepEqual(complete('service', 're'), ['restart', 'reload']);
});
