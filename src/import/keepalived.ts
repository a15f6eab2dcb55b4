/** keepalived.conf: virtual servers, their groups and checkers. VRRP and notification belong to other parts and are noted. */
import { networkOf } from '../net/cidr.ts';
import { ipBytes, ipFromBytes, parseIp, type Ip } from '../net/ip.ts';
import { parsePort } from '../net/ports.ts';
import { last, parseBraces, type Node } from './braces.ts';

import { directorName, ImportDraft, type Imported, type ImportedServer } from './draft.ts';
import { schedulerOf, weightOf } from './ipvs-words.ts';
import { droppedWhy } from './keepalived-dropped.ts';
import { checkOf, checkSettings, CHECKERS, seconds, type KeepalivedCheck } from './keepalived-checks.ts';

/** Where a virtual server listens. */
interface Place {
  readonly line: number;
  readonly vip: Ip | null;
  readonly port: number | null;
  readonly mark: string | null;
}

/** Addresses a group's range may hold: each becomes a director. */
const MAX_RANGE = 256;
const METHODS: Readonly<Record<string, string>> = { NAT: 'nat', DR: 'gateway', TUN: 'tunnel' };
const KNOWN = new Set([
  'lb_algo', 'lvs_sched', 'lb_kind', 'lvs_method', 'protocol', 'persistence_timeout', 'persistence_granularity', 'ops', 'delay_loop', 'connect_timeout', 'retry', 'inhibit_on_failure',
  'virtualhost', 'sorry_server', 'real_server', 'flag-1', 'flag-2', 'flag-3', 'sh-port', 'sh-fallback', 'mh-port', 'mh-fallback',
]);

/** Returns the configuration that the virtual servers make; never throws for a text. */
export function importKeepalived(text: string): Imported {
  const draft = new ImportDraft('keepalived.conf');
  const { nodes, problems } = parseBraces(withParameters(text, draft), { comments: '!#', ends: 'line' });
  for (const { line, what } of problems) draft.dropped(line, what, 'read as far as it makes sense');
  const groups = new Map(nodes.filter(({ words }) => words[0] === 'virtual_server_group').map((node) => [node.words[1] ?? '', node]));
  const used = new Set<string>();
  for (const node of nodes) {
    const [word = ''] = node.words;
    if (word === 'virtual_server') virtualServer(node, groups, used, draft);
    else if (word.startsWith('vrrp_') || word.startsWith('static_') || word === 'garp_group') draft.dropped(node.line, node.words.join(' '), 'floating addresses stay with keepalived');
    else if (word === 'include' || word.startsWith('include')) draft.dropped(node.line, node.words.join(' '), 'import that file too');
    else if (word === 'global_defs') globalDefs(node, draft);
    else if (word !== 'virtual_server_group') draft.dropped(node.line, node.words.join(' '), 'no part of balancing that weir knows');
  }
  for (const [name, node] of groups) if (!used.has(name)) draft.dropped(node.line, `virtual_server_group ${name}`, 'no virtual server uses it');
  return draft.finish();
}

/** One note for what says who keepalived is and whom it tells, and one for each setting of LVS. */
function globalDefs(node: Node, draft: ImportDraft): void {
  draft.dropped(node.line, 'global_defs', 'weir sends no mail and has no router id; what it does is told by weir events and the metrics');
  for (const { line, words } of node.children ?? []) {
    const [word = ''] = words;
    if (word === 'lvs_timeouts') draft.dropped(line, words.join(' '), 'a time is per director: session timeout');
    else if (word.startsWith('lvs_')) draft.dropped(line, words.join(' '), word.startsWith('lvs_sync') ? 'weir synchronises no sessions' : 'the engine has its own way of starting and ending');
  }
}

function virtualServer(node: Node, groups: ReadonlyMap<string, Node>, used: Set<string>, draft: ImportDraft): void {
  const what = node.words.join(' ');
  const protocol = last(node, 'protocol')?.words[1]?.toUpperCase() ?? 'TCP';
  if (protocol !== 'UDP' && protocol !== 'TCP') return draft.dropped(node.line, what, `${protocol} is not balanced`);
  const places = placesOf(node, groups, used, draft);
  if (places.length === 0) return;
  const shared = settingsOf(node, draft);
  const { servers, check } = serversOf(node, shared, draft);
  noteIdle(node, check, servers.some(({ words }) => words.includes('check')), draft);
  const settings = [...shared.settings, ...checkSettings(check, { udp: protocol === 'UDP', checked: servers.some(({ words }) => words.includes('check')) })];
  if (shared.ops && protocol === 'UDP') settings.push({ line: shared.ops, text: 'session one-way' });
  for (const { vip, port, mark, line } of places) {
    if (mark !== null) draft.changed(line, `fwmark ${mark}`, 'weir has no numbers for marks: give the director the address and ports that are marked');
    const name = directorName(protocol.toLowerCase(), vip, port, mark);
    draft.director({ line, name, vip, ports: port === null ? null : { first: port, last: port }, protocol: protocol === 'UDP' ? 'udp' : 'tcp', settings, servers });
  }
}

