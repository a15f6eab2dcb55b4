/** The lines of `service network <interface>` that weir acts on: `ip address` and `ip route`; the rest is kept as written. */
import { networkOf, parseCidr, prefixOfNetmask, type Cidr } from '../net/cidr.ts';
import { parseIp, type Ip } from '../net/ip.ts';
import type { Position } from './issue.ts';
import type { ServiceConfig } from './model.ts';
import { quoted, type Reporter } from './report.ts';

export interface NetworkAddress {
  readonly ip: Ip;
  readonly prefix: number;
}

/** `table` null: the main one. */
export interface NetworkRoute {
  readonly destination: Cidr;
  readonly gateway: Ip;
  readonly table: number | null;
}

/** `unused` holds the first words of lines that weir does not act on. */
export interface NetworkSettings {
  readonly addresses: readonly NetworkAddress[];
  readonly routes: readonly NetworkRoute[];
  readonly unused: readonly string[];
}

/** Returns what a `network` section says, reporting lines of ours that cannot be read. */
export function networkSettings(service: ServiceConfig, report?: Reporter): NetworkSettings {
  const addresses: NetworkAddress[] = [];
  const routes: NetworkRoute[] = [];
  const unused: string[] = [];
  for (const { words, at } of service.lines) {
    if (words[0] === 'ip' && words[1] === 'address') {
      const address = readAddress(words, at, report);
      if (address) addresses.push(address);
    } else if (words[0] === 'ip' && words[1] === 'route') {
      const route = readRoute(words, at, report);
      if (route) routes.push(route);
    } else if (words[0] !== 'no' || words[1] !== 'autostart') {
      unused.push(words.join(' '));
    }
  }
  return { addresses, routes, unused };
}

function readAddress(words: readonly string[], at: Position, report?: Reporter): NetworkAddress | undefined {
  const written = words[2] ?? '';
  const [host = '', mask] = written.split('/');
  const ip = parseIp(host);
  const bits = ip?.family === 6 ? 128 : 32;
  const prefix = mask === undefined ? bits : /^\d{1,3}$/.test(mask) ? Number(mask) : maskOf(mask);
  if (!ip || prefix === undefined || prefix > bits || written.split('/').length > 2) {
    report?.add('bad-address', at, `expected 'ip address <ip>/<bits or mask>', such as 192.0.2.1/24, found ${written === '' ? 'the end of the line' : quoted(written)}`);
    return undefined;
  }
  if (words.length > 3) report?.add('unexpected-word', at, `expected nothing more after the address, found ${quoted(words[3] ?? '')}`);
  return { ip, prefix };
}

function readRoute(words: readonly string[], at: Position, report?: Reporter): NetworkRoute | undefined {
  const [, , to = '', via = '', keyword, number, more] = words;
  const gateway = parseIp(via);
  const destination = gateway && (to === 'default' ? parseCidr(gateway.family === 4 ? '0.0.0.0/0' : '::/0') : destinationOf(to));
  if (!gateway || !destination || destination.ip.family !== gateway.family) {
    report?.add('bad-network', at, `expected 'ip route <network or default> <gateway> [table <n>]', found ${quoted(words.slice(2).join(' '))}`, { hint: 'such as: ip route 198.51.100.0/24 192.0.2.254' });
    return undefined;
  }
  const table = keyword === undefined ? null : keyword === 'table' && /^[1-9]\d{0,9}$/.test(number ?? '') && Number(number) < 2 ** 32 ? Number(number) : undefined;
  if (table === undefined || more !== undefined) {
    report?.add('bad-number', at, `expected nothing more or 'table <1..4294967295>' after the gateway, found ${quoted(words.slice(4).join(' '))}`);
    return undefined;
  }
  return { destination, gateway, table };
}

/** A network; a mask is accepted for the bits, host bits are not. */
function destinationOf(text: string): Cidr | undefined {
  const [host = '', mask = ''] = text.split('/');
  const prefix = maskOf(mask);
  if (prefix === undefined) return parseCidr(text);
  const ip = parseIp(host);
  return ip && networkOf(ip, prefix).text === ip.text ? { ip, prefix } : undefined;
}

function maskOf(text: string): number | undefined {
  const mask = parseIp(text);
  return mask?.family === 4 ? prefixOfNetmask(mask) : undefined;
}
