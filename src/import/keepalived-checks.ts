/** keepalived's checkers as weir's one check of a director. */
import { parsePort } from '../net/ports.ts';
import { last, type Node } from './braces.ts';
import { programCheck } from './check-program.ts';
import type { ImportDraft } from './draft.ts';
import { droppedWhy } from './keepalived-dropped.ts';
import { quoted } from './quoted.ts';

/** `option` null: the server is not checked. '' is the default check. */
export interface KeepalivedCheck {
  readonly line: number;
  readonly option: string | null;
  readonly intervalS: number;
  readonly timeoutS: number;
  readonly fall: number;
  readonly port: number | null;
  readonly source: string | null;
  readonly inhibit: boolean;
}

/** Every checker, the one that sees most first: a director has one check. */
const ORDER = ['UDP_CHECK', 'DNS_CHECK', 'HTTP_GET', 'SSL_GET', 'SMTP_CHECK', 'TCP_CHECK', 'PING_CHECK', 'MISC_CHECK', 'FILE_CHECK', 'BFD_CHECK'];
export const CHECKERS: ReadonlySet<string> = new Set(ORDER);
/** Words of a checker that are used, or noted where they are looked at. */
const USED: ReadonlySet<string> = new Set([
  'connect_port', 'bindto', 'connect_timeout', 'retry', 'nb_get_retry', 'delay_loop', 'connect_ip', 'bind_if', 'bind_port', 'fwmark', 'name', 'type', 'payload', 'require_reply', 'min_reply_length', 'max_reply_length', 'url', 'virtualhost',
  'misc_path', 'misc_timeout', 'misc_dynamic',
]);
const USED_IN_URL: ReadonlySet<string> = new Set(['path', 'digest', 'regex', 'status_code', 'virtualhost']);
/** keepalived's own defaults. */
const DELAY_LOOP_S = 60;
const TIMEOUT_S = 5;
const RETRY: Readonly<Record<string, number>> = { DNS_CHECK: 3, MISC_CHECK: 0 };

/** Returns the check of a real server; `service` holds what it inherits. */
export function checkOf(real: Node, service: Node, draft: ImportDraft): KeepalivedCheck {
  const found = (real.children ?? []).filter(({ words }) => CHECKERS.has(words[0] ?? '')).toSorted((a, b) => ORDER.indexOf(a.words[0] ?? '') - ORDER.indexOf(b.words[0] ?? ''));
  const [checker, ...others] = found;
  for (const other of others) draft.dropped(other.line, other.words[0] ?? '', `a director has one check: ${checker?.words[0] ?? ''} is used`);
  const inherited = (word: string): string | undefined => (checker && last(checker, word)?.words[1]) ?? last(real, word)?.words[1] ?? last(service, word)?.words[1];
  const kind = checker?.words[0] ?? '';
  const retry = Number(inherited('retry') ?? inherited('nb_get_retry') ?? RETRY[kind] ?? 1);
  const inhibit = last(real, 'inhibit_on_failure') ?? last(service, 'inhibit_on_failure');
  return {
    line: checker?.line ?? real.line,
    option: checker ? optionOf(checker, real, inherited, draft) : null,
    intervalS: seconds(inherited('delay_loop')) ?? DELAY_LOOP_S,
    timeoutS: seconds(checker && last(checker, 'misc_timeout')?.words[1]) ?? seconds(inherited('connect_timeout')) ?? TIMEOUT_S,
    fall: Math.min(100, 1 + (Number.isInteger(retry) && retry >= 0 ? retry : 1)),
    port: checker ? parsePort(last(checker, 'connect_port')?.words[1] ?? '') ?? null : null,
    source: checker ? (last(checker, 'bindto')?.words[1] ?? null) : null,
    inhibit: inhibit !== undefined && !/^(?:off|no|false)$/.test(inhibit.words[1] ?? ''),
  };
}

/** Returns the lines of a check; none when no server is checked. */
export function checkSettings(check: KeepalivedCheck, { udp, checked }: { readonly udp: boolean; readonly checked: boolean }): { readonly line: number; readonly text: string }[] {
  if (!checked) return [];
  const { line, intervalS, timeoutS, fall, port, source, inhibit, option } = check;
  const words = [`check interval ${intervalS}s timeout ${Math.min(timeoutS, intervalS)}s rise 1 fall ${fall}`, ...(source === null ? [] : [`source ${source}`]), ...(port === null ? [] : [`port ${port}`]), ...(inhibit ? ['inhibit'] : [])];
  const text = option === null || option === '' || (option === 'tcpcheck' && !udp) ? [] : [{ line, text: `option ${option}` }];
  return [{ line, text: words.join(' ') }, ...text];
}

/** Returns a positive whole number of seconds; fractions are rounded up. */
export function seconds(text: string | undefined): number | undefined {
  const value = Number(text);
  return text !== undefined && Number.isFinite(value) && value > 0 ? Math.ceil(value) : undefined;
}

