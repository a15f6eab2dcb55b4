/** One file with all sections, and the three documents of the UI's tabs: cut apart and put together without losing a comment. */
import { documentFile, SECTIONS } from './grammar.ts';

/** The three texts of a configuration. */
export interface DocumentTexts {
  readonly layer4: string;
  readonly nat: string;
  readonly services: string;
}

const NAMES = ['layer4', 'nat', 'services'] as const;
type Name = (typeof NAMES)[number];

/** Begins a part of a joined file whose place its sections alone would not tell (a document of comments only, say). */
const MARK = '#weir: ';

/**
 * Returns each section in its document, in order. Comments and blank lines at the left edge right before a section go
 * with it; everything else stays with the section above. Text before the first section that has none goes to layer4.
 */
export function splitDocuments(text: string): DocumentTexts {
  const parts: Record<Name, string[]> = { layer4: [], nat: [], services: [] };
  let current: Name | undefined;
  let waiting: string[] = [];
  for (const line of linesOf(text)) {
    const marked = NAMES.find((name) => line.trimEnd() === `${MARK}${documentFile(name)}`);
    const opened = SECTIONS.find(({ word }) => line.startsWith(word) && /^\s/.test(line.slice(word.length) || '\n'))?.document;
    if (marked) {
      parts[current ?? 'layer4'].push(...waiting);
      waiting = [];
      current = marked;
    } else if (opened) {
      current = opened;
      parts[current].push(...waiting, line);
      waiting = [];
    } else if (line.startsWith('#') || line.trim() === '') {
      waiting.push(line);
    } else {
      parts[current ?? 'layer4'].push(...waiting, line);
      waiting = [];
    }
  }
  parts[current ?? 'layer4'].push(...waiting);
  return { layer4: parts.layer4.join(''), nat: parts.nat.join(''), services: parts.services.join('') };
}

/** Returns one text that splits into these documents again (each ended by a newline); marks are added only where the text alone would not. */
export function joinDocuments(documents: DocumentTexts): string {
  const ended = { layer4: endLine(documents.layer4), nat: endLine(documents.nat), services: endLine(documents.services) };
  const plain = NAMES.map((name) => ended[name]).join('');
  const again = splitDocuments(plain);
  if (NAMES.every((name) => again[name] === ended[name])) return plain;
  return NAMES.filter((name) => ended[name] !== '').map((name) => `${MARK}${documentFile(name)}\n${ended[name]}`).join('');
}

/** Ended by a newline; a byte order mark may only begin a file, so it goes. */
function endLine(written: string): string {
  const text = written.replace(/^\ufeff/, '');
  return text === '' || text.endsWith('\n') ? text : `${text}\n`;
}

/** The lines with their newlines; the last may have none, and gets one where another follows it. */
function linesOf(text: string): string[] {
  const lines = text.replace(/^\ufeff/, '').split('\n');
  const last = lines.pop();
  return [...lines.map((line) => `${line}\n`), ...(last ? [`${last}\n`] : [])];
}
