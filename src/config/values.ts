/** Readers of single values: each takes the next word of the line, and returns the value or reports and returns undefined. */
import { cidrText, networkOf, parseCidr, prefixOfNetmask, type Cidr } from '../net/cidr.ts';
import { parseIp, type Ip } from '../net/ip.ts';
import { parsePort, parsePortRange, type PortRange } from '../net/ports.ts';
import type { IssueCode } from './codes.ts';
import type { Line } from './lex.ts';
import { quoted, type Reporter } from './report.ts';

const MAX_NAME = 64;
const UNIT_MS: Readonly<Record<string, number>> = { ms: 1, '': 1000, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** Takes any word; `what` is what should have been there. */
export function takeValue(line: Line, report: Reporter, keyword: string, what: string): string | undefined {
  const word = line.take();
  if (word === undefined) report.add('missing-value', line.at(), `expected ${what} after ${quoted(keyword)}, found the end of the line`);
  return word;
}

/** Reports the word taken last as a bad value. */
export function badValue(line: Line, report: Reporter, code: IssueCode, expected: string, hint?: string): undefined {
  report.add(code, line.at(), `expected ${expected}, found ${quoted(line.words[line.index - 1] ?? '')}`, { hint });
  return undefined;
}

/** A name: letters, digits, dot, dash, underscore, at most 64. */
export function takeName(line: Line, report: Reporter, keyword: string, what: string): string | undefined {
  const word = takeValue(line, report, keyword, what);
  if (word === undefined || (word.length <= MAX_NAME && /^[A-Za-z0-9._-]+$/.test(word))) return word;
  return badValue(line, report, 'bad-name', `${what} of letters, digits, '.', '-' and '_', at most ${MAX_NAME} long`);
}

/** An interface name as Linux has them: at most 15 characters, no slash, colon or quote. */
export function takeInterface(line: Line, report: Reporter, keyword: string): string | undefined {
  const word = takeValue(line, report, keyword, 'an interface such as eth0');
  if (word === undefined || (/^[^\s/:"']{1,15}$/.test(word) && word !== '.' && word !== '..')) return word;
  return badValue(line, report, 'bad-interface', 'an interface name such as eth0, at most 15 characters');
}

/** A time in milliseconds: `10`, `10s`, `500ms`, `2m`, `1h`, `1d`; a bare number is seconds. Bounds are inclusive. */
export function takeTime(line: Line, report: Reporter, keyword: string, bounds: { readonly minMs: number; readonly maxMs: number }): number | undefined {
  const word = takeValue(line, report, keyword, 'a time such as 10s');
  if (word === undefined) return undefined;
  const match = /^(\d{1,12})(ms|s|m|h|d|)$/.exec(word);
  if (!match) return badValue(line, report, 'bad-time', 'a time such as 10, 10s, 500ms, 2m or 1h', /^\d+\.\d+/.test(word) ? 'whole numbers only: 1.5s is 1500ms' : undefined);
  const ms = Number(match[1]) * (UNIT_MS[match[2] ?? ''] ?? 1000);
  if (ms >= bounds.minMs && ms <= bounds.maxMs) return ms;
  return badValue(line, report, 'bad-time', `${keyword} of ${timeText(bounds.minMs)} to ${timeText(bounds.maxMs)}`);
}

/** Returns a time in the largest unit that holds it exactly: `2m`, `90s`, `1500ms`. */
export function timeText(ms: number): string {
  for (const unit of ['d', 'h', 'm', 's']) {
    const size = UNIT_MS[unit] ?? 1;
    if (ms >= size && ms % size === 0) return `${ms / size}${unit}`;
  }
  return `${ms}ms`;
}

/** A whole number within inclusive bounds. */
export function takeNumber(line: Line, report: Reporter, keyword: string, bounds: { readonly min: number; readonly max: number }): number | undefined {
  const word = takeValue(line, report, keyword, `a number ${bounds.min}..${bounds.max}`);
  if (word === undefined) return undefined;
  const value = /^\d{1,15}$/.test(word) ? Number(word) : NaN;
  if (value >= bounds.min && value <= bounds.max) return value;
  return badValue(line, report, 'bad-number', `${keyword} of ${bounds.min}..${bounds.max}`);
}

/** An address without a port. */
export function takeIp(line: Line, report: Reporter, keyword: string): Ip | undefined {
  const word = takeValue(line, report, keyword, 'an address');
  if (word === undefined) return undefined;
  return parseIp(word) ?? badValue(line, report, 'bad-address', 'an IPv4 or IPv6 address', addressHint(word));
}

/** A port 1..65535. */
export function takePort(line: Line, report: Reporter, keyword: string): number | undefined {
  const word = takeValue(line, report, keyword, 'a port');
  if (word === undefined) return undefined;
  return parsePort(word) ?? badValue(line, report, 'bad-port', 'a port 1..65535');
}

/** A port or a range of them, with `-` as the NAT tab writes it or `:` as flows do. */
export function takePorts(line: Line, report: Reporter, keyword: string): PortRange | undefined {
  const word = takeValue(line, report, keyword, 'a port or a range of ports');
  if (word === undefined) return undefined;
  return parsePortRange(/^\d+:\d+$/.test(word) ? word.replace(':', '-') : word) ?? badValue(line, report, 'bad-port', 'a port 1..65535 or a range such as 50000-51000', portsHint(word));
}

/** A network: `10.0.0.0/24`, `10.0.0.0/255.255.255.0`, `2001:db8::/32`, or one address. */
export function takeNetwork(line: Line, report: Reporter, keyword: string): Cidr | undefined {
  const word = takeValue(line, report, keyword, 'an address or a network');
  if (word === undefined) return undefined;
  const slash = word.indexOf('/');
  const mask = slash < 0 ? undefined : parseIp(word.slice(slash + 1));
  const prefix = mask?.family === 4 ? prefixOfNetmask(mask) : undefined;
  const text = prefix === undefined ? word : `${word.slice(0, slash)}/${prefix}`;
  return parseCidr(text) ?? badValue(line, report, 'bad-network', 'an address or a network such as 10.0.0.0/24', networkHint(text));
}

/** An address with optional ports: `ip`, `ip:port`, `ip:port-port`, `[ipv6]:port`, a bare IPv6 address. */
export function takeAddress(line: Line, report: Reporter, keyword: string): { readonly ip: Ip; readonly ports: PortRange | null } | undefined {
  const word = takeValue(line, report, keyword, 'an address such as 10.0.0.1:53');
  return word === undefined ? undefined : readAddress(line, report, word);
}

/** As takeAddress, for the word taken last. */
export function readAddress(line: Line, report: Reporter, word: string): { readonly ip: Ip; readonly ports: PortRange | null } | undefined {
  const bracket = word.startsWith('[');
  const colon = bracket ? word.indexOf(']:') + 1 : word.indexOf(':');
  const bareV6 = !bracket && colon >= 0 && word.includes(':', colon + 1) ? parseIp(word) : undefined;
  if (bareV6) return { ip: bareV6, ports: null };
  const host = colon > 0 ? word.slice(0, colon) : word;
  const ip = parseIp(bracket ? host.replace(/^\[|\]$/g, '') : host);
  if (!ip || bracket !== (ip.family === 6)) return badValue(line, report, 'bad-address', 'an address such as 10.0.0.1, 10.0.0.1:53 or [2001:db8::1]:53', addressHint(word));
  if (colon <= 0) return { ip, ports: null };
  const portText = word.slice(colon + 1);
  const ports = parsePortRange(portText);
  if (ports) return { ip, ports };
  return badValue(line, report, 'bad-port', 'a port 1..65535 or a range such as 5000-5010 after the address', portText === '0' ? 'for all ports leave the port out' : portsHint(portText));
}

/** A netmask as a prefix length with its family when it says so: `255.255.255.0`, `ffff:ffff::`, `/24`, `24`. */
export function takeNetmask(line: Line, report: Reporter, keyword: string): { readonly family: 4 | 6 | null; readonly prefix: number } | undefined {
  const word = takeValue(line, report, keyword, 'a netmask');
  if (word === undefined) return undefined;
  const length = /^\/?(0|[1-9]\d{0,2})$/.exec(word);
  if (length) {
    const prefix = Number(length[1]);
    if (prefix <= 128) return { family: prefix > 32 ? 6 : null, prefix };
  }
  const mask = parseIp(word);
  const prefix = mask ? prefixOfNetmask(mask) : undefined;
  if (mask && prefix !== undefined) return { family: mask.family, prefix };
  return badValue(line, report, 'bad-netmask', 'a netmask such as 255.255.255.0, /24 or, for IPv6, /64');
}

function addressHint(word: string): string | undefined {
  if (word.startsWith('*')) return 'for every address of this host write 0.0.0.0 or [::]';
  if (/^\d+(\.\d+){3}(:|$)/.test(word)) return /(^|\.)0\d/.test(word) ? 'write octets without leading zeros' : 'octets are 0..255';
  if (/^[A-Za-z][A-Za-z0-9.-]*(:\d+)?$/.test(word) && /[g-z]/i.test(word)) return 'names are not looked up: write the address';
  if (word.includes('%')) return 'write the address without a zone';
  return undefined;
}

function portsHint(word: string): string | undefined {
  const match = /^(\d+)[-:](\d+)$/.exec(word);
  if (!match) return word.includes(',') ? 'one port or one range; write a director for each further one' : undefined;
  if (word.includes(':')) return `write the range as ${match[1]}-${match[2]}`;
  return Number(match[1]) > Number(match[2]) ? `the lower port comes first: ${match[2]}-${match[1]}` : undefined;
}

function networkHint(word: string): string | undefined {
  if (word === 'any' || word === '*') return 'for any address leave the word out';
  const [host = '', prefix = ''] = word.split('/');
  const ip = parseIp(host);
  if (!ip || !/^\d{1,3}$/.test(prefix) || Number(prefix) > (ip.family === 4 ? 32 : 128)) return undefined;
  return `bits after the prefix are set: the network is ${cidrText({ ip: networkOf(ip, Number(prefix)), prefix: Number(prefix) })}`;
}
