/** `ipvsadm --save --numeric`: services and servers, one command a line. */
import { hostPortText } from '../net/endpoint.ts';
import { parseIp, type Ip } from '../net/ip.ts';
import { parsePort } from '../net/ports.ts';
import { directorName, ImportDraft, type Imported, type ImportedServer } from './draft.ts';
import { schedulerOf, weightOf } from './ipvs-words.ts';

interface Service {
  readonly line: number;
  readonly key: string;
  readonly vip: Ip | null;
  readonly port: number | null;
  readonly mark: string | null;
  readonly protocol: 'udp' | 'tcp';
  readonly options: ReadonlyMap<string, string>;
  readonly servers: { readonly line: number; readonly ip: Ip; readonly port: number | null; readonly weight: number; readonly mode: string }[];
}

/** Long options by their short ones. */
const SHORT: Readonly<Record<string, string>> = {
  '--add-service': '-A', '--add-server': '-a', '--udp-service': '-u', '--tcp-service': '-t', '--fwmark-service': '-f', '--scheduler': '-s', '--persistent': '-p', '--netmask': '-M',
  '--real-server': '-r', '--masquerading': '-m', '--gatewaying': '-g', '--ipip': '-i', '--weight': '-w', '--ops': '-o', '--sched-flags': '-b', '--u-threshold': '-x', '--l-threshold': '-y',
  '--ipv6': '-6', '--pe': '--pe', '--set': '--set', '--tun-type': '--tun-type', '--tun-port': '--tun-port', '--tun-nocsum': '--tun-nocsum', '--tun-csum': '--tun-csum', '--sctp-service': '--sctp-service',
};
const FLAGS = new Set(['-A', '-a', '-m', '-g', '-i', '-o', '-6', '--tun-nocsum', '--tun-csum', '--tun-remcsum']);

/** Returns the configuration that the rules make; never throws for a text. */
export function importIpvsadm(text: string): Imported {
  const draft = new ImportDraft('ipvsadm --save');
  const services: Service[] = [];
  for (const [i, written] of text.split('\n').entries()) {
    const line = i + 1;
    const words = written.trim().replace(/^(?:\S*\/)?ipvsadm\s+/, '').split(/\s+/);
    if (words[0] === '' || words[0]?.startsWith('#')) continue;
    const options = optionsOf(words);
    if (options.has('-A')) addService(options, line, written.trim(), services, draft);
    else if (options.has('-a')) addServer(options, line, written.trim(), services, draft);
    else draft.dropped(line, written.trim(), options.has('--set') ? 'timeouts belong to each director: session timeout' : 'not a service and not a server');
  }
  for (const service of services) emit(service, draft);
  return draft.finish();
}

function optionsOf(words: readonly string[]): ReadonlyMap<string, string> {
  const options = new Map<string, string>();
  for (let i = 0; i < words.length; i++) {
    const word = words[i] ?? '';
    const name = SHORT[word] ?? word;
    const next = words[i + 1];
    if (FLAGS.has(name) || next === undefined || (next.startsWith('-') && next.length > 1)) options.set(name, '');
    else options.set(name, words[++i] ?? '');
  }
  return options;
}

function addService(options: ReadonlyMap<string, string>, line: number, written: string, services: Service[], draft: ImportDraft): void {
  const found = target(options);
  if (!found) return draft.dropped(line, written, options.has('--sctp-service') ? 'SCTP is not balanced' : 'its address is not numeric: save with --numeric (-n)');
  services.push({ line, ...found, options, servers: [] });
}

