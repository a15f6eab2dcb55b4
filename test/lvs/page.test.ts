/**
 * The page's own set-up, from its texts: a director in nat mode, a NAT rule that makes the VIP the source, `conntrack` in service lvs. With all
 * three a client is answered from the VIP and the server saw the VIP; without the rule or without conntrack it is not, as the page implies.
 */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { parseConfig } from '../../src/config/parse.ts';
import type { Config } from '../../src/config/model.ts';
import { createLvsEngine } from '../../src/engine/lvs/index.ts';
import { compileRules } from '../../src/nat/compile.ts';
import { renderRemoval, renderRuleset } from '../../src/nat/ruleset.ts';
import { desire } from '../../src/plan/desire.ts';
import { diff } from '../../src/plan/diff.ts';
import { withContext } from '../contract/context.ts';
import { sh, shInput } from './netns.ts';
import { createGuestWorld, type GuestWorld } from './world.ts';

const CONNTRACK = '/proc/sys/net/ipv4/vs/conntrack';
const VIP = '198.51.100.241';
/** Longer than an answer takes in this slow guest, so that its absence means something. */
const SILENCE_MS = 1500;

for (const oneArmed of [false, true]) {
  test(`the page's walk with ${oneArmed ? 'one interface' : 'two interfaces'}`, { timeout: 90_000 }, async () => {
    const world = createGuestWorld({ oneArmed });
    try {
      // Two interfaces: the servers know the way to the VIP, and no other way out leads through the balancer.
      if (!oneArmed) {
        world.servers.run('ip', 'route', 'delete', 'default');
        world.servers.run('ip', 'route', 'add', VIP, 'via', '192.0.2.254');
      }
      await walk(world, oneArmed ? ['weir-br', 'weir-br'] : ['to-clients', 'to-servers']);
    } finally {
      world.close();
    }
  });
}

async function walk(world: GuestWorld, [into, out]: readonly [string, string] | readonly string[]): Promise<void> {
  await withContext((onEvent) => createLvsEngine({ onEvent }), world, async ({ vip, server, client, engine }) => {
    const [at, web1] = [await vip(), await server('web1')];
    const layer4 = `director web ${VIP}:${at.port} UDP\n    balance leastconn\n    mode nat\n    server web1 192.0.2.1:${web1.peer.at.port} weight 10\n`;
    const nat = `nat snat\n    in ${into}\n    out ${out}\n    protocol udp\n    before destination ${VIP} dport ${at.port}\n    after source ${VIP}\n`;
    const apply = async (config: Config): Promise<void> => {
      const desired = desire(config, { healthOf: () => 'up', overrideOf: () => null });
      assert.deepEqual(engine.unsupported(desired), []);
      await engine.apply(diff(desired, await engine.observe()));
      assert.deepEqual(diff(desired, await engine.observe()).steps, []);
    };
    const ask = async (): Promise<string | null> => {
      const c = await client();
      const before = web1.peer.inbox.all.length;
      await c.send('hello', at);
      const answer = await c.inbox.take((d) => d.from.ip.text === VIP, SILENCE_MS).catch(() => null);
      assert.equal(web1.peer.inbox.all.length, before + 1, 'the server got it in any case');
      return answer?.text ?? null;
    };
    const seen = (): string | undefined => web1.peer.inbox.all.at(-1)?.from.ip.text;

    await apply(parsed(layer4, ''));
    assert.equal(await ask(), null, 'without a NAT rule nobody answers from the VIP');
    assert.equal(seen(), '198.51.100.1', 'the server saw the client');

    const config = parsed(layer4, nat);
    shInput(renderRuleset(compileRules({ rules: config.natRules, directors: config.directors, balanced: 'table' })), 'nft', '-f', '-');
    try {
      assert.equal(readFileSync(CONNTRACK, 'utf8').trim(), '0');
      assert.equal(await ask(), null, 'the rule does nothing for balanced traffic without conntrack');
      assert.equal(seen(), '198.51.100.1');

      // As `service lvs` does at its restart.
      writeFileSync(CONNTRACK, '1');
      await apply(config);
      for (let n = 0; n < 3; n++) {
        assert.equal(await ask(), 'web1:hello');
        assert.equal(seen(), VIP, 'the server saw the VIP');
      }
      assert.equal(readFileSync(CONNTRACK, 'utf8').trim(), '1');
      await engine.close('remove');
      assert.equal(sh('ipvsadm', '-Sn'), '');
    } finally {
      writeFileSync(CONNTRACK, '0');
      shInput(renderRemoval(), 'nft', '-f', '-');
    }
  });
}

function parsed(layer4: string, nat: string): Config {
  const { config, issues } = parseConfig([
    { file: 'layer4.conf', document: 'layer4', text: layer4 }, { file: 'nat.conf', document: 'nat', text: nat },
    { file: 'services.conf', document: 'services', text: 'service lvs\n    conntrack\n    engine lvs\n' },
  ]);
  assert.deepEqual(issues.filter((i) => i.severity === 'error'), []);
  return config ?? assert.fail('no configuration');
}
