/** The Debian packages that tests and benches use: the one list, and how they are installed. weir itself needs none of them. */
import { existsSync, rmSync, writeFileSync } from 'node:fs';
import { StepError, run, say } from './steps.mjs';

/** Package names of Debian 12. */
export const DEBIAN_PACKAGES = [
  'dnsmasq-base', 'dnsutils', 'dnsperf', 'unbound', 'rsyslog', 'iperf3', 'nginx-light', 'libnginx-mod-stream', 'pen',
  'iproute2', 'procps', 'util-linux', 'strace', 'systemd', 'ethtool', 'tcpdump', 'curl', 'nftables', 'conntrack', 'clang', 'llvm', 'libbpf1', 'libbpf-dev', 'chromium',
  // The checks' real peers.
  'chrony', 'freeradius', 'sip-tester', 'snmpd', 'tftpd-hpa', 'coturn', 'openssl', 'ngtcp2-server', 'wireguard-go', 'wireguard-tools',
  // The lvs tier: a stock kernel (fetched by scripts/guest, not installed) under qemu.
  'qemu-system-x86', 'busybox-static', 'cpio', 'kmod', 'ipvsadm',
];

/** Says to dpkg that no service may be started: tests start their own, and a clone must not change what a machine serves. */
const POLICY = '/usr/sbin/policy-rc.d';

/**
 * Installs those of DEBIAN_PACKAGES that are missing. Does nothing on other systems and without root, where the tests
 * that need them say so themselves.
 */
export async function installDebianPackages() {
  if (process.getuid?.() !== 0 || !existsSync('/usr/bin/apt-get')) return;
  const missing = await missingPackages();
  if (missing.length === 0) return;
  say(`setup: installing Debian packages: ${missing.join(' ')}`);
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive', LC_ALL: 'C' };
  // Removed again afterwards; one that is there already has its own opinion and is left alone.
  const ownPolicy = !existsSync(POLICY);
  if (ownPolicy) writeFileSync(POLICY, '#!/bin/sh\n# written by weir scripts/debian.mjs for the length of one apt-get\nexit 101\n', { mode: 0o755 });
  try {
    say('setup: apt-get update');
    await run('apt-get', ['update', '-q'], { env, quiet: true });
    say('setup: apt-get install (this takes a minute or two)');
    await run('apt-get', ['install', '-q', '-y', '--no-install-recommends', ...missing], { env, quiet: true });
  } finally {
    if (ownPolicy) rmSync(POLICY, { force: true });
  }
  const still = await missingPackages();
  if (still.length > 0) throw new StepError(`apt-get ended well, and these are still not installed: ${still.join(' ')}`);
}

/** @returns {Promise<string[]>} */
async function missingPackages() {
  const installed = await run('dpkg-query', ['-W', '-f', '${Package} ${db:Status-Status}\n'], { quiet: true });
  const have = new Set(installed.split('\n').filter((line) => line.endsWith(' installed')).map((line) => line.split(' ')[0]));
  return DEBIAN_PACKAGES.filter((name) => !have.has(name));
}
