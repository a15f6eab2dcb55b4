/**
 * The kernel that the lvs tier boots: Debian's own linux-image-amd64, taken out of its package without being installed (so that
 * no boot loader hook runs), and an initramfs made here. Both are kept in .cache, by the package's version.
 */
import { chmodSync, copyFileSync, cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { unpack, versionOf } from '../debian-package.mjs';
import { ROOT, StepError, run, say } from '../steps.mjs';

const CACHE = join(ROOT, '.cache/lvs-guest');
/** Raised when what is made of a package changes, so that older caches are not used. */
const LAYOUT = 'v2';
/** In the order they must be loaded before anything of the host's is visible: virtio, the 9p file system, and the overlay over it. */
const EARLY = [
  'virtio_ring', 'virtio', 'virtio_pci_legacy_dev', 'virtio_pci_modern_dev', 'virtio_pci', 'netfs', 'fscache', '9pnet', '9pnet_virtio', '9p', 'overlay',
];
/** Of the 4,000 modules, the folders that the guest may ask for. */
const KEPT = ['kernel/net', 'kernel/fs/9p', 'kernel/fs/netfs', 'kernel/fs/fscache', 'kernel/fs/overlayfs', 'kernel/drivers/virtio', 'kernel/drivers/net', 'kernel/lib', 'kernel/crypto', 'kernel/arch'];
/** Of drivers/net, which is mostly hardware, these. */
const NET_DRIVERS = ['veth.ko', 'dummy.ko', 'tun.ko', 'macvlan.ko', 'bonding'];

/**
 * @typedef {object} Image
 * @property {string} kernel the bzImage
 * @property {string} initramfs
 * @property {string} modules the folder that belongs at /lib/modules/RELEASE
 * @property {string} release as `uname -r` says in the guest
 */

/**
 * Returns the image, made now when this version of the package was never used before (a download of 70 MB, once).
 * Without a way to the package server the newest one that is kept is taken. Throws StepError.
 * @returns {Promise<Image>}
 */
export async function guestImage() {
  const wanted = await newestPackage().catch((error) => {
    if (!(error instanceof StepError)) throw error;
    return null;
  });
  if (wanted === null) {
    const kept = existsSync(CACHE) ? readdirSync(CACHE).filter((name) => name.endsWith(LAYOUT)).toSorted() : [];
    const last = kept.at(-1);
    if (last === undefined) throw new StepError('apt knows no linux-image-amd64 and none is kept in .cache: run apt-get update, or npm run setup -- --debian as root');
    return imageIn(join(CACHE, last));
  }
  const folder = join(CACHE, `${wanted.version}-${LAYOUT}`.replaceAll(/[^\w.+~-]/g, '_'));
  if (!existsSync(folder)) await make(wanted, folder);
  return imageIn(folder);
}

/** @param {string} folder @returns {Image} */
function imageIn(folder) {
  const release = readdirSync(join(folder, 'modules'))[0] ?? '';
  return { kernel: join(folder, 'vmlinuz'), initramfs: join(folder, 'initramfs'), modules: join(folder, 'modules', release), release };
}

/** @returns {Promise<{ name: string, version: string }>} */
async function newestPackage() {
  const depends = await run('apt-cache', ['depends', '--no-recommends', '--no-suggests', 'linux-image-amd64'], { quiet: true });
  const name = /Depends: (linux-image-\S+-amd64)/.exec(depends)?.[1];
  if (name === undefined) throw new StepError('apt knows no linux-image-amd64');
  return { name, version: await versionOf(name) };
}

/**
 * Makes the folder whole or not at all: it is renamed into place when it is complete.
 * @param {{ name: string, version: string }} wanted
 * @param {string} folder
 */
async function make({ name, version }, folder) {
  say(`lvs guest: fetching ${name} ${version} (70 MB, kept in .cache)`);
  mkdirSync(CACHE, { recursive: true });
  const work = mkdtempSync(join(CACHE, 'making-'));
  try {
    await unpack(name, join(work, 'x'));
    const release = readdirSync(join(work, 'x/lib/modules'))[0];
    if (release === undefined) throw new StepError(`${name} holds no modules`);
    const out = join(work, 'out');
    mkdirSync(out);
    copyFileSync(join(work, 'x/boot', `vmlinuz-${release}`), join(out, 'vmlinuz'));
    await keepModules(join(work, 'x/lib/modules', release), join(out, 'lib/modules', release), release, out);
    await makeInitramfs(join(out, 'modules', release), join(work, 'root'), join(out, 'initramfs'));
    renameSync(out, folder);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

/** @param {string} from @param {string} to @param {string} release @param {string} out */
async function keepModules(from, to, release, out) {
  mkdirSync(to, { recursive: true });
  for (const name of readdirSync(from)) if (name.startsWith('modules.')) copyFileSync(join(from, name), join(to, name));
  for (const folder of KEPT) {
    if (!existsSync(join(from, folder))) continue;
    cpSync(join(from, folder), join(to, folder), {
      recursive: true,
      filter: (source) => folder !== 'kernel/drivers/net' || source.endsWith('/drivers/net') || NET_DRIVERS.some((kept) => source.includes(`/drivers/net/${kept}`)),
    });
  }
  await run(program('depmod'), ['-b', out, release], { quiet: true });
  renameSync(join(out, 'lib/modules'), join(out, 'modules'));
  rmSync(join(out, 'lib'), { recursive: true });
}

/** @param {string} modules @param {string} root @param {string} file */
async function makeInitramfs(modules, root, file) {
  for (const folder of ['bin', 'sbin', 'proc', 'sys', 'dev', 'early', 'share', 'lower', 'upper', 'root', 'lib/modules']) mkdirSync(join(root, folder), { recursive: true });
  copyFileSync(program('busybox'), join(root, 'bin/busybox'));
  const all = readdirSync(modules, { recursive: true, encoding: 'utf8' });
  EARLY.forEach((name, i) => {
    const found = all.find((path) => basename(path) === `${name}.ko`);
    // One that is built into this kernel has no file.
    if (found !== undefined) copyFileSync(join(modules, found), join(root, 'early', `${String(i).padStart(2, '0')}-${name}.ko`));
  });
  // The kernel calls this by its path when it wants a module, and it runs outside the chroot: the modules are bound there.
  symlinkSync('/bin/busybox', join(root, 'sbin/modprobe'));
  writeFileSync(join(root, 'init'), INIT);
  chmodSync(join(root, 'init'), 0o755);
  await run('/bin/sh', ['-c', 'find . | cpio -o -H newc --quiet | gzip -1 > "$1"', 'sh', file], { cwd: root, quiet: true });
  if (statSync(file).size < 100_000) throw new StepError(`${file} came out too small`);
}

/** The first program in the guest. What it does after the share is mounted is in the share, so that it need not be packed again. */
const INIT = `#!/bin/busybox sh
B=/bin/busybox
$B mount -t proc proc /proc
$B mount -t sysfs sysfs /sys
$B mount -t devtmpfs dev /dev
for m in /early/*.ko; do $B insmod $m; done
$B mount -t 9p -o trans=virtio,version=9p2000.L,cache=none,msize=262144 share /share || { echo WEIR: no share; $B poweroff -f; }
. /share/stage2
`;

/** @param {string} name */
function program(name) {
  for (const folder of ['/usr/sbin', '/sbin', '/usr/bin', '/bin']) if (existsSync(join(folder, name))) return join(folder, name);
  throw new StepError(`needs the program ${name} (npm run setup -- --debian as root)`);
}
