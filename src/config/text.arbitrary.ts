/** For tests: fast-check arbitraries of configuration texts, valid ones in wild layout and soup of words that may mean anything. */
import fc from 'fast-check';

const BLANK = fc.constantFrom(' ', '  ', '\t', ' \t ');
const COMMENT = fc.constantFrom('', '', '', ' # note', '\t#alctl: mode', '  ####### "x');
const FILLER = fc.constantFrom('', '', '\n', '# left edge\n', '   # indented\n', ' \t\n', '########\n');

const DIRECTOR_LINES = [
  ['balance source', 'balance fo', 'balance leastconn localitybased replication', 'balance shortexpdelay'],
  ['mode nat', 'mode tunnel'],
  ['check interval 5 timeout 500ms', 'check inhibit rise 1 fall 9', 'check'],
  ['option icmp check', 'option dnscheck name "example.org" rcode NOERROR', 'option udpcheck send "a # b" expect hex:00 ?? ff', 'option udpcheck expect ~/^a b #\\/ .*$/i', 'option httpcheck vhost x port 80'],
  ['option persistence', 'option persistence netmask /24 timeout 1h'],
  ['session request-reply replies 2', 'session one-way', 'session max 10 two-way', 'session rate 1000 source-rate 10 amplification 3'],
  ['on down drop drain keep 5m', 'on remove keep'],
  ['server a 198.51.100.1:53 weight 10 check', 'server a 2001:db8:1::1 check'],
  ['server b 198.51.100.2 sorry', 'server b [2001:db8:1::2]:5 disabled drain'],
];
const NAT_LINES = [
  ['in eth0 out eth1', 'in eth0'],
  ['protocol UDP', 'protocol any'],
  ['before destination 192.0.2.0/24 dport 1:5', 'before sport 7 source 10.0.0.1'],
  ['after source masquerade', 'after source 10.0.0.1-10.0.0.9 sport 50000-51000'],
];
const SERVICE_LINES = [['conntrack'], ['engine lvs', 'engine auto'], ['no autostart']];
const KEPT_LINES = [['ip address 10.0.0.1/24', 'auto "on off"'], ['no autostart'], ['track_svc a   b']];

/** One section's lines (the header without its name's number), each written at most once, in any order. */
function section(header: (n: number) => string, lines: readonly (readonly string[])[]): fc.Arbitrary<(n: number) => string> {
  return fc
    .tuple(
      fc.shuffledSubarray(lines.map((choices) => fc.constantFrom(...choices)), { minLength: 0 }).chain((chosen) => fc.tuple(...chosen)),
      fc.array(fc.tuple(BLANK, COMMENT, FILLER), { minLength: 12, maxLength: 12 }),
      FILLER,
    )
    .map(([body, layout, before]) => (n) => {
      const [space, comment] = layout[11] ?? [' ', ''];
      const head = `${before}${header(n).replaceAll(' ', space)}${comment}\n`;
      return head + body.map((line, i) => `${layout[i]?.[0] ?? ' '}${line.replace(' ', layout[i]?.[0] ?? ' ')}${layout[i]?.[1] ?? ''}\n${layout[i]?.[2] ?? ''}`).join('');
    });
}

/** Texts without errors, in any layout. */
export const validText: fc.Arbitrary<string> = fc
  .array(
    fc.oneof(
      section((n) => `director d${n} 192.0.2.1:${n + 1} UDP`, DIRECTOR_LINES),
      section((n) => `director t${n} [2001:db8::${n + 1}]:5-9`, [...DIRECTOR_LINES.slice(0, 3), ...DIRECTOR_LINES.slice(4)]),
      section((n) => `nat r${n}`, NAT_LINES),
      section((n) => `service network eth${n}`, KEPT_LINES),
    ),
    { maxLength: 8 },
  )
  .chain((sections) => fc.tuple(fc.constant(sections), fc.option(section(() => 'service lvs', SERVICE_LINES)), FILLER))
  .map(([sections, lvs, last]) => sections.map((text, n) => text(n)).join('') + (lvs ? lvs(0) : '') + last);

const WORDS = [
  'director', 'nat', 'service', 'lvs', 'network', 'eth0', 'a', 'b', 'web', '10.0.0.1:53', '10.0.0.2', '[2001:db8::1]:5', '10.0.0.1:5-9', '::', 'UDP', 'TCP', 'balance', 'leastconn', 'localitybased', 'replication',
  'mode', 'gateway', 'tunnel', 'check', 'interval', '10', '10s', '500ms', 'timeout', 'rise', 'fall', 'port', 'source', 'option', 'persistence', 'netmask', '/24', '255.0.0.0', 'udpcheck', 'send', 'expect', '"x\\n"', '0x00ff',
  '0x0?', 'hex:00', 'ff', '??', '~/a+/', '~/(a+)+/', 'dnscheck', 'name', 'type', 'rcode', 'NOERROR,REFUSED', 'radiuscheck', 'secret', 'session', 'one-way', 'request-reply', 'two-way', 'replies', 'max', 'rate', 'source-rate', 'amplification', 'on', 'down', 'drain', 'remove',
  'move', 'keep', 'drop', 'server', 'weight', '5', 'sorry', 'disabled', 'in', 'out', 'protocol', 'any', 'before', 'after', 'sport', 'dport', '50-60', '50:60', 'destination', '10.0.0.0/24', 'masquerade', 'conntrack', 'engine', 'no', 'autostart',
  '#', '# x', '"', '~/', '\\', '\u00a0', '\u0001', '{', '}', 'é', '💥', '65536', '-1', '1e9', '__proto__', 'constructor', 'toString',
];
const BREAKS = [' ', ' ', ' ', ' ', '\t', '\n', '\n', '\n   ', '\n   ', '\r\n  ', '\r'];

/** Words of the language and others, in any order and layout. */
export const wordSoup: fc.Arbitrary<string> = fc
  .array(fc.tuple(fc.constantFrom(...WORDS), fc.constantFrom(...BREAKS)), { maxLength: 120 })
  .map((pairs) => pairs.map(([word, gap]) => word + gap).join(''));
