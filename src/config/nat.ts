/** The `nat` section: in, out, protocol, before and after, several on a line or one each. */
import type { Cidr } from '../net/cidr.ts';
import { ipBytes, parseIp, type Ip } from '../net/ip.ts';
import type { PortRange } from '../net/ports.ts';
import { Seen, type Drafts, type NatMarks, type SectionParser } from './draft.ts';
import { AFTER_WORDS, BEFORE_WORDS, NAT_KEYWORDS, NAT_PROTOCOLS } from './grammar.ts';
import type { Position } from './issue.ts';
import type { Line } from './lex.ts';
import type { NatRule } from './model.ts';
import type { Reporter } from './report.ts';
import { badValue, takeInterface, takeIp, takeName, takeNetwork, takePort, takePorts, takeValue } from './values.ts';
import { endOfLine, takeWord, unknownWord, WordTable } from './words.ts';

const KEYWORDS = new WordTable(NAT_KEYWORDS);
const PROTOCOLS = new WordTable(NAT_PROTOCOLS);
const BEFORE = new WordTable(BEFORE_WORDS);
const AFTER = new WordTable(AFTER_WORDS);

export class NatParser implements SectionParser {
  readonly #line: Line;
  readonly #report: Reporter;
  readonly #drafts: Drafts;
  readonly #seen = new Seen();
  readonly #marks: NatMarks = {};
  readonly #name: string;
  readonly #at: Position;
  #inIface: string | null = null;
  #outIface: string | null = null;
  #protocol: NatRule['protocol'] = 'any';
  readonly #before: { source: Cidr | null; sport: PortRange | null; destination: Cidr | null; dport: PortRange | null } = { source: null, sport: null, destination: null, dport: null };
  readonly #after: { source: NatRule['after']['source']; sport: PortRange | null; destination: Ip | null; dport: number | null } = { source: null, sport: null, destination: null, dport: null };

  /** Reads the header; the line's first word has been taken. */
  constructor(line: Line, report: Reporter, drafts: Drafts) {
    this.#line = line;
    this.#report = report;
    this.#drafts = drafts;
    this.#name = takeName(line, report, 'nat', "a rule's name") ?? '';
    this.#at = Object.freeze(line.at());
    endOfLine(line, report, "the rule's name");
  }

  line(): void {
    const line = this.#line;
    const report = this.#report;
    for (let written = line.take(); written !== undefined; written = line.take()) {
      const keyword = KEYWORDS.find(written);
      switch (keyword) {
        case 'in':
          this.#seen.once(report, "'in'", line.at());
          this.#inIface = takeInterface(line, report, keyword) ?? null;
          this.#marks.inIface = line.at();
          break;
        case 'out':
          this.#seen.once(report, "'out'", line.at());
          this.#outIface = takeInterface(line, report, keyword) ?? null;
          this.#marks.outIface = line.at();
          break;
        case 'protocol':
          this.#seen.once(report, "'protocol'", line.at());
          this.#readProtocol();
          break;
        case 'before':
          this.#readBefore();
          break;
        case 'after':
          this.#readAfter();
          break;
        case undefined:
          unknownWord(line, report, KEYWORDS, 'a keyword of a NAT rule', { code: 'unknown-keyword' });
          line.index = line.words.length;
          break;
        default:
          keyword satisfies never;
      }
    }
  }

  end(): void {
    const rule = Object.freeze({
      name: this.#name,
      inIface: this.#inIface,
      outIface: this.#outIface,
      protocol: this.#protocol,
      before: Object.freeze(this.#before),
      after: Object.freeze(this.#after),
      at: this.#at,
    });
    this.#drafts.natRules.push({ rule, marks: this.#marks });
  }

  #readProtocol(): void {
    const written = this.#line.peek()?.toLowerCase();
    if (written !== undefined && PROTOCOLS.find(written) !== undefined) {
      this.#line.take();
      this.#protocol = PROTOCOLS.find(written) ?? 'any';
      return;
    }
    takeWord(this.#line, this.#report, 'protocol', PROTOCOLS, 'a protocol');
  }

  #readBefore(): void {
    const line = this.#line;
    const report = this.#report;
    const before = this.#before;
    this.#fields('before', BEFORE, (word, at) => {
      switch (word) {
        case 'source':
          before.source = takeNetwork(line, report, word) ?? null;
          this.#marks.beforeSource = at;
          return;
        case 'destination':
          before.destination = takeNetwork(line, report, word) ?? null;
          this.#marks.beforeDestination = at;
          return;
        case 'sport':
        case 'dport':
          before[word] = takePorts(line, report, word) ?? null;
          return;
        default:
          word satisfies never;
      }
    });
  }

  #readAfter(): void {
    const line = this.#line;
    const report = this.#report;
    const after = this.#after;
    this.#fields('after', AFTER, (word, at) => {
      switch (word) {
        case 'source':
          after.source = this.#takePool() ?? null;
          this.#marks.afterSource = at;
          return;
        case 'sport':
          after.sport = takePorts(line, report, word) ?? null;
          this.#marks.afterSport = at;
          return;
        case 'destination':
          after.destination = takeIp(line, report, word) ?? null;
          this.#marks.afterDestination = at;
          return;
        case 'dport':
          after.dport = takePort(line, report, word) ?? null;
          return;
        default:
          word satisfies never;
      }
    });
  }

  /** Takes `word value` pairs of `table` until another word comes; at least one must be there. */
  #fields<W extends string>(keyword: string, table: WordTable<W>, take: (word: W, at: Position) => void): void {
    const line = this.#line;
    const report = this.#report;
    let any = false;
    for (let written = line.peek(); written !== undefined; written = line.peek()) {
      const word = table.find(written);
      if (word === undefined) {
        if (KEYWORDS.find(written) !== undefined && any) return;
        line.take();
        unknownWord(line, report, table, `what the traffic is ${keyword} the rule`);
        line.index = line.words.length;
        return;
      }
      any = true;
      line.take();
      const at = line.at();
      this.#seen.once(report, `'${keyword} ${word}'`, at);
      take(word, at);
    }
    if (!any) report.add('missing-value', line.at(), `expected ${table.expected} after '${keyword}', found the end of the line`);
  }

  /** `masquerade`, an address, or `first-last` of one family in order. */
  #takePool(): NatRule['after']['source'] | undefined {
    const line = this.#line;
    const report = this.#report;
    const word = takeValue(line, report, 'source', 'an address, a range of addresses, or masquerade');
    if (word === undefined) return undefined;
    if (word === 'masquerade') return 'masquerade';
    const [a = '', b = a, rest] = word.split('-');
    const first = parseIp(a);
    const last = parseIp(b);
    if (first && last && rest === undefined) {
      if (first.family !== last.family || ipOrder(first, last) > 0) return badValue(line, report, 'bad-address', 'a range of addresses of one family, the lower one first');
      return Object.freeze({ first, last });
    }
    return badValue(line, report, 'bad-address', 'an address, a range such as 10.0.0.1-10.0.0.4, or masquerade', word.includes('/') ? 'write a network as its first and last address' : undefined);
  }
}

/** Below zero when `a` is the lower address; both of one family. */
function ipOrder(a: Ip, b: Ip): number {
  const left = ipBytes(a);
  const right = ipBytes(b);
  for (let i = 0; i < left.length; i++) {
    const difference = (left[i] ?? 0) - (right[i] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}
