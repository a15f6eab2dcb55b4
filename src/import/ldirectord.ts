/** ldirectord.cf: global settings, then `virtual =` with its indented lines. */
import { ipBytes, ipFromBytes, parseIp, type Ip } from '../net/ip.ts';
import { parsePort } from '../net/ports.ts';
import { programCheck } from './check-program.ts';
import { directorName, ImportDraft, type Imported, type ImportedServer } from './draft.ts';
import { schedulerOf, weightOf } from './ipvs-words.ts';

interface Setting {
  readonly line: number;
  readonly value: string;
}
type Settings = ReadonlyMap<string, Setting>;
interface Virtual {
  readonly line: number;
  readonly value: string;
  readonly settings: Map<string, Setting>;
  readonly reals: Setting[];
}

const METHODS: Readonly<Record<string, string>> = { gate: 'gateway', masq: 'nat', ipip: 'tunnel' };
const MAX_RANGE = 256;
/** ldirectord's own defaults: by the port of the virtual service. */
const SERVICES: Readonly<Record<number, string>> = { 21: 'ftp', 25: 'smtp', 53: 'dns', 80: 'http', 110: 'pop', 119: 'nntp', 143: 'imap', 389: 'ldap', 443: 'https', 587: 'submission', 993: 'imaps', 995: 'pops', 1521: 'oracle', 1812: 'radius', 3128: 'http_proxy', 3306: 'mysql', 5432: 'pgsql', 5060: 'sip' };
const USED = new Set([
  'checktimeout', 'negotiatetimeout', 'checkinterval', 'checkcount', 'failurecount', 'fallback', 'fallback6', 'quiescent', 'service', 'checktype', 'checkport', 'request', 'receive', 'virtualhost',
  'scheduler', 'persistent', 'netmask', 'protocol', 'ops', 'secret', 'login', 'passwd', 'checkcommand',
]);
/** What a check says or looks for, where it does. */
const ASKED = ['service', 'request', 'receive', 'virtualhost', 'secret', 'login', 'passwd', 'checkcommand'] as const;
const CHECK_TYPES = new Set(['connect', 'external', 'external-perl', 'negotiate', 'off', 'on', 'ping']);
const DROPPED: Readonly<Record<string, string>> = {
  autoreload: 'weir apply loads a changed file', callback: 'weir runs no scripts', fallbackcommand: 'weir runs no scripts: see weir events', logfile: 'weir logs to its service manager', emailalert: 'weir sends no mail: see weir events and the metrics',
  emailalertfrom: 'weir sends no mail', emailalertfreq: 'weir sends no mail', emailalertstatus: 'weir sends no mail', smtp: 'weir sends no mail', execute: 'one weir runs all', supervised: 'weir run stays in the foreground', fork: 'checks never wait for each other',
  cleanstop: 'weir leaves traffic flowing where the engine can', maintenancedir: 'weir drain takes a server out', monitorfile: 'weir events tells', readdquiescent: 'weir drain takes a server out',
  database: 'the check signs in nowhere', httpmethod: 'the check uses GET',
};

