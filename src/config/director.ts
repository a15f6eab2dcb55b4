/** The `director` section: header, then balance, mode, check, option, session, on and server lines in any order. */
import type { Balance, ForwardingMode, OnAction, OnPolicy, Protocol, SessionPolicy } from '../balance/terms.ts';
import { parseIp, type Ip } from '../net/ip.ts';
import type { PortRange } from '../net/ports.ts';
import { finishPersistence, finishProbe, finishTiming, readCheckLine, readOptionLine, readPassive, type CheckDraft } from './check-options.ts';
import { Seen, type DirectorMarks, type Drafts, type SectionParser } from './draft.ts';
import { BALANCE_WORDS, DIRECTOR_KEYWORDS, MODE_WORDS, ON_ACTIONS, ON_EVENTS, SESSION_KINDS, SESSION_WORDS } from './grammar.ts';
import type { Position } from './issue.ts';
import type { Line } from './lex.ts';
import type { CheckKind, PassiveSettings, Server } from './model.ts';
import { nearest } from './nearest.ts';
import { quoted, type Reporter } from './report.ts';
import { readServer } from './server.ts';
import { readAddress, takeName, takeNumber, takeTime } from './values.ts';
import { endOfLine, takeWord, unknownWord, WordTable } from './words.ts';

const KEYWORDS = new WordTable(DIRECTOR_KEYWORDS);
const BALANCES = new WordTable(BALANCE_WORDS);
const MODES = new WordTable(MODE_WORDS);
const EVENTS = new WordTable(ON_EVENTS);
const ACTIONS = new WordTable(ON_ACTIONS);
const SESSION = new WordTable([...SESSION_KINDS, ...SESSION_WORDS]);

const MOVE: OnAction = Object.freeze({ kind: 'move' });
const DROP: OnAction = Object.freeze({ kind: 'drop' });
const KEEP: OnAction = Object.freeze({ kind: 'keep', forMs: null });
/** What happens to live sessions when the text does not say. */
export const DEFAULT_ON: OnPolicy = Object.freeze({ down: MOVE, drain: KEEP, remove: MOVE });
export const DEFAULT_SESSION: SessionPolicy = Object.freeze({ kind: 'two-way', replies: 0, timeoutMs: null, max: null, rate: null, sourceRate: null, amplification: null });
const DEFAULT_TIMING = finishTiming({});
const DEFAULT_PROBE: CheckKind = Object.freeze({ kind: 'default' });
const TCP_PROBE: CheckKind = Object.freeze({ kind: 'tcp' });

const SESSION_TIMEOUT = { minMs: 100, maxMs: 7 * 86_400_000 };
const SESSIONS = { min: 1, max: 1_000_000_000 };
/** The numbers of a session line, each with its mark: rules over whole directors find the word's place there. */
const SESSION_NUMBERS = {
  replies: { mark: 'replies', bounds: { min: 1, max: 65_535 } },
  max: { mark: 'sessionMax', bounds: SESSIONS },
  rate: { mark: 'sessionRate', bounds: SESSIONS },
  'source-rate': { mark: 'sourceRate', bounds: SESSIONS },
  amplification: { mark: 'amplification', bounds: { min: 1, max: 1000 } },
} as const;
const KEEP_TIME = { minMs: 0, maxMs: 7 * 86_400_000 };

export class DirectorParser implements SectionParser {
  readonly #line: Line;
  readonly #report: Reporter;
  readonly #drafts: Drafts;
  readonly #seen = new Seen();
  readonly #marks: DirectorMarks = {};
  readonly #at: Position;
  readonly #name: string;
  readonly #vip: Ip | null = null;
  readonly #ports: PortRange | null = null;
  readonly #protocol: Protocol = 'udp';
  readonly #check: CheckDraft = { timing: {}, probes: [], combine: undefined, persistence: undefined };
  readonly #servers: Server[] = [];
  #balance: Balance = 'leastconn';
  #mode: ForwardingMode = 'nat';
  #session: SessionPolicy = DEFAULT_SESSION;
  #passive: PassiveSettings | null = null;
  #on: OnPolicy = DEFAULT_ON;

