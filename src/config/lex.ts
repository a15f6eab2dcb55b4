/**
 * Text to lines of words. Words are separated by spaces and tabs; `#` at the start of a word begins a comment;
 * "quoted text" and ~/regular expressions/ are one word each, kept as written. Columns count UTF-16 units from 1, as
 * editors do. One Line object is reused for the whole text: a million lines cost a million word slices and nothing else.
 */
import type { Position } from './issue.ts';
import { quoted, type Reporter } from './report.ts';

/** Longest line in UTF-16 units; longer ones are an error and skipped. */
export const MAX_LINE = 65_536;

const TAB = 9, LF = 10, CR = 13, SPACE = 32, QUOTE = 34, HASH = 35, SLASH = 47, BACKSLASH = 92, TILDE = 126, DEL = 127, BOM = 0xfeff;

/** The current line and how far a parser has read it. Valid until the reader's next call of `next`. */
export class Line {
  readonly file: string;
  number = 0;
  /** Columns before the first word, comment or end. */
  indent = 0;
  /** Set when the lexer reported an error on this line: its words must not be used. */
  bad = false;
  readonly words: string[] = [];
  /** Words taken so far. */
  index = 0;
  /** Offset in the text where the comment starts and ends; -1 without one. */
  commentStart = -1;
  commentEnd = -1;
  readonly #columns: number[] = [];

  constructor(file: string) {
    this.file = file;
  }

  reset(number: number): void {
    this.number = number;
    this.indent = 0;
    this.bad = false;
    this.words.length = 0;
    this.#columns.length = 0;
    this.index = 0;
    this.commentStart = -1;
    this.commentEnd = -1;
  }

  push(word: string, column: number): void {
    this.words.push(word);
    this.#columns.push(column);
  }

  /** Returns the next word without taking it; undefined at the end. */
  peek(): string | undefined {
    return this.words[this.index];
  }

  /** Takes the next word; undefined at the end. */
  take(): string | undefined {
    const word = this.words[this.index];
    if (word !== undefined) this.index++;
    return word;
  }

  /** Takes the next word when it is `word`. */
  takeIf(word: string): boolean {
    if (this.words[this.index] !== word) return false;
    this.index++;
    return true;
  }

  /** Where word `i` stands; without `i`, the word taken last. */
  at(i: number = Math.max(0, this.index - 1)): Position {
    const col = this.#columns[i] ?? 1;
    return { file: this.file, line: this.number, col, endCol: col + (this.words[i]?.length ?? 0) };
  }

  /** From word `from` to word `to`, both included. */
  span(from: number, to: number): Position {
    return { ...this.at(from), endCol: this.at(to).endCol };
  }
}

/** Reads the lines of one text. Errors of the text go to `report`. */
export class LineReader {
  readonly #text: string;
  readonly #report: Reporter;
  readonly #line: Line;
  #offset: number;
  #number = 0;

  constructor(text: string, file: string, report: Reporter) {
    this.#text = text;
    this.#report = report;
    this.#line = new Line(file);
    this.#offset = text.charCodeAt(0) === BOM ? 1 : 0;
  }

  /** Returns the next line (also empty ones), or null after the last. A newline at the very end begins no further line. */
  next(): Line | null {
    const text = this.#text;
    const start = this.#offset;
    if (start >= text.length) return null;
    let end = text.indexOf('\n', start);
    if (end < 0) end = text.length;
    this.#offset = end + 1;
    if (end > start && text.charCodeAt(end - 1) === CR) end--;
    const line = this.#line;
    line.reset(++this.#number);
    if (end - start > MAX_LINE) {
      const at = { file: line.file, line: line.number, col: MAX_LINE + 1, endCol: MAX_LINE + 2 };
      this.#fail(line, 'line-too-long', at, `expected a line of at most ${MAX_LINE} characters, found ${end - start}`, 'break it up, or check that this is a weir configuration');
      const first = text.charCodeAt(start);
      line.indent = first === SPACE || first === TAB ? 1 : 0;
    } else {
      this.#words(line, start, end);
    }
    return line;
  }

  /** Returns the comment of the current line from its `#`, or undefined. */
  comment(): string | undefined {
    const { commentStart, commentEnd } = this.#line;
    return commentStart < 0 ? undefined : this.#text.slice(commentStart, commentEnd);
  }

  #words(line: Line, start: number, end: number): void {
    const text = this.#text;
    let i = start;
    let first = true;
    for (;;) {
      while (i < end && (text.charCodeAt(i) === SPACE || text.charCodeAt(i) === TAB)) i++;
      if (first) line.indent = i - start;
      first = false;
      if (i >= end) return;
      const begin = i;
      const code = text.charCodeAt(i);
      if (code === HASH) {
        this.#comment(line, start, begin, end);
        return;
      }
      if (code === QUOTE || (code === TILDE && text.charCodeAt(i + 1) === SLASH && i + 1 < end)) {
        i = this.#delimited(line, start, begin, end);
      } else {
        while (i < end) {
          const c = text.charCodeAt(i);
          if (c === SPACE || c === TAB) break;
          if ((c < SPACE || c >= DEL) && this.#odd(line, start, i, c)) return;
          i++;
        }
      }
      if (line.bad) return;
      line.push(text.slice(begin, i), begin - start + 1);
    }
  }

  /** A comment may hold any text but control characters: those would reach a terminal by `cat`. */
  #comment(line: Line, start: number, begin: number, end: number): void {
    line.commentStart = begin;
    line.commentEnd = end;
    for (let i = begin; i < end; i++) {
      const c = this.#text.charCodeAt(i);
      if ((c < SPACE && c !== TAB) || c === DEL) {
        this.#odd(line, start, i, c);
        return;
      }
    }
  }

