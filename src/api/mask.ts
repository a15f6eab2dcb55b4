/** What a viewer must not see of a configuration. */
import { SECRET_WORDS } from '../config/grammar.ts';

const SECRET = new RegExp(`\\b(${SECRET_WORDS.join('|')})([ \\t]+)("(?:[^"\\\\\\n]|\\\\.)*"?|'[^'\\n]*'?|\\S+)`, 'gi');

/** Returns `text` with the word after `secret`, `password`, `passphrase` and `community` replaced by ***. */
export function maskSecrets(text: string): string {
  return text.replace(SECRET, '$1$2***');
}
