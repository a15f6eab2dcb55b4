/** Set-up and `npm start` on this clone: quick when there is nothing to do, and the demo answers. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { ROOT } from './root.ts';

test('a second set-up does nothing, in well under two seconds of its own', async () => {
  const { code, err, cpuMs } = await new Promise<{ code: number | null; err: string; cpuMs: number }>((resolve, reject) => {
    const before = process.resourceUsage();
    const child = spawn(process.execPath, ['scripts/setup.mjs'], { cwd: ROOT, stdio: ['ignore', 'ignore', 'pipe'] });
    let text = '';
    child.stderr.setEncoding('utf8').on('data', (part: string) => { text += part; });
    child.on('error', reject);
    child.on('close', (status) => {
      const after = process.resourceUsage();
      resolve({ code: status, err: text, cpuMs: (after.userCPUTime - before.userCPUTime) / 1000 });
    });
  });
  assert.deepEqual([code, err], [0, 'setup: ready\n']);
  assert.ok(cpuMs < 2000, `${cpuMs} ms`);
});

test('npm packages that are not what the lock file says are seen', async () => {
  const { firstWrongPackage, checkNode } = await setupScript();
  const lock = { packages: { '': {}, 'node_modules/a': { version: '1.0.0' }, 'node_modules/b': { version: '2.0.0', optional: true } } };
  const installed = (packages: object): string => JSON.stringify({ packages });
  assert.equal(firstWrongPackage(lock, null), 'none installed yet');
  assert.equal(firstWrongPackage(lock, installed({ 'node_modules/a': { version: '1.0.0' } })), null);
  assert.equal(firstWrongPackage(lock, installed({ 'node_modules/a': { version: '1.0.1' } })), 'a 1.0.1, wanted 1.0.0');
  assert.equal(firstWrongPackage(lock, installed({})), 'a missing, wanted 1.0.0');
  assert.equal(firstWrongPackage(lock, installed({ 'node_modules/a': { version: '1.0.0' }, 'node_modules/b': { version: '1.0.0' } })), 'b 1.0.0, wanted 2.0.0');
  for (const version of ['20.19.0', '20.20.2', '22.1.0']) checkNode(version);
  for (const version of ['20.18.9', '18.20.0', '16.0.0']) assert.throws(() => checkNode(version), new RegExp(`needs Node\\.js 20\\.19 or newer, this is ${version}`));
});

test('npm start with a state of its own runs the example, answers, and ends', async (t) => {
  const taken = await takenPort([8000, 8001, 8002, 8003]);
  if (taken !== null) return t.skip(`UDP port ${taken} of 127.0.0.1 is taken: is an npm start running?`);
  const state = mkdtempSync(join(tmpdir(), 'weir-start-'));
  t.after(() => rmSync(state, { recursive: true, force: true }));
  const child = spawn(process.execPath, ['scripts/start.mjs', '--api', '127.0.0.1:0'], { cwd: ROOT, env: { ...process.env, WEIR_STATE: state }, stdio: ['ignore', 'pipe', 'pipe'] });
  let said = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => { said += text; });
  const ended = new Promise<number | null>((resolve) => child.on('close', resolve));
  t.after(async () => {
    child.kill('SIGKILL');
    await ended;
  });
  await new Promise<void>((resolve, reject) => {
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      said += text;
      if (/^ {2}state /m.test(said)) resolve();
    });
    void ended.then(() => reject(new Error(said)));
  });
  assert.match(said, /try {7}\S+ send 127\.0\.0\.1:8000 hello {6}answers: srv1 got 5 bytes: hello/);
  const { sendDatagram } = await import('../../src/bin/datagram.ts');
  const answer = await sendDatagram({ ip: '127.0.0.1', port: 8000, payload: Buffer.from('hello'), timeoutMs: 10_000 });
  assert.match(Buffer.from(answer?.payload ?? []).toString(), /^srv[123] got 5 bytes: hello$/);
  child.kill('SIGTERM');
  assert.equal(await ended, 0);
});

async function takenPort(ports: readonly number[]): Promise<number | null> {
  for (const port of ports) {
    const socket = createSocket('udp4');
    const free = await new Promise<boolean>((resolve) => {
      socket.once('error', () => resolve(false));
      socket.bind(port, '127.0.0.1', () => resolve(true));
    });
    socket.close();
    if (!free) return port;
  }
  return null;
}

/** scripts/ is JavaScript: imported by its path, typed here. */
async function setupScript(): Promise<{ firstWrongPackage(lock: object, installed: string | null): string | null; checkNode(version: string): void }> {
  const path = join(ROOT, 'scripts/setup.mjs');
  return (await import(path)) as { firstWrongPackage(lock: object, installed: string | null): string | null; checkNode(version: string): void };
}