  /** Returns the offset after a "…" or ~/…/flags word that begins at `begin`. */
  #delimited(line: Line, start: number, begin: number, end: number): number {
    const text = this.#text;
    const isRegex = text.charCodeAt(begin) === TILDE;
    const close = isRegex ? SLASH : QUOTE;
    let i = begin + (isRegex ? 2 : 1);
    while (i < end && text.charCodeAt(i) !== close) {
      const c = text.charCodeAt(i);
      if ((c < SPACE && c !== TAB) || c === DEL) {
        this.#odd(line, start, i, c);
        return i;
      }
      i += c === BACKSLASH ? 2 : 1;
    }
    const what = isRegex ? 'regular expression' : 'quoted text';
    if (i >= end) {
      const at = { file: line.file, line: line.number, col: begin - start + 1, endCol: end - start + 1 };
      this.#fail(line, 'unterminated', at, `expected ${what} to end with ${isRegex ? '/' : '"'} on this line, found the end of the line`, `a ${isRegex ? '/' : '"'} inside is written ${isRegex ? '\\/' : '\\"'}`);
      return end;
    }
    i++;
    let rest = i;
    while (rest < end && text.charCodeAt(rest) !== SPACE && text.charCodeAt(rest) !== TAB) rest++;
    if (!isRegex && rest > i) {
      const at = { file: line.file, line: line.number, col: i - start + 1, endCol: rest - start + 1 };
      this.#fail(line, 'after-quote', at, `expected a space after the closing quote, found ${quoted(text.slice(i, rest))}`, 'a " inside quoted text is written \\"');
    }
    return rest;
  }

  /** Reports the character at `i` when no word may hold it; returns whether it did. */
  #odd(line: Line, start: number, i: number, code: number): boolean {
    const col = i - start + 1;
    const at = { file: line.file, line: line.number, col, endCol: col + 1 };
    const name = `U+${code.toString(16).toUpperCase().padStart(4, '0')}`;
    if (code < SPACE || (code >= DEL && code < 0xa0)) {
      const hint = code === CR ? 'end lines with LF or CRLF' : code === LF ? undefined : 'in payload data write it as \\xNN';
      this.#fail(line, 'control-character', at, `expected text, found the control character ${name}`, hint);
      return true;
    }
    if (!isInvisible(code)) return false;
    this.#fail(line, 'odd-character', at, `expected a plain space or a visible character, found ${name}`, 'this often comes from copying out of a web page: type the space again');
    return true;
  }

  #fail(line: Line, code: 'line-too-long' | 'unterminated' | 'after-quote' | 'control-character' | 'odd-character', at: Position, message: string, hint: string | undefined): void {
    line.bad = true;
    this.#report.add(code, at, message, { hint });
  }
}

/** No-break and other wide spaces, zero-width characters, direction marks, byte order marks. */
function isInvisible(code: number): boolean {
  return (
    code === 0xa0 || code === 0xad || code === 0x1680 || (code >= 0x2000 && code <= 0x200f) || (code >= 0x2028 && code <= 0x202f) ||
    (code >= 0x205f && code <= 0x206f) || code === 0x3000 || code === BOM
  );
}
