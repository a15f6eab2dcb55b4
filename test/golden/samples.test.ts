/**
 * The sample configurations that keepalived and ldirectord come with, out of their Debian packages: each imports, and each of its directives has
 * an effect on the configuration or is named in the report. A directive has an effect when the configuration is another without it, or
 * with other values; one that has none and is not named was passed over in silence.
 */
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { describe, it } from 'node:test';
import { parseConfig } from '../../src/config/parse.ts';
import type { Imported, ImportNote } from '../../src/import/draft.ts';
import { IMPORTERS, type ImportKind } from '../../src/import/importers.ts';
import { ROOT } from '../house/root.ts';

interface Sample {
  readonly kind: ImportKind;
  readonly file: string;
  readonly text: string;
}

const { packageFiles } = (await import(join(ROOT, 'scripts/debian-package.mjs'))) as { packageFiles(name: string): Promise<string> };
const found = await Promise.all([
  samplesOf('keepalived', ['etc/keepalived', 'usr/share/doc/keepalived/samples'], /keepalived\.conf\.\w/),
  samplesOf('ldirectord', ['usr/share/doc/ldirectord/examples'], /\.cf$/),
]).then((lists) => lists.flat(), (error: unknown) => (error instanceof Error ? error.message : String(error)));

describe("keepalived's and ldirectord's own samples", { skip: typeof found === 'string' ? found : false }, () => {
  for (const { kind, file, text } of typeof found === 'string' ? [] : found) {
    it(`${kind}: ${file}`, () => {
      const imported = IMPORTERS[kind](text);
      const { config, issues } = parseConfig([{ file: 'layer4.conf', document: 'layer4', text: imported.layer4 }, { file: 'services.conf', document: 'services', text: imported.services }]);
      assert.deepEqual([issues.filter(({ severity }) => severity === 'error'), config === null], [[], false]);
      const directives = directivesOf(kind, text);
      assert.ok(directives.length > 2, 'the test reads the file as well');
      assert.deepEqual(directives.filter((directive) => !isNamed(directive, imported.notes) && !hasEffect(kind, text, directive, imported)).map(({ line, words }) => `${file}:${line}: ${words.join(' ')}`), []);
    });
  }
  it('are more than a few', () => assert.ok(typeof found === 'string' || found.length > 15, String(found.length)));
});

async function samplesOf(kind: ImportKind, folders: readonly string[], name: RegExp): Promise<Sample[]> {
  const root = await packageFiles(kind);
  const files = folders.map((folder) => join(root, folder)).filter((folder) => existsSync(folder)).flatMap((folder) => readdirSync(folder).filter((file) => name.test(file)).map((file) => join(folder, file)));
  return files.flatMap((file) => {
    const text = readFileSync(file, 'utf8');
    const sample = { kind, file: basename(file), text };
    // ldirectord's samples are comments but for one: made statements, they are a file too.
    return kind === 'ldirectord' ? [sample, { ...sample, file: `${sample.file}, with what is commented out`, text: uncommented(text) }] : [sample];
  });
}

function uncommented(text: string): string {
  return text.split('\n').map((line) => (/^#(?:virtual6?\b|\s+#?[a-z0-9]+=)/.test(line) ? line.slice(1).replace(/^(\s+)#/, '$1') : line)).join('\n');
}

interface Directive {
  readonly line: number;
  readonly words: readonly string[];
  /** Lines of the blocks around it, innermost first. */
  readonly within: readonly number[];
  readonly opens: boolean;
}

/** Reads a file line by line, with no more understanding of it than comments and braces. */
function directivesOf(kind: ImportKind, text: string): readonly Directive[] {
  const open: number[] = [];
  const directives: Directive[] = [];
  for (const [i, raw] of text.split('\n').entries()) {
    const line = i + 1;
    const code = raw.replace(kind === 'keepalived' ? /(^|\s)[!#].*$/ : /(^|\s)#.*$/, '$1').trim();
    const words = code.split(kind === 'keepalived' ? /[\s{}]+/ : /[\s=]+/).filter((word) => word !== '');
    if (words.length > 0) directives.push({ line, words, within: [...open].reverse(), opens: code.includes('{') });
    if (kind !== 'keepalived') continue;
    // A brace on a line of its own opens the block of what stands before it.
    for (const brace of code.match(/[{}]/g) ?? []) {
      if (brace === '}') open.pop();
      else open.push(words.length > 0 ? line : directives.at(-1)?.line ?? line);
    }
  }
  return directives;
}

/** A note at a line names it; one that a whole block is dropped, or that its check is another one, names all in it. */
function isNamed({ line, within }: Directive, notes: readonly ImportNote[]): boolean {
  return notes.some((note) => (note.line === line && note.kind !== 'carried') || (within.includes(note.line) && (note.kind === 'dropped' || (note.kind === 'changed' && / check\b|_CHECK|_GET/.test(note.what)))));
}

function hasEffect(kind: ImportKind, text: string, { line, words, opens }: Directive, imported: Imported): boolean {
  const lines = text.split('\n');
  const raw = lines[line - 1] ?? '';
  // Its first word stays: the importer complains of any that it does not know.
  const values = words.slice(1);
  const variants = [
    ...(opens ? [] : ['']),
    ...values.map((word) => raw.replace(word, /^\d+$/.test(word) ? String(Number(word) + 1) : `${word}x`)),
    ...values.filter((word) => /^\d+\.\d+\.\d+\.\d+$/.test(word)).map((word) => raw.replace(word, word.replace(/\d+$/, (last) => String((Number(last) + 101) % 250)))),
  ];
  const whole = opens ? [withoutBlock(lines, line - 1)] : [];
  return [...variants.map((variant) => lines.with(line - 1, variant)), ...whole].some((changed) => {
    const other = IMPORTERS[kind](changed.join('\n'));
    // Another configuration, or a variant the report complains of: either way the importer looked at the directive.
    return other.layer4 !== imported.layer4 || other.services !== imported.services || other.notes.some((note) => note.kind !== 'carried' && !imported.notes.some((old) => old.line === note.line && old.what === note.what));
  });
}

/** Takes the block away that opens at a line; the lines keep their numbers. */
function withoutBlock(lines: readonly string[], from: number): string[] {
  const rest = [...lines];
  let depth = 0;
  for (let at = from; at < rest.length; at++) {
    for (const brace of (rest[at] ?? '').match(/[{}]/g) ?? []) depth += brace === '{' ? 1 : -1;
    rest[at] = '';
    if (depth <= 0) break;
  }
  return rest;
}
