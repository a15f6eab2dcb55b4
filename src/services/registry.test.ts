import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ServiceConfig } from '../config/model.ts';
import { createServiceRegistry, type Lifecycle } from './registry.ts';

const at = { file: 'services.conf', line: 1, col: 1, endCol: 2 };
const section = (name: string, autostart = true): ServiceConfig => ({ name, instance: null, autostart, conntrack: false, engine: null, lines: [], at });

function part(name: string, calls: string[], more: Partial<Lifecycle> = {}): Lifecycle {
  return { name, instance: null, text: () => `part ${name}`, start: async () => void calls.push('start'), stop: async () => void calls.push('stop'), ...more };
}

test('restart without its own way is stop and start; reload without its own way is restart', async () => {
  const calls: string[] = [];
  const registry = createServiceRegistry({ now: () => 5 });
  registry.register(part('api', calls), 'running');
  registry.register(part('lvs', calls, { restart: async () => void calls.push('restart') }), 'running');
  await registry.act('api', null, 'restart');
  await registry.act('lvs', null, 'reload');
  assert.deepEqual(calls, ['stop', 'start', 'restart']);
});

test('a failed action is shown with its error and clears with the next success', async () => {
  const registry = createServiceRegistry({ now: () => 5 });
  let works = false;
  registry.register(
    part('lvs', [], {
      async reload() {
        if (!works) throw new Error('EPERM');
      },
    }),
    'running',
  );
  await assert.rejects(registry.act('lvs', null, 'reload'), /EPERM/);
  assert.deepEqual(registry.views([]).map((v) => [v.state, v.lastError]), [['running', 'EPERM']]);
  works = true;
  await registry.act('lvs', null, 'reload');
  assert.equal(registry.views([])[0]?.lastError, null);
});

test('views come by name with autostart of the configuration; sections without a part come as stopped', () => {
  const registry = createServiceRegistry({ now: () => 5 });
  registry.register(part('lvs', []), 'running');
  registry.register(part('api', []), 'stopped');
  assert.deepEqual(
    registry.views([section('lvs', false), section('vrrp')]).map((v) => [v.name, v.state, v.autostart]),
    [['api', 'stopped', true], ['lvs', 'running', false], ['vrrp', 'stopped', true]],
  );
});

test('since changes with the state, and two parts cannot have one name', async () => {
  let now = 1;
  const registry = createServiceRegistry({ now: () => now });
  registry.register(part('api', []), 'running');
  now = 2;
  await registry.act('api', null, 'stop');
  assert.deepEqual(registry.views([]).map((v) => [v.state, v.sinceMs]), [['stopped', 2]]);
  assert.throws(() => registry.register(part('api', []), 'running'), /registered already/);
});
