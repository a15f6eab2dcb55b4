/**
 * `weir fmt`: canonical indentation and spacing. Words, their order, comments and blank lines stay as they are, so the
 * meaning does too; a text with errors is returned untouched, since nobody knows what it means.
 */
import type { Issue } from './issue.ts';
import { LineReader } from './lex.ts';
import { parseConfig } from './parse.ts';
import { Reporter } from './report.ts';

const INDENT = '    ';
/** Comments at line ends are lined up behind lines up to this wide; longer lines have theirs after two spaces. */
const ALIGN_WITHIN = 80;

interface Row {
  readonly code: string;
  readonly comment: string | undefined;
}

/** Returns the text in canonical layout, or unchanged with its errors. A text laid out once is not changed again. */
export function formatDocument(text: string, file = 'weir.conf'): { readonly text: string; readonly issues: readonly Issue[] } {
  const issues = parseConfig([{ file, document: 'any', text }]).issues.filter(({ severity }) => severity === 'error');
  if (issues.length > 0) return { text, issues };
  const rows = readRows(text, file);
  const out: string[] = [];
  for (let i = 0; i < rows.length; ) {
    let end = i;
    let width = 0;
    for (let row = rows[end]; row && row.code !== '' && row.comment !== undefined; row = rows[++end]) {
      if (row.code.length <= ALIGN_WITHIN) width = Math.max(width, row.code.length);
    }
    if (end === i) end = i + 1;
    for (const row of rows.slice(i, end)) out.push(rowText(row, width), '\n');
    i = end;
  }
  return { text: out.join(''), issues: [] };
}

function readRows(text: string, file: string): Row[] {
  const reader = new LineReader(text, file, new Reporter());
  const rows: Row[] = [];
  let inSection = false;
  for (let line = reader.next(); line; line = reader.next()) {
    const comment = reader.comment()?.trimEnd();
    if (line.words.length > 0) {
      rows.push({ code: (line.indent === 0 ? '' : INDENT) + line.words.join(' '), comment });
      inSection = true;
    } else if (comment !== undefined) {
      // A comment at the left edge stays there: it is about what follows, not about the section before.
      rows.push({ code: '', comment: (line.indent > 0 && inSection ? INDENT : '') + comment });
    } else {
      rows.push({ code: '', comment: undefined });
    }
  }
  return rows;
}

function rowText({ code, comment }: Row, width: number): string {
  if (comment === undefined) return code;
  return code === '' ? comment : `${code.padEnd(width)}  ${comment}`;
}
