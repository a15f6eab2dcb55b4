/** A document as its sections: cut apart, changed one at a time and put together again without losing a comment or a blank line. */
import { SECTIONS } from '../config/grammar.ts';

/** One section. `lead` holds the comments and blank lines right above it, `body` its own lines; both keep their newlines. */
export interface Block {
  readonly word: string;
  readonly name: string;
  readonly lead: string;
  readonly body: string;
  /** 1-based line of the body's first line. */
  readonly line: number;
}

export interface Sections {
  /** What stands before the first section and belongs to none. */
  readonly head: string;
  readonly blocks: readonly Block[];
}

const WORDS: readonly string[] = SECTIONS.map(({ word }) => word);

/** Returns the sections of a document in order; `textOf` gives the same text back. */
export function sectionsOf(text: string): Sections {
  const blocks: { word: string; name: string; lead: string; body: string; line: number }[] = [];
  let head = '';
  let waiting = '';
  let number = 0;
  for (const line of linesOf(text)) {
    number++;
    const [word = '', name = ''] = line.trim().split(/\s+/);
    const last = blocks.at(-1);
    if (!/^\s/.test(line) && WORDS.includes(word)) {
      blocks.push({ word, name, lead: waiting, body: line, line: number });
      waiting = '';
    } else if (line.startsWith('#') || line.trim() === '') {
      waiting += line;
    } else {
      if (last === undefined) head += waiting + line;
      else last.body += waiting + line;
      waiting = '';
    }
  }
  const last = blocks.at(-1);
  if (last === undefined) head += waiting;
  else last.body += waiting;
  return { head, blocks };
}

/** Returns the document of these sections. */
export function textOf({ head, blocks }: Sections): string {
  return head + blocks.map(({ lead, body }) => lead + body).join('');
}

/** Returns the text with one more section at its end, an empty line between. */
export function appendSection(text: string, section: string): string {
  const before = text === '' || text.endsWith('\n') ? text : `${text}\n`;
  return `${before}${before.trim() === '' || before.endsWith('\n\n') ? '' : '\n'}${ended(section)}`;
}

/** Returns the text with the body of section `index` replaced; blank lines and comments at its end stay. */
export function replaceSection(text: string, index: number, section: string): string {
  const { head, blocks } = sectionsOf(text);
  return textOf({ head, blocks: blocks.map((block, i) => (i === index ? { ...block, body: ended(section) + tailOf(block.body) } : block)) });
}

/** Returns the text without section `index`, and without the comments right above it. */
export function removeSection(text: string, index: number): string {
  const { head, blocks } = sectionsOf(text);
  const tail = index === blocks.length - 1 && index > 0 ? '' : tailOf(blocks[index]?.body ?? '');
  const left = blocks.filter((_, i) => i !== index);
  return textOf({ head, blocks: left }) + (left.length === 0 ? tail.trimStart() : '');
}

/** Returns the text with section `from` moved so that it is the `to`-th; its comments go with it. */
export function moveSection(text: string, from: number, to: number): string {
  const { head, blocks } = sectionsOf(text);
  const moved = blocks[from];
  if (moved === undefined || to < 0 || to >= blocks.length) return text;
  const order = blocks.filter((_, i) => i !== from);
  order.splice(to, 0, moved);
  // The first section has no empty line above it, the others have: what separates stays between, whoever moves.
  const separated = order.map((block, i) => {
    const lead = block.lead.replace(/^(?:[ \t]*\n)+/, '');
    return { ...block, lead: i === 0 && head.trim() === '' ? lead : `\n${lead}`, body: ended(block.body.trimEnd()) };
  });
  return textOf({ head: head.trimEnd() === '' ? '' : ended(head.trimEnd()), blocks: separated });
}

/** Returns the comment lines inside a section's body, as written. */
export function innerComments(body: string): string {
  return linesOf(body).slice(1).filter((line) => /^\s+#/.test(line)).map(ended).join('');
}

/** Comments and blank lines at the left edge that end a body. */
function tailOf(body: string): string {
  const lines = linesOf(body);
  let from = lines.length;
  while (from > 1 && /^(#|\s*$)/.test(lines[from - 1] ?? '')) from--;
  return lines.slice(from).join('');
}

function linesOf(text: string): string[] {
  return text.match(/[^\n]*\n|[^\n]+$/g) ?? [];
}

function ended(text: string): string {
  return text === '' || text.endsWith('\n') ? text : `${text}\n`;
}
