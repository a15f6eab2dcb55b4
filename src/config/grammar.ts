/**
 * Every word of the configuration language, once: the parser looks words up here, error messages list what was
 * expected from here, docs/reference/configuration.md is printed from here, and an editor completes from here.
 */
import type { Balance, ForwardingMode } from '../balance/terms.ts';

/** One word and what may follow it. `aliases` are accepted; `elsewhere` are other products' names, only ever suggested from. */
export interface Keyword<W extends string = string> {
  readonly word: W;
  /** The shape of what follows, e.g. `<time>`. */
  readonly value?: string;
  readonly default?: string;
  readonly meaning: string;
  readonly aliases?: readonly string[];
  readonly elsewhere?: readonly string[];
  /** Exactly one of these follows. */
  readonly choices?: readonly Keyword[];
  /** Any of these follow, in any order. */
  readonly words?: readonly Keyword[];
}

/** A section: its word at the left edge, the rest of that line, the document it belongs in, the keywords of its indented lines. */
export interface SectionGrammar {
  readonly word: 'director' | 'nat' | 'service';
  readonly header: string;
  readonly document: 'layer4' | 'nat' | 'services';
  readonly meaning: string;
  readonly keywords: readonly Keyword[];
}

const list = <const W extends string>(keywords: readonly Keyword<W>[]): readonly Keyword<W>[] => keywords;

export const BALANCE_WORDS = list<Exclude<Balance, 'localitybased' | 'localitybased-replication'>>([
  { word: 'roundrobin', meaning: 'in turn, by weight', elsewhere: ['rr', 'wrr', 'static-rr'] },
  {
    word: 'leastconn',
    value: '[localitybased [replication]]',
    meaning: 'the fewest live sessions for its weight',
    elsewhere: ['lc', 'wlc', 'least-connections'],
    words: [
      { word: 'localitybased', meaning: 'a destination address keeps its server until that is overloaded (IPVS lblc)', elsewhere: ['lblc'] },
      { word: 'replication', meaning: 'after `localitybased`: a set of servers per destination address (IPVS lblcr)', elsewhere: ['lblcr'] },
    ],
  },
  { word: 'source', meaning: 'hash of the client address', elsewhere: ['sh', 'hash-source'] },
  { word: 'srcdst', meaning: 'hash of client and destination address', elsewhere: ['hash-source-dest'] },
  { word: 'dest', meaning: 'hash of the destination address', elsewhere: ['dh', 'hash-destination'] },
  { word: 'shortestexpected', aliases: ['shortexpdelay'], meaning: 'the lowest (sessions + 1) / weight', elsewhere: ['sed', 'shortest-expected-delay'] },
  { word: 'neverqueue', meaning: 'an idle server first, else as `shortestexpected`', elsewhere: ['nq', 'never-queue'] },
  { word: 'failover', aliases: ['weightedfailover', 'fo'], meaning: 'all to the highest weight that is up (the first listed among equals)', elsewhere: ['first', 'active-backup'] },
  { word: 'maglev', meaning: 'consistent hash of client address and port: a server lost moves only its own clients', elsewhere: ['mh', 'consistent', 'ring_hash'] },
  { word: 'random', meaning: 'at random, by weight' },
]);

export const MODE_WORDS = list<ForwardingMode>([
  { word: 'nat', meaning: 'rewrite addresses; the server may have another port', elsewhere: ['masq', 'masquerade', 'dnat', 'fullnat'] },
  { word: 'gateway', meaning: 'direct server return: only the next hop changes; servers own the VIP on lo; no port change', elsewhere: ['dr', 'dsr', 'direct', 'route'] },
  { word: 'tunnel', meaning: 'the datagram travels inside IPIP; servers own the VIP and unwrap it; no port change', elsewhere: ['tun', 'ipip'] },
]);

