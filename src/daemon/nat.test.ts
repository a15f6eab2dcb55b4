import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createFakeNatTable, type FakeNatTable } from '../nat/fake.ts';
import { NatError } from '../nat/nft.ts';
import { memoryLedger } from '../services/ledger.ts';
import { createSysctls, type SysctlFiles } from '../services/sysctl.ts';
import { Refusal } from './control.ts';
import { createHarness, type Harness } from './harness.ts';

const LAYER4 = 'director d 192.0.2.1:53\n  server s 198.51.100.20:53\n';
const ROUTED = 'nat out\n  out eth1 after source masquerade\n';
const PAGE = 'nat page\n  in eth0 out eth0 protocol udp\n  before destination 192.0.2.1 dport 53\n  after source 192.0.2.1\n';
const CONNTRACK = 'service lvs\n  conntrack\n';

type Started = Harness & { readonly nat: FakeNatTable };

async function start(options: Parameters<typeof createHarness>[0] = {}): Promise<Started> {
  const nat = createFakeNatTable();
  return Object.assign(await createHarness({ layer4: LAYER4, nat, ...options }), { nat });
}

function names({ nat }: Started): readonly string[] {
  return nat.current.rules.map(({ name }) => name);
}

async function refused(work: Promise<unknown>): Promise<Refusal> {
  try {
    await work;
  } catch (error) {
    if (error instanceof Refusal) return error;
    throw error;
  }
  return assert.fail('expected a refusal');
}

test('NAT rules are steps of the plan and of the apply; a second apply has none', async () => {
  const h = await start();
  await h.daemon.edit({ nat: ROUTED }, { who: 'alice' });
  assert.match((await h.daemon.plan()).steps.map(({ op, text }) => `${op}: ${text}`).join(), /^nat: add NAT rule out: postrouting iif != 0 oifname "eth1" counter name nat-out masquerade$/);
  await h.daemon.apply({ who: 'alice' });
  assert.deepEqual(names(h), ['out']);
  assert.deepEqual((await h.daemon.apply({ who: 'alice' })).steps, []);
  assert.equal(h.nat.applied.length, 1);
  await h.daemon.edit({ nat: '' }, { who: 'alice' });
  assert.deepEqual((await h.daemon.apply({ who: 'alice' })).steps.map(({ text }) => text), ['remove the nftables table inet weir']);
  await h.daemon.stop();
});

test("the page's rule needs no table where the engine changes the source itself", async () => {
  const h = await start();
  h.nat.refusals = [{ what: 'nftables may be changed by root alone', cure: 'run weir as root' }];
  await h.daemon.edit({ nat: PAGE, services: CONNTRACK }, { who: 'alice' });
  await h.daemon.apply({ who: 'alice' });
  assert.equal(h.engine.current.directors[0]?.sourceNat?.rule, 'page');
  assert.deepEqual(names(h), []);
  await h.daemon.stop();
});

test('with engine lvs the same rule is the table\'s', async () => {
  const h = await start({ engineWanted: 'lvs' });
  await h.daemon.edit({ nat: PAGE, services: CONNTRACK }, { who: 'alice' });
  await h.daemon.apply({ who: 'alice' });
  assert.deepEqual(names(h), ['page']);
  await h.daemon.stop();
});

test('rules for the table are refused by name where it cannot be had, and nothing changes', async () => {
  const h = await start();
  h.nat.refusals = [{ what: 'nftables may be changed by root alone', cure: 'run weir as root' }];
  await h.daemon.edit({ layer4: '', nat: ROUTED }, { who: 'alice' });
  assert.deepEqual((await h.daemon.plan()).unsupported, ['NAT rule out: nftables may be changed by root alone (run weir as root)']);
  assert.equal((await refused(h.daemon.apply({ who: 'alice' }))).code, 'UNSUPPORTED');
  assert.equal(h.engine.current.directors.length, 1);
  await h.daemon.stop();
});

test('what the userspace engine cannot do of a rule is refused by name', async () => {
  const h = await start();
  await h.daemon.edit({ nat: 'nat some\n  before source 203.0.113.0/24 destination 192.0.2.1\n  after source 192.0.2.1\n', services: CONNTRACK }, { who: 'alice' });
  assert.match((await refused(h.daemon.apply({ who: 'alice' }))).message, /^engine userspace cannot do 'before source': for some clients only \(NAT rule some, director d\)$/m);
  await h.daemon.stop();
});

