/** Every code an Issue may carry and what it means: docs/reference/issues.md is printed from this table. Codes are never renamed or reused. */

interface CodeMeaning {
  readonly severity: 'error' | 'warning';
  readonly meaning: string;
}

const error = (meaning: string): CodeMeaning => ({ severity: 'error', meaning });
const warning = (meaning: string): CodeMeaning => ({ severity: 'warning', meaning });

export const CODES = {
  // The bytes
  'too-large': error('The document is larger than 64 MB.'),
  'not-utf8': error('The bytes at this place are not UTF-8.'),
  'nul-byte': error('The file holds a zero byte: it is not a text.'),
  'line-too-long': error('A line is longer than 64 KiB.'),
  'control-character': error('A control character other than a tab stands in the text.'),
  'odd-character': error('A space or direction mark that only looks like nothing (no-break space, zero-width space, …) stands outside quotes and comments.'),
  unterminated: error('A quoted text or a regular expression does not end on its line.'),
  'after-quote': error('Something follows a closing quote without a space.'),
  // The structure
  'unknown-section': error('The word at the left edge opens no section.'),
  'outside-section': error('An indented line stands before the first section.'),
  'not-indented': error('A keyword that belongs inside a section stands at the left edge.'),
  'indented-section': error('A word that opens a section is indented.'),
  'wrong-document': error('A section stands in the document of another tab.'),
  'unknown-keyword': error('The first word of a line is not known in this section.'),
  'unknown-word': error('A word is not one of those that may stand here.'),
  'unexpected-word': error('More words follow than the keyword takes.'),
  'missing-value': error('A keyword lacks what must follow it.'),
  'given-twice': error('Something that may be said once is said twice.'),
  'unknown-service': error('There is no service of this name.'),
  // The values
  'bad-name': error('A name holds other characters than letters, digits, dot, dash and underscore, or more than 64 of them.'),
  'bad-address': error('Not an IPv4 or IPv6 address, or not the form of address that belongs here.'),
  'bad-network': error('Not a network such as 10.0.0.0/24, or one with host bits set.'),
  'bad-netmask': error('Not a netmask whose ones are contiguous, and not a prefix length.'),
  'bad-port': error('Not a port 1..65535, or not a range of them with the lower one first.'),
  'bad-interface': error('Not a name an interface can have.'),
  'bad-number': error('Not a whole number within its bounds.'),
  'bad-time': error('Not a time such as 10, 10s, 500ms, 2m or 1h within its bounds.'),
  'bad-data': error('Not payload data: "text", 0x hex or hex: bytes.'),
  'bad-regex': error('Not a regular expression that compiles and is sure to finish quickly.'),
  'bad-value': error('A value of a check option has not the form it needs.'),
  // The meaning
  'duplicate-director': error('Two directors have one name.'),
  'duplicate-server': error('Two servers of a director have one name.'),
  'duplicate-server-address': error('Two servers of a director have one address and port.'),
  'duplicate-rule': error('Two NAT rules have one name.'),
  'duplicate-service': error('Two sections are for one service and instance.'),
  overlap: error('Two directors claim the same address, port and protocol.'),
  'two-sorry': error('A director has more than one sorry server.'),
  'sorry-check': error('A sorry server has `check`: it is the last resort whatever its state.'),
  'mixed-families': error('The server is of another address family than its director, and the mode cannot translate.'),
  'server-is-vip': error("A server is its own director's address: datagrams would come back for ever."),
  'session-tcp': error('A session kind that only UDP has stands in a TCP director.'),
  'replies-alone': error('`replies` without `request-reply`.'),
  'check-no-port': error('A check needs a port, and neither the server, the director nor the check has one.'),
  'check-vip': error('`check vip` stands where the VIP cannot be asked by way of a server: mode nat, no VIP, or a check that is no single question by UDP.'),
  'nat-mixed-families': error('A NAT rule mixes IPv4 and IPv6.'),
  'nat-out-destination': error('A NAT rule changes the destination of what leaves by an interface: the way out is known only afterwards.'),
  'nat-interface': error('A NAT rule names an interface that nftables could take for a pattern.'),
  'nat-sport-alone': error('A NAT rule changes the source port but not the source.'),
  // The doubts
  'no-servers': warning('A director has no servers: everything sent to it is dropped.'),
  'check-blind': warning('`check` without an `option` on a UDP director sees a dead host, not a dead service.'),
  'check-off-path': warning("In mode gateway or tunnel a check asks the server's own address: it does not take the path of clients' datagrams."),
  'check-unused': warning('A director has check settings but no server has `check` on its line.'),
  'check-protocol': warning('The check speaks another protocol than the director.'),
  'timeout-over-interval': warning('A check may take longer than the time between two.'),
  'no-effect': warning('A setting has no effect beside another.'),
  'port-ignored': warning("The mode cannot change ports, so the server's port is not used."),
  'mixed-server-ports': warning('Some servers of a port range keep the port of the client and some do not.'),
  'nat-no-conntrack': warning('A NAT rule matches a director, but `conntrack` is off in `service lvs`.'),
  'nat-destination-balanced': warning('A NAT rule would change the destination of balanced traffic; the director decides that.'),
  'nat-nothing': warning('A NAT rule changes nothing.'),
  // The host
  'vip-not-here': warning('No interface of this host has the address of a director.'),
  'no-such-interface': warning('This host has no interface of that name.'),
  'nat-source-not-here': warning('The new source of a NAT rule is on no interface of this host: answers to it do not arrive.'),
  'nat-out-elsewhere': warning('A server of a director is not reached by the `out` interface of the NAT rule that matches it.'),
  'nat-direct': warning('A NAT rule changes the source of what a director in mode gateway or tunnel gets: its answers would not reach the client.'),
  'ip-forward-off': warning('The kernel does not forward, so NAT rules and the lvs engine in mode nat do nothing.'),
  'rp-filter-strict': warning('Strict reverse path filtering drops what the configuration expects to come in by an interface.'),
  'way-back': warning("A server's answers do not come back through this host, as far as its routes and addresses tell."),
  'way-back-unseen': warning("A server gets the clients' own addresses to answer to, and none of its answers has come back through this host so far."),
  // The answer itself
  'too-many': error('More problems were found than are listed; the rest is only counted.'),
} satisfies Record<string, CodeMeaning>;

export type IssueCode = keyof typeof CODES;