/** Timers and addresses of checks: on the `check` line, or (older ALOHA texts) on the `option …check` line. */
export const CHECK_WORDS = list([
  { word: 'interval', value: '<time>', default: '10s', meaning: 'time between two checks of a server', elsewhere: ['delay_loop', 'inter', 'every'] },
  { word: 'timeout', value: '<time>', default: 'half the interval', meaning: 'no answer within this time is a failure', elsewhere: ['connect_timeout'] },
  { word: 'rise', value: '<count>', default: '2', meaning: 'good checks in a row until a server is up' },
  { word: 'fall', value: '<count>', default: '3', meaning: 'failed checks in a row until a server is down', elsewhere: ['retry'] },
  { word: 'source', value: '<ip>', meaning: 'address the checks are sent from', elsewhere: ['bindto'] },
  { word: 'port', value: '<port>', default: "the server's port", meaning: 'port the checks are sent to' },
  { word: 'inhibit', meaning: 'a server that is down keeps its place with weight 0 instead of being taken out', elsewhere: ['inhibit_on_failure'] },
  { word: 'all', meaning: 'several `option …check` lines: each must be good' },
  { word: 'any', meaning: 'several `option …check` lines: one good is enough' },
  { word: 'slowstart', value: '<time>', default: 'full weight at once', meaning: 'a server that comes back gets its weight in ten steps over this time', elsewhere: ['slow_start', 'slow-start', 'warmup'] },
  { word: 'damping', value: '<count> <time>', default: 'none', meaning: 'a server that went down this often within this time must pass more checks: twice `rise`, doubled each further time, for at most this time', elsewhere: ['flap', 'flapping'] },
  { word: 'vip', meaning: 'in mode gateway and tunnel: ask at the VIP by way of each server, as clients reach it' },
]);

export const PERSISTENCE_WORDS = list([
  { word: 'timeout', value: '<time>', default: '300s', meaning: 'how long a client keeps its server after its last datagram' },
  { word: 'netmask', value: '<mask>|/<bits>', default: '255.255.255.255', meaning: 'clients that share these bits share a server (`255.255.255.0`, `/24`; for IPv6 `/64`)' },
]);

const DYNAMIC = { word: 'dynamic', meaning: 'the answer holds a number 0..100, the share of its weight the server can carry; without one the weight stays', elsewhere: ['misc_dynamic', 'agent-check'] } as const;
export const HTTP_WORDS = list([
  { word: 'uri', value: '<path>', default: '/', meaning: 'path asked for' },
  { word: 'statuscode', value: '<100..599>', default: 'any of 200..399', meaning: 'status expected' },
  { word: 'vhost', value: '<host>', meaning: 'Host header sent' },
  DYNAMIC,
]);
export const ARP_WORDS = list([{ word: 'iface', value: '<interface>', default: 'the one routed to the server', meaning: 'interface asked on' }]);
export const UDP_WORDS = list([
  { word: 'send', value: '<data>', default: 'an empty datagram', meaning: 'payload of the probe' },
  { word: 'expect', value: '<data>', default: 'no reply needed, only no ICMP error', meaning: 'what the reply must hold; `""` is any reply at all' },
  DYNAMIC,
]);
export const DNS_WORDS = list([
  { word: 'name', value: '<name>', default: '.', meaning: 'name asked for' },
  { word: 'type', value: '<type>', default: 'SOA', meaning: 'record type asked for' },
  { word: 'rcode', value: '<rcode>[,<rcode>…]', default: 'NOERROR,NXDOMAIN', meaning: 'answers that count as good' },
]);
export const NTP_WORDS = list([{ word: 'stratum', value: '<1..15>', default: '15', meaning: 'the highest stratum that is good enough' }]);
export const RADIUS_WORDS = list([
  { word: 'secret', value: '<text>', meaning: 'the secret shared with the server; needed' },
  { word: 'user', value: '<text>', default: 'a Status-Server is sent', meaning: 'sign this user in: Access-Accept is good, Access-Reject is not', elsewhere: ['login'] },
  { word: 'password', value: '<text>', meaning: 'with `user`', elsewhere: ['passwd'] },
]);
export const SIP_WORDS = list([
  { word: 'uri', value: '<uri>', default: 'sip:<address>:<port>', meaning: 'whom the OPTIONS request is for' },
  { word: 'status', value: '<code>[,<code>…]', default: 'any of 200..299', meaning: 'answers that count as good', elsewhere: ['statuscode', 'code'] },
]);
export const SNMP_WORDS = list([
  { word: 'community', value: '<text>', default: 'public', meaning: 'community of SNMPv2c' },
  { word: 'oid', value: '<oid>', default: '1.3.6.1.2.1.1.3.0', meaning: 'what is asked for; the default is sysUpTime.0' },
]);
export const TFTP_WORDS = list([{ word: 'file', value: '<name>', default: 'any answer, also "file not found"', meaning: 'file that must be served' }]);
export const DTLS_WORDS = list([{ word: 'sni', value: '<host>', meaning: 'server name sent', elsewhere: ['vhost', 'servername'] }]);
export const SYSLOG_WORDS = list([{ word: 'message', value: '<text>', default: 'nothing is logged', meaning: 'logged with each check (RFC 5424, facility syslog, severity debug)' }]);
export const WIREGUARD_WORDS = list([{ word: 'companion', value: '<port>', meaning: 'a TCP port of the same host that must accept connections' }]);
export const EXEC_WORDS = list([
  { word: 'run', value: '<program>', meaning: 'a file in the directory of check programs (`weir run --checks DIR`, /etc/weir/checks); needed', elsewhere: ['command', 'misc_path', 'external'] },
  { word: 'arg', value: '<text>', meaning: 'an argument; again for each further one', elsewhere: ['args'] },
  DYNAMIC,
]);

