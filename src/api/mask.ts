/** What a viewer must not see of a configuration. */
import { SECRET_WORDS } from '../config/grammar.ts';

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
