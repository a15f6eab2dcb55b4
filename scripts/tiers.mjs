/**
 * The tiers of `npm test`, in the order they run. `folder` is where the compiled test files are; `needs` lists what this machine
 * must have, each a probe that returns null or the reason in words: a tier that cannot run is a skip with that reason.
 */
import { accessSync, constants, existsSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { delimiter, join } from 'node:path';
import { startGuest } from './guest/guest.mjs';
import { ROOT } from './steps.mjs';

/**
 * @typedef {object} Tier
 * @property {string} name
 * @property {string} folder below the clone's root, searched for *.test.js
 * @property {number} jobs test files at a time
 * @property {number} fileSeconds how long one test file may take
 * @property {readonly (() => string | null)[]} needs
 * @property {string} [besideUntil] it runs beside the tiers after it, and has ended before this one starts
 * @property {() => Promise<Place>} [start] makes the place the files run in, once for all of them; rejects with StepError
 */
/**
 * @typedef {object} Place
 * @property {readonly string[]} through see runFile
 * @property {() => Promise<void>} stop
 */

const cores = availableParallelism();
const root = () => (process.getuid?.() === 0 ? null : 'needs root');
const linux = () => (process.platform === 'linux' ? null : `needs Linux, this is ${process.platform}`);
const bpf = () => {
  if (!existsSync(join(ROOT, 'dist/bpf/weir.bpf.o'))) return 'needs dist/bpf/weir.bpf.o (npm run setup builds it where there is clang and libbpf-dev)';
  const library = ['/usr/lib/x86_64-linux-gnu', '/usr/lib/aarch64-linux-gnu', '/usr/lib64', '/usr/lib'].some((folder) => existsSync(join(folder, 'libbpf.so.1')));
  return library ? null : 'needs libbpf.so.1 (npm run setup -- --debian as root)';
};
const x64 = () => (process.arch === 'x64' ? null : `needs x86-64 (the guest runs this machine's own node), this is ${process.arch}`);

/** @type {readonly Tier[]} */
export const TIERS = [
  // Five minutes of a few hundred datagrams a second, a fifth of a core: beside what does not mind that, so that it costs the run next to nothing.
  { name: 'soak', folder: 'dist/test/soak', jobs: 1, fileSeconds: 600, needs: [linux], besideUntil: 'loopback' },
  { name: 'house', folder: 'dist/test/house', jobs: cores, fileSeconds: 180, needs: [] },
  { name: 'unit', folder: 'dist/src', jobs: cores, fileSeconds: 120, needs: [] },
  { name: 'bench', folder: 'dist/bench', jobs: cores, fileSeconds: 60, needs: [] },
  { name: 'golden', folder: 'dist/test/golden', jobs: cores, fileSeconds: 120, needs: [] },
  // The contract mostly waits for sessions to end: two engines side by side do not get in each other's way.
  { name: 'contract', folder: 'dist/test/contract', jobs: cores, fileSeconds: 300, needs: [] },
  { name: 'browser', folder: 'dist/test/browser', jobs: 1, fileSeconds: 300, needs: [linux, command('chromium')] },
  // Real programs under load: two files at a time would measure each other.
  { name: 'loopback', folder: 'dist/test/loopback', jobs: 1, fileSeconds: 300, needs: [linux] },
  { name: 'netns', folder: 'dist/test/netns', jobs: 1, fileSeconds: 600, needs: [linux, root, command('ip')] },
  { name: 'contract-xdp', folder: 'dist/test/contract-xdp', jobs: cores, fileSeconds: 300, needs: [linux, root, command('ip'), command('ethtool'), bpf] },
  // The BPF program: packets by BPF_PROG_TEST_RUN, the daemon in namespaces.
  { name: 'xdp', folder: 'dist/test/xdp', jobs: 1, fileSeconds: 900, needs: [linux, root, command('ip'), command('ethtool'), bpf] },
  // A stock kernel under qemu without KVM, 17 times slower than here; needs no root.
  { name: 'lvs', folder: 'dist/test/lvs', jobs: 1, fileSeconds: 480, needs: [linux, x64, ...['qemu-system-x86_64', 'busybox', 'cpio', 'depmod', 'dpkg-deb', 'setpriv'].map(command)], start: startGuest },
];

/**
 * Returns a probe for a program on PATH or in the sbin directories, which a user's PATH leaves out.
 * @param {string} name
 * @returns {() => string | null}
 */
export function command(name) {
  return () => {
    const places = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/sbin', '/sbin'];
    return places.some((place) => executable(join(place, name))) ? null : `needs the program ${name} (npm run setup -- --debian as root)`;
  };
}

/** @param {string} file */
function executable(file) {
  try {
    accessSync(file, constants.X_OK);
    return existsSync(file);
  } catch {
    return false;
  }
}
