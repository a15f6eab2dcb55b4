/** Collects the issues of one answer: bounded, in the order of the text, with severities from the registry. */
import { CODES, type IssueCode } from './codes.ts';
import type { Issue, Position } from './issue.ts';

/** Most errors and most warnings listed in one answer; beyond it one last issue says how many more there are. */
export const MAX_ISSUES = 1000;
/** After this many errors a text is no configuration: reading stops, so that 64 MB of anything are refused at once. */
export const GIVE_UP_ERRORS = 100_000;

export interface IssueExtras {
  readonly nearest?: string | undefined;
  readonly hint?: string | undefined;
}

export class Reporter {
  errors = 0;
  warnings = 0;
  readonly #listed: Issue[] = [];
  #last: Position | undefined;

  /** Adds one issue; its severity is the code's. */
  add(code: IssueCode, at: Position, message: string, extras: IssueExtras = {}): void {
    const { severity } = CODES[code];
    const count = severity === 'error' ? ++this.errors : ++this.warnings;
    if (count > MAX_ISSUES) {
      this.#last = at;
      return;
    }
    this.#listed.push(
      Object.freeze({
        severity,
        code,
        message,
        at: Object.freeze(at),
        ...(extras.nearest === undefined ? {} : { nearest: extras.nearest }),
        ...(extras.hint === undefined ? {} : { hint: extras.hint }),
      }),
    );
  }

  /** Takes what was found out of the issues of a line that holds a secret: they are shown to more people than the text is. */
  hush(file: string, line: number): void {
    for (let i = this.#listed.length - 1; i >= 0; i--) {
      const issue = this.#listed[i];
      if (issue === undefined || issue.at.file !== file || issue.at.line !== line) return;
      const { nearest: _nearest, ...rest } = issue;
      this.#listed[i] = Object.freeze({ ...rest, message: issue.message.replace(/found '.*'$/s, 'found something else (not shown: a secret stands on this line)') });
    }
  }

  /** True when a further error would only be counted: looking for the nearest word is then wasted. */
  get full(): boolean {
    return this.errors >= MAX_ISSUES;
  }

  /** True when reading further is pointless. */
  get hopeless(): boolean {
    return this.errors >= GIVE_UP_ERRORS;
  }

  /** Returns the issues in the order of `files`, then by line and column, and what was left off as one issue at the end. */
  issues(files: readonly string[]): Issue[] {
    const rank = new Map(files.map((file, i) => [file, i]));
    const sorted = this.#listed.toSorted(
      (a, b) => (rank.get(a.at.file) ?? 0) - (rank.get(b.at.file) ?? 0) || a.at.line - b.at.line || a.at.col - b.at.col,
    );
    const moreErrors = Math.max(0, this.errors - MAX_ISSUES);
    const moreWarnings = Math.max(0, this.warnings - MAX_ISSUES);
    if (this.#last && moreErrors + moreWarnings > 0) {
      const parts = [counted(moreErrors, 'error'), counted(moreWarnings, 'warning')].filter((part) => part !== '');
      sorted.push(
        Object.freeze({
          severity: moreErrors > 0 ? 'error' : 'warning',
          code: 'too-many',
          message: `${parts.join(' and ')} more, not listed${this.hopeless ? '; reading stopped here' : ''}`,
          at: this.#last,
          hint: 'cure the ones above first',
        }),
      );
    }
    return sorted;
  }
}

/** Returns `'word'` for messages, cut to 60 characters. */
export function quoted(word: string): string {
  return `'${word.length > 60 ? `${word.slice(0, 57)}…` : word}'`;
}

function counted(count: number, noun: string): string {
  return count === 0 ? '' : `${count} ${noun}${count === 1 ? '' : 's'}`;
}
