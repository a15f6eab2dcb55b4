/** nginx.conf: the servers of `stream { }` and their upstreams. nginx answers from its own address, as weir does in mode nat with source NAT or userspace. */
import { parseIp, type Ip } from '../net/ip.ts';
import { parsePort, parsePortRange, type PortRange } from '../net/ports.ts';
import { parseBraces, type Node } from './braces.ts';
import { ImportDraft, type Imported, type ImportedServer } from './draft.ts';

interface Upstream {
  readonly balance: string;
  readonly servers: readonly ImportedServer[];
}

const UPSTREAM_DROPPED: Readonly<Record<string, string>> = { zone: 'workers share their state', resolver: 'names are not looked up', keepalive: 'there are no connections to keep' };
const SERVER_DROPPED: Readonly<Record<string, string>> = {
  proxy_requests: 'a session ends when it is idle', proxy_connect_timeout: 'UDP has no connections', proxy_buffer_size: 'datagrams are passed whole', proxy_next_upstream: 'a datagram is sent once; the next goes to a server that is up',
  proxy_next_upstream_tries: 'a datagram is sent once', proxy_next_upstream_timeout: 'a datagram is sent once', access_log: 'see weir sessions and the metrics', error_log: 'weir logs to its service manager', proxy_protocol: 'weir adds nothing to a datagram',
  proxy_download_rate: 'weir limits no rates', proxy_upload_rate: 'weir limits no rates', ssl_preread: 'weir does not look into datagrams', preread_buffer_size: 'weir does not look into datagrams', health_check: 'write an option such as udpcheck: what a match block says is not carried over',
  proxy_bind: 'weir uses its own address; a NAT rule chooses another', allow: 'filter with nftables', deny: 'filter with nftables',
};

/** Returns the configuration that the stream block makes; never throws for a text. */
export function importNginx(text: string): Imported {
  const draft = new ImportDraft('nginx.conf');
  const { nodes, problems } = parseBraces(text, { comments: '#', ends: ';' });
  for (const { line, what } of problems) draft.dropped(line, what, 'read as far as it makes sense');
  const streams = nodes.filter(({ words, children }) => words[0] === 'stream' && children);
  // A file that is included inside stream { } has its blocks at the top.
  const blocks = streams.length > 0 ? streams.flatMap(({ children }) => children ?? []) : nodes;
  for (const { line, words } of nodes) {
    if (words[0] === 'http' || words[0] === 'mail') draft.dropped(line, `${words[0]} { }`, 'weir balances datagrams and connections, not requests');
  }
  const defaults = new Map<string, Node>();
  const upstreams = new Map<string, { readonly node: Node; readonly made: Upstream }>();
  for (const node of blocks) {
    const [word = '', name = ''] = node.words;
    if (word === 'upstream') upstreams.set(name, { node, made: upstreamOf(node, draft) });
    else if (word === 'include') draft.dropped(node.line, node.words.join(' '), 'import that file too');
    else if (node.children === null && /^proxy_(?:responses|timeout)$/.test(word)) defaults.set(word, node);
    else if (streams.length > 0 && word !== 'server') draft.dropped(node.line, node.words.join(' '), Object.hasOwn(SERVER_DROPPED, word) ? SERVER_DROPPED[word] ?? '' : 'no part of balancing that weir knows');
  }
  const used = new Set<string>();
  for (const node of blocks) if (node.words[0] === 'server' && node.children) serverOf(node, { upstreams, defaults, used, draft });
  for (const [name, { node }] of upstreams) if (!used.has(name)) draft.dropped(node.line, `upstream ${name}`, 'no server passes to it');
  return draft.finish();
}

