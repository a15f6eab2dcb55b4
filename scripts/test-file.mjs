/** One test file, run as a process: what it told through scripts/reporter.mjs, how it ended, what it left behind. */
import { spawn } from 'node:child_process';
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { join, relative } from 'node:path';
import { ROOT } from './steps.mjs';

/** Of each file's own output, so much is kept for the report (the end of it). */
const OUTPUT_CAP = 64 * 1024;
/** A file that is silent for so long is named, so that nobody wonders whether the run hangs. */
const STILL_MS = 30_000;
/** Between SIGTERM and SIGKILL, and for pipes to drain after the end. */
const GRACE_MS = 3_000;

/**
 * @typedef {object} TestResult
 * @property {string} name with the names of the suites around it
 * @property {'passed' | 'failed' | 'skipped'} outcome
 * @property {string} detail the error or the reason
 */
/**
 * @typedef {object} FileResult
 * @property {string} file
 * @property {TestResult[]} tests
 * @property {string[]} problems of the file as a whole
 * @property {string[]} leftovers command lines of processes that outlived it
 * @property {string} output
 * @property {number} ms
 */

/**
 * Runs one compiled test file to its end or to `limitMs`. Never rejects.
 * @param {string} file
 * @param {{ limitMs: number, namePattern?: string | undefined, through?: readonly string[], onStill?: (text: string) => void }} options
 *   `through`: a script and its arguments that run `node ARG…` elsewhere as if it ran here
 * @returns {Promise<FileResult>}
 */
export function runFile(file, { limitMs, namePattern, through = [], onStill }) {
  const startedAt = Date.now();
  const env = { ...process.env };
  // Set when a test runs this driver: the inner files would believe themselves part of the outer run.
  delete env['NODE_TEST_CONTEXT'];
  const pattern = namePattern === undefined ? [] : [`--test-name-pattern=${namePattern}`];
  const child = spawn(process.execPath, [...through, '--enable-source-maps', `--test-reporter=${join(ROOT, 'scripts/reporter.mjs')}`, ...pattern, file], {
    cwd: ROOT, env, detached: true, stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
  });
  const told = new Told();
  let output = '';
  let late = false;
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding('utf8').on('data', (text) => { output = `${output}${text}`.slice(-OUTPUT_CAP); });
  }
  const events = child.stdio[3];
  events.setEncoding('utf8').on('data', (text) => told.take(text));
  events.on('error', () => {});

  const limit = setTimeout(() => {
    late = true;
    killGroup(child.pid, 'SIGTERM');
    setTimeout(() => killGroup(child.pid, 'SIGKILL'), GRACE_MS).unref();
  }, limitMs);
  const still = setInterval(() => {
    const running = told.running();
    onStill?.(`${shownPath(file)} for ${Math.round((Date.now() - startedAt) / 1000)} s${running === '' ? '' : `, in: ${running}`}`);
  }, STILL_MS);

  return new Promise((resolve) => {
    /** @param {number | null} code @param {string | null} signal @param {string} [trouble] */
    const finish = (code, signal, trouble) => {
      clearTimeout(limit);
      clearInterval(still);
      const leftovers = trouble === undefined ? groupMembers(child.pid) : [];
      if (leftovers.length > 0) killGroup(child.pid, 'SIGKILL');
      /** @type {string[]} */
      const problems = [];
      const failed = told.tests.some((test) => test.outcome === 'failed');
      const running = told.running();
      const within = running === '' ? '' : `, in: ${running}`;
      if (trouble !== undefined) problems.push(trouble);
      else if (late && running === '' && told.tests.length > 0) problems.push(`the tests ended and the process did not within ${limitMs / 1000} s: a socket, timer or child is still open`);
      else if (late) problems.push(`did not end within ${limitMs / 1000} s${within}`);
      else if (signal !== null) problems.push(`was killed by ${signal}${within}`);
      else if (told.unreadable !== null) problems.push(`its report cannot be read: ${told.unreadable}`);
      else if (code !== 0 && !failed) problems.push(`ended with exit code ${code}${within}`);
      else if (!told.over && told.any) problems.push(`exited with code ${code} before its tests were over${within}`);
      resolve({ file, tests: told.tests, problems, leftovers, output, ms: Date.now() - startedAt });
    };
    child.on('error', (error) => finish(null, null, `cannot be run: ${error.message}`));
    child.on('exit', (code, signal) => {
      // 'close' waits for every holder of the pipes, also for a daemon the test forgot: not longer than the grace.
      const timer = setTimeout(() => finish(code, signal), GRACE_MS);
      child.on('close', () => { clearTimeout(timer); finish(code, signal); });
    });
  });
}

