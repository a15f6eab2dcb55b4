/**
 * `npm test [-- TIER…] [--file PART]… [--name PATTERN]`: sets up, runs the tiers, ends with the line `N passed, N failed, N skipped`.
 * Each test file is a process of its own in a process group of its own: what it leaves running is named and killed.
 * A file that dies, exits before its tests are over, holds no test, or does not end in time is a failure.
 * `WEIR_REQUIRE=all`: a skip makes the run fail.
 */
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { findTestFiles, runFile, shownPath } from './test-file.mjs';
import { ROOT, StepError, isMain, script } from './steps.mjs';
import { setup } from './setup.mjs';
import { TIERS } from './tiers.mjs';

/** @typedef {import('./test-file.mjs').FileResult} FileResult */
/** @typedef {{ passed: number, failed: { where: string, name: string, error: string }[], skipped: { where: string, name: string, reason: string }[] }} Tally */

/**
 * Runs what the arguments ask for and prints it; returns the exit code.
 * @param {readonly string[]} argv
 * @param {NodeJS.ProcessEnv} env
 */
async function main(argv, env) {
  const { values, positionals } = parseArgs({
    args: [...argv],
    allowPositionals: true,
    options: {
      file: { type: 'string', multiple: true, default: [] },
      name: { type: 'string' },
      tiers: { type: 'string' },
      'no-setup': { type: 'boolean', default: false },
    },
  });
  /** @type {readonly import('./tiers.mjs').Tier[]} */
  const all = values.tiers === undefined ? TIERS : (await import(pathToFileURL(resolve(values.tiers)).href)).TIERS;
  const unknown = positionals.find((name) => !all.some((tier) => tier.name === name));
  if (unknown !== undefined) throw new StepError(`no tier '${unknown}'; there are ${all.map((tier) => tier.name).join(', ')}`);
  const wanted = positionals.length === 0 ? all : all.filter((tier) => positionals.includes(tier.name));

  /** @type {Tally} */
  const total = { passed: 0, failed: [], skipped: [] };
  if (!values['no-setup']) {
    try {
      await setup({ debian: true });
    } catch (error) {
      if (!(error instanceof StepError)) throw error;
      total.failed.push({ where: 'setup', name: 'npm packages, build, Debian packages', error: error.message });
    }
  }
  if (total.failed.length === 0) {
    const filtered = values.file.length > 0 || values.name !== undefined;
    await runTiers(wanted, all, (tier) => runTier(tier, { total, parts: values.file, name: values.name, filtered }));
    if (total.passed + total.failed.length + total.skipped.length === 0) {
      total.failed.push({ where: 'npm test', name: 'at least one test runs', error: 'no test matches what was asked for' });
    }
  }
  return report(total, env['WEIR_REQUIRE'] === 'all');
}

/**
 * Runs tiers in their order; those with `besideUntil` go on beside the next ones, and have ended before that tier or a later one starts.
 * @param {readonly import('./tiers.mjs').Tier[]} wanted
 * @param {readonly import('./tiers.mjs').Tier[]} all
 * @param {(tier: import('./tiers.mjs').Tier) => Promise<void>} run
 */
async function runTiers(wanted, all, run) {
  /** @type {{ until: number, ended: Promise<void> }[]} */
  let beside = [];
  for (const tier of wanted) {
    const place = all.indexOf(tier);
    await Promise.all(beside.filter(({ until }) => place >= until).map(({ ended }) => ended));
    beside = beside.filter(({ until }) => place < until);
    const ended = run(tier);
    if (tier.besideUntil === undefined) {
      await ended;
      continue;
    }
    // Looked at when it is waited for.
    ended.catch(() => {});
    beside.push({ until: all.findIndex(({ name }) => name === tier.besideUntil), ended });
  }
  await Promise.all(beside.map(({ ended }) => ended));
}

/**
 * Runs one tier's files, adding to `total` when it has ended.
 * @param {import('./tiers.mjs').Tier} tier
 * @param {{ total: Tally, parts: readonly string[], name: string | undefined, filtered: boolean }} options
 */