export const OPTION_WORDS = list([
  { word: 'persistence', value: '[timeout <time>] [netmask <mask>]', meaning: 'a client address keeps its server', words: PERSISTENCE_WORDS, elsewhere: ['persistence_timeout', 'sticky'] },
  { word: 'arpcheck', value: '[iface <interface>]', meaning: 'the host answers ARP (IPv6: neighbour discovery): the host is there, the service may not be', words: ARP_WORDS },
  { word: 'icmpcheck', value: '', meaning: 'the host answers an echo request', elsewhere: ['ping', 'ping_check'] },
  { word: 'tcpcheck', value: '', meaning: 'the server accepts a TCP connection', elsewhere: ['tcp_check', 'tcp-check'] },
  { word: 'httpcheck', value: '[uri <path>] [statuscode <int>] [vhost <host>] [dynamic]', meaning: 'an HTTP request is answered with the status expected', words: HTTP_WORDS, elsewhere: ['http_get', 'httpchk'] },
  { word: 'udpcheck', value: '[send <data>] [expect <data>] [dynamic]', meaning: 'a datagram is answered as expected', words: UDP_WORDS, elsewhere: ['udp_check', 'udp-check'] },
  { word: 'dnscheck', value: '[name <name>] [type <type>] [rcode <rcode>[,<rcode>…]]', meaning: 'a DNS question is answered', words: DNS_WORDS, elsewhere: ['dns_check'] },
  { word: 'radiuscheck', value: 'secret <text> [user <text> password <text>]', meaning: 'a RADIUS Status-Server is answered, or a user is accepted', words: RADIUS_WORDS },
  { word: 'sipcheck', value: '[uri <uri>] [status <code>[,<code>…]]', meaning: 'a SIP OPTIONS request is answered', words: SIP_WORDS },
  { word: 'ntpcheck', value: '[stratum <1..15>]', meaning: 'an NTP request is answered by a synchronised server', words: NTP_WORDS },
  { word: 'snmpcheck', value: '[community <text>] [oid <oid>]', meaning: 'an SNMPv2c get is answered with a value', words: SNMP_WORDS },
  { word: 'tftpcheck', value: '[file <name>]', meaning: 'a TFTP read request is answered', words: TFTP_WORDS },
  { word: 'stuncheck', value: '', meaning: 'a STUN binding request is answered' },
  { word: 'dtlscheck', value: '[sni <host>]', meaning: 'a DTLS ClientHello is answered', words: DTLS_WORDS },
  { word: 'quiccheck', value: '', meaning: 'an unknown QUIC version is answered with Version Negotiation' },
  { word: 'syslogcheck', value: '[message <text>]', meaning: 'the collector reads a connection over TCP to its end; with `check port <p>` where TCP has another port', words: SYSLOG_WORDS },
  { word: 'a2scheck', value: '', meaning: 'a Source game server (A2S) query is answered' },
  { word: 'wireguardcheck', value: '[companion <port>]', meaning: 'the port refuses nothing, the host is there (WireGuard answers nobody it does not know), and the companion port accepts', words: WIREGUARD_WORDS },
  { word: 'execcheck', value: 'run <program> [arg <text>]… [dynamic]', meaning: 'a program of the operator ends with exit code 0', words: EXEC_WORDS, elsewhere: ['misc_check', 'external'] },
]);