  /** Reads the header; the line's first word has been taken. */
  constructor(line: Line, report: Reporter, drafts: Drafts) {
    this.#line = line;
    this.#report = report;
    this.#drafts = drafts;
    this.#name = takeName(line, report, 'director', "a director's name") ?? '';
    this.#at = Object.freeze(line.at());
    for (let word = line.take(); word !== undefined; word = line.take()) {
      const protocol = word.toLowerCase();
      if (protocol === 'udp' || protocol === 'tcp') {
        this.#seen.once(report, 'the protocol', line.at());
        this.#protocol = protocol;
      } else if (/^[\d[*:]|[.:]/.test(word)) {
        this.#seen.once(report, "the director's address", line.at());
        const address = readAddress(line, report, word);
        this.#marks.address = Object.freeze(line.at());
        this.#vip = address?.ip ?? null;
        this.#ports = address?.ports ?? null;
      } else {
        report.add('unexpected-word', line.at(), `expected <ip>[:<port>[-<port>]] or UDP or TCP after the director's name, found ${quoted(word)}`, {
          nearest: line.index === line.words.length ? nearest(word, ['UDP', 'TCP']) : undefined,
          hint: 'settings go on indented lines below',
        });
        line.index = line.words.length;
      }
    }
    if (!this.#marks.address && parseIp(this.#name)) {
      report.add('bad-name', this.#at, `expected a director's name before its address, found the address ${quoted(this.#name)} alone`, { hint: `write: director <name> ${this.#name}` });
    }
  }

  line(): void {
    const line = this.#line;
    const report = this.#report;
    const written = line.take() ?? '';
    const keyword = KEYWORDS.find(written);
    switch (keyword) {
      case 'server': {
        const server = readServer(line, report);
        if (server) this.#servers.push(server);
        else this.#marks.brokenServer ??= line.at();
        return;
      }
      case 'balance':
        this.#seen.once(report, "'balance'", line.at());
        this.#balance = this.#readBalance() ?? this.#balance;
        return;
      case 'mode':
        this.#seen.once(report, "'mode'", line.at());
        this.#mode = takeWord(line, report, 'mode', MODES, 'a mode') ?? this.#mode;
        this.#marks.mode = line.at();
        endOfLine(line, report, 'the mode');
        return;
      case 'check':
        this.#seen.once(report, "a 'check' line", line.at());
        this.#marks.check = line.at();
        readCheckLine(this.#checkContext());
        return;
      case 'option':
        readOptionLine(this.#checkContext());
        return;
      case 'passive':
        this.#seen.once(report, "'passive'", line.at());
        this.#marks.passive = line.at();
        this.#passive = readPassive({ line, report, seen: this.#seen });
        return;
      case 'session':
        this.#seen.once(report, "'session'", line.at());
        this.#marks.session = line.at();
        this.#session = this.#readSession();
        return;
      case 'on':
        this.#readOn();
        return;
      case undefined:
        unknownWord(line, report, KEYWORDS, 'a keyword of a director', { code: 'unknown-keyword' });
        return;
      default:
        keyword satisfies never;
    }
  }

  end(): void {
    const { timing, persistence } = this.#check;
    const probe = finishProbe(this.#check, this.#report, this.#protocol === 'tcp' ? TCP_PROBE : DEFAULT_PROBE);
    const untimed = Object.keys(timing).length === 0;
    const director = Object.freeze({
      name: this.#name,
      vip: this.#vip,
      ports: this.#ports,
      protocol: this.#protocol,
      balance: this.#balance,
      mode: this.#mode,
      check: untimed ? DEFAULT_TIMING : finishTiming(timing),
      probe,
      passive: this.#passive,
      persistence: finishPersistence(persistence, this.#vip?.family ?? 4),
      session: this.#session,
      on: this.#on,
      servers: Object.freeze(this.#servers),
      at: this.#at,
    });
    this.#drafts.directors.push({ director, marks: this.#marks });
  }

  #checkContext(): Parameters<typeof readCheckLine>[0] {
    return { line: this.#line, report: this.#report, seen: this.#seen, marks: this.#marks, draft: this.#check };
  }

  #readBalance(): Balance | undefined {
    const line = this.#line;
    const report = this.#report;
    const word = takeWord(line, report, 'balance', BALANCES, 'a balance algorithm');
    if (word === undefined) return undefined;
    let balance: Balance = word;
    if (word === 'leastconn' && line.takeIf('localitybased')) balance = line.takeIf('replication') ? 'localitybased-replication' : 'localitybased';
    endOfLine(line, report, `'${line.words.slice(1, line.index).join(' ')}'`);
    return balance;
  }

  #readSession(): SessionPolicy {
    const line = this.#line;
    const report = this.#report;
    const marks = this.#marks;
    let kind: SessionPolicy['kind'] = 'two-way';
    let timeoutMs: number | undefined;
    const numbers: Record<keyof typeof SESSION_NUMBERS, number | null> = { replies: null, max: null, rate: null, 'source-rate': null, amplification: null };
    for (let written = line.take(); written !== undefined; written = line.take()) {
      const word = SESSION.find(written);
      const at = line.at();
      switch (word) {
        case 'two-way':
        case 'request-reply':
        case 'one-way':
          this.#seen.once(report, 'the kind of session', at);
          kind = word;
          break;
        case 'timeout':
          this.#seen.once(report, 'session timeout', at);
          marks.sessionTimeout = at;
          timeoutMs = takeTime(line, report, word, SESSION_TIMEOUT);
          break;
        case 'replies':
        case 'max':
        case 'rate':
        case 'source-rate':
        case 'amplification': {
          const { mark, bounds } = SESSION_NUMBERS[word];
          this.#seen.once(report, `session ${word}`, at);
          marks[mark] = at;
          numbers[word] = takeNumber(line, report, word, bounds) ?? null;
          break;
        }
        case undefined:
          unknownWord(line, report, SESSION, 'a kind or a setting of sessions');
          line.index = line.words.length;
          break;
        default:
          word satisfies never;
      }
    }
    const { replies, max, rate, 'source-rate': sourceRate, amplification } = numbers;
    return Object.freeze({ kind, replies: kind === 'request-reply' ? (replies ?? 1) : 0, timeoutMs: timeoutMs ?? null, max, rate, sourceRate, amplification });
  }

  #readOn(): void {
    const line = this.#line;
    const report = this.#report;
    do {
      const event = takeWord(line, report, 'on', EVENTS, 'an event');
      if (event === undefined) break;
      this.#seen.once(report, `'on ${event}'`, line.at());
      const word = takeWord(line, report, event, ACTIONS, 'an action');
      if (word === undefined) break;
      let action = word === 'move' ? MOVE : word === 'drop' ? DROP : KEEP;
      if (word === 'keep' && /^\d/.test(line.peek() ?? '')) {
        const forMs = takeTime(line, report, 'a time to keep', KEEP_TIME);
        if (forMs !== undefined) action = Object.freeze({ kind: 'keep', forMs });
      }
      this.#on = Object.freeze({ ...this.#on, [event]: action });
    } while (line.peek() !== undefined);
    line.index = line.words.length;
  }
}
