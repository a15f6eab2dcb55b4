/** kill -9 in the middle of edits, applies and saves: the next start has the old state or the new one, never a mix. */
import assert from 'node:assert/strict';
import { watch } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import type { Documents, Stage } from '../../src/client/types.ts';
import { openSocket } from '../fixtures/echo.ts';
import { local } from '../fixtures/loopback.ts';
import { temporaryDirectory } from '../fixtures/process.ts';
import { Scope, withScope } from '../fixtures/scope.ts';
import { startWeir, type Weir } from '../fixtures/weir.ts';

const ROUNDS = 6;
const VIP = { ip: local(1), port: 5300 };
const SERVER = { ip: local(11), port: 5301 };

/** The n-th configuration: each document tells its number, and each is long enough that half of it would show. */
function configuration(n: number): Documents {
  const filler = `# ${String(n).padEnd(60, '.')}\n`.repeat(200);
  return {
    layer4: `# number ${n}\n${filler}director echo ${VIP.ip}:${VIP.port} UDP\n    server one ${SERVER.ip}:${SERVER.port} weight ${1 + (n % 200)}\n    # end ${n}\n`,
    nat: `# number ${n}\n${filler}nat rule\n    before destination ${VIP.ip}\n    after source ${VIP.ip}\n    # end ${n}\n`,
    services: `# number ${n}\n${filler}service lvs\n    engine userspace\n    # end ${n}\n`,
  };
}

/** What was tried last and what was confirmed last, of each kind of change. */
interface Progress {
  readonly tried: Record<'edit' | 'apply' | 'save', number>;
  readonly done: Record<'edit' | 'apply' | 'save', number>;
}

/** Edits, applies and saves the configurations from `first` on until the daemon is gone; returns the number of the last one begun. */
async function change(weir: Weir, first: number, progress: Progress): Promise<number> {
  for (let n = first; ; n++) {
    const steps = [['edit', () => weir.client.edit(configuration(n))], ['apply', () => weir.client.apply()], ['save', () => weir.client.save()]] as const;
    for (const [kind, step] of steps) {
      progress.tried[kind] = n;
      try {
        await step();
      } catch (error) {
        assert.match(String(error), /no weir answers|fetch failed|ended|cannot|ECONN|closed|answer/i);
        return n;
      }
      progress.done[kind] = n;
    }
  }
}

/** Kills the daemon at the n-th thing that happens to a file of its state directory: in the middle of a write, or of what belongs to it. */
async function killedInWrite(weir: Weir, state: string, n: number): Promise<void> {
  let seen = 0;
  const watcher = watch(state, () => {
    if (++seen === n) weir.process.signal('SIGKILL');
  });
  const late = setTimeout(() => weir.process.signal('SIGKILL'), 10_000);
  await weir.process.exit;
  clearTimeout(late);
  watcher.close();
  assert.ok(seen >= n, `${seen} changes of files, ${n} awaited`);
}

async function numberOf(weir: Weir, stage: Stage): Promise<number> {
  const { documents } = await weir.client.documents(stage);
  const n = Number(/^# number (\d+)/.exec(documents.layer4)?.[1]);
  assert.deepEqual(documents, configuration(n), `${stage} is one configuration, whole`);
  return n;
}

test('killed again and again during changes, it starts with whole configurations, nothing confirmed lost, and balances', (t) => withScope(async (scope) => {
  await openSocket(scope, { ...SERVER, tag: 'one' });
  const client = await openSocket(scope, { ip: local(99) });
  const state = join(await temporaryDirectory(scope), 'state');
  const progress: Progress = { tried: { edit: 0, apply: 0, save: 0 }, done: { edit: 0, apply: 0, save: 0 } };
  let next = 0;
  let inside = 0;
  for (let round = 0; round <= ROUNDS; round++) {
    const life = new Scope();
    try {
      const weir = await startWeir(life, round === 0 ? { state, conf: Object.values(configuration(0)).join('') } : { state });
      if (round > 0) {
        const [edited, running, saved] = [await numberOf(weir, 'edited'), await numberOf(weir, 'running'), await numberOf(weir, 'saved')];
        const { tried, done } = progress;
        assert.ok(edited >= done.edit && edited <= tried.edit, `edited ${edited}, between ${done.edit} and ${tried.edit}`);
        assert.ok(saved >= done.save && saved <= tried.save, `saved ${saved}, between ${done.save} and ${tried.save}`);
        assert.equal(running, saved, 'a restart runs what was saved');
        const [server] = await weir.client.servers();
        assert.equal(server?.configuredWeight, 1 + (saved % 200), 'and the engine runs the same');
        Object.assign(progress, { tried: { edit: edited, apply: running, save: saved }, done: { edit: edited, apply: running, save: saved } });
      }
      await client.send(`round ${round}`, VIP);
      assert.equal((await client.inbox.take()).text, `one:round ${round}`);
      if (round === ROUNDS) break;
      const changing = change(weir, next + 1, progress);
      await killedInWrite(weir, state, 3 + 5 * round);
      next = await changing;
      if (progress.tried.save > progress.done.save || progress.tried.edit > progress.done.edit) inside++;
    } finally {
      await life.end();
    }
  }
  t.diagnostic(`${next} configurations begun, ${inside} of ${ROUNDS} kills hit an edit or a save`);
  assert.ok(next >= ROUNDS);
}));