function optionOf(checker: Node, real: Node, inherited: (word: string) => string | undefined, draft: ImportDraft): string | null {
  const { line } = checker;
  const kind = checker.words[0] ?? '';
  for (const word of ['connect_ip', 'bind_if', 'bind_port', 'fwmark']) {
    const node = last(checker, word);
    if (node) draft.dropped(node.line, node.words.join(' '), 'checks go to the server itself, by its route');
  }
  noteUnused(checker, USED, draft);
  switch (kind) {
    case 'TCP_CHECK':
      return 'tcpcheck';
    case 'PING_CHECK':
      return 'icmpcheck';
    case 'DNS_CHECK':
      return ['dnscheck', ...pair('name', last(checker, 'name')?.words[1]), ...pair('type', last(checker, 'type')?.words[1]?.toUpperCase())].join(' ');
    case 'UDP_CHECK':
      return udpOption(checker, draft);
    case 'HTTP_GET':
      return httpOption(checker, inherited, draft);
    case 'SSL_GET':
    case 'SMTP_CHECK':
      draft.changed(line, kind, 'weir sees only that a TCP connection is accepted');
      return 'tcpcheck';
    case 'MISC_CHECK':
      return programOption(checker, real, draft);
    default:
      draft.dropped(line, kind, 'its server is not checked');
      return null;
  }
}

/** A checker that is dropped whole is noted whole. */
function noteUnused(node: Node, used: ReadonlySet<string>, draft: ImportDraft): void {
  if (/^(?:FILE|BFD)_CHECK$/.test(node.words[0] ?? '')) return;
  for (const { line, words } of node.children ?? []) if (!used.has(words[0] ?? '')) draft.dropped(line, words.join(' '), droppedWhy(words[0] ?? ''));
}

function programOption(checker: Node, real: Node, draft: ImportDraft): string | null {
  const path = last(checker, 'misc_path');
  const command = path?.words.slice(1).join(' ') ?? '';
  const [, address = ''] = real.words;
  const { option, why } = programCheck(command, { dynamic: last(checker, 'misc_dynamic') !== undefined });
  if (option === null) {
    draft.dropped(path?.line ?? checker.line, `MISC_CHECK ${command}`.trim(), why);
    return null;
  }
  // A director has one check, and keepalived one of each server: an argument that is the server would ask one of them for all.
  const [own, others] = [` arg ${quoted(address)}`, option.split(/ (?=arg )/)];
  const named = others.includes(own.trim());
  draft.changed(path?.line ?? checker.line, `MISC_CHECK ${command}`, `${why}${named ? `; the argument ${address} is left out: take WEIR_ADDRESS in its place` : ''}`);
  return others.filter((part) => part !== own.trim()).join(' ');
}

function udpOption(checker: Node, draft: ImportDraft): string {
  const payload = last(checker, 'payload');
  const reply = last(checker, 'require_reply');
  for (const word of ['min_reply_length', 'max_reply_length']) {
    const node = last(checker, word);
    if (node) draft.dropped(node.line, node.words.join(' '), 'the length of a reply is not looked at');
  }
  if (!payload && !reply) {
    // A payload of chance is what keepalived sends; that nothing comes back refused is all it asks for.
    return 'udpcheck';
  }
  const send = payload ? hex(payload.words.slice(1)) : '';
  const expect = reply ? hex(reply.words.slice(1)) : null;
  if (expect !== null && expect !== '') draft.changed(reply?.line ?? checker.line, 'require_reply', 'weir looks for these bytes anywhere in the reply, keepalived at its beginning');
  return ['udpcheck', ...(send === '' ? [] : [`send 0x${send}`]), ...(expect === null ? [] : [expect === '' ? 'expect ""' : `expect 0x${expect}`])].join(' ');
}

/** keepalived pairs digits within each word: `Ab12f 3` is AB 12 0F 03. `X` is any nibble. */
function hex(words: readonly string[]): string {
  return words.flatMap((word) => word.match(/..?/g) ?? []).map((pair) => pair.padStart(2, '0').toLowerCase().replaceAll('x', '?')).join('');
}

function httpOption(checker: Node, inherited: (word: string) => string | undefined, draft: ImportDraft): string {
  const urls = (checker.children ?? []).filter(({ words }) => words[0] === 'url');
  const [url, ...more] = urls;
  if (url) noteUnused(url, USED_IN_URL, draft);
  for (const other of more) draft.dropped(other.line, `url ${last(other, 'path')?.words[1] ?? ''}`, 'one is asked for');
  const digest = url && last(url, 'digest');
  if (digest) draft.dropped(digest.line, digest.words.join(' '), 'the status of the answer is looked at, not its body');
  const regex = url && last(url, 'regex');
  if (regex) draft.dropped(regex.line, regex.words.join(' '), 'the status of the answer is looked at, not its body');
  const status = url && last(url, 'status_code');
  const one = status?.words.length === 2 && /^\d+$/.test(status.words[1] ?? '') ? status.words[1] : undefined;
  if (status && one === undefined) draft.changed(status.line, status.words.join(' '), 'one status or any of 200 to 399');
  const path = url && last(url, 'path')?.words[1];
  const host = (url && last(url, 'virtualhost')?.words[1]) ?? inherited('virtualhost');
  return ['httpcheck', ...pair('uri', path), ...pair('statuscode', one), ...pair('vhost', host)].join(' ');
}

function pair(word: string, value: string | undefined): string[] {
  return value === undefined || value === '' ? [] : [word, quoted(value)];
}
