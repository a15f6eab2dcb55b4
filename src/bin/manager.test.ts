import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createFakeClock } from '../clock/fake.ts';
import { createManager } from './manager.ts';
import { addressOf, notify } from './notify.ts';

function world(env: Record<string, string>, answers: () => Promise<unknown> = async () => undefined) {
  const clock = createFakeClock();
  const told: string[] = [];
  const manager = createManager({ env, pid: 42, clock, monotonicUs: () => 5_000_000n, answers, send: (text) => told.push(text) > 0 });
  return { clock, told, manager };
}

test('the manager hears of start, reload and end', () => {
  const { told, manager } = world({});
  manager.ready();
  manager.reloading();
  manager.ready();
  manager.stopping();
  assert.deepEqual(told, ['READY=1\nMAINPID=42', 'RELOADING=1\nMONOTONIC_USEC=5000000', 'READY=1\nMAINPID=42', 'STOPPING=1']);
});

test('the watchdog hears of weir twice in its time from the first ready on, once however often weir is ready again', async () => {
  const { clock, told, manager } = world({ WATCHDOG_USEC: '30000000', WATCHDOG_PID: '42' });
  await clock.advance(60_000);
  assert.deepEqual(told, []);
  manager.ready();
  manager.ready();
  await clock.advance(30_000);
  const beats = (): number => told.filter((text) => text === 'WATCHDOG=1').length;
  assert.equal(beats(), 3, 'at once, after 15 s, after 30 s');
  manager.close();
  await clock.advance(60_000);
  assert.equal(beats(), 3);
});

test('a data plane that fails keeps the watchdog quiet about it, one that hangs does not', async () => {
  const failing = world({ WATCHDOG_USEC: '2000000' }, () => Promise.reject(new Error('no counters')));
  failing.manager.ready();
  await failing.clock.advance(2000);
  assert.equal(failing.told.filter((text) => text === 'WATCHDOG=1').length, 3);

  let asked = 0;
  const hanging = world({ WATCHDOG_USEC: '2000000' }, () => {
    asked++;
    return new Promise(() => {});
  });
  hanging.manager.ready();
  await hanging.clock.advance(60_000);
  assert.deepEqual([hanging.told.includes('WATCHDOG=1'), asked], [false, 1], 'and it is not asked again meanwhile');
});

test('a watchdog that waits for another process, or for none, is left alone', async () => {
  for (const env of [{ WATCHDOG_USEC: '2000000', WATCHDOG_PID: '43' }, { WATCHDOG_USEC: '0' }, { WATCHDOG_USEC: 'soon' }, {}]) {
    const { clock, told, manager } = world(env as Record<string, string>);
    manager.ready();
    await clock.advance(10_000);
    assert.deepEqual(told, ['READY=1\nMAINPID=42'], JSON.stringify(env));
  }
});

test('a place is a path or an abstract name that fits the kernel\'s address, and any other is none', () => {
  assert.deepEqual(addressOf('/run/x'), Buffer.from('\u0001\u0000/run/x\u0000'));
  assert.deepEqual(addressOf('@ab'), Buffer.from('\u0001\u0000\u0000ab'));
  assert.equal(addressOf(`/${'x'.repeat(106)}`)?.length, 110);
  assert.equal(addressOf(`@${'x'.repeat(107)}`)?.length, 110);
  for (const place of ['', '/', '@', 'run/x', 'vsock:2:1', `/${'x'.repeat(107)}`, `@${'x'.repeat(108)}`]) assert.equal(addressOf(place), null, place.slice(0, 20));
});

test('where nobody listens a notification is lost and nothing else', () => {
  assert.equal(notify('READY=1', {}), false);
  assert.equal(notify('READY=1', { NOTIFY_SOCKET: '/nowhere/at/all' }), false);
});
