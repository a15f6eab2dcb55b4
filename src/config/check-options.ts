/** The `check` line and the `option` lines of a director: timers, addresses, and what a check sends and expects. */
import { takeExpect, takeSend, takeText } from './data.ts';
import type { DirectorMarks, Seen } from './draft.ts';
import { CHECK_WORDS, OPTION_WORDS, PERSISTENCE_WORDS } from './grammar.ts';
import type { Line } from './lex.ts';
import type { CheckKind, CheckTiming, OtherCheckKind, Persistence } from './model.ts';
import type { Reporter } from './report.ts';
import { badValue, takeInterface, takeIp, takeNetmask, takeNumber, takePort, takeTime } from './values.ts';
import { takeWord, unknownWord, WordTable } from './words.ts';

export const DEFAULT_INTERVAL_MS = 10_000;
export const DEFAULT_RISE = 2;
export const DEFAULT_FALL = 3;
export const DEFAULT_PERSISTENCE_MS = 300_000;

const INTERVAL = { minMs: 100, maxMs: 86_400_000 };
const TIMEOUT = { minMs: 10, maxMs: 3_600_000 };
const PERSISTENCE_TIMEOUT = { minMs: 1000, maxMs: 31 * 86_400_000 };
const COUNT = { min: 1, max: 100 };