test('both or neither: the rules go back when the engine refuses; a refused table keeps the engine as it was', async () => {
  const h = await start();
  await h.daemon.edit({ nat: ROUTED }, { who: 'alice' });
  await h.daemon.apply({ who: 'alice' });
  const before = h.nat.current.rules;
  await h.daemon.edit({ layer4: LAYER4.replace(':53\n', ':54\n'), nat: ROUTED.replace('eth1', 'eth2') }, { who: 'alice' });
  h.engine.faults.applyAt = { step: 0 };
  await refused(h.daemon.apply({ who: 'alice' }));
  assert.deepEqual(h.nat.current.rules, before);
  h.engine.faults.applyAt = null;
  h.nat.failing = 1;
  const engine = h.engine.current;
  assert.match((await refused(h.daemon.apply({ who: 'alice' }))).message, /^the NAT rules: nft refused it$/);
  assert.deepEqual([h.engine.current, h.nat.current.rules], [engine, before]);
  await h.daemon.apply({ who: 'alice' });
  assert.match(h.nat.current.rules[0]?.oif ?? '', /eth2/);
  await h.daemon.stop();
});

test('rules that could not be put back are put right by the next pass, and status says so meanwhile', async () => {
  const h = await start();
  await h.daemon.edit({ nat: ROUTED }, { who: 'alice' });
  h.engine.faults.applyAt = { step: 0 };
  await h.daemon.edit({ layer4: `${LAYER4}director e 192.0.2.1:54\n` }, { who: 'alice' });
  const apply = h.nat.apply.bind(h.nat);
  h.nat.apply = async (plan) => {
    await apply(plan);
    h.nat.failing = 1;
  };
  await refused(h.daemon.apply({ who: 'alice' }));
  assert.deepEqual(names(h), ['out']);
  assert.ok((await h.daemon.status()).warnings.some(({ code }) => code === 'nat-behind'));
  h.nat.apply = apply;
  h.nat.failing = 0;
  h.engine.faults.applyAt = null;
  await h.clock.advance(10_000);
  assert.deepEqual(names(h), []);
  assert.ok(!(await h.daemon.status()).warnings.some(({ code }) => code === 'nat-behind'));
  await h.daemon.stop();
});

test('a rollback and an apply that nobody confirms bring the rules back', async () => {
  const h = await start();
  await h.daemon.edit({ nat: ROUTED }, { who: 'alice' });
  await h.daemon.apply({ who: 'alice', confirmMs: 1000 });
  assert.deepEqual(names(h), ['out']);
  await h.clock.advance(1500);
  assert.deepEqual(names(h), []);
  await h.daemon.apply({ who: 'alice' });
  await h.daemon.rollback(1, 'alice');
  assert.deepEqual(names(h), []);
  await h.daemon.stop();
});

test('each rule says where it acts and what it took, in the table, in the engine, and nowhere', async () => {
  const h = await start();
  await h.daemon.edit({ nat: `${PAGE}${ROUTED}` }, { who: 'alice' });
  await h.daemon.apply({ who: 'alice' });
  h.nat.flows = new Map([['out', 7]]);
  h.engine.addSessions('d', 's', 3);
  h.engine.traffic('d', 's', { in: 30, out: 20 });
  assert.deepEqual(await h.daemon.natRules(), [
    { name: 'page', table: false, directors: [], flows: 0, packets: 0 },
    { name: 'out', table: true, directors: [], flows: 7, packets: null },
  ], 'without conntrack no rule acts on balanced traffic');
  await h.daemon.edit({ services: CONNTRACK }, { who: 'alice' });
  await h.daemon.apply({ who: 'alice' });
  assert.deepEqual((await h.daemon.natRules())[0], { name: 'page', table: false, directors: ['d'], flows: 0, packets: 0 }, 'what came before the rule is not its own');
  h.engine.addSessions('d', 's', 2);
  h.engine.traffic('d', 's', { in: 5, out: 4 });
  await h.clock.advance(1001);
  assert.deepEqual((await h.daemon.natRules())[0], { name: 'page', table: false, directors: ['d'], flows: 2, packets: 9 });
  await h.daemon.override('d', 's', 'drain', 'alice');
  assert.equal((await h.daemon.natRules())[0]?.flows, 2, 'an override leaves rules as they are');
  h.nat.flows = new NatError('nft is gone', { cure: 'install it' });
  await h.clock.advance(1001);
  assert.deepEqual((await h.daemon.natRules()).map(({ flows, packets }) => [flows, packets]), [[2, 9], [null, null]]);
  await h.daemon.stop();
});