/** What a virtual server says for its checks, where no check makes use of it. */
function noteIdle(node: Node, check: KeepalivedCheck, checked: boolean, draft: ImportDraft): void {
  for (const { line, words } of node.children ?? []) {
    const [word = ''] = words;
    if (!checked && ['delay_loop', 'connect_timeout', 'retry', 'inhibit_on_failure'].includes(word)) draft.dropped(line, words.join(' '), 'no server is checked');
    else if (word === 'virtualhost' && check.option?.startsWith('httpcheck') !== true) draft.dropped(line, words.join(' '), 'the check asks for no page');
  }
}

interface Shared {
  readonly settings: { readonly line: number; readonly text: string }[];
  readonly mode: string;
  readonly weights: boolean;
  readonly ops: number | null;
}

/** What all servers share; every word that is not carried over is noted. */
function settingsOf(node: Node, draft: ImportDraft): Shared {
  const flags = (node.children ?? []).flatMap(({ words }) => (/^(?:flag-\d|[sm]h-(?:port|fallback))$/.test(words[0] ?? '') ? [words[0] ?? ''] : []));
  const algorithm = last(node, 'lb_algo', 'lvs_sched');
  const { balance, weights } = schedulerOf(algorithm?.words[1] ?? 'wlc', algorithm?.line ?? node.line, draft, flags);
  const kind = last(node, 'lb_kind', 'lvs_method');
  const mode = methodOf(kind, draft);
  const settings = [{ line: algorithm?.line ?? node.line, text: `balance ${balance}` }, { line: kind?.line ?? node.line, text: `mode ${mode}` }];
  const persistence = last(node, 'persistence_timeout');
  const mask = last(node, 'persistence_granularity');
  if (persistence) {
    const netmask = mask?.words[1] === undefined ? '' : ` netmask ${/^\d+$/.test(mask.words[1]) ? '/' : ''}${mask.words[1]}`;
    settings.push({ line: persistence.line, text: `option persistence timeout ${seconds(persistence.words[1]) ?? 360}s${netmask}` });
  } else if (mask) {
    draft.dropped(mask.line, mask.words.join(' '), 'there is no persistence');
  }
  for (const { words, line } of node.children ?? []) {
    const [word = ''] = words;
    if (KNOWN.has(word)) continue;
    draft.dropped(line, words.join(' '), droppedWhy(word));
  }
  return { settings, mode, weights, ops: last(node, 'ops')?.line ?? null };
}

function serversOf(node: Node, shared: Shared, draft: ImportDraft): { readonly servers: readonly ImportedServer[]; readonly check: KeepalivedCheck } {
  const servers: ImportedServer[] = [];
  let check: KeepalivedCheck | null = null;
  for (const real of (node.children ?? []).filter(({ words }) => words[0] === 'real_server')) {
    const endpoint = endpointOf(real.words.slice(1));
    if (!endpoint) {
      draft.dropped(real.line, real.words.join(' '), 'not an address and a port');
      continue;
    }
    const method = last(real, 'lb_kind', 'lvs_method');
    if (method && methodOf(method, draft) !== shared.mode) {
      draft.dropped(real.line, real.words.join(' '), `a director has one mode: ${shared.mode}`);
      continue;
    }
    const own = checkOf(real, node, draft);
    if (own.option !== null) {
      if (check === null) check = own;
      else if (JSON.stringify(comparable(check)) !== JSON.stringify(comparable(own))) draft.changed(own.line, `the check of server ${endpoint.ip.text}`, `a director has one check: that of line ${check.line} is used for all`);
    }
    for (const { words, line } of real.children ?? []) {
      const [word = ''] = words;
      if (word === 'weight' || word === 'lvs_method' || word === 'lb_kind' || CHECKERS.has(word) || KNOWN.has(word)) continue;
      draft.dropped(line, words.join(' '), droppedWhy(word));
    }
    const written = last(real, 'weight');
    const weight = Number(written?.words[1] ?? '1');
    servers.push({
      line: real.line, ip: endpoint.ip, port: shared.mode === 'nat' ? endpoint.port : null, weight: weightOf(Number.isInteger(weight) && weight >= 0 ? weight : 1, shared.weights, { line: written?.line ?? real.line, draft }),
      words: own.option === null ? [] : ['check'],
    });
  }
  const sorry = last(node, 'sorry_server');
  const place = sorry && endpointOf(sorry.words.slice(1));
  if (sorry && place) servers.push({ line: sorry.line, ip: place.ip, port: shared.mode === 'nat' ? place.port : null, weight: 1, words: ['sorry'] });
  else if (sorry) draft.dropped(sorry.line, sorry.words.join(' '), 'not an address and a port');
  return { servers, check: check ?? checkOf(node, node, draft) };
}

/** Wherever it stands, a check is the same check. */
function comparable(check: KeepalivedCheck): object {
  return { ...check, line: 0 };
}

