/** What follows `option …check`: each kind of check with its settings. Values that may be secrets are never quoted in a message. */
import { takeExpect, takeSend, takeText } from './data.ts';
import { ARP_WORDS, DNS_WORDS, DTLS_WORDS, EXEC_WORDS, HTTP_WORDS, NTP_WORDS, RADIUS_WORDS, SIP_WORDS, SNMP_WORDS, SYSLOG_WORDS, TFTP_WORDS, UDP_WORDS, WIREGUARD_WORDS } from './grammar.ts';
import type { Line } from './lex.ts';
import type { Expectation, SingleCheck } from './model.ts';
import type { Reporter } from './report.ts';
import { badValue, takeInterface, takeNumber, takePort } from './values.ts';
import { unknownWord, WordTable } from './words.ts';

export const PROBE_WORDS = [
  'arp', 'icmp', 'tcp', 'http', 'udp', 'dns', 'radius', 'sip', 'ntp', 'snmp', 'tftp', 'stun', 'dtls', 'quic', 'syslog', 'a2s', 'wireguard', 'exec',
] as const;
export type ProbeWord = (typeof PROBE_WORDS)[number];

/** Takes `words` and the timers of checks, in any order, to the end of the line; calls `take` for each of `words`. */
export type TakeSettings = <W extends string>(option: string, words: readonly { readonly word: W }[], take: (word: W) => void) => void;

interface Context {
  readonly line: Line;
  readonly report: Reporter;
  readonly settings: TakeSettings;
}

