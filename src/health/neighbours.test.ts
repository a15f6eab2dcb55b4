import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseIp, type Ip } from '../net/ip.ts';
import { createFakeClock } from './fake-clock.ts';
import { createNeighbours, parseArpTable, parseNdTable } from './neighbours.ts';

const ip = (text: string): Ip => parseIp(text) as Ip;
const ARP = `IP address       HW type     Flags       HW address            Mask     Device
192.0.2.1        0x1         0x2         02:fc:00:00:00:05     *        eth0
192.0.2.9        0x1         0x0         00:00:00:00:00:00     *        eth0
192.0.2.10       0x1         0x6         02:fc:00:00:00:06     *        eth1
192.0.2.11       0x1         0x0         00:00:00:00:00:00     *        eth0
192.0.2.11       0x1         0x2         02:fc:00:00:00:07     *        eth1
`;
const ND = JSON.stringify([
  { dst: '2001:db8::1', dev: 'eth0', lladdr: '02:fc:00:00:00:05', router: null, state: ['STALE'] },
  { dst: '2001:db8:0:0::2', dev: 'eth0', state: ['FAILED'] },
  { dst: '2001:db8::3', dev: 'eth0', state: ['INCOMPLETE'] },
]);

function set() {
  const clock = createFakeClock(5000);
  let reads4 = 0;
  let reads6 = 0;
  let arp = ARP;
  const neighbours = createNeighbours({
    ...clock,
    sources: {
      arpTable: async () => (reads4++, arp),
      ndTable: async () => (reads6++, ND),
      interfaces: () => ({
        lo: [{ address: '127.0.0.1', netmask: '255.0.0.0', family: 'IPv4', mac: '', internal: true, cidr: '127.0.0.1/8' }],
        eth0: [
          { address: '192.0.2.2', netmask: '255.255.255.0', family: 'IPv4', mac: '', internal: false, cidr: '192.0.2.2/24' },
          { address: '2001:db8::2:2', netmask: 'ffff:ffff:ffff:ffff::', family: 'IPv6', mac: '', internal: false, cidr: '2001:db8::2:2/64', scopeid: 0 },
        ],
      }),
    },
  });
  return { clock, neighbours, reads4: () => reads4, reads6: () => reads6, arp: (text: string) => (arp = text) };
}

test('the ARP table is read by its flags, and an interface that answers wins', () => {
  const table = parseArpTable(ARP);
  assert.deepEqual(table.get('192.0.2.1'), { iface: 'eth0', state: 'complete', lladdr: '02:fc:00:00:00:05' });
  assert.equal(table.get('192.0.2.9')?.state, 'failed');
  assert.equal(table.get('192.0.2.10')?.state, 'complete');
  assert.deepEqual([table.get('192.0.2.11')?.iface, table.get('192.0.2.11')?.state], ['eth1', 'complete']);
  assert.equal(parseArpTable('').size, 0);
});

test('the ND table is read by its states, addresses in canonical form', () => {
  const table = parseNdTable(ND);
  assert.equal(table.get('2001:db8::1')?.state, 'complete');
  assert.equal(table.get('2001:db8::2')?.state, 'failed');
  assert.equal(table.get('2001:db8::3')?.state, 'failed');
  assert.equal(parseNdTable('').size, 0);
  assert.throws(() => parseNdTable('{}'), TypeError);
});

test('an address is local, on-link or routed by the networks of the interfaces', () => {
  const { neighbours } = set();
  assert.deepEqual(neighbours.reach(ip('192.0.2.2')), { kind: 'local' });
  assert.deepEqual(neighbours.reach(ip('127.9.9.9')), { kind: 'local' });
  assert.deepEqual(neighbours.reach(ip('::1')), { kind: 'local' });
  assert.deepEqual(neighbours.reach(ip('192.0.2.77')), { kind: 'on-link', iface: 'eth0' });
  assert.deepEqual(neighbours.reach(ip('2001:db8::77')), { kind: 'on-link', iface: 'eth0' });
  assert.deepEqual(neighbours.reach(ip('198.51.100.1')), { kind: 'routed' });
});

test('however many look at once, the table is read once, and never older than asked for', async () => {
  const { clock, neighbours, reads4, reads6, arp } = set();
  const looks = Array.from({ length: 50 }, () => neighbours.look(ip('192.0.2.9'), clock.nowMs()));
  await clock.advance(0);
  assert.equal((await Promise.all(looks)).filter((n) => n?.state === 'failed').length, 50);
  assert.equal(reads4(), 1);
  assert.equal((await neighbours.look(ip('192.0.2.1'), clock.nowMs()))?.state, 'complete');
  assert.equal(reads4(), 1, 'the reading is new enough');
  await clock.advance(1);
  arp(ARP.replace('192.0.2.9        0x1         0x0', '192.0.2.9        0x1         0x2'));
  const later = neighbours.look(ip('192.0.2.9'), clock.nowMs());
  await clock.advance(98);
  assert.equal(reads4(), 1, 'ten times a second at most');
  await clock.advance(1);
  assert.equal((await later)?.state, 'complete');
  assert.equal(reads6(), 0);
});

test('IPv6 is looked at once a second at most', async () => {
  const { clock, neighbours, reads6 } = set();
  for (let i = 0; i < 50; i++) {
    void neighbours.look(ip('2001:db8::1'), clock.nowMs());
    await clock.advance(100);
  }
  assert.ok(reads6() <= 6, `${reads6()}`);
});
