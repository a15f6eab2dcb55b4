/**
 * Configuration text to Config: sections by the word at the left edge, each read by its own parser, then validated
 * together. All problems of all documents come in one answer; nothing is repaired or ignored.
 */
import { DirectorParser } from './director.ts';
import type { Drafts, SectionParser } from './draft.ts';
import { documentFile, isSecretWord, SECTIONS, type SectionGrammar } from './grammar.ts';
import type { Issue } from './issue.ts';
import { LineReader, type Line } from './lex.ts';
import type { Config } from './model.ts';
import { NatParser } from './nat.ts';
import { nearest } from './nearest.ts';
import { quoted, Reporter } from './report.ts';
import { ServiceParser } from './service.ts';
import { validate } from './validate.ts';
import { MAX_BYTES } from './decode.ts';

/** One text and which of the three documents it is; `any` holds all sections. `file` is the name in positions. */
export interface SourceDocument {
  readonly file: string;
  readonly document: 'layer4' | 'nat' | 'services' | 'any';
  readonly text: string;
}

/** Returns the configuration (deep-frozen; null exactly when there is an error) and all issues in the order of the text. Never throws. */
export function parseConfig(documents: readonly SourceDocument[]): { readonly config: Config | null; readonly issues: readonly Issue[] } {
  const report = new Reporter();
  const drafts: Drafts = { directors: [], natRules: [], services: [] };
  for (const document of documents) readDocument(document, report, drafts);
  validate(drafts, report);
  const issues = report.issues(documents.map(({ file }) => file));
  if (report.errors > 0) return { config: null, issues };
  const config = Object.freeze({
    directors: Object.freeze(drafts.directors.map(({ director }) => director)),
    natRules: Object.freeze(drafts.natRules.map(({ rule }) => rule)),
    services: Object.freeze(drafts.services),
  });
  return { config, issues };
}

const SECTION_WORDS = SECTIONS.map(({ word }) => word);
/** Reads on after an unknown section, so that its lines raise no further errors. */
const SKIP: SectionParser = { line() {}, end() {} };

function readDocument(document: SourceDocument, report: Reporter, drafts: Drafts): void {
  const { file, text } = document;
  if (text.length > MAX_BYTES) {
    report.add('too-large', { file, line: 1, col: 1, endCol: 1 }, `expected a document of at most ${MAX_BYTES} characters, found ${text.length}`, {
      hint: 'check that this is a weir configuration',
    });
    return;
  }
  const reader = new LineReader(text, file, report);
  let section: SectionParser | null = null;
  let outside = false;
  for (let line = reader.next(); line && !report.hopeless; line = reader.next()) {
    const { errors } = report;
    if (line.bad) {
      if (line.indent === 0) {
        section?.end();
        section = SKIP;
      }
    } else if (line.words.length === 0) {
      continue;
    } else if (line.indent === 0) {
      section = open(line, section, document, report, drafts);
    } else if (section === null) {
      if (!outside) outsideSection(line, report);
      outside = true;
    } else if (SECTION_WORDS.some((word) => word === line.peek())) {
      section = indentedSection(line, section, report);
    } else {
      section.line();
    }
    if ((report.errors > errors || line.bad) && line.words.some(isSecretWord)) report.hush(file, line.number);
  }
  section?.end();
}

/** Ends `before` and returns the parser of the section that the line opens. A keyword at the left edge stays in its section. */
function open(line: Line, before: SectionParser | null, document: SourceDocument, report: Reporter, drafts: Drafts): SectionParser {
  const word = line.peek() ?? '';
  const grammar = SECTIONS.find((s) => s.word === word);
  if (!grammar) return unknownSection(line, before, word, report);
  before?.end();
  line.take();
  if (document.document !== 'any' && document.document !== grammar.document) {
    report.add('wrong-document', line.at(), `expected the sections of ${documentFile(document.document)} (${wordsOf(document.document)}), found ${quoted(word)}`, {
      hint: `a ${word} section belongs in ${documentFile(grammar.document)}`,
    });
  }
  switch (grammar.word) {
    case 'director':
      return new DirectorParser(line, report, drafts);
    case 'nat':
      return new NatParser(line, report, drafts);
    case 'service':
      return new ServiceParser(line, report, drafts);
    default:
      return grammar.word satisfies never;
  }
}

function unknownSection(line: Line, before: SectionParser | null, word: string, report: Reporter): SectionParser {
  const home = SECTIONS.find(({ keywords }) => keywords.some((keyword) => keyword.word === word));
  if (home) {
    report.add('not-indented', line.at(0), `expected a section (${SECTION_WORDS.join(', ')}) at the left edge, found ${quoted(word)}`, {
      hint: `${quoted(word)} belongs to a ${home.word} section: indent the line`,
    });
    return before ?? SKIP;
  }
  before?.end();
  report.add('unknown-section', line.at(0), `expected a section (${SECTION_WORDS.join(', ')}), found ${quoted(word)}`, {
    nearest: report.full ? undefined : (ELSEWHERE[word.toLowerCase()] ?? nearest(word, SECTION_WORDS)),
  });
  return SKIP;
}

/** What other products call a section. */
const ELSEWHERE: Readonly<Record<string, SectionGrammar['word']>> = {
  virtual_server: 'director', virtual: 'director', listen: 'director', frontend: 'director', 'udp-lb': 'director', upstream: 'director', vserver: 'director', snat: 'nat', masquerade: 'nat',
};

function outsideSection(line: Line, report: Reporter): void {
  const word = line.peek() ?? '';
  const isSection = SECTION_WORDS.some((section) => section === word);
  report.add(isSection ? 'indented-section' : 'outside-section', line.at(0), `expected a section (${SECTION_WORDS.join(', ')}) at the left edge before any indented line, found ${quoted(word)}`, {
    hint: isSection ? 'take away the spaces before it' : undefined,
  });
}

function indentedSection(line: Line, before: SectionParser, report: Reporter): SectionParser {
  const word = line.peek() ?? '';
  report.add('indented-section', line.at(0), `expected ${quoted(word)} at the left edge, found it indented`, { hint: 'take away the spaces before it' });
  before.end();
  return SKIP;
}

function wordsOf(document: SectionGrammar['document']): string {
  return SECTIONS.filter((section) => section.document === document).map(({ word }) => word).join(', ');
}
