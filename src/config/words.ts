/** Looking words up in the grammar's tables, and saying what was expected when they are not there. */
import type { IssueCode } from './codes.ts';
import type { Keyword } from './grammar.ts';
import type { Line } from './lex.ts';
import { nearest } from './nearest.ts';
import { quoted, type Reporter } from './report.ts';

/** One table of words: finds by word or alias, suggests also by what other products call it. */
export class WordTable<W extends string> {
  readonly #words = new Map<string, W>();
  readonly #elsewhere = new Map<string, W>();
  readonly #names: readonly string[];

  constructor(keywords: readonly Keyword<W>[]) {
    for (const { word, aliases = [], elsewhere = [] } of keywords) {
      for (const name of [word, ...aliases]) this.#words.set(name, word);
      for (const name of elsewhere) this.#elsewhere.set(name, word);
    }
    this.#names = keywords.map(({ word }) => word);
  }

  /** Returns the table's own word for `word`, or undefined. */
  find(word: string): W | undefined {
    return this.#words.get(word);
  }

  /** Returns the word somebody probably meant, or undefined. */
  suggest(word: string): string | undefined {
    return this.#elsewhere.get(word.toLowerCase()) ?? nearest(word, this.#words.keys());
  }

  /** Returns `a, b or c`. */
  get expected(): string {
    if (this.#names.length < 2) return this.#names.join('');
    return `${this.#names.slice(0, -1).join(', ')} or ${this.#names.at(-1)}`;
  }
}

/** Reports that the word taken last is not in `table`. `what` names what the table holds: `a balance algorithm`. */
export function unknownWord(line: Line, report: Reporter, table: WordTable<string>, what: string, options: { code?: IssueCode; hint?: string } = {}): void {
  const word = line.words[line.index - 1] ?? '';
  const suggestion = report.full ? undefined : table.suggest(word);
  report.add(options.code ?? 'unknown-word', line.at(), `expected ${what} (${table.expected}), found ${quoted(word)}`, { nearest: suggestion, hint: options.hint });
}

/** Takes the next word as one of `table`; reports a missing or unknown one and returns undefined. */
export function takeWord<W extends string>(line: Line, report: Reporter, keyword: string, table: WordTable<W>, what: string): W | undefined {
  const word = line.take();
  if (word === undefined) {
    report.add('missing-value', line.at(), `expected ${what} (${table.expected}) after ${quoted(keyword)}, found the end of the line`);
    return undefined;
  }
  const found = table.find(word);
  if (found === undefined) unknownWord(line, report, table, what);
  return found;
}

/** Reports words left over on the line, once. */
export function endOfLine(line: Line, report: Reporter, after: string): void {
  if (line.index >= line.words.length) return;
  const word = line.peek() ?? '';
  report.add('unexpected-word', line.span(line.index, line.words.length - 1), `expected nothing more after ${after}, found ${quoted(word)}`);
  line.index = line.words.length;
}