function upstreamOf(node: Node, draft: ImportDraft): Upstream {
  let balance = 'roundrobin';
  const servers: ImportedServer[] = [];
  for (const { line, words } of node.children ?? []) {
    const [word = '', ...more] = words;
    switch (word) {
      case 'server': {
        const server = memberOf(line, more, servers.some((s) => s.words.includes('sorry')), draft);
        if (server) servers.push(server);
        break;
      }
      case 'least_conn':
        balance = 'leastconn';
        break;
      case 'least_time':
        balance = 'leastconn';
        draft.changed(line, words.join(' '), 'weir counts sessions, it does not time them');
        break;
      case 'random':
        balance = more[0] === 'two' ? 'leastconn' : 'random';
        if (more[0] === 'two') draft.changed(line, words.join(' '), 'the best of all, not of two');
        break;
      case 'hash':
        balance = hashOf(line, more, draft);
        break;
      default:
        draft.dropped(line, words.join(' '), Object.hasOwn(UPSTREAM_DROPPED, word) ? UPSTREAM_DROPPED[word] ?? '' : 'not known');
    }
  }
  return { balance, servers };
}

function hashOf(line: number, words: readonly string[], draft: ImportDraft): string {
  const key = words[0] ?? '';
  if (/^\$(?:binary_)?remote_addr$/.test(key)) {
    if (words.includes('consistent')) draft.changed(line, `hash ${words.join(' ')}`, 'weir hashes the address, not consistently: maglev is consistent, by address and port');
    return 'source';
  }
  if (/remote_addr\}?.*remote_port|remote_port\}?.*remote_addr/.test(key)) return 'maglev';
  draft.changed(line, `hash ${words.join(' ')}`, 'weir hashes addresses and ports alone: the client address is taken');
  return 'source';
}

function memberOf(line: number, [where = '', ...words]: readonly string[], sorryTaken: boolean, draft: ImportDraft): ImportedServer | undefined {
  const endpoint = endpointOf(where);
  if (!endpoint) {
    draft.dropped(line, `server ${where}`, where.startsWith('unix:') ? 'a socket in the file system' : 'names are not looked up: write address and port');
    return undefined;
  }
  const flags: ('sorry' | 'disabled')[] = [];
  let weight = 1;
  for (const word of words) {
    const [name = '', value = ''] = word.split('=');
    if (name === 'weight' && /^[1-9]\d{0,5}$/.test(value)) weight = Number(value);
    else if (name === 'down') flags.push('disabled');
    else if (name === 'backup' && sorryTaken) {
      draft.dropped(line, `server ${where} backup`, 'a director has one sorry server');
      return undefined;
    } else if (name === 'backup') flags.push('sorry');
    else if (name === 'max_fails' || name === 'fail_timeout') draft.dropped(line, word, 'weir learns from ICMP what refuses; add check to find out what hangs');
    else draft.dropped(line, word, name === 'max_conns' ? 'a limit is per director: session max' : 'not known');
  }
  return { line, ip: endpoint.ip, port: endpoint.port, weight, words: flags };
}

