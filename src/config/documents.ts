/** A configuration in one file, several files or a directory, and the three documents it means. Layout and comments stay. */

/** A document by its name. */
export type DocumentSet = { readonly layer4: string; readonly nat: string; readonly services: string };
type Name = keyof DocumentSet;

/** A text and where it came from. */
export interface SourceText {
  readonly file: string;
  readonly text: string;
}

const NAMES: readonly Name[] = ['layer4', 'nat', 'services'];
const SECTION: Readonly<Record<string, Name>> = { director: 'layer4', nat: 'nat', service: 'services' };

/** Returns the document a file name stands for: `…/layer4.conf`, `…/nat.conf`, `…/services.conf`; null for any other. */
export function documentOfFile(file: string): Name | null {
  const base = file.replace(/^.*[/\\]/, '');
  return NAMES.find((name) => base === `${name}.conf`) ?? null;
}

/**
 * Returns the documents that the sources make: each section goes to its document, with the comments right above it; what belongs to
 * no known section stays with the document the file is named after, else with layer4, where the parser says what is wrong with it.
 * A document is given when a source is named after it, or when some source is named after none: that one is a whole configuration.
 */
export function documentsOf(sources: readonly SourceText[]): Partial<DocumentSet> {
  const parts: Record<Name, string[]> = { layer4: [], nat: [], services: [] };
  const given = new Set<Name>();
  for (const { file, text } of sources) {
    const own = documentOfFile(file);
    if (own === null) NAMES.forEach((name) => given.add(name));
    else given.add(own);
    const pieces = split(text, own ?? 'layer4');
    for (const name of NAMES) {
      if (pieces[name] === '') continue;
      given.add(name);
      parts[name].push(pieces[name]);
    }
  }
  return Object.fromEntries([...given].map((name) => [name, parts[name].map(withLineFeed).join('')]));
}

function split(text: string, fallback: Name): DocumentSet {
  const out: Record<Name, string[]> = { layer4: [], nat: [], services: [] };
  let current = fallback;
  let pending: string[] = [];
  for (const line of text.match(/[^\n]*\n|[^\n]+$/g) ?? []) {
    // Comments and empty lines at column 0 wait: they belong to what follows them.
    if (/^(#|\s*$)/.test(line)) {
      pending.push(line);
      continue;
    }
    const word = /^[A-Za-z]+/.exec(line)?.[0].toLowerCase();
    if (word !== undefined) current = SECTION[word] ?? current;
    for (const kept of pending) out[current].push(kept);
    pending = [];
    out[current].push(line);
  }
  for (const kept of pending) out[current].push(kept);
  return { layer4: out.layer4.join(''), nat: out.nat.join(''), services: out.services.join('') };
}

function withLineFeed(text: string): string {
  return text.endsWith('\n') ? text : `${text}\n`;
}
