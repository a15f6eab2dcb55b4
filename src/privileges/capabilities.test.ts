import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CAPABILITIES, maskOf, namesOf, parseStatus } from './capabilities.ts';
import { capabilitiesToKeep, type KeepFacts } from './keep.ts';

test('names and numbers are the kernel\'s', () => {
  // include/uapi/linux/capability.h: the first, one of each word, the last.
  assert.deepEqual([CAPABILITIES[0], CAPABILITIES[12], CAPABILITIES[31], CAPABILITIES[38], CAPABILITIES[40]], ['CHOWN', 'NET_ADMIN', 'SETFCAP', 'PERFMON', 'CHECKPOINT_RESTORE']);
  assert.equal(maskOf(['NET_BIND_SERVICE', 'NET_RAW', 'BPF']), 0x80_0000_2400n);
  assert.deepEqual(namesOf(0x80_0000_2400n | (1n << 50n)), ['CAP_NET_BIND_SERVICE', 'CAP_NET_RAW', 'CAP_BPF', 'CAP_50']);
});

test('the status of a process tells its user in effect and its sets', () => {
  const text = 'Name:\tnode\nUid:\t0\t1000\t0\t0\nCapInh:\t0000000000000000\nCapPrm:\t0000000000002400\nCapEff:\t0000000000002000\nCapBnd:\t000001ffffffffff\nNoNewPrivs:\t1\n';
  assert.deepEqual(parseStatus(text), { uid: 1000, permitted: 0x2400n, effective: 0x2000n, bounding: 0x1ff_ffff_ffffn, noNewPrivileges: true });
  assert.throws(() => parseStatus('Name:\tnode\n'), /expected a line Uid:/);
});

test('what is kept follows from the engines that may be chosen, and never holds what takes a machine over', () => {
  const base: KeepFacts = { engines: ['userspace'], configuresNetwork: false, foreignPath: null };
  const rows: readonly (readonly [Partial<KeepFacts>, string])[] = [
    [{}, 'NET_BIND_SERVICE NET_RAW'],
    [{ configuresNetwork: true }, 'NET_BIND_SERVICE NET_ADMIN NET_RAW'],
    [{ engines: ['lvs'] }, 'NET_BIND_SERVICE NET_ADMIN NET_RAW'],
    [{ engines: ['xdp'] }, 'NET_BIND_SERVICE NET_ADMIN NET_RAW PERFMON BPF'],
    [{ engines: ['userspace', 'lvs', 'xdp'], configuresNetwork: true }, 'NET_BIND_SERVICE NET_ADMIN NET_RAW PERFMON BPF'],
    [{ foreignPath: '/home/alice/weir' }, 'DAC_OVERRIDE FOWNER NET_BIND_SERVICE NET_RAW'],
  ];
  for (const [facts, kept] of rows) assert.equal(capabilitiesToKeep({ ...base, ...facts }).map(({ capability }) => capability).join(' '), kept, JSON.stringify(facts));
  const most = capabilitiesToKeep({ engines: ['userspace', 'lvs', 'xdp'], configuresNetwork: true, foreignPath: '/x' }).map(({ capability }) => capability);
  for (const never of ['SYS_ADMIN', 'SYS_MODULE', 'SYS_PTRACE', 'SYS_RAWIO', 'SETUID', 'SETGID', 'SETPCAP', 'MKNOD', 'SYS_CHROOT'] as const) assert.ok(!most.includes(never), never);
});
