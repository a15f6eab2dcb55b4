import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseIp } from '../../net/ip.ts';
import type { Desired } from '../../plan/desired.ts';
import { EngineError } from '../engine.ts';
import type { HostFacts, HostLink } from './host.ts';
import { refuseOnHost } from './host-refusals.ts';
import { linkPlan } from './links.ts';

const link = (ifindex: number, name: string, more: Partial<HostLink> = {}): HostLink => ({ ifindex, name, mac: [2, 0, 0, 0, 0, ifindex], mtu: 1500, ethernet: true, kind: '', vlan: null, ...more });
const NOTHING: Desired = { directors: [] };

/** What is refused with these devices in play, where every interface but those in `keeps` takes tags out. */
function refusal(devices: readonly string[], links: readonly HostLink[], keeps: readonly string[] = []): EngineError | null {
  const facts: HostFacts = { links, addresses: [{ ip: parseIp('192.0.2.2') ?? assert.fail(), device: 'eth0', global: true }], defaults: [], ways: new Map() };
  try {
    refuseOnHost(NOTHING, facts, linkPlan(devices, facts, []), { forwarding: () => true, stripsTags: (device) => !keeps.includes(device) });
    return null;
  } catch (error) {
    assert.ok(error instanceof EngineError);
    return error;
  }
}

test('an interface that takes the tags of a VLAN in play out of its frames is refused, with the command that stops it', () => {
  const links = [link(2, 'eth0'), link(3, 'eth0.10', { kind: 'vlan', vlan: { parent: 2, id: 10 } })];
  const refused = refusal(['eth0.10'], links);
  assert.match(refused?.message ?? '', /^eth0 takes VLAN tags out of frames/);
  assert.equal(refused?.cure, 'ethtool -K eth0 rxvlan off');
  assert.equal(refusal(['eth0.10'], links, ['eth0']), null);
  assert.equal(refusal(['eth0'], links), null, 'no VLAN is in play');
});

test('what a veth says of its tags is not asked: its far end decides', () => {
  assert.equal(refusal(['v.10'], [link(2, 'v', { kind: 'veth' }), link(3, 'v.10', { kind: 'vlan', vlan: { parent: 2, id: 10 } })]), null);
});