test('a rule for all traffic acts in both places: the sum of their flows is told', async () => {
  const h = await start();
  await h.daemon.edit({ nat: 'nat all\n  after source masquerade\n', services: CONNTRACK }, { who: 'alice' });
  await h.daemon.apply({ who: 'alice' });
  assert.equal((await h.daemon.natRules())[0]?.flows, 0);
  h.nat.flows = new Map([['all', 5]]);
  h.engine.addSessions('d', 's', 2);
  await h.clock.advance(1001);
  assert.deepEqual(await h.daemon.natRules(), [{ name: 'all', table: true, directors: ['d'], flows: 7, packets: null }]);
  await h.daemon.edit({ nat: 'nat all\n  after source masquerade sport 2000-3000\n' }, { who: 'alice' });
  await h.daemon.apply({ who: 'alice' });
  h.nat.flows = new Map([['all', 0]]);
  await h.clock.advance(1001);
  assert.equal((await h.daemon.natRules())[0]?.flows, 0, 'another rule under the name begins at zero');
  h.engine.restartCounters();
  h.engine.addSessions('d', 's', 3);
  await h.clock.advance(1001);
  assert.equal((await h.daemon.natRules())[0]?.flows, 3, 'counters of another epoch began at zero');
  await h.daemon.stop();
});

test('the start applies what was saved; stop leaves the rules, remove takes them away', async () => {
  const h = await start();
  await h.daemon.edit({ nat: ROUTED }, { who: 'alice' });
  await h.daemon.apply({ who: 'alice' });
  await h.daemon.save('alice');
  await h.daemon.stop('leave');
  assert.deepEqual(names(h), ['out']);
  const nat = createFakeNatTable();
  const again = await createHarness({ files: h.files, nat, layer4: LAYER4 });
  assert.equal(nat.current.rules.length, 1);
  await again.daemon.stop('remove');
  assert.equal(nat.current.present, false);
});

test('service lvs sets conntrack when it is restarted, says before that it must be, and takes it back', async () => {
  const values = new Map([['net.ipv4.vs.conntrack', '0']]);
  const files: SysctlFiles = { get: (name) => values.get(name) ?? null, set: (name, value) => void values.set(name, value) };
  const ledger = memoryLedger();
  const host = { run: async () => ({ stdout: '', stderr: '' }), ledger, sysctls: createSysctls({ files, ledger }) };
  const h = await start({ engineWanted: 'lvs', host });
  await h.daemon.edit({ services: CONNTRACK }, { who: 'alice' });
  const applied = await h.daemon.apply({ who: 'alice' });
  assert.equal(values.get('net.ipv4.vs.conntrack'), '0');
  assert.deepEqual(applied.issues.map(({ code, hint }) => [code, hint]), [['service-restart', 'restart it: weir service restart lvs']], 'the apply itself says what is left to do');
  assert.match((await h.daemon.status()).warnings.find(({ code }) => code === 'service-restart')?.message ?? '', /service lvs: conntrack is on in the configuration and off in the kernel/);
  const view = await h.daemon.service('lvs', null, 'restart', 'alice');
  assert.match(view.text, /conntrack on$/);
  assert.equal(values.get('net.ipv4.vs.conntrack'), '1');
  assert.ok(!(await h.daemon.status()).warnings.some(({ code }) => code === 'service-restart'));
  await h.daemon.stop('remove');
  assert.equal(values.get('net.ipv4.vs.conntrack'), '0');
});

test('health with `no autostart` is not started at boot', async () => {
  const h = await start({ start: false, initial: { layer4: LAYER4, nat: '', services: 'service health\n  no autostart\n' } });
  await h.daemon.start();
  assert.deepEqual([h.health.running, h.daemon.services().find(({ name }) => name === 'health')?.state], [false, 'stopped']);
  await h.daemon.service('health', null, 'start', 'alice');
  assert.equal(h.health.running, true);
  await h.daemon.stop();
});
