/** What may be written at a place of a document, from the grammar the parser uses. */
import { SECTIONS, SERVICE_NAMES, type Keyword, type SectionGrammar } from '../config/grammar.ts';

export interface Offer {
  readonly word: string;
  /** The shape of what follows. */
  readonly value: string;
  readonly meaning: string;
}

/** Returns the words that may stand at the end of `before` (the text up to the cursor), and how many characters of one are there already. */
export function offersAt(document: SectionGrammar['document'], before: string): { readonly typed: number; readonly offers: readonly Offer[] } {
  const lines = before.split('\n');
  const line = lines.at(-1) ?? '';
  const typed = /\S*$/.exec(line)?.[0].length ?? 0;
  const words = line.slice(0, line.length - typed).trim().split(/\s+/).filter((word) => word !== '');
  if (words.some((word) => word.startsWith('#')) || line.slice(line.length - typed).startsWith('#')) return { typed, offers: [] };
  return { typed, offers: offersFor(document, lines, line, words).map(({ word, value = '', meaning }) => ({ word, value, meaning })) };
}

/** Returns what a word means where it stands: the keyword, or undefined for names and values. */
export function meaningAt(document: SectionGrammar['document'], before: string, word: string): Offer | undefined {
  return offersAt(document, before).offers.find((offer) => offer.word === word);
}

/** Returns the meaning of the keyword at the end of `before` (with `rest`, what of it is still to come), else of the nearest keyword to its left; null when there is none. */
export function hintAt(document: SectionGrammar['document'], before: string, rest: string): Offer | null {
  const from = before.lastIndexOf('\n') + 1;
  const line = before.slice(from) + rest;
  if (/^\s*#/.test(line)) return null;
  const words = [...line.matchAll(/\S+/g)].toReversed();
  for (const { 0: word, index } of words) {
    const found = meaningAt(document, before.slice(0, from) + line.slice(0, index), word);
    if (found !== undefined) return found;
  }
  return null;
}

function offersFor(document: SectionGrammar['document'], lines: readonly string[], line: string, words: readonly string[]): readonly Keyword[] {
  const sections = SECTIONS.filter((section) => section.document === document);
  if (!/^\s/.test(line)) {
    if (words.length === 0) return sections.map(({ word, header, meaning }) => ({ word, value: header, meaning }));
    if (words[0] === 'service' && words.length === 1) return SERVICE_NAMES;
    if (words[0] === 'director' && words.length === 3) return [{ word: 'UDP', meaning: 'the director serves UDP' }, { word: 'TCP', meaning: 'the director serves TCP' }];
    return [];
  }
  const header = lines.slice(0, -1).findLast((text) => /^[^\s#]/.test(text));
  const section = sections.find(({ word }) => header?.split(/\s+/)[0] === word);
  if (section === undefined) return [];
  if (section.word === 'service' && header?.split(/\s+/)[1] !== 'lvs') return [{ word: 'no autostart', meaning: 'not started at boot' }];
  return after(section.keywords, words, section.word === 'nat');
}

/** Walks the words written so far through the grammar; `many`: several keywords may follow each other on a line. */
function after(keywords: readonly Keyword[], words: readonly string[], many: boolean): readonly Keyword[] {
  const [first, ...rest] = words;
  if (first === undefined) return keywords;
  const found = keywords.find((keyword) => isIt(keyword, first));
  if (found === undefined || (found.word === 'server' && words.length < 3)) return [];
  let open = found;
  let pool = start(open);
  for (const word of rest) {
    const again = many ? keywords.find((keyword) => isIt(keyword, word)) : undefined;
    const hit = pool.find((keyword) => isIt(keyword, word));
    if (hit === undefined && again !== undefined) {
      open = again;
      pool = start(again);
    } else if (hit === undefined) {
      // A value: what may follow its keyword may follow it too.
      pool = open.words ?? [];
    } else if (open.word === 'on') {
      pool = (open.words ?? []).includes(hit) ? open.choices ?? [] : [];
    } else if (start(hit).length > 0) {
      open = hit;
      pool = start(hit);
    } else {
      pool = hit.value?.startsWith('<') === true ? [] : open.words ?? [];
    }
  }
  return pool.filter(({ word }) => !rest.includes(word));
}

/** What may follow a keyword at once: after `on` its event, else its choices and its words. */
function start(keyword: Keyword): readonly Keyword[] {
  return keyword.word === 'on' ? keyword.words ?? [] : [...(keyword.choices ?? []), ...(keyword.words ?? [])];
}

function isIt(keyword: Keyword, word: string): boolean {
  return keyword.word === word || (keyword.aliases ?? []).includes(word);
}
