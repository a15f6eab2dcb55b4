/** Prints docs/reference/configuration.md and docs/reference/issues.md from the tables the parser itself uses. */
import { CODES } from './codes.ts';
import { documentFile, SECTIONS, SERVICE_NAMES, type Keyword } from './grammar.ts';
import { GIVE_UP_ERRORS, MAX_ISSUES } from './report.ts';
import { REGEX_INPUT_BYTES } from './regex.ts';

const GENERATED = '<!-- Generated from src/config by src/config/reference.ts. Change it there, then run: WEIR_UPDATE=1 npm test -->';

/** Returns the text of docs/reference/configuration.md. */
export function configurationReference(): string {
  return [GENERATED, INTRODUCTION, ...SECTIONS.map(sectionText), servicesText(), DETAILS].map((part) => part.trim()).join('\n\n') + '\n';
}

/** Returns the text of docs/reference/issues.md. */
export function issuesReference(): string {
  const rows = Object.entries(CODES).map(([name, { severity, meaning }]) => `| \`${name}\` | ${severity} | ${meaning} |`);
  return `${[GENERATED, ISSUES_INTRODUCTION, `| code | severity | meaning |\n|---|---|---|\n${rows.join('\n')}`].map((part) => part.trim()).join('\n\n')}\n`;
}

function sectionText({ word, header, document, meaning, keywords }: (typeof SECTIONS)[number]): string {
  const lead = `## ${word}\n\nIn \`${documentFile(document)}\`: ${meaning}.\n\n\`\`\`text\n${word} ${header}\n\`\`\``;
  const details = keywords.flatMap((keyword) => detailText(word, keyword));
  const title = word === 'service' ? 'Keywords of `service lvs`:' : 'Keywords, in any order, on indented lines:';
  return [lead, title, table(keywords), ...details].join('\n\n');
}