function serverOf(
  node: Node,
  { upstreams, defaults, used, draft }: { readonly upstreams: ReadonlyMap<string, { readonly made: Upstream }>; readonly defaults: ReadonlyMap<string, Node>; readonly used: Set<string>; readonly draft: ImportDraft },
): void {
  const child = (word: string): Node | undefined => node.children?.findLast(({ words }) => words[0] === word);
  const pass = child('proxy_pass');
  const target = pass?.words[1] ?? '';
  const known = upstreams.get(target);
  const direct = endpointOf(target);
  if (known) used.add(target);
  const upstream = known?.made ?? (direct ? { balance: 'roundrobin', servers: [{ line: pass?.line ?? node.line, ip: direct.ip, port: direct.port, weight: 1, words: [] }] } : undefined);
  if (!upstream) return draft.dropped(pass?.line ?? node.line, pass ? pass.words.join(' ') : 'server without proxy_pass', target.includes('$') ? 'a director has its servers, variables choose none' : 'there is no such upstream');
  for (const { line, words } of node.children ?? []) {
    const [word = ''] = words;
    if (!['listen', 'proxy_pass', 'proxy_responses', 'proxy_timeout'].includes(word)) draft.dropped(line, words.join(' '), Object.hasOwn(SERVER_DROPPED, word) ? SERVER_DROPPED[word] ?? '' : 'not known');
  }
  for (const listen of (node.children ?? []).filter(({ words }) => words[0] === 'listen')) {
    const place = listenOf(listen.words[1] ?? '');
    if (!place) {
      draft.dropped(listen.line, listen.words.join(' '), 'not an address and ports');
      continue;
    }
    const udp = listen.words.includes('udp');
    const settings = [{ line: node.line, text: `balance ${upstream.balance}` }, { line: node.line, text: 'mode nat' }];
    const session = sessionOf(child('proxy_responses') ?? defaults.get('proxy_responses'), child('proxy_timeout') ?? defaults.get('proxy_timeout'), { udp, draft });
    if (session) settings.push(session);
    const name = `${known ? target : 'stream'}-${udp ? 'udp' : 'tcp'}-${place.ports.first}${place.ip.family === 6 ? '-v6' : ''}`;
    draft.director({ line: listen.line, name, vip: place.ip, ports: place.ports, protocol: udp ? 'udp' : 'tcp', settings, servers: upstream.servers });
  }
}

/** proxy_responses 0 expects nothing, n frees the session after n datagrams; without it a session lives until it is idle. */
function sessionOf(responses: Node | undefined, timeout: Node | undefined, { udp, draft }: { readonly udp: boolean; readonly draft: ImportDraft }): { readonly line: number; readonly text: string } | undefined {
  const count = responses?.words[1];
  const replies = udp && count !== undefined && /^\d{1,5}$/.test(count) ? Number(count) : undefined;
  const ms = timeout ? timeMs(timeout.words[1] ?? '') : undefined;
  if (timeout && ms === undefined) draft.dropped(timeout.line, timeout.words.join(' '), 'not a time');
  if (replies === 0) return { line: responses?.line ?? 0, text: 'session one-way' };
  if (replies === undefined && ms === undefined) return undefined;
  const kind = replies === undefined ? '' : ` request-reply${replies === 1 ? '' : ` replies ${replies}`}`;
  return { line: responses?.line ?? timeout?.line ?? 0, text: `session${kind}${ms === undefined ? '' : ` timeout ${ms % 1000 === 0 ? `${ms / 1000}s` : `${ms}ms`}`}` };
}

const UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1000, '': 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

function timeMs(text: string): number | undefined {
  const parts = [...text.matchAll(/(\d+)(ms|[smhd]|(?=$))/g)];
  if (parts.length === 0 || parts.map(([whole]) => whole).join('') !== text) return undefined;
  return parts.reduce((sum, [, number, unit]) => sum + Number(number) * (UNITS[unit ?? ''] ?? 1000), 0);
}

/** `53`, `192.0.2.1:53`, `[::]:53`, `*:53`, `12345-12399`. */
function listenOf(text: string): { readonly ip: Ip; readonly ports: PortRange } | undefined {
  const match = /^(?:(?:\[([^\]]+)\]|([0-9.]+)|\*):)?(\d+(?:-\d+)?)$/.exec(text);
  const ip = parseIp(match?.[1] ?? match?.[2] ?? '0.0.0.0');
  const ports = parsePortRange(match?.[3] ?? '');
  return ip && ports ? { ip, ports } : undefined;
}

function endpointOf(text: string): { readonly ip: Ip; readonly port: number } | undefined {
  const match = /^(?:\[([^\]]+)\]|([0-9.]+)):(\d+)$/.exec(text);
  const ip = parseIp(match?.[1] ?? match?.[2] ?? '');
  const port = parsePort(match?.[3] ?? '');
  return ip && port !== undefined ? { ip, port } : undefined;
}