/** Returns the configuration that the virtual services make; never throws for a text. */
export function importLdirectord(text: string): Imported {
  const draft = new ImportDraft('ldirectord.cf');
  const globals = new Map<string, Setting>();
  const virtuals: Virtual[] = [];
  let current: Virtual | null = null;
  for (const [i, raw] of text.split('\n').entries()) {
    const line = i + 1;
    const written = raw.replace(/(^|\s)#.*$/, '');
    if (written.trim() === '') continue;
    const match = /^\s*([A-Za-z0-9-]+)\s*=\s*(.*?)\s*$/.exec(written);
    if (!match) {
      draft.dropped(line, written.trim(), 'not a setting');
      continue;
    }
    const [, key = '', value = ''] = match;
    const setting = { line, value };
    if (key === 'virtual' || key === 'virtual6') virtuals.push((current = { line, value, settings: new Map(), reals: [] }));
    else if (/^\s/.test(written) && current && (key === 'real' || key === 'real6')) current.reals.push(setting);
    else {
      const place = /^\s/.test(written) && current ? current.settings : globals;
      const earlier = place.get(key);
      if (earlier) draft.dropped(earlier.line, `${key}=${earlier.value}`, `line ${line} says it again: the last one counts`);
      place.set(key, setting);
    }
  }
  for (const [key, { line, value }] of globals) if (!USED.has(key)) draft.dropped(line, `${key}=${value}`, Object.hasOwn(DROPPED, key) ? DROPPED[key] ?? '' : 'not known');
  for (const virtual of virtuals) emit(virtual, globals, draft);
  return draft.finish();
}

function emit({ line, value, settings: own, reals }: Virtual, globals: Settings, draft: ImportDraft): void {
  const mark = /^\d+$/.test(value) ? value : null;
  const place = mark === null ? endpointOf(value) : null;
  if (place === undefined) return draft.dropped(line, `virtual=${value}`, 'names of hosts and services are not looked up: write address and port');
  const get = (key: string): Setting | undefined => own.get(key) ?? globals.get(key);
  const written = own.get('protocol')?.value ?? (mark === null ? (place?.port === 53 ? 'udp' : 'tcp') : 'fwm');
  if (!['tcp', 'udp', 'fwm'].includes(written)) draft.changed(own.get('protocol')?.line ?? line, `protocol=${written}`, 'not known: taken for tcp');
  const udp = written === 'udp' || (written === 'fwm' && own.get('service')?.value === 'dns');
  if (mark !== null) draft.changed(line, `firewall mark ${mark}`, `weir has no numbers for marks: give the director the address and ports that are marked; taken for ${udp ? 'UDP' : 'TCP'}`);
  const { balance, weights } = schedulerOf(own.get('scheduler')?.value ?? 'wrr', own.get('scheduler')?.line ?? line, draft);
  const servers: ImportedServer[] = [];
  let mode: string | null = null;
  const asked = new Map(own);
  const { words: checkWords, settings: checks } = checkOf(asked, get, { udp, port: place?.port ?? null, line, draft });
  for (const real of reals) {
    const [where = '', method = '', weight = '1', ...request] = real.value.split(/\s+/);
    const found = rangeOf(where);
    const wanted = METHODS[method];
    if (!found || wanted === undefined) {
      draft.dropped(real.line, `real=${real.value}`, found ? 'gate, masq or ipip must follow the address' : 'names of hosts and services are not looked up: write addresses');
      continue;
    }
    mode ??= wanted;
    if (wanted !== mode) {
      draft.dropped(real.line, `real=${real.value}`, `a director has one mode: ${mode}`);
      continue;
    }
    const number = /^\d+$/.test(weight) ? Number(weight) : 1;
    if (request.length > 0 || !/^\d+$/.test(weight)) draft.dropped(real.line, `the request of real=${where}`, 'a director has one check');
    const served = weightOf(number, weights, { line: real.line, draft });
    for (const ip of found.ips) servers.push({ line: real.line, ip, port: mode === 'nat' ? found.port : null, weight: served, words: checkWords });
  }
  const fallback = get('fallback') ?? get('fallback6');
  const sorry = fallback && endpointOf(fallback.value.split(/\s+/)[0] ?? '');
  if (fallback && sorry && (mode ?? 'nat') === 'nat' && (place === null || place.ip.family === sorry.ip.family)) servers.push({ line: fallback.line, ip: sorry.ip, port: sorry.port, weight: 1, words: ['sorry'] });
  else if (fallback) draft.dropped(fallback.line, `fallback=${fallback.value}`, sorry ? `this host cannot be a server in mode ${mode ?? 'nat'}: run the page on a host of its own` : 'names are not looked up');
  const settings = [{ line: own.get('scheduler')?.line ?? line, text: `balance ${balance}` }, { line, text: `mode ${mode ?? 'nat'}` }, ...(checkWords.includes('check') ? checks : [])];
  const persistent = own.get('persistent');
  const netmask = own.get('netmask')?.value;
  if (persistent) settings.push({ line: persistent.line, text: `option persistence timeout ${Number(persistent.value) || 300}s${netmask === undefined ? '' : ` netmask ${/^\d+$/.test(netmask) ? '/' : ''}${netmask}`}` });
  else if (netmask !== undefined) draft.dropped(own.get('netmask')?.line ?? line, `netmask=${netmask}`, 'there is no persistence');
  if (own.get('ops')?.value === 'yes') settings.push({ line: own.get('ops')?.line ?? line, text: 'session one-way' });
  for (const key of ASKED) {
    const setting = asked.get(key);
    if (setting) draft.dropped(setting.line, `${key}=${setting.value}`, 'the check neither asks for it nor looks for it');
  }
  for (const [key, setting] of own) if (!USED.has(key)) draft.dropped(setting.line, `${key}=${setting.value}`, Object.hasOwn(DROPPED, key) ? DROPPED[key] ?? '' : 'not known');
  const port = place?.port ?? null;
  draft.director({ line, name: directorName(udp ? 'udp' : 'tcp', place?.ip ?? null, port, mark), vip: place?.ip ?? null, ports: port === null ? null : { first: port, last: port }, protocol: udp ? 'udp' : 'tcp', settings, servers });
}

interface CheckContext {
  readonly udp: boolean;
  readonly port: number | null;
  readonly line: number;
  readonly draft: ImportDraft;
}

/** Takes out of `asked` what it makes use of. */
function checkOf(asked: Map<string, Setting>, get: (key: string) => Setting | undefined, { udp, port, line, draft }: CheckContext): { readonly words: ImportedServer['words']; readonly settings: readonly { readonly line: number; readonly text: string }[] } {
  const type = get('checktype');
  const at = type?.line ?? line;
  const kind = type?.value ?? 'negotiate';
  if (kind === 'on') return { words: [], settings: [] };
  if (kind === 'off') {
    draft.changed(at, 'checktype=off', 'ldirectord never uses these servers: they are disabled');
    return { words: ['disabled'], settings: [] };
  }
  if (!CHECK_TYPES.has(kind) && !/^\d+$/.test(kind)) draft.changed(at, `checktype=${kind}`, 'not known: taken for negotiate');
  const option = optionOf(kind, asked, get, { udp, port, line: at, draft });
  if (option === null) return { words: [], settings: [] };
  const number = (key: string): number | undefined => {
    const value = Number(get(key)?.value);
    return Number.isInteger(value) && value > 0 ? value : undefined;
  };
  const intervalS = number('checkinterval') ?? 10;
  const timeoutKey = number('checktimeout') === undefined ? 'negotiatetimeout' : 'checktimeout';
  const timeoutS = number(timeoutKey) ?? 5;
  const written = get(timeoutKey);
  // A negotiation has its own time; weir's timeout stays within the interval.
  if (written && timeoutS > intervalS) draft.changed(written.line, `${timeoutKey}=${written.value}`, `a check ends before the next begins: ${intervalS} s`);
  const fall = Math.min(100, number('failurecount') ?? number('checkcount') ?? 1);
  const checkPort = parsePort(get('checkport')?.value ?? '');
  const quiescent = get('quiescent')?.value !== 'no';
  const words = [`check interval ${intervalS}s timeout ${Math.min(intervalS, timeoutS)}s rise 1 fall ${fall}`, ...(checkPort === undefined ? [] : [`port ${checkPort}`]), ...(quiescent ? ['inhibit'] : [])];
  return { words: ['check'], settings: [{ line: at, text: words.join(' ') }, ...(option === '' ? [] : [{ line: at, text: `option ${option}` }])] };
}

/** '' is the default check of the protocol; null is none. */
function optionOf(kind: string, asked: Map<string, Setting>, get: (key: string) => Setting | undefined, { udp, port, line, draft }: CheckContext): string | null {
  if (kind === 'ping') return 'icmpcheck';
  if (kind === 'external-perl') {
    draft.dropped(line, `checktype=${kind}`, 'weir runs no Perl within itself: make it a program and name that with option execcheck; its servers are not checked');
    return null;
  }
  if (kind === 'external') return programOption(get('checkcommand'), asked, line, draft);
  // ldirectord connects to no UDP service: it pings.
  if (kind === 'connect') return udp ? 'icmpcheck' : '';
  if (/^\d+$/.test(kind)) draft.changed(line, `checktype=${kind}`, 'every check asks the service');
  const take = (key: string): Setting | undefined => {
    const setting = asked.get(key);
    asked.delete(key);
    return setting;
  };
  const service = take('service')?.value ?? SERVICES[port ?? 0] ?? 'none';
  switch (service) {
    case 'dns': {
      unseen(take('receive'), draft);
      const written = take('request');
      const request = unquoted(written?.value);
      if (request !== undefined && parseIp(request)) {
        draft.changed(written?.line ?? line, `request=${request}`, 'weir asks for no PTR: the root is asked for');
        return 'dnscheck';
      }
      return request === undefined ? 'dnscheck' : `dnscheck name ${request} type A`;
    }
    case 'http': {
      unseen(take('receive'), draft);
      const request = unquoted(take('request')?.value);
      const host = unquoted(take('virtualhost')?.value);
      return `httpcheck${request === undefined ? '' : ` uri ${request.startsWith('/') ? request : `/${request}`}`}${host === undefined ? '' : ` vhost ${host}`}`;
    }
    case 'radius': {
      const [secret, user, password] = (['secret', 'login', 'passwd'] as const).map((key) => unquoted(take(key)?.value));
      unseen(take('receive'), draft);
      if (secret === undefined) draft.changed(line, 'service=radius', 'ldirectord takes an empty secret, weir asks with one: write the secret of this host');
      return ['radiuscheck', 'secret', secret ?? 'SECRET', ...(user === undefined || password === undefined ? [] : ['user', user, 'password', password])].join(' ');
    }
    case 'sip': {
      const user = unquoted(take('login')?.value);
      return user === undefined ? 'sipcheck' : `sipcheck uri sip:${user}`;
    }
    case 'none':
      return null;
    default:
      draft.changed(line, `service=${service}`, udp ? 'weir sees only that the host answers a ping; see docs/reference/checks.md' : 'weir sees only that a TCP connection is accepted');
      return udp ? 'icmpcheck' : '';
  }
}

/** ldirectord gives its program the addresses and ports of the virtual service and of the server. */
function programOption(command: Setting | undefined, asked: Map<string, Setting>, line: number, draft: ImportDraft): string | null {
  asked.delete('checkcommand');
  const text = command?.value.replace(/^"(.*)"$/, '$1') ?? '';
  const { option, why } = programCheck(text, { dynamic: false });
  if (option === null) draft.dropped(command?.line ?? line, `checkcommand=${text}`, why);
  else draft.changed(command?.line ?? line, `checkcommand=${text}`, `${why}, not by arguments`);
  return option;
}

function unseen(receive: Setting | undefined, draft: ImportDraft): void {
  if (receive) draft.dropped(receive.line, `receive=${receive.value}`, 'the answer is looked at, not what it holds');
}

function unquoted(value: string | undefined): string | undefined {
  const bare = value?.replace(/^"(.*)"$/, '$1');
  return bare === undefined || bare === '' || /[\s"#]/.test(bare) ? undefined : bare;
}

/** `192.0.2.1:53`, `192.0.2.1::53` (as the sample writes it), `[2001:db8::1]:53`. */
function endpointOf(text: string): { readonly ip: Ip; readonly port: number | null } | undefined {
  const match = /^(?:\[([^\]]+)\]|([0-9.]+))(?:::?(\d+))?$/.exec(text);
  const ip = parseIp(match?.[1] ?? match?.[2] ?? '');
  if (!ip) return undefined;
  const port = match?.[3];
  if (port === undefined || port === '0') return { ip, port: null };
  const number = parsePort(port);
  return number === undefined ? undefined : { ip, port: number };
}

/** One address or `192.0.2.2->192.0.2.7:80`, both ends included. */
function rangeOf(text: string): { readonly ips: readonly Ip[]; readonly port: number | null } | undefined {
  const [a = '', b] = text.split('->');
  if (b === undefined) {
    const one = endpointOf(a);
    return one && { ips: [one.ip], port: one.port };
  }
  const first = parseIp(a);
  const end = endpointOf(b);
  if (first?.family !== 4 || end?.ip.family !== 4) return undefined;
  const number = (ip: Ip): number => ipBytes(ip).reduce((sum, byte) => sum * 256 + byte, 0);
  const count = number(end.ip) - number(first) + 1;
  if (count < 1 || count > MAX_RANGE) return undefined;
  return { ips: Array.from({ length: count }, (_, i) => ipFromBytes(Uint8Array.from([24, 16, 8, 0], (shift) => ((number(first) + i) >>> shift) & 255))), port: end.port };
}
