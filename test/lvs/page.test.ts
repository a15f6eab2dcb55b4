/**
 * The page's own set-up: a director in nat mode, a NAT rule that makes the VIP the source, connection tracking. With all three a client is
 * answered from the VIP and the server saw the VIP; without the rule or without tracking it is not, as the page implies.
 */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { createLvsEngine } from '../../src/engine/lvs/index.ts';
import { withContext } from '../contract/context.ts';
import { director } from '../contract/make.ts';
import { sh, shInput } from './netns.ts';
import { createGuestWorld, type GuestWorld } from './world.ts';

const CONNTRACK = '/proc/sys/net/ipv4/vs/conntrack';
const VIP = '198.51.100.241';
/** Longer than an answer takes in this slow guest, so that its absence means something. */
const SILENCE_MS = 1500;
const SNAT = { rule: 'snat', addresses: null, ports: null };

for (const oneArmed of [false, true]) {
  test(`the page's walk with ${oneArmed ? 'one interface' : 'two interfaces'}`, { timeout: 90_000 }, async () => {
    const world = createGuestWorld({ oneArmed });
    try {
      // Two interfaces: the servers know the way to the VIP, and no other way out leads through the balancer.
      if (!oneArmed) {
        world.servers.run('ip', 'route', 'delete', 'default');
        world.servers.run('ip', 'route', 'add', VIP, 'via', '192.0.2.254');
      }
      await walk(world, oneArmed);
    } finally {
      world.close();
    }
  });
}

async function walk(world: GuestWorld, oneArmed: boolean): Promise<void> {
  await withContext((onEvent) => createLvsEngine({ onEvent }), world, async ({ apply, vip, server, client, engine }) => {
    const [at, web1] = [await vip(), await server('web1')];
    const plain = director(at, [web1.line({ weight: 10 })], { name: 'web' });
    const ask = async (): Promise<string | null> => {
      const c = await client();
      const before = web1.peer.inbox.all.length;
      await c.send('hello', at);
      const answer = await c.inbox.take((d) => d.from.ip.text === VIP, SILENCE_MS).catch(() => null);
      assert.equal(web1.peer.inbox.all.length, before + 1, 'the server got it in any case');
      return answer?.text ?? null;
    };
    const seen = (): string | undefined => web1.peer.inbox.all.at(-1)?.from.ip.text;

    await apply(plain);
    assert.equal(await ask(), null, 'without a NAT rule nobody answers from the VIP');
    assert.equal(seen(), '198.51.100.1', 'the server saw the client');

    shInput(`table ip weir_nat {\n chain post {\n type nat hook postrouting priority srcnat;\n oifname "${oneArmed ? 'weir-br' : 'to-servers'}" ct original ip daddr ${VIP} meta l4proto udp snat to ${VIP}\n }\n}\n`, 'nft', '-f', '-');
    try {
      assert.equal(readFileSync(CONNTRACK, 'utf8').trim(), '0');
      assert.equal(await ask(), null, 'the rule does nothing for balanced traffic without conntrack');

      // As `service lvs` does at its restart.
      writeFileSync(CONNTRACK, '1');
      await apply({ ...plain, sourceNat: SNAT });
      for (let n = 0; n < 3; n++) {
        assert.equal(await ask(), 'web1:hello');
        assert.equal(seen(), VIP, 'the server saw the VIP');
      }

      await engine.close('remove');
      assert.equal(sh('ipvsadm', '-Sn'), '');
    } finally {
      writeFileSync(CONNTRACK, '0');
      sh('nft', 'delete', 'table', 'ip', 'weir_nat');
    }
  });
}