const MAX_TEXT = 128;
const MAX_ARGS = 32;
const DNS_NAME = /^(?:\.|(?:[A-Za-z0-9_*](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?\.)*[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?\.?)$/;
const DNS_TYPES = new WordTable(
  ['A', 'AAAA', 'ANY', 'CAA', 'CNAME', 'DNSKEY', 'DS', 'HTTPS', 'MX', 'NAPTR', 'NS', 'PTR', 'SOA', 'SRV', 'SVCB', 'TXT'].map((word) => ({ word, meaning: '' })),
);
const RCODES = new WordTable(
  ['NOERROR', 'FORMERR', 'SERVFAIL', 'NXDOMAIN', 'NOTIMP', 'REFUSED', 'YXDOMAIN', 'YXRRSET', 'NXRRSET', 'NOTAUTH', 'NOTZONE'].map((word) => ({ word, meaning: '' })),
);

/** Returns the check of `kind`, with defaults where the text is wrong or silent; what is wrong is reported. */
export function readProbe(context: Context, kind: ProbeWord): SingleCheck {
  const { line, report, settings } = context;
  switch (kind) {
    case 'arp': {
      let iface: string | null = null;
      settings('arpcheck', ARP_WORDS, () => (iface = takeInterface(line, report, 'iface') ?? null));
      return { kind, iface };
    }
    case 'icmp':
    case 'tcp':
    case 'stun':
    case 'quic':
    case 'a2s':
      settings(`${kind}check`, [], () => undefined);
      return { kind };
    case 'http':
      return readHttp(context);
    case 'udp':
      return readUdp(context);
    case 'dns':
      return readDns(context);
    case 'ntp': {
      let maxStratum = 15;
      settings('ntpcheck', NTP_WORDS, (word) => (maxStratum = takeNumber(line, report, word, { min: 1, max: 15 }) ?? maxStratum));
      return { kind, maxStratum };
    }
    case 'radius':
      return readRadius(context);
    case 'sip':
      return readSip(context);
    case 'snmp':
      return readSnmp(context);
    case 'tftp': {
      let file: string | null = null;
      settings('tftpcheck', TFTP_WORDS, (word) => (file = takeShort(context, word, 'a file name of visible ASCII', /^[\x21-\x7e]+$/) ?? null));
      return { kind, file };
    }
    case 'dtls': {
      let sni: string | null = null;
      settings('dtlscheck', DTLS_WORDS, (word) => (sni = takeShort(context, word, 'a host name', /^[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?$/) ?? null));
      return { kind, sni };
    }
    case 'syslog': {
      let message: string | null = null;
      settings('syslogcheck', SYSLOG_WORDS, (word) => (message = takeShort(context, word, 'one line of text', /^[^\p{Cc}]*$/u) ?? null));
      return { kind, message };
    }
    case 'wireguard': {
      let companion: number | null = null;
      settings('wireguardcheck', WIREGUARD_WORDS, (word) => (companion = takePort(line, report, word) ?? null));
      return { kind, companion };
    }
    case 'exec':
      return readExec(context);
    default:
      return kind satisfies never;
  }
}

/** Takes a text of at most MAX_TEXT characters that `form` matches; `secret` keeps what was found out of the message. */
function takeShort({ line, report }: Context, word: string, what: string, form: RegExp, secret = false): string | undefined {
  const text = takeText(line, report, word, what);
  if (text === undefined || (text.length <= MAX_TEXT && form.test(text))) return text;
  if (!secret) return badValue(line, report, 'bad-value', `${what}, at most ${MAX_TEXT} characters`);
  report.add('bad-value', line.at(), `expected ${what}, at most ${MAX_TEXT} characters, found something else`);
  return undefined;
}

function readHttp(context: Context): SingleCheck {
  const { line, report, settings } = context;
  let uri = '/';
  let statusCode: number | null = null;
  let vhost: string | null = null;
  let dynamic = false;
  settings('httpcheck', HTTP_WORDS, (word) => {
    if (word === 'dynamic') {
      dynamic = true;
      return;
    }
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
  return { kind: 'http', uri, statusCode, vhost, dynamic };
}

function readUdp({ line, report, settings }: Context): SingleCheck {
  let send: Uint8Array = new Uint8Array(0);
  let expect: Expectation | null = null;
  let dynamicAt: ReturnType<Line['at']> | null = null;
  settings('udpcheck', UDP_WORDS, (word) => {
    if (word === 'send') send = takeSend(line, report) ?? send;
    else if (word === 'expect') expect = takeExpect(line, report) ?? null;
    else dynamicAt = line.at();
  });
  if (dynamicAt !== null && expect === null) {
    report.add('missing-value', dynamicAt, "expected 'expect' beside 'dynamic': without a reply there is no number in it", { hint: 'expect "" takes any reply; with ~/load=(\\d+)/ the number in brackets counts' });
  }
  return { kind: 'udp', send, expect, dynamic: dynamicAt !== null };
}

function readDns({ line, report, settings }: Context): SingleCheck {
  let name = '.';
  let type = 'SOA';
  let rcodes: readonly string[] = ['NOERROR', 'NXDOMAIN'];
  settings('dnscheck', DNS_WORDS, (word) => {
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

function readRadius(context: Context): SingleCheck {
  const { line, report, settings } = context;
  const at = line.at();
  const said: { secret?: string; user?: string; password?: string } = {};
  const seen = new Set<string>();
  settings('radiuscheck', RADIUS_WORDS, (word) => {
    seen.add(word);
    const text = takeShort(context, word, word === 'user' ? 'a user name' : `a ${word}`, /^[^\0]+$/, word !== 'user');
    if (text !== undefined) said[word] = text;
  });
  const miss = (word: string, why: string): void => report.add('missing-value', at, `expected '${word} <text>' after 'radiuscheck'${why}, found none`);
  if (!seen.has('secret')) miss('secret', '');
  if (seen.has('user') && !seen.has('password')) miss('password', ' with a user');
  if (seen.has('password') && !seen.has('user')) miss('user', ' with a password');
  const login = said.user === undefined || said.password === undefined ? null : Object.freeze({ user: said.user, password: said.password });
  return { kind: 'radius', secret: said.secret ?? '', login };
}

function readSip(context: Context): SingleCheck {
  const { line, report, settings } = context;
  let uri: string | null = null;
  let statuses: readonly number[] = [];
  settings('sipcheck', SIP_WORDS, (word) => {
    if (word === 'uri') {
      uri = takeShort(context, word, 'a SIP URI such as sip:ping@example.org', /^sips?:[\x21\x23-\x3b\x3d\x3f-\x7e]+$/) ?? null;
      return;
    }
    const text = takeText(line, report, word, 'SIP status codes separated by commas');
    if (text === undefined) return;
    const codes = text.split(',');
    if (codes.every((code) => /^[2-6]\d\d$/.test(code))) statuses = [...new Set(codes.map(Number))];
    else badValue(line, report, 'bad-value', 'SIP status codes 200 to 699 separated by commas');
  });
  return { kind: 'sip', uri, statuses: Object.freeze(statuses) };
}

function readSnmp(context: Context): SingleCheck {
  let community = 'public';
  let oid = '1.3.6.1.2.1.1.3.0';
  context.settings('snmpcheck', SNMP_WORDS, (word) => {
    if (word === 'community') {
      community = takeShort(context, word, 'a community of visible ASCII', /^[\x20-\x7e]+$/, true) ?? community;
      return;
    }
    const text = takeShort(context, word, 'an OID such as 1.3.6.1.2.1.1.3.0', /^\.?[0-2](\.\d{1,10}){1,40}$/);
    if (text === undefined) return;
    const arcs = text.replace(/^\./, '').split('.').map(Number);
    if (arcs.some((arc) => arc > 0xffff_ffff) || ((arcs[0] ?? 0) < 2 && (arcs[1] ?? 0) > 39)) badValue(context.line, context.report, 'bad-value', 'an OID whose numbers fit 32 bits, the second at most 39 after 0 and 1');
    else oid = arcs.join('.');
  });
  return { kind: 'snmp', community, oid };
}

function readExec(context: Context): SingleCheck {
  const { line, report, settings } = context;
  const at = line.at();
  let program: string | undefined;
  let named = false;
  const args: string[] = [];
  let dynamic = false;
  settings('execcheck', EXEC_WORDS, (word) => {
    if (word === 'dynamic') {
      dynamic = true;
    } else if (word === 'run') {
      named = true;
      program = takeShort(context, word, 'the name of a file in the directory of check programs (letters, digits, . - _; no path)', /^[A-Za-z0-9_][A-Za-z0-9._-]*$/);
    } else {
      const arg = takeShort(context, word, 'an argument without control characters', /^[^\p{Cc}]*$/u);
      if (arg !== undefined) args.push(arg);
      if (args.length === MAX_ARGS + 1) badValue(line, report, 'bad-value', `at most ${MAX_ARGS} arguments`);
    }
  });
  if (!named) report.add('missing-value', at, "expected 'run <program>' after 'execcheck', found none");
  return { kind: 'exec', program: program ?? '', args: Object.freeze(args), dynamic };
}