const TIMING = new WordTable(CHECK_WORDS);
const OPTIONS = new WordTable(OPTION_WORDS);
const PERSISTENCE = new WordTable(PERSISTENCE_WORDS);
const DNS_NAME = /^(?:\.|(?:[A-Za-z0-9_*](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?\.)*[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?\.?)$/;
const DNS_TYPES = new WordTable(
  ['A', 'AAAA', 'ANY', 'CAA', 'CNAME', 'DNSKEY', 'DS', 'HTTPS', 'MX', 'NAPTR', 'NS', 'PTR', 'SOA', 'SRV', 'SVCB', 'TXT'].map((word) => ({ word, meaning: '' })),
);
const RCODES = new WordTable(
  ['NOERROR', 'FORMERR', 'SERVFAIL', 'NXDOMAIN', 'NOTIMP', 'REFUSED', 'YXDOMAIN', 'YXRRSET', 'NXRRSET', 'NOTAUTH', 'NOTZONE'].map((word) => ({ word, meaning: '' })),
);

/** What one director's `check` and `option` lines said so far. */
export interface CheckDraft {
  timing: { -readonly [K in keyof CheckTiming]?: CheckTiming[K] };
  probe: CheckKind | undefined;
  persistence: { timeoutMs: number; netmask: { family: 4 | 6 | null; prefix: number } | undefined } | undefined;
}

interface Context {
  readonly line: Line;
  readonly report: Reporter;
  readonly seen: Seen;
  readonly marks: DirectorMarks;
  readonly draft: CheckDraft;
}

/** Reads the rest of a `check` line. */
export function readCheckLine(context: Context): void {
  const { line, report } = context;
  while (line.peek() !== undefined) {
    if (takeTiming(context)) continue;
    line.take();
    unknownWord(line, report, TIMING, 'a check setting');
    return;
  }
}

/** Reads the rest of an `option` line: persistence, or a check with its settings. */
export function readOptionLine(context: Context): void {
  const { line, report, seen, marks, draft } = context;
  // One page spells it `option icmp check`.
  const apart = line.words[line.index + 1] === 'check' && OPTIONS.find(`${line.peek()}check`) !== undefined;
  const option = apart ? OPTIONS.find(`${line.take()}${line.take()}`) : takeWord(line, report, 'option', OPTIONS, 'an option');
  if (option === undefined) return;
  const at = line.at();
  if (option === 'persistence') {
    if (seen.once(report, "'option persistence'", at)) marks.persistence = at;
    draft.persistence = readPersistence(context);
    return;
  }
  if (!seen.once(report, 'a check option', at)) {
    line.index = line.words.length;
    return;
  }
  marks.option = at;
  const kind = PROBE_WORDS.find((word) => option === `${word}check`);
  draft.probe = kind && Object.freeze(readProbe(context, kind));
}

/** Returns the finished timing; shared when nothing was said. */
export function finishTiming(timing: CheckDraft['timing']): CheckTiming {
  const intervalMs = timing.intervalMs ?? DEFAULT_INTERVAL_MS;
  return Object.freeze({
    intervalMs,
    timeoutMs: timing.timeoutMs ?? Math.max(1, Math.floor(intervalMs / 2)),
    rise: timing.rise ?? DEFAULT_RISE,
    fall: timing.fall ?? DEFAULT_FALL,
    source: timing.source ?? null,
    port: timing.port ?? null,
    inhibit: timing.inhibit ?? false,
  });
}

/** Returns the persistence; a bare prefix length is of the family of the director's address. */
export function finishPersistence(persistence: CheckDraft['persistence'], family: 4 | 6): Persistence | null {
  if (!persistence) return null;
  const { timeoutMs, netmask } = persistence;
  const of = netmask?.family ?? family;
  return Object.freeze({ timeoutMs, prefix4: netmask && of === 4 ? netmask.prefix : 32, prefix6: netmask && of === 6 ? netmask.prefix : 128 });
}

/** Takes one check setting with its value; false when the next word is none. */
function takeTiming({ line, report, seen, marks, draft: { timing } }: Context): boolean {
  const word = TIMING.find(line.peek() ?? '');
  if (word === undefined) return false;
  line.take();
  const at = line.at();
  seen.once(report, `check ${word}`, at);
  switch (word) {
    case 'interval':
      timing.intervalMs = takeTime(line, report, word, INTERVAL);
      return true;
    case 'timeout':
      marks.timeout = at;
      timing.timeoutMs = takeTime(line, report, word, TIMEOUT);
      return true;
    case 'rise':
    case 'fall':
      timing[word] = takeNumber(line, report, word, COUNT);
      return true;
    case 'source':
      timing.source = takeIp(line, report, word);
      return true;
    case 'port':
      timing.port = takePort(line, report, word);
      return true;
    case 'inhibit':
      timing.inhibit = true;
      return true;
    default:
      return word satisfies never;
  }
}

function readPersistence({ line, report, seen }: Context): CheckDraft['persistence'] {
  const persistence: NonNullable<CheckDraft['persistence']> = { timeoutMs: DEFAULT_PERSISTENCE_MS, netmask: undefined };
  while (line.peek() !== undefined) {
    const word = PERSISTENCE.find(line.take() ?? '');
    if (word === undefined) {
      unknownWord(line, report, PERSISTENCE, 'a setting of persistence');
      line.index = line.words.length;
      break;
    }
    seen.once(report, `persistence ${word}`, line.at());
    if (word === 'timeout') persistence.timeoutMs = takeTime(line, report, word, PERSISTENCE_TIMEOUT) ?? persistence.timeoutMs;
    else persistence.netmask = takeNetmask(line, report, word);
  }
  return persistence;
}

const PROBE_WORDS = ['arp', 'icmp', 'tcp', 'http', 'udp', 'dns', 'radius', 'sip', 'ntp', 'snmp', 'tftp', 'stun', 'dtls', 'quic', 'syslog', 'a2s', 'exec'] as const;
type ProbeWord = (typeof PROBE_WORDS)[number];

function readProbe(context: Context, kind: ProbeWord): CheckKind {
  const { line, report } = context;
  switch (kind) {
    case 'arp': {
      let iface: string | null = null;
      settings(context, 'arpcheck', ['iface'], () => (iface = takeInterface(line, report, 'iface') ?? null));
      return { kind, iface };
    }
    case 'icmp':
    case 'tcp':
      settings(context, `${kind}check`, [], () => undefined);
      return { kind };
    case 'http':
      return readHttp(context);
    case 'udp': {
      let send: Uint8Array = new Uint8Array(0);
      let expect: Extract<CheckKind, { kind: 'udp' }>['expect'] = null;
      settings(context, 'udpcheck', ['send', 'expect'], (word) => {
        if (word === 'send') send = takeSend(line, report) ?? send;
        else expect = takeExpect(line, report) ?? null;
      });
      return { kind, send, expect };
    }
    case 'dns':
      return readDns(context);
    case 'radius':
    case 'sip':
    case 'ntp':
    case 'snmp':
    case 'tftp':
    case 'stun':
    case 'dtls':
    case 'quic':
    case 'syslog':
    case 'a2s':
    case 'exec':
      return { kind, args: readPairs(context, kind) };
    default:
      return kind satisfies never;
  }
}

/** Takes timers and the given settings in any order until the end of the line. */
function settings<W extends string>(context: Context, option: string, words: readonly W[], take: (word: W) => unknown): void {
  const { line, report, seen } = context;
  while (line.peek() !== undefined) {
    if (takeTiming(context)) continue;
    const text = line.take() ?? '';
    const word = words.find((w) => w === text);
    if (word === undefined) {
      const table = new WordTable<string>([...words.map((known) => ({ word: known, meaning: '' })), ...CHECK_WORDS]);
      unknownWord(line, report, table, `a setting of ${option}`);
      line.index = line.words.length;
      return;
    }
    seen.once(report, `${option} ${word}`, line.at());
    take(word);
  }
}

function readHttp(context: Context): CheckKind {
  const { line, report } = context;
  let uri = '/';
  let statusCode: number | null = null;
  let vhost: string | null = null;
  settings(context, 'httpcheck', ['uri', 'statuscode', 'vhost'], (word) => {
    if (word === 'statuscode') {
      statusCode = takeNumber(line, report, word, { min: 100, max: 599 }) ?? null;
      return;
    }
    const text = takeText(line, report, word, word === 'uri' ? 'a path such as /health' : 'a host name');
    if (text === undefined) return;
    // What goes into the request must be one word of visible ASCII: anything else would let a text write headers.
    if (!/^[\x21-\x7e]+$/.test(text) || (word === 'uri' && !text.startsWith('/'))) {
      badValue(line, report, 'bad-value', word === 'uri' ? 'a path of visible ASCII that starts with /' : 'a host name of visible ASCII');
    } else if (word === 'uri') uri = text;
    else vhost = text;
  });
  return { kind: 'http', uri, statusCode, vhost };
}

function readDns(context: Context): CheckKind {
  const { line, report } = context;
  let name = '.';
  let type = 'SOA';
  let rcodes: readonly string[] = ['NOERROR', 'NXDOMAIN'];
  settings(context, 'dnscheck', ['name', 'type', 'rcode'], (word) => {
    const text = takeText(line, report, word, word === 'name' ? 'a domain name' : `a DNS ${word}`);
    if (text === undefined) return;
    if (word === 'name') {
      if (text.length <= 253 && DNS_NAME.test(text)) name = text;
      else badValue(line, report, 'bad-value', "a domain name such as example.org or '.'");
    } else if (word === 'type') {
      type = DNS_TYPES.find(text.toUpperCase()) ?? type;
      if (DNS_TYPES.find(text.toUpperCase()) === undefined) unknownWord(line, report, DNS_TYPES, 'a record type');
    } else {
      const codes = text.toUpperCase().split(',');
      const bad = codes.find((code) => RCODES.find(code) === undefined);
      if (bad === undefined) rcodes = [...new Set(codes)];
      else report.add('unknown-word', line.at(), `expected rcodes separated by commas (${RCODES.expected}), found '${bad.slice(0, 60)}'`, { nearest: RCODES.suggest(bad) });
    }
  });
  return { kind: 'dns', name, type, rcodes: Object.freeze(rcodes) };
}

function readPairs(context: Context, kind: OtherCheckKind): readonly (readonly [string, string])[] {
  const { line, report, seen } = context;
  const pairs: (readonly [string, string])[] = [];
  while (line.peek() !== undefined) {
    if (takeTiming(context)) continue;
    const keyword = line.take() ?? '';
    if (!/^[a-z][a-z0-9-]{0,31}$/.test(keyword)) {
      badValue(line, report, 'bad-value', `a keyword of ${kind}check in lower case`);
      line.index = line.words.length;
      break;
    }
    seen.once(report, `${kind}check ${keyword}`, line.at());
    const value = takeText(line, report, keyword, 'a value');
    if (value !== undefined) pairs.push(Object.freeze([keyword, value] as const));
  }
  return Object.freeze(pairs);
}
