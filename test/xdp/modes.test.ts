/** Generic mode, and interfaces that come and go: what the contract, which runs natively, does not show. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createXdpEngine } from '../../src/engine/xdp/index.ts';
import { parseIp } from '../../src/net/ip.ts';
import type { XdpMode } from '../../src/engine/xdp/libbpf.ts';
import { stripsTags } from '../../src/engine/xdp/offloads.ts';
import { until } from '../contract/mailbox.ts';
import { withContext } from '../contract/context.ts';
import { director } from '../contract/make.ts';
import { sh } from '../lvs/netns.ts';
import { closedAfter, createXdpWorld } from './world.ts';

const world = closedAfter(createXdpWorld());
const engine = (mode?: XdpMode): Parameters<typeof withContext>[0] => (onEvent) => createXdpEngine({ onEvent, sessions: 1 << 14, ...(mode === undefined ? {} : { mode }) });

test('generic mode serves IPv4 and IPv6, small and fragmented, and says that it is generic', { timeout: 60_000 }, async () => {
  await withContext(engine('generic'), world, async ({ apply, vip, server, client, ask, reading, engine: made }) => {
    const [at, at6] = [await vip(), await vip(0, 6)];
    const [a, b] = [await server('a', { behaviour: 'echo' }), await server('b', { family: 6 })];
    await apply(director(at, [a.line()]), director(at6, [b.line()], { name: 'six' }));
    const [c, c6] = [await client(), await client({ ip: world.clientIp(0, 6) })];
    for (const size of [0, 1, 1472, 1473, 9000]) {
      const data = Buffer.alloc(size, 'g');
      await c.send(data, at);
      assert.ok((await c.inbox.take()).data.equals(data), `${size} bytes`);
    }
    assert.equal(await ask(c6, at6), 'b');
    assert.deepEqual([(await reading()).packetsIn, (await reading()).packetsOut], [5, 5]);
    const { gauges } = await made.read();
    assert.deepEqual([gauges['interfaces'], gauges['interfaces_native']], [2, 0]);
    const probe = await made.probe();
    assert.ok(probe.ok && /generic/.test(probe.notes.join()));
  });
});

test('probing runs the real program and leaves nothing attached', async () => {
  await withContext(engine('native'), world, async ({ engine: made }) => {
    const probe = await made.probe();
    assert.ok(probe.ok, JSON.stringify(probe));
    assert.ok(!sh('ip', '-j', 'link', 'show').includes('"xdp"'));
  });
});

test('a VIP that comes to another interface later is served there, without an apply', { timeout: 60_000 }, async () => {
  await withContext(engine(), world, async ({ apply, server, client, engine: made, ask }) => {
    const a = await server('a');
    const late = { ip: parseIp('198.51.100.230')!, port: await world.freePorts(1) };
    await apply(director(late, [a.line()]));
    assert.equal((await made.read()).gauges['interfaces'], 1, 'the way to the server alone');
    sh('ip', 'address', 'add', `${late.ip.text}/32`, 'dev', 'to-clients');
    try {
      await until('the program to run there too', () => made.read(), (r) => r.gauges['interfaces'] === 2);
      assert.equal(await ask(await client(), late), 'a');
    } finally {
      sh('ip', 'address', 'del', `${late.ip.text}/32`, 'dev', 'to-clients');
    }
  });
});

test('whether an interface takes VLAN tags out of its frames is known as ethtool sets it', () => {
  for (const [word, strips] of [['off', false], ['on', true]] as const) {
    sh('ethtool', '-K', 'to-clients', 'rxvlan', word);
    assert.equal(stripsTags('to-clients'), strips);
  }
  assert.equal(stripsTags('no-such-device'), null);
});
