/**
 * The page to the letter, by the API of the real daemon, which is the appliance: one interface and two, from Apply to Save, over a restart of weir
 * and a power cycle. The tests build on one another: a start of weir takes this guest half a minute.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, test } from 'node:test';
import { until } from '../contract/mailbox.ts';
import { serversDie, serversGo } from './deaths.ts';
import { address, setSysctl } from './hosts.ts';
import { sh } from './netns.ts';
import { codes, forward, Page } from './page.ts';
import { director, FAR, NEAR, PORT, rule, services, WHOLE } from './page-texts.ts';
import { BOOT, cutPowerAfterwards } from './power.ts';
import { conntrack, walk } from './walk.ts';

const page = new Page();
after(() => page.end());
const LONG = { timeout: 300_000 };
const rpFilterDrops = (): number => {
  const [names = '', values = ''] = readFileSync('/proc/net/netstat', 'utf8').split('\n').filter((line) => line.startsWith('TcpExt:'));
  return Number(values.split(' ')[names.split(' ').indexOf('IPReversePathFilter')]);
};

if (BOOT === 1) {
  test('weir starts with an empty appliance, whose VIPs are its service network, and names what the kernel would drop', LONG, async () => {
    await page.openServers();
    await page.start(services({ conntrack: false }));
    assert.deepEqual((await page.client.services()).map(({ name, instance, state }) => [name, instance, state]).filter(([name]) => name === 'lvs' || name === 'network'), [['lvs', null, 'running'], ['network', 'eth0', 'running']]);
    assert.match(sh('ip', '-4', '-o', 'address', 'show', 'dev', 'eth0'), /192\.0\.2\.3\/24[^]*192\.0\.2\.4\/24/);

    forward(false);
    assert.ok(codes(await page.client.check({ layer4: director(NEAR) })).includes('ip-forward-off'));
    forward(true);
    assert.ok(!codes(await page.client.check({ layer4: director(NEAR) })).includes('ip-forward-off'));

    sh('ip', 'route', 'add', '203.0.113.0/24', 'dev', 'eth1');
    sh('ip', '-n', 'client', 'address', 'add', '203.0.113.9/32', 'dev', 'lo');
    // Else it would ask for the VIP's MAC in the name of its strange address, and that is not answered either.
    page.hosts.on.client.run('sysctl', '-qw', 'net.ipv4.conf.all.arp_announce=2');
    const stranger = await page.hosts.open('client', { ip: '203.0.113.9' });
    const narrow = rule(NEAR).replace('before ', 'before source 203.0.113.0/24 ');
    setSysctl('net/ipv4/conf/eth0/rp_filter', 1);
    assert.ok(codes(await page.client.check({ layer4: director(NEAR), nat: narrow, services: services({ conntrack: true }) })).includes('rp-filter-strict'));
    const before = rpFilterDrops();
    await stranger.send('dropped', { ip: address(NEAR.vip), port: PORT });
    await until('the kernel to drop it', async () => rpFilterDrops(), (now) => now === before + 1);
    setSysctl('net/ipv4/conf/eth0/rp_filter', 2);
    assert.ok(!codes(await page.client.check({ layer4: director(NEAR), nat: narrow, services: services({ conntrack: true }) })).includes('rp-filter-strict'));
    sh('ip', 'route', 'delete', '203.0.113.0/24');
    forward(true);
  });

  test("the page's walk with one interface", LONG, (t) => walk(page, NEAR, {
    told: 'way-back', words: /server 'near1' answers clients of eth0 directly, past this host/,
    // Straight to the client, from an address it never asked.
    answer: (server) => (server === 'near1' ? '192.0.2.21' : '192.0.2.22'),
  }, t));

  test('service lvs: stopped, nothing of it is left in the kernel; conntrack taken out goes with the restart', LONG, async () => {
    await page.client.service('lvs', null, 'stop');
    assert.deepEqual([sh('ipvsadm', '-Sn'), conntrack()], ['', '0']);
    assert.ok(codes((await page.client.status()).warnings).includes('lvs-stopped'));
    await page.client.service('lvs', null, 'start');
    await page.balances(NEAR);
    assert.deepEqual(codes((await page.apply({ services: services({ conntrack: false }) })).issues), ['nat-no-conntrack', 'service-restart', 'way-back']);
    assert.equal(conntrack(), '1');
    await page.client.service('lvs', null, 'restart');
    assert.equal(conntrack(), '0');
  });

  test("the page's walk with two interfaces", LONG, (t) => walk(page, FAR, {
    told: 'way-back-unseen', words: /server 'far1' on eth1 gets what clients send from their own addresses: its answers must come back through this host/,
    // It knows no way to the client.
    answer: () => null,
  }, t));

  test('both at once, saved: ipvsadm and nft show just what is planned, and a second apply has nothing to do', LONG, async () => {
    await page.apply(WHOLE);
    await page.client.save();
    await page.status('all servers up', (s) => s.directors.every(({ state }) => state === 'up'));
    await page.holdsWhole();
    assert.deepEqual((await page.client.apply({})).steps, []);
    await page.holdsWhole();
    await page.balances(NEAR);
    await page.balances(FAR);
  });

  test('an established flow from a fixed port moves when its server dies, its host is gone, and though it never pauses', LONG, (t) => serversDie(page, t));
  test('an established flow from a fixed port moves at once when its server is removed', LONG, (t) => serversGo(page, t));

  test('weir ends and starts again: traffic goes on without it, and what was saved is back and balances', LONG, async () => {
    // Applied, never saved: it ends with the process.
    await page.apply({ ...WHOLE, layer4: director(NEAR, { servers: ['near1'] }) });
    await page.stop();
    await page.ask(NEAR).then(({ from, server }) => assert.deepEqual([from, server], [NEAR.vip, 'near1']));
    await page.start();
    assert.deepEqual((await page.client.documents('running')).documents, WHOLE);
    assert.equal((await page.client.documents('edited')).documents.layer4, director(NEAR, { servers: ['near1'] }), 'what was typed is not lost');
    await page.client.edit(WHOLE);
    await page.status('all servers up', (s) => s.directors.every(({ state }) => state === 'up'));
    await page.holdsWhole();
    await page.balances(NEAR);
    await page.balances(FAR);
    cutPowerAfterwards();
  });
} else {
  test('after a power cycle the saved state is back: addresses, services, NAT rules, conntrack; and it balances', LONG, async () => {
    forward(true);
    await page.openServers();
    assert.deepEqual([sh('ip', '-4', '-o', 'address', 'show', 'dev', 'eth0').includes(NEAR.vip), sh('nft', 'list', 'ruleset')], [false, ''], 'the guest came up with nothing');
    await page.start();
    const { etags, engine } = await page.client.status();
    assert.deepEqual([engine.name, etags.running, etags.edited], ['lvs', etags.saved, etags.saved]);
    assert.deepEqual((await page.client.documents('running')).documents, WHOLE);
    assert.equal(conntrack(), '1');
    await page.status('all servers up', (s) => s.directors.every(({ state }) => state === 'up'));
    await page.holdsWhole();
    await page.balances(NEAR);
    await page.balances(FAR);
  });

  test('an empty configuration takes away all that weir has put into the kernel', LONG, async () => {
    await page.apply({ layer4: '', nat: '', services: 'service lvs\n    engine lvs\n' });
    await page.client.service('lvs', null, 'restart');
    await until('the addresses to go', async () => sh('ip', '-4', '-o', 'address', 'show', 'dev', 'eth0'), (shown) => !shown.includes(NEAR.vip) && !shown.includes(FAR.vip));
    assert.deepEqual([sh('ipvsadm', '-Sn'), sh('nft', 'list', 'ruleset'), conntrack()], ['', '', '0']);
    assert.match(sh('ip', '-4', '-o', 'address', 'show', 'dev', 'eth0'), /192\.0\.2\.2\/24/, 'what is not weir\'s stays');
  });
}
