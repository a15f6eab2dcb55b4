/** What a viewer must not see of a configuration. */

/** Returns `text` with the word after `secret`, `password`, `passphrase` and `community` replaced by ***. */
export function maskSecrets(text: string): string {
  return text.replace(/\b(secret|password|passphrase|community)([ \t]+)("(?:[^"\\\n]|\\.)*"?|'[^'\n]*'?|\S+)/gi, '$1$2***');
}
