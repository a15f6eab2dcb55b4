/**
 * `npm run setup`: everything a clone needs before weir runs. Each step looks first and does nothing when there is nothing to do,
 * so `npm start` and `npm test` call it every time. `--debian` also installs the Debian packages the tests use (root only).
 */
import { createHash } from 'node:crypto';
import { existsSync, lstatSync, mkdirSync, readFileSync, readdirSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { installDebianPackages } from './debian.mjs';
import { ROOT, StepError, isMain, run, say, script } from './steps.mjs';

/** The oldest Node.js that weir is tested on; the same as `engines` in package.json. */
const NODE_MIN = [20, 19];
const SOURCE_FOLDERS = ['src', 'test', 'bench'];
/** What the bundle of the web pages is made of. */
const WEB_FOLDERS = ['web', 'src/web', 'src/client', 'src/config', 'src/net', 'src/balance'];

/**
 * Checks Node.js, installs the npm packages, builds.
 * @param {{ debian?: boolean }} [options]
 */
export async function setup(options = {}) {
  checkNode(process.versions.node);
  await installPackages();
  await build();
  await buildWeb();
  if (options.debian === true) await installDebianPackages();
  // Last: on a fresh machine it is the Debian packages that bring clang.
  await buildBpf();
}

/**
 * Throws StepError when this Node.js is too old.
 * @param {string} version
 */
export function checkNode(version) {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  const [minMajor = 0, minMinor = 0] = NODE_MIN;
  if (major > minMajor || (major === minMajor && minor >= minMinor)) return;
  throw new StepError(`weir needs Node.js ${NODE_MIN.join('.')} or newer, this is ${version} (${process.execPath}).\n`
    + 'Install a newer one from https://nodejs.org or with your package manager, and run this again.');
}

/** Makes node_modules hold what package-lock.json says; quick when it does already. */
async function installPackages() {
  const lock = readFileSync(join(ROOT, 'package-lock.json'), 'utf8');
  const modules = join(ROOT, 'node_modules');
  const stamp = join(modules, '.weir-setup');
  const wanted = createHash('sha256').update(lock).digest('hex');
  if (readOr(stamp) === wanted) return;
  const wrong = firstWrongPackage(JSON.parse(lock), readOr(join(modules, '.package-lock.json')));
  if (wrong === null) {
    writeStamp(stamp, wanted);
    return;
  }
  if (existsSync(modules) && lstatSync(modules).isSymbolicLink()) {
    throw new StepError(`node_modules is a link to elsewhere and not what package-lock.json says (${wrong}); install there, or remove the link.`);
  }
  say(`setup: installing npm packages (${wrong})…`);
  const startedAt = Date.now();
  // npm tells where it is: no shell, no search of PATH, and it works where npm is a .cmd file.
  const npm = process.env['npm_execpath'];
  const args = ['ci', '--ignore-scripts', '--no-audit', '--no-fund'];
  if (npm !== undefined && /\.[cm]?js$/.test(npm)) await run(process.execPath, [npm, ...args]);
  else await run('npm', args);
  writeStamp(stamp, wanted);
  say(`setup: npm packages installed in ${seconds(startedAt)}`);
}

/**
 * Returns what of the lock file is not installed, in words; null when all is.
 * @param {{ packages: Record<string, { version?: string, optional?: boolean, devOptional?: boolean }> }} lock
 * @param {string | null} installedText npm's own record in node_modules
 * @returns {string | null}
 */
export function firstWrongPackage(lock, installedText) {
  if (installedText === null) return 'none installed yet';
  const installed = JSON.parse(installedText).packages;
  for (const [path, entry] of Object.entries(lock.packages)) {
    if (path === '') continue;
    const found = installed[path]?.version;
    if (found === undefined && (entry.optional === true || entry.devOptional === true)) continue;
    if (found !== entry.version) return `${path.replace(/^node_modules\//, '')} ${found ?? 'missing'}, wanted ${entry.version}`;
  }
  return null;
}

/** Type-checks and bundles the web pages into dist/web when they, or what they share with the daemon, changed since the last good build. */
export async function buildWeb() {
  const stamp = join(ROOT, 'dist/.weir-web');
  const sources = WEB_FOLDERS.flatMap((folder) => walk(join(ROOT, folder)));
  const wanted = fingerprint([...sources, join(ROOT, 'package-lock.json')]);
  if (readOr(stamp) === wanted && existsSync(join(ROOT, 'dist/web/index.html'))) return;
  const startedAt = Date.now();
  say('setup: building the web pages…');
  rmSync(stamp, { force: true });
  await run(process.execPath, [join(ROOT, 'node_modules/typescript/bin/tsc'), '-p', 'web/tsconfig.json']);
  await run(process.execPath, [join(ROOT, 'node_modules/vite/bin/vite.js'), 'build', 'web', '--config', 'web/vite.config.mjs', '--logLevel', 'warn']);
  writeStamp(stamp, wanted);
  say(`setup: web pages built in ${seconds(startedAt)}`);
}

/** What compiles the BPF programs; -mcpu=v3 brings the atomics that kernels have since 5.12. */
const BPF_FLAGS = [
  '-O2', '-g', '-Wall', '-Wextra', '-Werror', '-Wno-address-of-packed-member', '-Wno-unused-parameter', '-fms-extensions', '-Wno-microsoft-anon-tag', '-target', 'bpf', '-mcpu=v3',
];

/**
 * Compiles bpf/weir.bpf.c to dist/bpf when it changed since the last good build. Without clang there is no object, and the xdp engine says so:
 * everything else works without.
 */
export async function buildBpf() {
  const source = join(ROOT, 'bpf/weir.bpf.c');
  const object = join(ROOT, 'dist/bpf/weir.bpf.o');
  const stamp = join(ROOT, 'dist/.weir-bpf');
  if (process.platform !== 'linux' || !existsSync(source) || !CLANG_PLACES.some((place) => existsSync(place))) return;
  const wanted = fingerprint(walk(join(ROOT, 'bpf')));
  if (readOr(stamp) === wanted && existsSync(object)) return;
  const startedAt = Date.now();
  mkdirSync(join(ROOT, 'dist/bpf'), { recursive: true });
  rmSync(stamp, { force: true });
  // Debian keeps asm/types.h in the architecture's own folder, which `-target bpf` does not search.
  const include = `-I/usr/include/${process.arch === 'arm64' ? 'aarch64' : 'x86_64'}-linux-gnu`;
  try {
    await run('clang', [...BPF_FLAGS, include, '-c', source, '-o', `${object}.new`], { quiet: true });
  } catch (error) {
    if (existsSync('/usr/include/bpf/bpf_helpers.h')) throw error;
    say('setup: no xdp engine: bpf/bpf_helpers.h is missing (apt-get install libbpf-dev)');
    return;
  }
  renameSync(`${object}.new`, object);
  writeStamp(stamp, wanted);
  say(`setup: BPF programs built in ${seconds(startedAt)}`);
}

const CLANG_PLACES = ['/usr/bin/clang', '/usr/local/bin/clang'];

/** Compiles src, test and bench to dist when any of them changed since the last good build. */
export async function build() {
  const dist = join(ROOT, 'dist');
  const stamp = join(dist, '.weir-build');
  const sources = SOURCE_FOLDERS.flatMap((folder) => walk(join(ROOT, folder)));
  const wanted = fingerprint([...sources, join(ROOT, 'tsconfig.json'), join(ROOT, 'package-lock.json')]);
  if (readOr(stamp) === wanted) return;
  const startedAt = Date.now();
  say('setup: building…');
  mkdirSync(dist, { recursive: true });
  rmSync(stamp, { force: true });
  const outputs = new Set(sources.filter((file) => file.endsWith('.ts')).map((file) => join(dist, relative(ROOT, file).replace(/\.ts$/, '.js'))));
  // An output whose source is gone would still be run as a test; a missing one is not written again by an incremental build.
  for (const folder of SOURCE_FOLDERS) {
    for (const file of walk(join(dist, folder))) {
      if (!outputs.has(file.replace(/\.map$/, ''))) rmSync(file);
    }
  }
  if ([...outputs].some((file) => !existsSync(file))) rmSync(join(dist, '.tsbuildinfo'), { force: true });
  await run(process.execPath, [join(ROOT, 'node_modules/typescript/bin/tsc'), '-p', 'tsconfig.json']);
  writeStamp(stamp, wanted);
  say(`setup: built in ${seconds(startedAt)}`);
}

/**
 * Returns every file below a directory, sorted; none when it is not there.
 * @param {string} directory
 * @returns {string[]}
 */
function walk(directory) {
  if (!existsSync(directory)) return [];
  return readdirSync(directory, { withFileTypes: true })
    .toSorted((a, b) => (a.name < b.name ? -1 : 1))
    .flatMap((entry) => {
      const path = join(directory, entry.name);
      if (entry.isDirectory()) return walk(path);
      return entry.isFile() ? [path] : [];
    });
}

/**
 * Returns a hash of the files' names, sizes and times: equal means unchanged, whichever way the clock went.
 * @param {readonly string[]} files
 */
function fingerprint(files) {
  const hash = createHash('sha256').update(process.versions.node);
  for (const file of files) {
    const { size, mtimeMs } = statSync(file);
    hash.update(`${relative(ROOT, file)}\0${size}\0${mtimeMs}\n`);
  }
  return hash.digest('hex');
}

/** @param {string} file @returns {string | null} */
function readOr(file) {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return null;
  }
}

/** @param {string} file @param {string} text */
function writeStamp(file, text) {
  writeFileSync(`${file}.${process.pid}`, text);
  renameSync(`${file}.${process.pid}`, file);
}

/** @param {number} startedAt */
function seconds(startedAt) {
  return `${((Date.now() - startedAt) / 1000).toFixed(1)} s`;
}

if (isMain(import.meta.url)) {
  await script(async () => {
    if (process.argv.includes('--build')) {
      await build();
      await buildWeb();
      await buildBpf();
      return;
    }
    await setup({ debian: process.argv.includes('--debian') });
    say('setup: ready');
  });
}