/** `passive`: judging servers by the traffic itself. */
export const PASSIVE_WORDS = list([
  { word: 'share', value: '<1..90>', default: '34', meaning: 'most servers out at once, in percent of those that take traffic; one is allowed if there are two or more, and the last one never goes' },
  { word: 'hold', value: '<time>', default: '10s', meaning: 'how long a server is out before it is tried with 10 % of its weight; doubled each time it fails again, up to 32 times' },
  { word: 'slower', value: '<2..1000>', default: '5', meaning: "a median response time this many times the others' puts a server out (and at least 10 ms above it)" },
]);

export const SESSION_KINDS = list([
  { word: 'two-way', meaning: "a client's address and port keep their server until idle (120 s after a reply, 30 s before one, or `timeout`)", elsewhere: ['bidirectional'] },
  { word: 'request-reply', meaning: 'each datagram is a request, done after `replies` datagrams back: `leastconn` means least outstanding', elsewhere: ['proxy_responses'] },
  { word: 'one-way', meaning: 'each datagram is scheduled by itself, no reply is expected (syslog, netflow, telemetry)', elsewhere: ['ops', 'oneway'] },
]);
export const SESSION_WORDS = list([
  { word: 'replies', value: '<1..65535>', default: '1', meaning: 'with `request-reply`: datagrams back that complete a request' },
  { word: 'timeout', value: '<time>', default: '120s, 30s before a reply', meaning: 'idle time until a session ends' },
  { word: 'max', value: '<count>', default: "the engine's table", meaning: 'most live sessions of this director; new ones are dropped and counted beyond it', elsewhere: ['maxconn'] },
  { word: 'rate', value: '<count>', default: 'unlimited', meaning: 'most new sessions a second; beyond it mode nat drops and counts them, gateway and tunnel forward them without a session', elsewhere: ['rate-limit', 'maxconnrate'] },
  { word: 'source-rate', value: '<count>', default: 'unlimited', meaning: 'the same of one client address (IPv6: of its /64)', elsewhere: ['source_rate', 'per-source', 'limit_conn'] },
  { word: 'amplification', value: '<1..1000>', default: 'unlimited', meaning: 'most payload bytes of replies a session carries for each byte its client has sent; a reply beyond it is dropped and counted' },
]);

export const ON_EVENTS = list([
  { word: 'down', value: '<action>', default: 'move', meaning: 'the server failed its checks' },
  { word: 'drain', value: '<action>', default: 'keep', meaning: 'the server is being drained' },
  { word: 'remove', value: '<action>', default: 'move', meaning: 'the server was disabled or taken out of the configuration' },
]);
export const ON_ACTIONS = list([
  { word: 'move', meaning: 'the next datagram of the session goes to another server' },
  { word: 'keep', value: '[<time>]', meaning: 'the session stays, for this long or as long as it lives' },
  { word: 'drop', meaning: 'its datagrams are dropped and counted until the session ends', elsewhere: ['kill', 'reset'] },
]);

export const SERVER_WORDS = list([
  { word: 'weight', value: '<0..256>', default: '1', meaning: 'its share; 0 takes no new sessions' },
  { word: 'check', meaning: "the director's check watches this server", default: 'not checked' },
  { word: 'sorry', meaning: 'used only when all others are down; one per director, never checked', elsewhere: ['backup', 'sorry_server'] },
  { word: 'drain', meaning: 'no new sessions; live ones as `on drain` says' },
  { word: 'disabled', meaning: 'not used; live sessions as `on remove` says', elsewhere: ['down', 'disable'] },
]);