function detailText(section: string, keyword: Keyword): string[] {
  const parts: string[] = [];
  if (keyword.choices) parts.push(`### ${section}: ${keyword.word}\n\n${keyword.word === 'on' ? 'Actions:' : 'One of:'}\n\n${table(keyword.choices)}`);
  if (keyword.words) parts.push(`${keyword.choices ? '' : `### ${section}: ${keyword.word}\n\n`}${keyword.word === 'on' ? 'Events' : 'Settings'}, in any order:\n\n${table(keyword.words)}`);
  for (const choice of keyword.choices ?? []) {
    if (choice.words) parts.push(`\`${keyword.word} ${choice.word}\` takes:\n\n${table(choice.words)}`);
  }
  return parts;
}

function table(keywords: readonly Keyword[]): string {
  const rows = keywords.map(({ word, value, aliases, default: standard, meaning }) => {
    const spelling = [word, ...(aliases ?? [])].map((name) => code(value ? `${name} ${value}` : name)).join(' or ');
    return `| ${spelling} | ${standard === undefined ? '' : cell(standard)} | ${cell(meaning)} |`;
  });
  return `| word | default | meaning |\n|---|---|---|\n${rows.join('\n')}`;
}

/** A bar inside a table cell would end the cell. */
function cell(text: string): string {
  return text.replaceAll('|', '\\|');
}

function code(text: string): string {
  return `\`${cell(text)}\``;
}

function servicesText(): string {
  return `### Services\n\nEvery service of ALOHA's Services tab is accepted. weir reads \`lvs\`; the others keep their lines as written, and \`no autostart\` is read in all.\n\n${table(SERVICE_NAMES)}`;
}

const INTRODUCTION = `
# Configuration

A configuration is three documents, one per tab of the user interface: \`layer4.conf\` (directors), \`nat.conf\` (NAT rules)
and \`services.conf\` (services). One file with all sections is accepted as well. The LB Layer4 text of an HAProxy ALOHA is
accepted unchanged.

A section begins with its word at the left edge; indented lines belong to it. Words are separated by spaces or tabs, their
order within a section is free. \`#\` at the start of a word begins a comment. Times are \`10\`, \`10s\`, \`500ms\`, \`2m\`, \`1h\`
or \`1d\`; a bare number is seconds. Names are letters, digits, \`.\`, \`-\` and \`_\`, at most 64. Text is UTF-8, LF or CRLF.

\`weir check FILE…\` lists every problem with its place; \`weir fmt FILE…\` lays a text out. The problems are listed in
[issues.md](issues.md).

## Five minutes: DNS

Two resolvers behind one address. Each query is a request with one reply, so \`leastconn\` sends the next query where the
fewest are outstanding. \`dnscheck\` asks each server a real question every two seconds.

\`\`\`weir
director dns 192.0.2.53:53 UDP
    balance leastconn
    session request-reply
    option dnscheck name example.org type A
    check interval 2s timeout 1s
    server ns1 198.51.100.11 check
    server ns2 198.51.100.12 check
    server far 203.0.113.53 sorry      # only when both others are down

nat dns
    protocol udp
    before destination 192.0.2.53 dport 53
    after source 192.0.2.53            # replies come back through this host

service lvs
    conntrack                          # without it the rule above does not act on balanced traffic
\`\`\`

The servers have no port, so they get the port the client used.

## Five minutes: syslog

Senders never stop and never expect a reply. \`one-way\` schedules every datagram by itself, so one busy sender is spread over
all collectors, and a collector that dies loses only what was on its way.

\`\`\`weir
director syslog 192.0.2.9:514 UDP
    balance roundrobin
    mode gateway
    session one-way
    option arpcheck                    # syslog answers nothing: the host is all there is to ask
    check interval 5s timeout 1s
    server log1 198.51.100.21:514 weight 20 check
    server log2 198.51.100.22:514 weight 10 check
\`\`\`

In mode \`gateway\` the collectors see the senders' own addresses; they need 192.0.2.9 on their loopback interface.

## Five minutes: RADIUS and SIP

Here a conversation has several datagrams: an EAP exchange, a call. \`two-way\` (the default) keeps a client's address and port on
one server until it is idle. \`persistence\` keeps the whole client address there, so that accounting follows authentication.
A drained server keeps its conversations for up to five minutes; a dead one loses them at once.

\`\`\`weir
director radius 192.0.2.18:1812-1813 UDP
    balance leastconn
    option persistence timeout 10m
    option radiuscheck secret "s3cret"
    check port 1812
    on drain keep 5m
    server aaa1 198.51.100.31 check
    server aaa2 198.51.100.32 check

director sip 192.0.2.60:5060 UDP
    balance source
    session two-way timeout 10m max 50000
    option sipcheck
    passive                            # a proxy that stops answering goes, whatever it says to OPTIONS
    on down move drain keep remove keep 30s
    server pbx1 198.51.100.41:5060 check
    server pbx2 198.51.100.42:5060 check
\`\`\`

Ports 1812 and 1813 are one director, so one client has one server for both.
`;

const DETAILS = `
## Details

**Ports.** A director has one port, a range, or (without a port) all ports of its address. A server without a port gets the
port the client used. A server with a port gets everything on that port, whichever of the director's ports it came to. Modes
\`gateway\` and \`tunnel\` cannot change ports.

**Addresses.** Two directors must not share an address, port and protocol; \`all ports\` shares with every port. \`0.0.0.0\` and
\`[::]\` stand for every address of the host, and a director with the exact address wins over them. IPv6 with a port is
\`[2001:db8::1]:53\`. A director without an address is fed by a flow or a mark.

**Protocol.** \`UDP\` when none is written.

**Checks.** A server is checked when its line has \`check\`. Without an \`option\`, a UDP server counts as up unless it refuses an
empty datagram (ICMP) or its host does not answer for its address; that cannot see a service that hangs, so name a real check. On a
TCP director the check without an option is \`tcpcheck\`. Timers may stand on the \`check\` line or, as in older ALOHA texts, on the
\`option\` line, but each only once. A check that asks a port uses \`check port\`, else the server's port, else the director's only one.

**Payload data** of \`udpcheck\`: \`"text"\` with \`\\n \\r \\t \\0 \\xNN \\\\ \\"\`; \`0x00ff\`; \`hex:00 ff\`. In \`expect\`, \`?\` is any nibble
(\`0x8?00\`), the bytes may stand anywhere in the reply, and \`~/regular expression/\` (flags \`i\`, \`m\`, \`s\`) is matched against the
first ${REGEX_INPUT_BYTES} bytes read as latin1. An expression must be sure to finish quickly: no repeated groups that match in several
ways, no back references, no look-around, one open repetition (two after \`^\`).

**NAT rules** are tried in order. What is not written is any (\`before\`) or unchanged (\`after\`). Port ranges are written with \`-\`;
\`:\` is read too. They act on balanced traffic only with \`conntrack\` in \`service lvs\`.

**Limits.** 64 MB a document, 65,536 characters a line, ${MAX_ISSUES} errors and ${MAX_ISSUES} warnings listed at once, reading stops
after ${GIVE_UP_ERRORS} errors, 65,507 bytes of payload data.
`;

const ISSUES_INTRODUCTION = `
# Issues

What \`weir check\`, an apply and the editor may say about a configuration. The codes are stable. An error stops an apply; a
warning does not. Every answer lists all problems of all documents, each as \`file:line:column\`; columns count characters
from 1 (UTF-16 units, as editors do).
`;
