import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseIp, type Ip } from '../../net/ip.ts';
import { tunnelSource } from './tunnel-source.ts';

const ip = (text: string): Ip => parseIp(text) ?? assert.fail(text);
const way = (source: string) => ({ device: 'back', gateway: null, source: ip(source), local: false });
const address = (text: string, device: string, global = true) => ({ ip: ip(text), device, global });
const HERE = [address('2001:db8:1::4', 'front'), address('2001:db8:9::2', 'front'), address('fe80::1', 'back', false), address('192.0.2.2', 'back'), address('2001:db8:1::3', 'back'), address('2001:db8:1::2', 'back')];

test('the source of the way, unless it is a VIP: then another of its device, else of any, else the VIP', () => {
  const from = (source: string, ...vips: string[]) => tunnelSource(way(source), new Set(vips), HERE)?.text;
  assert.equal(from('2001:db8:1::3'), '2001:db8:1::3');
  assert.equal(from('2001:db8:1::3', '2001:db8:1::3', '2001:db8:1::4'), '2001:db8:1::2');
  assert.equal(from('2001:db8:1::3', '2001:db8:1::2', '2001:db8:1::3', '2001:db8:1::4'), '2001:db8:9::2');
  assert.equal(from('192.0.2.2', '192.0.2.2'), '192.0.2.2');
});

test('without a way there is none', () => {
  assert.equal(tunnelSource(null, new Set(), HERE), null);
  assert.equal(tunnelSource({ ...way('192.0.2.2'), source: null }, new Set(), HERE), null);
});
