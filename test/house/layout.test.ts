/** Holds the tree to DESIGN section 2: which folder may import which, where process.exit may stand, how long a file may get. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { test } from 'node:test';
import { ROOT } from './root.ts';

/**
 * What each folder of src may import, beside itself. `types:` allows `import type` alone. A folder that is not named here is an error:
 * whoever adds one says where it stands. Tests (`*.test.ts`) and what serves them (`fake*.ts`, `harness*.ts`) may import anything.
 */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  net: [],
  balance: ['net'],
  config: ['net', 'balance'],
  clock: [],
  command: [],
  privileges: [],
  plan: ['net', 'balance', 'config', 'types:engine'],
  engine: ['net', 'balance', 'plan'],
  'engine/userspace': ['net', 'balance', 'plan', 'engine'],
  'engine/xdp': ['net', 'balance', 'command', 'plan', 'engine'],
  'engine/lvs': ['net', 'balance', 'plan', 'engine'],
  nat: ['net', 'balance', 'command', 'types:config', 'types:plan'],
  // Passive health reads what the contract of engines counts; it knows no engine.
  health: ['net', 'balance', 'clock', 'plan', 'engine', 'types:config'],
  stats: ['net', 'clock', 'engine', 'types:client'],
  store: ['types:client', 'types:config', 'types:plan'],
  services: ['net', 'config', 'command', 'types:client'],
  import: ['net', 'config'],
  client: ['types:config', 'types:balance'],
  daemon: ['net', 'balance', 'clock', 'command', 'config', 'plan', 'engine', 'nat', 'health', 'stats', 'store', 'services', 'client'],
  takeover: ['types:engine', 'types:daemon', 'types:health'],
  api: ['net', 'balance', 'config', 'engine', 'stats', 'store', 'client', 'daemon'],
  cli: ['net', 'client', 'config', 'import', 'types:balance'],
  web: ['net', 'client', 'config', 'types:balance'],
  bin: ['*'],
};

/** These run in the browser too: no Node module may be imported. */
const FREE_OF_NODE = ['net', 'balance', 'config', 'client', 'plan', 'web'];

/** Lines per file before a reader loses hold of it; a longer one is named here with the reason why it is one idea. */
const LINES_MAX = 400;
/** Tests are tables of cases more often than not. */
const TEST_LINES_MAX = 600;
const LONGER: Readonly<Record<string, string>> = {
  'src/engine/userspace/forwarder.ts': 'the way of a datagram, in one piece: its parts share the tables of one worker',
};

interface Import {
  readonly target: string;
  readonly typeOnly: boolean;
  readonly line: number;
}

const sources = readdirSync(join(ROOT, 'src'), { recursive: true, encoding: 'utf8' })
  .filter((name) => /\.tsx?$/.test(name))
  .map((name) => `src/${name.replaceAll('\\', '/')}`)
  .toSorted();
const files = sources.map((path) => ({ path, text: readFileSync(join(ROOT, path), 'utf8') }));

test('imports go one way', () => {
  const wrong = files.filter(({ path }) => !isTest(path)).flatMap(({ path, text }) => {
    const from = folderOf(path);
    const allowed = MAY_IMPORT[from];
    if (allowed === undefined) return [`${path}: folder '${from}' has no rule in test/house/layout.test.ts; say what it may import`];
    return importsOf(text).filter(({ target }) => target.startsWith('.')).flatMap(({ target, typeOnly, line }) => {
      const file = join(dirname(path), target);
      const to = folderOf(file);
      const ok = to === from || allowed.includes('*') || allowed.includes(to) || (typeOnly && allowed.includes(`types:${to}`)) || isWithin(to, allowed);
      return ok ? [] : [`${path}:${line}: ${from} may not import ${typeOnly ? 'types of ' : ''}${to} (${target}); allowed: ${allowed.join(', ') || 'nothing'}`];
    });
  });
  assert.deepEqual(wrong, []);
});

test('what the browser runs is free of Node modules', () => {
  const wrong = files.filter(({ path }) => !isTest(path) && FREE_OF_NODE.includes(folderOf(path))).flatMap(({ path, text }) =>
    importsOf(text).filter(({ target, typeOnly }) => !typeOnly && target.startsWith('node:')).map(({ target, line }) => `${path}:${line}: ${target}`));
  assert.deepEqual(wrong, []);
});

