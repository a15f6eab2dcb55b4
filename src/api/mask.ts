/** What a viewer must not see of a configuration. */
import { SECRET_WORDS, documentFile } from '../config/grammar.ts';
import { DOCUMENT_NAMES, type Documents } from '../client/types.ts';
import type { Issue } from '../config/issue.ts';

const KEYWORD = String.raw`\b(${SECRET_WORDS.join('|')})([ \t]+)`;
const VALUE = new RegExp(String.raw`${KEYWORD}("(?:[^"\\\n]|\\.)*"?|'[^'\n]*'?|\S+)`, 'gi');
const REST = new RegExp(String.raw`${KEYWORD}[^\n]+`, 'gi');

/** Returns `text` with the word after `secret`, `password`, `passphrase` and `community` replaced by ***. */
export function maskSecrets(text: string): string {
  return text.replace(VALUE, '$1$2***');
}

/** Returns the same for text that need not be a configuration yet: a secret that lacks its quotes goes on to the end of its line. */
export function maskDraft(text: string): string {
  return text.replace(REST, '$1$2***');
}

/** Returns the issues of `documents` with what they quote of a line that holds a secret replaced by ***. */
export function maskIssues(issues: readonly Issue[], documents: Documents): readonly Issue[] {
  const lines = new Map(DOCUMENT_NAMES.map((name) => [documentFile(name), documents[name].split('\n')]));
  return issues.map((issue) => {
    const line = lines.get(issue.at.file)?.[issue.at.line - 1] ?? '';
    if (maskDraft(line) === line) return issue;
    const { nearest: _, ...rest } = issue;
    return { ...rest, message: issue.message.replace(/'[^']*'/g, "'***'") };
  });
}
