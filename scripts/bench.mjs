/** `npm run bench -- …`: builds what is not built, then runs the bench. */
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, readdirSync, statSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = resolve(dirname(fileURLToPath(import.meta.url)), '..');
const MAIN = join(ROOT, 'dist/bench/main.js');

await build();
// Ctrl-C reaches both: the bench cleans up and ends by itself, this waits for it.
process.on('SIGINT', () => undefined);
const bench = spawn(process.execPath, [MAIN, ...process.argv.slice(2)], { stdio: 'inherit' });
for (const signal of ['SIGTERM', 'SIGHUP']) process.on(signal, () => bench.kill(signal));
bench.on('exit', (code, signal) => {
  process.exitCode = code ?? (signal === null ? 1 : 128);
});

/** By the set-up of the clone where there is one, so that both agree on what is up to date. */
async function build() {
  const setup = join(ROOT, 'scripts/setup.mjs');
  if (existsSync(setup)) {
    const module = await import(setup);
    await module.setup();
    return;
  }
  if (existsSync(MAIN) && statSync(MAIN).mtimeMs > newest(['src', 'bench', 'test'])) return;
  const tsc = spawnSync(process.execPath, [join(ROOT, 'node_modules/typescript/bin/tsc'), '-p', 'tsconfig.json'], { cwd: ROOT, stdio: 'inherit' });
  if (tsc.status !== 0) process.exit(tsc.status ?? 1);
}

/** @param {string[]} folders */
function newest(folders) {
  let latest = 0;
  for (const folder of folders) {
    if (!existsSync(join(ROOT, folder))) continue;
    for (const file of readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })) {
      if (file.endsWith('.ts')) latest = Math.max(latest, statSync(join(ROOT, folder, file)).mtimeMs);
    }
  }
  return latest;
}
