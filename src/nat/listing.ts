/**
 * What `nft -j list table` says of our table, read back into rules. Anything that weir does not write itself (another chain, a rule
 * without our comment, an expression of another shape) is named in `foreign`: the table is then replaced, never guessed at.
 */
import { parseCidr, type Cidr } from '../net/cidr.ts';
import { ipBytes, ipFromBytes, parseIp, type Ip } from '../net/ip.ts';
import type { PortRange } from '../net/ports.ts';
import { CHAINS, counterName, FAMILY, TABLE, type ChainName, type TableAction, type TableRule } from './table-rule.ts';

export interface CounterValue {
  readonly packets: number;
  readonly bytes: number;
}

/** What stands in the kernel under our name. */
export interface ObservedTable {
  readonly present: boolean;
  /** Prerouting first, each chain in its order. */
  readonly rules: readonly TableRule[];
  /** By the counter's name. */
  readonly counters: ReadonlyMap<string, CounterValue>;
  /** What is in the table and not of weir's making, in words. */
  readonly foreign: readonly string[];
}

export const ABSENT: ObservedTable = { present: false, rules: [], counters: new Map(), foreign: [] };

type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };
type Fields = { readonly [key: string]: Json };

/** Returns the table that `text`, the output of `nft -j list table inet weir`, shows. Throws SyntaxError when it is not such JSON. */
export function readListing(text: string): ObservedTable {
  const list = fieldsOf(JSON.parse(text) as Json)?.['nftables'];
  if (!Array.isArray(list)) throw new SyntaxError('expected the JSON of nft: an object with a list named nftables');
  const rules: Record<ChainName, TableRule[]> = { prerouting: [], postrouting: [] };
  const counters = new Map<string, CounterValue>();
  const foreign: string[] = [];
  const chains = new Set<string>();
  for (const item of list as readonly Json[]) {
    const [[kind, value] = ['', null]] = Object.entries(fieldsOf(item) ?? {});
    const fields = fieldsOf(value) ?? {};
    const name = scalar(fields['name'] ?? fields['handle']);
    switch (kind) {
      case 'metainfo':
        break;
      case 'table':
        if (fields['family'] !== FAMILY || fields['name'] !== TABLE) foreign.push(`table ${name}`);
        break;
      case 'counter':
        counters.set(name, { packets: Number(fields['packets'] ?? 0), bytes: Number(fields['bytes'] ?? 0) });
        break;
      case 'chain':
        chains.add(name);
        if (!isOurChain(fields)) foreign.push(`chain ${name}`);
        break;
      case 'rule': {
        const rule = readRule(fields);
        if (rule) rules[rule.chain].push(rule);
        else foreign.push(`rule ${typeof fields['comment'] === 'string' ? `'${fields['comment']}'` : `handle ${scalar(fields['handle'])}`} of chain ${scalar(fields['chain'])}`);
        break;
      }
      default:
        foreign.push(`${kind} ${name}`.trim());
    }
  }
  for (const chain of Object.keys(CHAINS)) if (!chains.has(chain)) foreign.push(`no chain ${chain}`);
  const all = [...rules.prerouting, ...rules.postrouting];
  const used = new Set(all.filter((rule) => rule.counted).map((rule) => counterName(rule.name)));
  for (const counter of counters.keys()) if (!used.has(counter)) foreign.push(`counter ${counter}`);
  return { present: true, rules: all, counters, foreign };
}

function isOurChain(fields: Fields): boolean {
  const chain = CHAINS[fields['name'] as ChainName] as (typeof CHAINS)[ChainName] | undefined;
  return chain !== undefined && fields['type'] === 'nat' && fields['hook'] === chain.hook && fields['prio'] === chain.number && fields['policy'] === 'accept';
}

type Draft = { -readonly [K in keyof TableRule]: TableRule[K] } & { arrives: boolean };