async function runTier(tier, { total, parts, name, filtered }) {
  const files = findTestFiles(resolve(ROOT, tier.folder)).filter((file) => parts.length === 0 || parts.some((part) => shownPath(file).includes(part.replace(/^\.\//, ''))));
  if (files.length === 0) {
    // A folder that is still to come is not a skip: there is nothing in it that this machine cannot run.
    if (!filtered) print(`${tier.name}: no test files yet in ${tier.folder}`);
    return;
  }
  const reasons = tier.needs.flatMap((need) => need() ?? []);
  if (reasons.length > 0) {
    print(`${tier.name}: cannot run here: ${reasons.join('; ')}`);
    for (const file of files) total.skipped.push({ where: tier.name, name: shownPath(file), reason: reasons.join('; ') });
    return;
  }
  const startedAt = Date.now();
  /** @type {Tally} */
  const tally = { passed: 0, failed: [], skipped: [] };
  print(`${tier.name}: ${files.length} file${files.length === 1 ? '' : 's'}`);
  /** @type {import('./tiers.mjs').Place | undefined} */
  let place;
  try {
    place = await tier.start?.();
  } catch (error) {
    if (!(error instanceof StepError)) throw error;
    total.failed.push({ where: tier.name, name: 'the place its files run in', error: error.message });
    return;
  }
  const through = place?.through ?? [];
  const queue = [...files];
  const worker = async () => {
    for (let file = queue.shift(); file !== undefined; file = queue.shift()) {
      const result = await runFile(file, { limitMs: tier.fileSeconds * 1000, namePattern: name, through, onStill: (text) => print(`  …    ${text}`) });
      add(tally, tier, result, filtered);
    }
  };
  try {
    await Promise.all(Array.from({ length: Math.min(tier.jobs, files.length) }, worker));
  } finally {
    await place?.stop();
  }
  total.passed += tally.passed;
  total.failed.push(...tally.failed);
  total.skipped.push(...tally.skipped);
  const counts = [`${tally.passed} passed`, `${tally.failed.length} failed`, `${tally.skipped.length} skipped`];
  print(`${tier.name}: ${counts.join(', ')} in ${((Date.now() - startedAt) / 1000).toFixed(1)} s`);
}

/**
 * @param {Tally} tally
 * @param {import('./tiers.mjs').Tier} tier
 * @param {FileResult} result
 * @param {boolean} filtered
 */
function add(tally, tier, result, filtered) {
  const where = `${tier.name} ${shownPath(result.file)}`;
  const failed = result.tests.filter((test) => test.outcome === 'failed');
  const skipped = result.tests.filter((test) => test.outcome === 'skipped');
  const passed = result.tests.length - failed.length - skipped.length;
  const problems = [...result.problems];
  if (result.tests.length === 0 && problems.length === 0 && !filtered) problems.push('the file ran no test');
  tally.passed += passed;
  for (const test of failed) tally.failed.push({ where, name: test.name, error: test.detail });
  for (const problem of problems) tally.failed.push({ where, name: 'the file itself', error: `${problem}\n${result.output}` });
  for (const test of skipped) tally.skipped.push({ where, name: test.name, reason: test.detail });
  for (const leftover of result.leftovers) print(`  note ${shownPath(result.file)} left a process running, killed: ${leftover}`);
  if (result.tests.length === 0 && problems.length === 0) return;
  const bad = failed.length + problems.length;
  const parts = [`${passed} passed`, ...(bad > 0 ? [`${bad} FAILED`] : []), ...(skipped.length > 0 ? [`${skipped.length} skipped`] : [])];
  print(`  ${bad > 0 ? 'FAIL' : 'ok  '} ${shownPath(result.file)}: ${parts.join(', ')}, ${(result.ms / 1000).toFixed(1)} s`);
}

/**
 * Prints failures in full, skips with their reasons, and the counts as the last line; returns the exit code.
 * @param {Tally} total
 * @param {boolean} requireAll
 */
function report(total, requireAll) {
  for (const { where, name, error } of total.failed) print(`\nFAILED ${where}: ${name}\n${indent(error)}`);
  if (total.skipped.length > 0) print('');
  for (const { where, name, reason } of total.skipped) print(`${requireAll ? 'SKIPPED, and WEIR_REQUIRE=all forbids it' : 'skipped'}: ${where}: ${name}: ${reason}`);
  print(`\n${total.passed} passed, ${total.failed.length} failed, ${total.skipped.length} skipped`);
  return total.failed.length > 0 || (requireAll && total.skipped.length > 0) ? 1 : 0;
}

/** @param {string} text */
function indent(text) {
  return text.trimEnd().split('\n').map((line) => `    ${line}`).join('\n');
}

/** @param {string} text */
function print(text) {
  process.stdout.write(`${text}\n`);
}

if (isMain(import.meta.url)) {
  await script(() => main(process.argv.slice(2), process.env).catch((error) => {
    if (error?.code?.startsWith('ERR_PARSE_ARGS')) throw new StepError(`${error.message}\nusage: npm test [-- TIER…] [--file PART]… [--name PATTERN]`);
    throw error;
  }));
}
