/**
 * `npm run test:node22 [tier…]`: the tests on Node.js 22, which is fetched from the npm registry into .cache (exact version, no install
 * scripts of ours). weir supports 20.19 and 22; this is how one machine shows both.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const VERSION = '22.23.3';
const clone = join(dirname(fileURLToPath(import.meta.url)), '..');
const folder = join(clone, '.cache', `node-${VERSION}`);
const node = join(folder, 'node_modules', 'node', 'bin', 'node');

if (!existsSync(node)) {
  process.stdout.write(`node22: fetching Node.js ${VERSION} from the npm registry…\n`);
  mkdirSync(folder, { recursive: true });
  // The package `node` picks its binary in an install script; .npmrc of the clone does not reach this folder.
  writeFileSync(join(folder, 'package.json'), '{ "private": true }\n');
  const npm = spawnSync('npm', ['install', '--no-audit', '--no-fund', '--prefix', folder, `node@${VERSION}`], { stdio: ['ignore', 'ignore', 'inherit'] });
  if (npm.status !== 0 || !existsSync(node)) {
    process.stderr.write(`node22: expected ${node} after npm install node@${VERSION}; is the npm registry reachable?\n`);
    process.exit(1);
  }
}
const run = spawnSync(node, [join(clone, 'scripts', 'test.mjs'), ...process.argv.slice(2)], { stdio: 'inherit', cwd: clone });
process.exit(run.status ?? 1);
