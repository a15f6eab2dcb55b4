import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileLedger, memoryLedger, NO_ENTRIES } from './ledger.ts';
import { createSysctls, type SysctlFiles } from './sysctl.ts';

function switches(start: Readonly<Record<string, string>>, stubborn: string | null = null): { readonly files: SysctlFiles; readonly values: Map<string, string> } {
  const values = new Map(Object.entries(start));
  return { values, files: { get: (name) => values.get(name) ?? null, set: (name, value) => void (name === stubborn ? null : values.set(name, value)) } };
}

test('what was there before comes back, also after a restart and several changes', () => {
  const { files, values } = switches({ a: '0', b: '5' });
  const ledger = memoryLedger();
  assert.deepEqual(createSysctls({ files, ledger }).want({ a: '1', b: '5' }), ['a']);
  assert.deepEqual(createSysctls({ files, ledger }).want({ a: '2' }), ['a']);
  createSysctls({ files, ledger }).undo();
  assert.deepEqual([...values], [['a', '0'], ['b', '5']]);
  assert.deepEqual(ledger.read(), NO_ENTRIES);
});

test('what somebody changed since is left alone', () => {
  const { files, values } = switches({ a: '0' });
  const sysctls = createSysctls({ files, ledger: memoryLedger() });
  sysctls.want({ a: '1' });
  values.set('a', '7');
  sysctls.undo();
  assert.equal(values.get('a'), '7');
});

test('all or none: a switch that is missing or does not take its value undoes the others', () => {
  const missing = switches({ a: '0' });
  assert.throws(() => createSysctls({ files: missing.files, ledger: memoryLedger() }).want({ a: '1', 'net.ipv4.vs.conntrack': '1' }), { message: /no switch net\.ipv4\.vs\.conntrack/, cure: /modprobe ip_vs/ });
  assert.equal(missing.values.get('a'), '0');
  const stubborn = switches({ a: '0', b: '0' }, 'b');
  assert.throws(() => createSysctls({ files: stubborn.files, ledger: memoryLedger() }).want({ a: '1', b: '1' }), /does not take 1/);
  assert.equal(stubborn.values.get('a'), '0');
});

test('the ledger is read again by the next run, and not after a reboot', () => {
  const folder = mkdtempSync(join(tmpdir(), 'weir-ledger-'));
  try {
    const path = join(folder, 'deep', 'services.json');
    fileLedger(path).write({ interfaces: { eth0: { addresses: ['192.0.2.1/24'], routes: [] } }, sysctls: {} });
    assert.deepEqual(fileLedger(path).read().interfaces['eth0']?.addresses, ['192.0.2.1/24']);
    writeFileSync(path, readFileSync(path, 'utf8').replace(/"place":"[^ ]*/, '"place":"another-boot'));
    assert.deepEqual(fileLedger(path).read(), NO_ENTRIES);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