export const BEFORE_WORDS = list([
  { word: 'source', value: '<net>', default: 'any', meaning: 'source address as it arrives', elsewhere: ['src', 'saddr'] },
  { word: 'sport', value: '<port>[-<port>]', default: 'any', meaning: 'source port as it arrives', elsewhere: ['srcport'] },
  { word: 'destination', value: '<net>', default: 'any', meaning: 'destination address as it arrives: for balanced traffic the VIP', elsewhere: ['dst', 'daddr'] },
  { word: 'dport', value: '<port>[-<port>]', default: 'any', meaning: 'destination port as it arrives', elsewhere: ['dstport'] },
]);
export const AFTER_WORDS = list([
  { word: 'source', value: '<ip>[-<ip>]|masquerade', default: 'unchanged', meaning: 'new source: an address, a pool of addresses, or the address of the way out', elsewhere: ['src', 'saddr', 'snat'] },
  { word: 'sport', value: '<port>[-<port>]', default: 'unchanged where possible', meaning: 'ports the new source may use', elsewhere: ['srcport'] },
  { word: 'destination', value: '<ip>', default: 'unchanged', meaning: 'new destination address', elsewhere: ['dst', 'daddr', 'dnat'] },
  { word: 'dport', value: '<port>', default: 'unchanged', meaning: 'new destination port', elsewhere: ['dstport'] },
]);
export const NAT_PROTOCOLS = list([
  { word: 'udp', meaning: 'UDP' },
  { word: 'tcp', meaning: 'TCP' },
  { word: 'any', meaning: 'every protocol; with a port: UDP and TCP', elsewhere: ['all', 'both'] },
]);

export const ENGINE_WORDS = list([
  { word: 'auto', meaning: 'the best that works here: xdp (native), lvs, xdp (generic), userspace' },
  { word: 'xdp', meaning: "weir's own data plane in the kernel", elsewhere: ['ebpf', 'bpf'] },
  { word: 'lvs', meaning: "the kernel's ip_vs", elsewhere: ['ipvs'] },
  { word: 'userspace', meaning: 'sockets; needs no root', elsewhere: ['user'] },
]);
export const LVS_WORDS = list([
  { word: 'conntrack', default: 'off', meaning: 'connection tracking of balanced traffic: NAT rules act on it only with this' },
  { word: 'engine', value: '<name>', default: 'auto', meaning: 'the data plane', choices: ENGINE_WORDS },
  { word: 'no', value: 'autostart', meaning: '`no autostart`: not started at boot' },
]);

/** Services whose sections are accepted. Only `lvs` has its lines read by weir; the others keep theirs as written. */
export const SERVICE_NAMES = list([
  { word: 'lvs', meaning: 'layer 3/4 load balancing: the engine', elsewhere: ['ipvs'] },
  { word: 'health', meaning: 'the checks' },
  { word: 'api', meaning: 'the API and web pages' },
  { word: 'network', value: '<interface>', meaning: 'an interface; needs its name' },
  { word: 'vrrp', meaning: 'floating addresses' },
  { word: 'ipvsd', meaning: "ALOHA's LVS daemon" },
  { word: 'flowmgr', meaning: 'flows' },
  { word: 'haproxy', meaning: 'layer 7' },
  { word: 'syslogd', meaning: 'system log', elsewhere: ['syslog', 'rsyslog'] },
  { word: 'snmpd', meaning: 'SNMP agent', elsewhere: ['snmp'] },
  { word: 'sshd', meaning: 'SSH', elsewhere: ['ssh'] },
  { word: 'wui', meaning: 'web user interface' },
  { word: 'csyncd', meaning: 'cluster configuration sync' },
  { word: 'dataplaneapi', meaning: 'Data Plane API' },
]);