test('imports of own files name the .ts file and it exists', () => {
  const wrong = files.flatMap(({ path, text }) => importsOf(text).filter(({ target }) => target.startsWith('.')).flatMap(({ target, line }) => {
    const file = join(ROOT, dirname(path), target);
    return existsSync(file) || target.endsWith('.mjs') ? [] : [`${path}:${line}: ${target}: ${relative(ROOT, file)} is not there`];
  }));
  assert.deepEqual(wrong, []);
});

test('process.exit stands only in src/bin', () => {
  const wrong = files.filter(({ path, text }) => !path.startsWith('src/bin/') && /\bprocess\.(exit|abort|reallyExit)\(/.test(withoutComments(text))).map(({ path }) => path);
  assert.deepEqual(wrong, []);
});

test('console.log is not how a library speaks', () => {
  const wrong = files.filter(({ path, text }) => !path.startsWith('src/bin/') && !isTest(path) && /\bconsole\.\w+\(/.test(withoutComments(text))).map(({ path }) => path);
  assert.deepEqual(wrong, []);
});

test('no file is longer than a reader can hold, without a reason', () => {
  const long = files.map(({ path, text }) => ({ path, lines: text.split('\n').length - 1 })).filter(({ path, lines }) => lines > (isTest(path) ? TEST_LINES_MAX : LINES_MAX));
  assert.deepEqual(long.filter(({ path }) => LONGER[path] === undefined).map(({ path, lines }) => `${path}: ${lines} lines`), []);
  assert.deepEqual(Object.keys(LONGER).filter((path) => !long.some((file) => file.path === path)), [], 'these are short now: take them off the list');
});

/** Returns the folder whose rule holds: `engine/userspace` for an engine, else the first part below src. */
function folderOf(path: string): string {
  const [, first = '', second = '', third] = path.split('/');
  return first === 'engine' && third !== undefined ? `${first}/${second}` : first;
}

/** An engine's folder is reached through src/engine only by those who may build engines: daemon wiring lives in bin. */
function isWithin(to: string, allowed: readonly string[]): boolean {
  return to.startsWith('engine/') && allowed.includes('engine/*');
}

function isTest(path: string): boolean {
  return /\.test\.tsx?$/.test(path) || /\/(fake|harness)[\w-]*\.ts$/.test(path);
}

test('every test file lies in the folder of a tier: else nobody runs it', async () => {
  const { TIERS } = (await import(join(ROOT, 'scripts/tiers.mjs'))) as { TIERS: readonly { folder: string }[] };
  const folders = TIERS.map(({ folder }) => folder.replace('dist/', '') + '/');
  const files = ['src', 'test', 'bench'].flatMap((top) => readdirSync(join(ROOT, top), { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.test.ts')).map((name) => `${top}/${name}`));
  assert.ok(files.length > 100);
  assert.deepEqual(files.filter((file) => !folders.some((folder) => file.startsWith(folder))), []);
});

/** Returns the static and dynamic imports and the re-exports of a source text. */
function importsOf(text: string): Import[] {
  const found: Import[] = [];
  const clean = withoutComments(text);
  const patterns = [
    /^\s*(?:import|export)\s+(?<type>type\s)?[^'";]*?from\s+'(?<target>[^']+)'/gm,
    /^\s*import\s+'(?<target>[^']+)'/gm,
    /\bimport\(\s*'(?<target>[^']+)'\s*\)/g,
    // A worker's file: named as what it is compiled to.
    /new URL\(\s*'(?<target>\.[^']+\.js)',\s*import\.meta\.url\s*\)/g,
  ];
  for (const pattern of patterns) {
    for (const match of clean.matchAll(pattern)) {
      found.push({
        target: (match.groups?.['target'] ?? '').replace(/\.js$/, '.ts'),
        typeOnly: match.groups?.['type'] !== undefined,
        line: clean.slice(0, match.index).split('\n').length,
      });
    }
  }
  return found;
}

/** Blanks comments, keeping lines, so that words in them are not taken for code. */
function withoutComments(text: string): string {
  return text
    .replace(/\/\*[^]*?\*\//g, (comment) => comment.replace(/[^\n]/g, ' '))
    .replace(/^\s*\/\/.*$/gm, '')
    .replace(/\s\/\/ .*$/gm, '');
}