/** Reads the reporter's lines into results. */
class Told {
  /** @type {TestResult[]} */
  tests = [];
  over = false;
  any = false;
  /** @type {string | null} */
  unreadable = null;
  #rest = '';
  /** Names of tests that have started and not ended, by nesting. @type {string[][]} */
  #open = [];
  /** Results come children first: those of a suite wait here, by nesting, for the name of the suite. @type {TestResult[][]} */
  #waiting = [];

  /** @param {string} text */
  take(text) {
    const lines = `${this.#rest}${text}`.split('\n');
    this.#rest = lines.pop() ?? '';
    for (const line of lines) {
      try {
        this.#event(JSON.parse(line));
      } catch (error) {
        this.unreadable = `${String(error)}: ${line.slice(0, 200)}`;
      }
    }
  }

  /** Returns the names of tests that are under way, outermost first. */
  running() {
    return this.#open.flatMap((names) => names).slice(-3).join(' > ');
  }

  /** @param {any} e */
  #event(e) {
    this.any = true;
    // A file that runs again after a power cycle of its place (scripts/guest) begins anew.
    this.over = e.event === 'over';
    if (this.over) return;
    if (e.event === 'start') {
      (this.#open[e.nesting] ??= []).push(e.name);
    } else if (e.event === 'end') {
      const open = this.#open[e.nesting] ?? [];
      const at = open.indexOf(e.name);
      if (at >= 0) open.splice(at, 1);
    } else {
      const inner = this.#waiting[e.nesting + 1] ?? [];
      this.#waiting[e.nesting + 1] = [];
      for (const test of inner) test.name = `${e.name} > ${test.name}`;
      const own = resultOf(e);
      const list = own === null ? inner : [...inner, own];
      if (e.nesting === 0) this.tests.push(...list);
      else (this.#waiting[e.nesting] ??= []).push(...list);
    }
  }
}

/**
 * Returns the result of one event; null for a suite or test that only sums up those inside it.
 * @param {any} e
 * @returns {TestResult | null}
 */
function resultOf(e) {
  if (e.skip !== undefined && e.skip !== false) {
    // With --test-name-pattern, Node 20 reports the others as skipped.
    if (/test name does not match pattern/.test(String(e.skip))) return null;
    return { name: e.name, outcome: 'skipped', detail: e.skip === true || e.skip === '' ? 'no reason given' : String(e.skip) };
  }
  if (e.todo !== undefined && e.todo !== false) return { name: e.name, outcome: 'skipped', detail: `to do${typeof e.todo === 'string' && e.todo !== '' ? `: ${e.todo}` : ''}` };
  if (e.event === 'fail') return e.failure === 'subtestsFailed' ? null : { name: e.name, outcome: 'failed', detail: e.error ?? 'no error given' };
  return e.suite ? null : { name: e.name, outcome: 'passed', detail: '' };
}

/**
 * Returns the test files below a directory, sorted.
 * @param {string} directory
 * @returns {string[]}
 */
export function findTestFiles(directory) {
  if (!existsSync(directory)) return [];
  return readdirSync(directory, { recursive: true, encoding: 'utf8' })
    .filter((name) => /\.test\.m?js$/.test(name))
    .toSorted()
    .map((name) => join(directory, name));
}

/**
 * Returns the source file a compiled one came from, below the root.
 * @param {string} file
 */
export function shownPath(file) {
  return relative(ROOT, file).replace(/^dist\//, '').replace(/\.js$/, '.ts');
}

/** @param {number | undefined} group @param {'SIGTERM' | 'SIGKILL'} signal */
function killGroup(group, signal) {
  if (group === undefined) return;
  try {
    process.kill(-group, signal);
  } catch {
    // Nobody is left in it.
  }
}

/**
 * Returns the command lines of the processes in a process group (Linux; none elsewhere).
 * @param {number | undefined} group
 * @returns {string[]}
 */
function groupMembers(group) {
  if (group === undefined || process.platform !== 'linux') return [];
  return readdirSync('/proc').filter((name) => /^\d+$/.test(name)).flatMap((pid) => {
    try {
      // After the command in parentheses: state, parent, group.
      const [state, , pgrp] = readFileSync(`/proc/${pid}/stat`, 'utf8').replace(/^.*\) /s, '').split(' ');
      if (Number(pgrp) !== group || state === 'Z') return [];
      return [`${pid} ${readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').join(' ').trim()}`];
    } catch {
      return [];
    }
  });
}