export const DIRECTOR_KEYWORDS = list([
  { word: 'balance', value: '<algorithm>', default: 'leastconn', meaning: 'how a new session gets its server', choices: BALANCE_WORDS, elsewhere: ['lb_algo', 'scheduler', 'lvs_sched', 'algorithm'] },
  { word: 'mode', value: '<mode>', default: 'nat', meaning: 'how datagrams reach the server', choices: MODE_WORDS, elsewhere: ['lb_kind', 'forward', 'lvs_method'] },
  { word: 'check', value: '[interval <time>] [timeout <time>] …', meaning: 'timers of the checks of servers that have `check` on their line', words: CHECK_WORDS },
  { word: 'passive', value: '[share <percent>] [hold <time>] [slower <factor>]', default: 'off', meaning: 'a server that answers much less, or much later, than the others is put out and let back by steps', words: PASSIVE_WORDS, elsewhere: ['outlier_detection', 'outlier-detection', 'max_fails', 'observe'] },
  { word: 'option', value: '<option>', meaning: 'what a check does (several with `check all` or `check any`), or persistence; once per kind', choices: OPTION_WORDS, elsewhere: ['options'] },
  { word: 'session', value: '[<kind>] [timeout <time>] [max <count>] [rate <count>] [source-rate <count>] [amplification <factor>]', default: 'two-way', meaning: 'what ties a client to a server', choices: SESSION_KINDS, words: SESSION_WORDS },
  { word: 'on', value: '<event> <action>', meaning: 'what happens to live sessions of a server that goes', words: ON_EVENTS, choices: ON_ACTIONS },
  { word: 'server', value: '<name> <ip>[:<port>] …', meaning: 'a real server; without a port, the port the client used is kept; with one, every port of the director goes to it', words: SERVER_WORDS, elsewhere: ['real_server', 'real', 'backend'] },
]);

export const NAT_KEYWORDS = list([
  { word: 'in', value: '<interface>', default: 'any', meaning: 'interface the traffic comes in by', elsewhere: ['iif', 'iifname', 'input'] },
  { word: 'out', value: '<interface>', default: 'any', meaning: 'interface it leaves by: the same in a one-arm set-up', elsewhere: ['oif', 'oifname', 'output'] },
  { word: 'protocol', value: '<protocol>', default: 'any', meaning: 'protocol it acts on', choices: NAT_PROTOCOLS, elsewhere: ['proto'] },
  { word: 'before', value: '[source <net>] [sport <ports>] [destination <net>] [dport <ports>]', default: 'anything', meaning: 'the traffic as it arrives at this host, before balancing', words: BEFORE_WORDS, elsewhere: ['match', 'from'] },
  { word: 'after', value: '[source <ip>[-<ip>]|masquerade] [sport <ports>] [destination <ip>] [dport <port>]', default: 'unchanged', meaning: 'what it becomes', words: AFTER_WORDS, elsewhere: ['to'] },
]);

/** All sections, in the order of the UI's tabs. */
export const SECTIONS: readonly SectionGrammar[] = [
  { word: 'director', header: '<name> [<ip>[:<port>[-<port>]]] [UDP|TCP]', document: 'layer4', meaning: 'a virtual service: an address, ports and a protocol, and the servers behind them', keywords: DIRECTOR_KEYWORDS },
  { word: 'nat', header: '<name>', document: 'nat', meaning: 'a NAT rule; the first rule that matches is used', keywords: NAT_KEYWORDS },
  { word: 'service', header: '<name> [<instance>]', document: 'services', meaning: 'a part of the system that starts, stops and restarts', keywords: LVS_WORDS },
];

/** Returns the file name of a document: `layer4.conf`. */
export function documentFile(document: 'layer4' | 'nat' | 'services'): string {
  return `${document}.conf`;
}

/** Words whose value nobody but an administrator may see. */
export const SECRET_WORDS = ['secret', 'password', 'passphrase', 'community'] as const;

/** True for a word whose value is a secret, however it is written. */
export function isSecretWord(word: string): boolean {
  const lower = word.toLowerCase();
  return SECRET_WORDS.some((secret) => secret === lower);
}
