/** Configuration files as given on a command line, and the three documents they mean. */
import { splitDocuments, type DocumentTexts } from '../config/documents.ts';
import { documentFile } from '../config/grammar.ts';

type Name = keyof DocumentTexts;
const NAMES: readonly Name[] = ['layer4', 'nat', 'services'];

/** The files a directory is looked through for. */
export const DOCUMENT_FILES: readonly string[] = NAMES.map((name) => documentFile(name));

/** A text and where it came from. */
export interface SourceText {
  readonly file: string;
  readonly text: string;
}

/** Returns the document a file name stands for: `…/layer4.conf`, `…/nat.conf`, `…/services.conf`; null for any other. */
export function documentOfFile(file: string): Name | null {
  const base = file.replace(/^.*[/\\]/, '');
  return NAMES.find((name) => base === documentFile(name)) ?? null;
}

/**
 * Returns the documents that the sources make. A file named after a document is that document, byte for byte. Any other is a whole
 * configuration: its sections go to their documents, and all three are given, empty where it has none. Sources add up in their order.
 */
export function documentsOf(sources: readonly SourceText[]): Partial<DocumentTexts> {
  const parts: Partial<Record<Name, string[]>> = {};
  const add = (name: Name, text: string): void => {
    const list = (parts[name] ??= []);
    if (text !== '') list.push(text);
  };
  for (const { file, text } of sources) {
    const own = documentOfFile(file);
    if (own !== null) {
      add(own, text);
      continue;
    }
    const pieces = splitDocuments(text);
    for (const name of NAMES) add(name, pieces[name]);
  }
  return Object.fromEntries(NAMES.flatMap((name) => (parts[name] === undefined ? [] : [[name, joined(parts[name])]])));
}

function joined(texts: readonly string[]): string {
  return texts.map((text, i) => (i === texts.length - 1 || text.endsWith('\n') ? text : `${text}\n`)).join('');
}