function placesOf(node: Node, groups: ReadonlyMap<string, Node>, used: Set<string>, draft: ImportDraft): readonly Place[] {
  const [, first = '', second = ''] = node.words;
  if (first === 'fwmark') return [{ line: node.line, vip: null, port: null, mark: second }];
  if (first !== 'group') {
    const endpoint = endpointOf(node.words.slice(1));
    if (endpoint) return [{ line: node.line, vip: endpoint.ip, port: endpoint.port, mark: null }];
    draft.dropped(node.line, node.words.join(' '), 'not an address and a port');
    return [];
  }
  const group = groups.get(second);
  used.add(second);
  if (!group) {
    draft.dropped(node.line, node.words.join(' '), 'there is no such group');
    return [];
  }
  return (group.children ?? []).flatMap(({ line, words }): Place[] => {
    if (words[0] === 'fwmark') return [{ line, vip: null, port: null, mark: words[1] ?? '' }];
    const addresses = rangeOf(words[0] ?? '');
    const port = words[1] === undefined ? null : parsePort(words[1]) ?? null;
    if (addresses) return addresses.map((vip) => ({ line, vip, port, mark: null }));
    draft.dropped(line, words.join(' '), `not an address or a range of at most ${MAX_RANGE}`);
    return [];
  });
}

/** `192.0.2.1-5`, `192.0.2.1-192.0.2.5`, `2001:db8::1-5`, `192.0.2.0/29` or one address. */
function rangeOf(text: string): readonly Ip[] | undefined {
  const slash = /^([^/]+)\/(\d{1,3})$/.exec(text);
  if (slash) {
    const ip = parseIp(slash[1] ?? '');
    const prefix = Number(slash[2]);
    const bits = ip?.family === 4 ? 32 : 128;
    return ip && prefix <= bits && bits - prefix <= 8 ? addressesFrom(networkOf(ip, prefix), 2 ** (bits - prefix)) : undefined;
  }
  const [a = '', b] = text.split('-');
  const first = parseIp(a);
  if (!first || b === undefined) return first && [first];
  const full = parseIp(b) ?? parseIp(`${a.slice(0, a.lastIndexOf(first.family === 4 ? '.' : ':') + 1)}${b}`);
  if (!full || full.family !== first.family) return undefined;
  const count = Number(numberOf(full) - numberOf(first)) + 1;
  return count >= 1 && count <= MAX_RANGE ? addressesFrom(first, count) : undefined;
}

function addressesFrom(first: Ip, count: number): Ip[] {
  const size = first.family === 4 ? 4 : 16;
  const from = numberOf(first);
  return Array.from({ length: count }, (_, i) => ipFromBytes(Uint8Array.from(((from + BigInt(i)).toString(16).padStart(size * 2, '0').match(/../g) ?? []), (pair) => Number.parseInt(pair, 16))));
}

function numberOf(ip: Ip): bigint {
  return ipBytes(ip).reduce((sum, byte) => (sum << 8n) | BigInt(byte), 0n);
}

function methodOf(node: Node | undefined, draft: ImportDraft): string {
  if (!node) return 'nat';
  const [, name = '', ...more] = node.words;
  if (more.includes('type') && !more.includes('ipip')) draft.changed(node.line, node.words.join(' '), 'weir wraps in IPIP alone');
  const mode = METHODS[name.toUpperCase()];
  if (mode === undefined) draft.changed(node.line, node.words.join(' '), 'not known: taken for NAT');
  return mode ?? 'nat';
}

function endpointOf([host = '', port]: readonly string[]): { readonly ip: Ip; readonly port: number | null } | undefined {
  const ip = parseIp(host);
  if (!ip) return undefined;
  if (port === undefined || port === '0') return { ip, port: null };
  const number = parsePort(port);
  return number === undefined ? undefined : { ip, port: number };
}

/** Parameters of one line are filled in; lines for one configuration id, sequences and parameters of several lines are noted and left out. Lines keep their numbers. */
function withParameters(text: string, draft: ImportDraft): string {
  const parameters = new Map<string, string>();
  let open = false;
  return text.split('\n').map((line, i) => {
    const bare = line.trim();
    const definition = /^\$([A-Za-z_]\w*)=(.*)$/.exec(bare);
    if (open || (definition && bare.endsWith('\\'))) {
      if (!open) draft.dropped(i + 1, bare.slice(0, 60), 'a parameter of several lines: write out what it stands for');
      open = bare.endsWith('\\');
      return '';
    }
    if (definition) {
      parameters.set(definition[1] ?? '', definition[2] ?? '');
      return '';
    }
    if (bare.startsWith('@') || bare.startsWith('~SEQ')) {
      draft.dropped(i + 1, bare.slice(0, 60), bare.startsWith('@') ? 'a line for some hosts alone: write it without its condition' : 'a sequence: write out its lines');
      return '';
    }
    let filled = line;
    for (let depth = 0; depth < 8 && filled.includes('$'); depth++) {
      const next = filled.replace(/\$\{([A-Za-z_]\w*)\}|\$([A-Za-z_]\w*)(?=\s|$)/g, (whole, a: string | undefined, b: string | undefined) => parameters.get(a ?? b ?? '') ?? whole);
      if (next === filled || next.length > 10_000) break;
      filled = next;
    }
    return filled;
  }).join('\n');
}
