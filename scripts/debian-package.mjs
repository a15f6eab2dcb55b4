/** The files of a Debian package without installing it: unpacked in .cache/debian, by name and version, once. */
import { existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT, StepError, run, say } from './steps.mjs';

const CACHE = join(ROOT, '.cache/debian');

/**
 * Returns the folder that holds the package's files as `/` would. Without a way to the package server the newest that is kept is taken.
 * Throws StepError where there is none, or apt knows no such package.
 * @param {string} name
 */
export async function packageFiles(name) {
  const version = await versionOf(name).catch((error) => {
    if (!(error instanceof StepError)) throw error;
    return null;
  });
  if (version === null) {
    const kept = existsSync(CACHE) ? readdirSync(CACHE).filter((folder) => folder.startsWith(`${name}_`)).toSorted().at(-1) : undefined;
    if (kept === undefined) throw new StepError(`apt knows no package ${name} and none is kept in .cache: run apt-get update`);
    return join(CACHE, kept);
  }
  const folder = join(CACHE, `${name}_${version}`.replaceAll(/[^\w.+~-]/g, '_'));
  if (!existsSync(folder)) await unpack(name, folder);
  return folder;
}

/**
 * Returns the version apt would install. Throws StepError when it knows none.
 * @param {string} name
 */
export async function versionOf(name) {
  const shown = await run('apt-cache', ['show', '--no-all-versions', name], { quiet: true });
  const version = /^Version: (\S+)/m.exec(shown)?.[1];
  if (version === undefined) throw new StepError(`apt knows no version of ${name}`);
  return version;
}

/**
 * Downloads a package and unpacks it to `folder`, whole or not at all.
 * @param {string} name
 * @param {string} folder
 */
export async function unpack(name, folder) {
  mkdirSync(join(folder, '..'), { recursive: true });
  const work = mkdtempSync(join(folder, '../making-'));
  try {
    say(`fetching Debian's ${name} (kept in .cache)`);
    // apt drops to its own user where it can, who may not write here: the option keeps it from complaining.
    await run('apt-get', ['download', '-q', '-o', 'APT::Sandbox::User=root', name], { cwd: work, quiet: true });
    const deb = readdirSync(work).find((file) => file.endsWith('.deb'));
    if (deb === undefined) throw new StepError(`apt-get download ${name} ended well and left no package`);
    await run('dpkg-deb', ['-x', join(work, deb), join(work, 'x')], { quiet: true });
    try {
      renameSync(join(work, 'x'), folder);
    } catch (error) {
      // Another run was faster.
      if (!existsSync(folder)) throw error;
    }
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}
