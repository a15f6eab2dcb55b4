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
 * Returns the documents that the sources make. A file named after a document is that document. Any other is a whole configuration: each
 * section goes to its document with the comments right above it, and all three are given, empty where it has no such section;
 * what belongs to no section stays in layer4, where the parser says what is wrong with it. Sources add up in their order.
 */
export function documentsOf(sources: readonly SourceText[]): Partial<DocumentSet> {
  const parts: Partial<Record<Name, string[]>> = {};
  const add = (name: Name, text: string): void => {
    const list = (parts[name] ??= []);
    if (text !== '') list.push(text);
  };
  for (const { file, text } of sources) {
    const own = documentOfFile(file);
    if (own !== null) add(own, text);
    else for (const [name, piece] of split(text)) add(name, piece);
  }
  return Object.fromEntries(NAMES.flatMap((name) => (parts[name] === undefined ? [] : [[name, joined(parts[name])]])));
}

function split(text: string): readonly (readonly [Name, string])[] {
  const out: Record<Name, string[]> = { layer4: [], nat: [], services: [] };
  let current: Name = 'layer4';
  let pending: string[] = [];
  for (const line of text.match(/[^\n]*\n|[^\n]+$/g) ?? []) {
    // Comments and empty lines at the left edge wait: they belong to what follows them.
    if (/^(#|\s*$)/.test(line)) {
      pending.push(line);
      continue;
    }
    current = SECTION[/^[a-z]+(?=\s|$)/.exec(line)?.[0] ?? ''] ?? current;
    for (const kept of pending) out[current].push(kept);
    pending = [];
    out[current].push(line);
  }
  for (const kept of pending) out[current].push(kept);
  return NAMES.map((name) => [name, out[name].join('')]);
}

/** Puts texts one after the other; a single one stays byte for byte. */
function joined(texts: readonly string[]): string {
  return texts.map((text, i) => (i === texts.length - 1 || text.endsWith('\n') ? text : `${text}\n`)).join('');
}