function readRule(fields: Fields): TableRule | null {
  const chain = fields['chain'];
  const named = /^weir (nat|director) ([A-Za-z0-9._-]{1,64})$/.exec(typeof fields['comment'] === 'string' ? fields['comment'] : '');
  const expressions = fields['expr'];
  if ((chain !== 'prerouting' && chain !== 'postrouting') || !named || !Array.isArray(expressions)) return null;
  const draft: Draft = {
    name: named[2] ?? '', chain, family: null, protocol: null, iif: null, oif: null, saddr: null, sport: null, daddr: null, dport: null, local: false, counted: false,
    action: { kind: 'accept' }, arrives: false,
  };
  let acted = false;
  for (const expression of expressions as readonly Json[]) {
    const entries = Object.entries(fieldsOf(expression) ?? {});
    const [kind, value] = entries[0] ?? ['', null];
    if (entries.length !== 1 || acted) return null;
    if (kind === 'match') {
      if (!readMatch(fieldsOf(value) ?? {}, draft)) return null;
    } else if (kind === 'counter') {
      if (value !== counterName(draft.name)) return null;
      draft.counted = true;
    } else {
      const action = readAction(kind, value, draft);
      if (!action) return null;
      draft.action = action;
      acted = true;
    }
  }
  const { arrives, ...rule } = draft;
  // What this host sends itself must stay out: a source rule without that is not ours.
  if (!acted || (chain === 'postrouting' && !arrives) || (rule.action.kind === 'accept') !== (named[1] === 'director')) return null;
  return rule;
}

function readMatch({ op, left, right = null }: Fields, rule: Draft): boolean {
  const what = fieldsOf(left ?? null) ?? {};
  const meta = fieldsOf(what['meta'] ?? null)?.['key'];
  if (meta === 'iif') {
    rule.arrives = op === '!=' && scalar(right) === '0';
    return rule.arrives && rule.chain === 'postrouting';
  }
  // `==` is written as `==` for values and ranges, as `in` by some versions.
  if (op !== '==' && op !== 'in') return false;
  switch (meta) {
    case 'nfproto':
      return setFamily(rule, right === 'ipv4' ? 4 : right === 'ipv6' ? 6 : null);
    case 'iifname':
      rule.iif = textOf(right);
      rule.arrives = true;
      return rule.iif !== null;
    case 'oifname':
      rule.oif = textOf(right);
      return rule.oif !== null;
    case 'l4proto':
      return setProtocol(rule, right);
    default:
  }
  const fib = fieldsOf(what['fib'] ?? null);
  if (fib) {
    rule.local = fib['result'] === 'type' && (Array.isArray(fib['flags']) ? fib['flags'].length === 1 && fib['flags'][0] === 'daddr' : fib['flags'] === 'daddr') && right === 'local';
    return rule.local;
  }
  const ct = fieldsOf(what['ct'] ?? null);
  if (ct) return rule.chain === 'postrouting' && ct['dir'] === 'original' && readField(scalar(ct['key']), right, rule);
  const payload = fieldsOf(what['payload'] ?? null);
  if (!payload || rule.chain !== 'prerouting') return false;
  const protocol = payload['protocol'];
  if (protocol === 'udp' || protocol === 'tcp') {
    if (!setProtocol(rule, protocol)) return false;
  }
  const spelled = protocol === 'ip' || protocol === 'ip6' ? `${protocol} ${scalar(payload['field'])}` : `proto-${payload['field'] === 'sport' ? 'src' : payload['field'] === 'dport' ? 'dst' : '?'}`;
  return readField(spelled, right, rule);
}

function readField(key: string, right: Json, rule: Draft): boolean {
  const address = /^(ip6?) (saddr|daddr)$/.exec(key);
  if (address) {
    const cidr = cidrOf(right);
    const family = address[1] === 'ip' ? 4 : 6;
    if (!cidr || cidr.ip.family !== family || !setFamily(rule, family)) return false;
    rule[address[2] as 'saddr' | 'daddr'] = cidr;
    return true;
  }
  const ports = portsOf(right);
  if (!ports || (key !== 'proto-src' && key !== 'proto-dst')) return false;
  rule[key === 'proto-src' ? 'sport' : 'dport'] = ports;
  return true;
}

