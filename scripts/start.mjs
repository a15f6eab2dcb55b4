/**
 * `npm start [-- FILE… | OPTION…]`: sets up, then runs weir in this process with its state in ./state.
 * Without FILE: what is saved there, else examples/first.conf, with the three demo servers that it balances to.
 */
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { setup } from './setup.mjs';
import { ROOT, script } from './steps.mjs';

await script(async () => {
  await setup();
  // npm runs scripts in the clone's root; paths are meant from where the user is.
  const from = process.env['INIT_CWD'] ?? process.cwd();
  const args = process.argv.slice(2).map((arg) => (!arg.startsWith('-') && existsSync(resolve(from, arg)) ? resolve(from, arg) : arg));
  const hasFile = args.some((arg, i) => !arg.startsWith('-') && (i === 0 || !takesValue(args[i - 1] ?? '')));
  const state = process.env['WEIR_STATE'] === undefined && !args.some((arg) => /^--state(=|$)/.test(arg)) ? ['--state', join(ROOT, 'state')] : [];
  const weir = join(ROOT, 'bin/weir');
  process.argv = [process.execPath, weir, 'run', ...(hasFile ? [] : ['--demo']), ...state, ...args];
  if (process.env['npm_lifecycle_event'] === 'start') {
    const watch = new URL(`./end-with-parent.mjs?parent=${process.ppid}`, import.meta.url).href;
    // As root weir executes itself again (src/bin/limit.ts), with these words.
    process.execArgv.push(`--import=${watch}`);
    await import(watch);
  }
  // This process becomes weir: signals reach it without anybody in between, and its exit code is npm's.
  await import(pathToFileURL(join(ROOT, 'dist/src/bin/weir.js')).href);
});

/** @param {string} option */
function takesValue(option) {
  return ['--engine', '--state', '--api', '--workers', '--tls-cert', '--tls-key', '--password-file'].includes(option);
}
