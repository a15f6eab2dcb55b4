import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseConfig } from '../config/parse.ts';
import { createFakeEngine } from '../engine/fake.ts';
import { desire, type HealthState } from './desire.ts';
import { diff } from './diff.ts';
import { sessionsMoved } from './moves.ts';
import type { Desired } from './desired.ts';

const BASE = `director web 10.0.0.3:8000 UDP
  server web1 10.0.0.20:8000
  server web2 10.0.0.21:8000
`;

function desired(text: string, health: Record<string, HealthState> = {}): Desired {
  const { config, issues } = parseConfig([{ file: 't.conf', document: 'any', text }]);
  assert.ok(config, JSON.stringify(issues));
  return desire(config, { healthOf: (_, s) => health[s.name] ?? 'up', overrideOf: () => null });
}

/** Three sessions on web1, five on web2; how many does the change move? */
async function moved(to: Desired, from: Desired = desired(BASE)): Promise<number> {
  const engine = createFakeEngine();
  await engine.apply(diff(from, await engine.observe()));
  engine.addSessions('web', 'web1', 3);
  engine.addSessions('web', 'web2', 5);
  return sessionsMoved(diff(to, await engine.observe()), await engine.read());
}

const ROWS: readonly (readonly [string, string, Record<string, HealthState>, number])[] = [
  ['nothing changes', BASE, {}, 0],
  ['a server is added', `${BASE}  server web3 10.0.0.22:8000\n`, {}, 0],
  ['a server is removed', BASE.replace(/ *server web1.*\n/, ''), {}, 3],
  ['a server is removed and its sessions are kept', `${BASE.replace(/ *server web1.*\n/, '')}  on remove keep\n`, {}, 0],
  ['a server fails', BASE, { web2: 'down' }, 5],
  ['a server fails and its sessions are dropped', `${BASE}  on down drop\n`, { web2: 'down' }, 5],
  ['a server drains, which keeps', BASE.replace('20:8000', '20:8000 drain'), {}, 0],
  ['a server drains and its sessions move', `${BASE.replace('20:8000', '20:8000 drain')}  on drain move\n`, {}, 3],
  ['a server is disabled, which counts as removed', BASE.replace('20:8000', '20:8000 disabled'), {}, 3],
  ['the algorithm changes', `${BASE}  balance maglev\n`, {}, 0],
  ['an amplification limit is set', `${BASE}  session amplification 3\n`, {}, 0],
  ['the address changes', BASE.replace('10.0.0.3:8000', '10.0.0.4:8000'), {}, 8],
  ['the ports grow', BASE.replace('10.0.0.3:8000', '10.0.0.3:8000-8010'), {}, 0],
  ['the director is renamed', BASE.replace('director web', 'director www'), {}, 8],
];

for (const [name, text, health, expected] of ROWS) {
  test(`${name}: ${expected} sessions move`, async () => {
    assert.equal(await moved(desired(text, health)), expected);
  });
}