function readAction(kind: string, value: Json, rule: Draft): TableAction | null {
  const fields = fieldsOf(value) ?? {};
  if (fields['flags'] !== undefined) return null;
  const ports = fields['port'] === undefined ? null : portsOf(fields['port']);
  if (ports === undefined) return null;
  if (kind === 'accept') return { kind };
  if (kind === 'masquerade') return { kind, ports };
  if (kind !== 'snat' && kind !== 'dnat') return null;
  const pool = fields['addr'] === undefined ? null : poolOf(fields['addr']);
  if (pool === undefined) return null;
  if (pool && !setFamily(rule, pool.first.family)) return null;
  if (kind === 'snat') return pool ? { kind, ...pool, ports } : null;
  if ((pool && pool.first.text !== pool.last.text) || (ports && ports.first !== ports.last)) return null;
  return { kind, to: pool?.first ?? null, port: ports?.first ?? null };
}

function setFamily(rule: Draft, family: 4 | 6 | null): boolean {
  if (family === null || (rule.family !== null && rule.family !== family)) return false;
  rule.family = family;
  return true;
}

function setProtocol(rule: Draft, protocol: Json): boolean {
  if ((protocol !== 'udp' && protocol !== 'tcp') || (rule.protocol !== null && rule.protocol !== protocol)) return false;
  rule.protocol = protocol;
  return true;
}

function cidrOf(value: Json): Cidr | undefined {
  if (typeof value === 'string') return parseCidr(value);
  const prefix = fieldsOf(fieldsOf(value)?.['prefix'] ?? null);
  return prefix ? parseCidr(`${scalar(prefix['addr'])}/${scalar(prefix['len'])}`) : undefined;
}

function poolOf(value: Json): { readonly first: Ip; readonly last: Ip } | undefined {
  const range = fieldsOf(value)?.['range'];
  const prefix = fieldsOf(fieldsOf(value)?.['prefix'] ?? null);
  // nft lists an aligned pool as a prefix.
  if (prefix) return rangeOfPrefix(scalar(prefix['addr']), Number(prefix['len']));
  const [a, b] = Array.isArray(range) ? (range as readonly Json[]) : [value, value];
  const first = typeof a === 'string' ? parseIp(a) : undefined;
  const last = typeof b === 'string' ? parseIp(b) : undefined;
  return first && last ? { first, last } : undefined;
}

function rangeOfPrefix(address: string, length: number): { readonly first: Ip; readonly last: Ip } | undefined {
  const cidr = parseCidr(`${address}/${length}`);
  if (!cidr) return undefined;
  const bytes = ipBytes(cidr.ip);
  for (let bit = cidr.prefix; bit < bytes.length * 8; bit++) bytes[bit >> 3] = (bytes[bit >> 3] ?? 0) | (0x80 >> (bit & 7));
  return { first: cidr.ip, last: ipFromBytes(bytes) };
}

function portsOf(value: Json): PortRange | undefined {
  if (typeof value === 'number') return { first: value, last: value };
  const range = fieldsOf(value)?.['range'];
  if (!Array.isArray(range)) return undefined;
  const [first, last] = range as readonly Json[];
  return typeof first === 'number' && typeof last === 'number' ? { first, last } : undefined;
}

function fieldsOf(value: Json): Fields | undefined {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Fields) : undefined;
}

/** Text and numbers as text; anything else is none that weir writes. */
function scalar(value: Json | undefined): string {
  return typeof value === 'string' || typeof value === 'number' ? String(value) : '';
}

function textOf(value: Json): string | null {
  return typeof value === 'string' ? value : null;
}
