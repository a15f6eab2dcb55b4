/**
 * What the scripts share: the clone's root, progress lines, commands run without a shell.
 * Plain JavaScript without dependencies: these run before `npm ci` has.
 */
import { spawn } from 'node:child_process';
import { realpathSync } from 'node:fs';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The clone's root directory. */
export const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));

/** A failure to be shown as its message alone, with exit code 1. */
export class StepError extends Error {}

/**
 * Prints one progress line to stderr, so that stdout stays free for results.
 * @param {string} text
 */
export function say(text) {
  process.stderr.write(`${text}\n`);
}

/**
 * Runs one command to its end; never through a shell. Rejects with StepError when it cannot start or does not exit 0.
 * @param {string} file
 * @param {readonly string[]} args
 * @param {{ cwd?: string, env?: NodeJS.ProcessEnv, quiet?: boolean }} [options] `quiet` shows its output only when it fails
 * @returns {Promise<string>} its stdout when quiet, else ''
 */
export function run(file, args, options = {}) {
  return new Promise((resolve, reject) => {
    const quiet = options.quiet === true;
    const child = spawn(file, args, {
      cwd: options.cwd ?? ROOT,
      env: options.env ?? process.env,
      // A step's own chatter goes to stderr, with the progress lines.
      stdio: ['ignore', quiet ? 'pipe' : 2, quiet ? 'pipe' : 2],
    });
    let out = '';
    let all = '';
    child.stdout?.setEncoding('utf8').on('data', (text) => { out += text; all += text; });
    child.stderr?.setEncoding('utf8').on('data', (text) => { all += text; });
    const line = [file, ...args].join(' ');
    child.on('error', (error) => reject(new StepError(`cannot run ${line}: ${error.message}`)));
    child.on('close', (code, signal) => {
      if (code === 0) return resolve(out);
      reject(new StepError(`${all}${line} ended with ${signal ?? `exit code ${code}`}`));
    });
  });
}

/**
 * Runs `main` and turns a StepError into its message and exit code 1.
 * @param {() => Promise<number | void>} main
 */
export async function script(main) {
  try {
    process.exitCode = (await main()) ?? 0;
  } catch (error) {
    if (!(error instanceof StepError)) throw error;
    say(error.message);
    process.exitCode = 1;
  }
}

/**
 * Returns whether the file of `url` is the program being run.
 * @param {string} url the caller's import.meta.url
 */
export function isMain(url) {
  return process.argv[1] !== undefined && realpathSync(process.argv[1]) === fileURLToPath(url);
}