function addServer(options: ReadonlyMap<string, string>, line: number, written: string, services: readonly Service[], draft: ImportDraft): void {
  const service = services.find(({ key }) => key === target(options)?.key);
  const real = endpointOf(options.get('-r') ?? '');
  if (!service || !real) return draft.dropped(line, written, service ? 'its address is not numeric: save with --numeric (-n)' : 'its service is not carried over');
  if (options.has('-x') || options.has('-y')) draft.dropped(line, 'connection thresholds (-x, -y)', 'a limit is per director: session max');
  if (options.has('--tun-type') && options.get('--tun-type') !== 'ipip') draft.changed(line, `tunnel type ${options.get('--tun-type') ?? ''}`, 'weir wraps in IPIP alone');
  const mode = options.has('-m') ? 'nat' : options.has('-i') ? 'tunnel' : 'gateway';
  service.servers.push({ line, ip: real.ip, port: real.port, weight: Number(options.get('-w') ?? '1') || 0, mode });
}

function target(options: ReadonlyMap<string, string>): Pick<Service, 'key' | 'vip' | 'port' | 'mark' | 'protocol'> | undefined {
  for (const [option, protocol] of [['-u', 'udp'], ['-t', 'tcp']] as const) {
    const written = options.get(option);
    const endpoint = written === undefined ? undefined : endpointOf(written);
    if (endpoint) return { key: `${protocol} ${hostPortText(endpoint.ip, endpoint.port ?? 0)}`, vip: endpoint.ip, port: endpoint.port, mark: null, protocol };
  }
  const mark = options.get('-f');
  return mark === undefined || !/^\d+$/.test(mark) ? undefined : { key: `mark ${mark} ${options.has('-6') ? 6 : 4}`, vip: null, port: null, mark, protocol: 'udp' };
}

function emit(service: Service, draft: ImportDraft): void {
  const { line, options, vip, port, protocol, mark } = service;
  const { balance, weights } = schedulerOf(options.get('-s') ?? 'wlc', line, draft, (options.get('-b') ?? '').split(','));
  const modes = [...new Set(service.servers.map(({ mode }) => mode))];
  const mode = modes[0] ?? 'nat';
  const settings = [{ line, text: `balance ${balance}` }, { line, text: `mode ${mode}` }];
  if (options.has('-p')) settings.push({ line, text: `option persistence timeout ${Number(options.get('-p') || '360') || 360}s${maskText(options.get('-M'), vip)}` });
  if (options.has('-o')) settings.push({ line, text: 'session one-way' });
  if (options.has('--pe')) draft.dropped(line, `persistence engine ${options.get('--pe') ?? ''}`, 'clients are told apart by address');
  if (mark !== null) draft.changed(line, `fwmark ${mark}`, 'weir has no numbers for marks: give the director the address and ports that are marked; taken for UDP');
  const servers: ImportedServer[] = [];
  for (const server of service.servers) {
    if (server.mode !== mode) {
      draft.dropped(server.line, `server ${server.ip.text}`, `a director has one mode: ${mode} here, ${server.mode} there`);
      continue;
    }
    // Only mode nat can change a port: the others save the service's own.
    servers.push({ line: server.line, ip: server.ip, port: mode === 'nat' && server.port !== null ? server.port : null, weight: weightOf(server.weight, weights, { line: server.line, draft }), words: [] });
  }
  draft.director({ line, name: directorName(protocol, vip, port, mark), vip, ports: port === null ? null : { first: port, last: port }, protocol, settings, servers });
}

function maskText(mask: string | undefined, vip: Ip | null): string {
  if (mask === undefined || mask === '') return '';
  return vip?.family === 6 || /^\d+$/.test(mask) ? ` netmask /${mask}` : ` netmask ${mask}`;
}

/** `192.0.2.1:53`, `[2001:db8::1]:53` or a bare address; port 0 is none. */
function endpointOf(text: string): { readonly ip: Ip; readonly port: number | null } | undefined {
  const match = /^(?:\[([^\]]+)\]|([^:\s]+))(?::(\d+))?$/.exec(text);
  const ip = parseIp(match?.[1] ?? match?.[2] ?? text);
  if (!ip) return undefined;
  const port = match?.[3];
  if (port === undefined || port === '0') return { ip, port: null };
  const number = parsePort(port);
  return number === undefined ? undefined : { ip, port: number };
}
