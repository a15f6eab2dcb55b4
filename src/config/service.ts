/** The `service` section: `lvs` is read word by word; other services keep their lines as written. */
import { Seen, type Drafts, type SectionParser } from './draft.ts';
import { ENGINE_WORDS, LVS_WORDS, SERVICE_NAMES } from './grammar.ts';
import type { Position } from './issue.ts';
import type { Line } from './lex.ts';
import type { ServiceConfig } from './model.ts';
import { quoted, type Reporter } from './report.ts';
import { takeValue } from './values.ts';
import { endOfLine, takeWord, unknownWord, WordTable } from './words.ts';

const NAMES = new WordTable(SERVICE_NAMES);
const KEYWORDS = new WordTable(LVS_WORDS);
const ENGINES = new WordTable(ENGINE_WORDS);

export class ServiceParser implements SectionParser {
  readonly #line: Line;
  readonly #report: Reporter;
  readonly #drafts: Drafts;
  readonly #seen = new Seen();
  readonly #name: string;
  readonly #known: string | undefined;
  readonly #instance: string | null;
  readonly #at: Position;
  readonly #lines: ServiceConfig['lines'][number][] = [];
  #autostart = true;
  #conntrack = false;
  #engine: ServiceConfig['engine'] = null;

  /** Reads the header; the line's first word has been taken. */
  constructor(line: Line, report: Reporter, drafts: Drafts) {
    this.#line = line;
    this.#report = report;
    this.#drafts = drafts;
    this.#name = takeValue(line, report, 'service', `the name of a service (${NAMES.expected})`) ?? '';
    this.#at = Object.freeze(line.at());
    this.#known = NAMES.find(this.#name);
    if (this.#name !== '' && this.#known === undefined) unknownWord(line, report, NAMES, 'a service', { code: 'unknown-service' });
    this.#instance = line.take() ?? null;
    if (this.#instance !== null && !/^[A-Za-z0-9._@:-]{1,64}$/.test(this.#instance)) {
      report.add('bad-name', line.at(), `expected an instance of letters, digits, '.', '-', '_', '@' and ':', at most 64 long, found ${quoted(this.#instance)}`);
    }
    if (this.#known === 'network' && this.#instance === null) report.add('missing-value', line.at(), "expected an interface after 'service network', found the end of the line", { hint: 'such as: service network eth0' });
    if (this.#known === 'lvs' && this.#instance !== null) report.add('unexpected-word', line.at(), `expected nothing more after 'service lvs', found ${quoted(this.#instance)}`, { hint: 'its keywords go on indented lines below' });
    endOfLine(line, report, 'the instance of the service');
  }

  line(): void {
    const line = this.#line;
    this.#lines.push(Object.freeze({ words: Object.freeze([...line.words]), at: Object.freeze(line.span(0, line.words.length - 1)) }));
    if (line.words[0] === 'no' && line.words[1] === 'autostart') {
      line.index = 2;
      this.#seen.once(this.#report, "'no autostart'", line.span(0, 1));
      this.#autostart = false;
      endOfLine(line, this.#report, "'no autostart'");
    } else if (this.#known === 'lvs') {
      this.#lvsLine();
    }
  }

  end(): void {
    this.#drafts.services.push(
      Object.freeze({
        name: this.#name,
        instance: this.#instance,
        autostart: this.#autostart,
        conntrack: this.#conntrack,
        engine: this.#engine,
        lines: Object.freeze(this.#lines),
        at: this.#at,
      }),
    );
  }

  #lvsLine(): void {
    const line = this.#line;
    const report = this.#report;
    const keyword = KEYWORDS.find(line.take() ?? '');
    switch (keyword) {
      case 'conntrack':
        this.#seen.once(report, "'conntrack'", line.at());
        this.#conntrack = true;
        endOfLine(line, report, "'conntrack'");
        return;
      case 'engine':
        this.#seen.once(report, "'engine'", line.at());
        this.#engine = takeWord(line, report, 'engine', ENGINES, 'an engine') ?? null;
        endOfLine(line, report, 'the engine');
        return;
      case 'no':
        if (line.take() === undefined) report.add('missing-value', line.at(), "expected 'autostart' after 'no', found the end of the line");
        else report.add('unknown-word', line.at(), `expected 'autostart' after 'no', found ${quoted(line.words[1] ?? '')}`, { hint: line.words[1] === 'conntrack' ? 'leave conntrack out to switch it off' : undefined });
        return;
      case undefined:
        unknownWord(line, report, KEYWORDS, "a keyword of 'service lvs'", { code: 'unknown-keyword' });
        return;
      default:
        keyword satisfies never;
    }
  }
}
