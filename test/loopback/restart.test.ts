/** A weir that is killed and starts again knows which server was dead: no client is sent there until it answers. */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { until } from '../contract/mailbox.ts';
import { openSocket } from '../fixtures/echo.ts';
import { local } from '../fixtures/loopback.ts';
import { temporaryDirectory } from '../fixtures/process.ts';
import { Scope, withScope } from '../fixtures/scope.ts';
import { startWeir } from '../fixtures/weir.ts';

const VIP = { ip: local(41), port: 5300 };
const DEAD = { ip: local(42), port: 5301 };
const CLIENTS = 20;
const QUESTION = 'are you there';
/** Silent, and asked so seldom that only a memory can keep clients away: found out after 4 s. */
const CONF = `director echo ${VIP.ip}:${VIP.port} UDP
    balance roundrobin
    check interval 2s timeout 1900ms fall 2 rise 1
    option udpcheck send "${QUESTION}" expect ~/there/
    server alive ${local(43)}:5301 check
    server dead ${DEAD.ip}:${DEAD.port} check
`;

test('killed while a server is dead, the next weir sends nobody there; it is used again once it answers', { timeout: 90_000 }, () => withScope(async (scope) => {
  const state = join(await temporaryDirectory(scope), 'state');
  await openSocket(scope, { ip: local(43), port: 5301, tag: 'alive' });
  // It takes datagrams and says nothing.
  const silent = new Scope();
  scope.defer(() => silent.end());
  const dead = await openSocket(silent, DEAD);
  const first = await startWeir(scope, { state, conf: CONF });
  await until('the dead one is found out', () => first.server('dead'), (server) => server.state === 'down', 20_000);
  await until('it is written down', async () => existsSync(join(state, 'health.json')), Boolean, 10_000);
  first.process.signal('SIGKILL');
  await first.process.exit;
  dead.inbox.drain();

  const second = await startWeir(scope, { state });
  const { state: is, reason } = await second.server('dead');
  assert.equal(is, 'down', reason);
  for (let i = 0; i < CLIENTS; i++) {
    const client = await openSocket(scope, { ip: local(44) });
    await client.send(`client ${i}`, VIP);
    assert.equal((await client.inbox.take()).text, `alive:client ${i}`);
  }
  // Checks go on asking it.
  assert.deepEqual([...new Set(dead.inbox.drain().map(({ text }) => text))].filter((text) => text !== QUESTION), []);

  await silent.end();
  await openSocket(scope, { ...DEAD, tag: 'there again' });
  await until('it is back', () => second.server('dead'), (server) => server.state === 'up', 20_000);
  await until('nothing is left to remember', async () => existsSync(join(state, 'health.json')), (there) => !there, 10_000);
}));
