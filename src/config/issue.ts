/** What is wrong with a configuration text: every problem of a text is an Issue, all reported in one answer. */

/** Where in a document: 1-based line and column, `endCol` is one past the last column of the word at fault. */
export interface Position {
  readonly file: string;
  readonly line: number;
  readonly col: number;
  readonly endCol: number;
}

/** One problem. `code` is stable (docs/reference/issues.md); `message` says what was expected and what was found; `hint` is the cure. */
export interface Issue {
  readonly severity: 'error' | 'warning';
  readonly code: string;
  readonly message: string;
  readonly at: Position;
  readonly nearest?: string;
  readonly hint?: string;
}

/** Returns `file:line:col: error: message (did you mean 'x'?). hint`, one line, control characters escaped. */
export function issueText(issue: Issue): string {
  const near = issue.nearest === undefined ? '' : ` (did you mean '${issue.nearest}'?)`;
  const hint = issue.hint === undefined ? '' : `\n    hint: ${issue.hint}`;
  const { file, line, col } = issue.at;
  // eslint-disable-next-line no-control-regex -- control characters and direction marks of hostile text must not reach a terminal
  const clean = (s: string): string => s.replace(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u2069]/g, escaped);
  return clean(`${file}:${line}:${col}: ${issue.severity}: ${issue.message}${near}${hint}`);
}

function escaped(character: string): string {
  const code = character.charCodeAt(0);
  return code < 256 ? `\\x${code.toString(16).padStart(2, '0')}` : `\\u${code.toString(16)}`;
}
