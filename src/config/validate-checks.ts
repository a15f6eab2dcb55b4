/** Checks that cannot work, see less than they seem to, or have no effect. */
import type { DirectorDraft } from './draft.ts';
import type { CheckPart, Director, Server, SingleCheck } from './model.ts';
import type { Reporter } from './report.ts';
import { timeText } from './values.ts';

const TCP_CHECKS: readonly SingleCheck['kind'][] = ['tcp', 'http', 'syslog'];
const UDP_CHECKS: readonly SingleCheck['kind'][] = ['udp', 'dns', 'radius', 'sip', 'ntp', 'snmp', 'tftp', 'stun', 'dtls', 'quic', 'a2s', 'wireguard'];

/** Checks that are one socket's question and answer: these can go by way of a server to the VIP (src/health/vip-path). */
const BY_PATH: readonly SingleCheck['kind'][] = ['udp', 'dns', 'radius', 'sip', 'ntp', 'snmp', 'stun', 'dtls', 'quic', 'a2s'];

/** The port a server is sent to: its own, else the director's only one, else the one the client used (null). */
export function portOf(director: Director, server: Server): number | null {
  const { ports } = director;
  return server.port ?? (ports && ports.first === ports.last ? ports.first : null);
}

/** Reports what is wrong or doubtful about a director's checks. */
export function validateChecks(draft: DirectorDraft, report: Reporter): void {
  const { director, marks } = draft;
  const { check, probe, servers, name } = director;
  const settings = marks.option ?? marks.check;
  const checked = servers.filter((server) => server.checked);
  if (check.timeoutMs > check.intervalMs) {
    report.add('timeout-over-interval', marks.timeout ?? marks.check ?? director.at, `the check timeout ${timeText(check.timeoutMs)} is longer than the interval ${timeText(check.intervalMs)}: the next check waits for the one before`, {
      hint: 'make the timeout at most the interval',
    });
  }
  if (settings && checked.length === 0 && servers.length > 0 && !marks.brokenServer) {
    report.add('check-unused', settings, `no server of director '${name}' has 'check' on its line: nothing is checked`, { hint: 'add check to each server line' });
  }
  if (marks.combine && !('parts' in probe)) {
    report.add('no-effect', marks.combine, "'all' and 'any' combine several 'option …check' lines, found fewer than two", { hint: 'leave it out' });
  }
  validateWeights(draft, report);
  validatePath(draft, report);
  const parts: readonly CheckPart[] = 'parts' in probe ? probe.parts : [{ probe, port: null }];
  for (const part of parts) validatePart(draft, { ...part, port: part.port ?? check.port }, checked, report);
}

function validatePart({ director, marks }: DirectorDraft, { probe, port }: CheckPart, checked: readonly Server[], report: Reporter): void {
  const { protocol, name } = director;
  const isTcp = TCP_CHECKS.includes(probe.kind);
  const isUdp = UDP_CHECKS.includes(probe.kind);
  // syslogcheck asks over TCP by what it is, not by mistake.
  if (marks.option && port === null && probe.kind !== 'syslog' && (protocol === 'udp' ? isTcp : isUdp)) {
    report.add('check-protocol', marks.option, `${probe.kind}check asks over ${isTcp ? 'TCP' : 'UDP'}, director '${name}' serves ${protocol.toUpperCase()}: one may work while the other does not`, {
      hint: protocol === 'udp' ? 'udpcheck or dnscheck ask the service itself; with check port <p> this warning goes' : 'tcpcheck or httpcheck ask the service itself; with check port <p> this warning goes',
    });
  }
  const blind = checked.find((server) => !server.sorry);
  if (!blind) return;
  if (probe.kind === 'default') {
    report.add('check-blind', blind.at, "'check' without an option sees that a server refuses (ICMP) or that its host does not answer ARP; not a service that hangs, nor one behind a firewall or a router", {
      hint: 'ask the service: option dnscheck, or option udpcheck send <data> expect <data>; option arpcheck says the host is enough',
    });
  }
  const portless = isTcp || isUdp ? checked.find((server) => port === null && portOf(director, server) === null) : undefined;
  if (portless) {
    const at = marks.option ?? portless.at;
    report.add('check-no-port', at, `expected a port to check server '${portless.name}' on, neither it nor the check has one and the director has ${director.ports ? 'a range' : 'all ports'}`, { hint: 'add: check port <port>' });
  }
}

/** `failover` goes by which weight is highest: steps on the way up would only change when it turns over. */
function validateWeights({ director, marks }: DirectorDraft, report: Reporter): void {
  if (director.balance !== 'failover') return;
  if (marks.slowStart) report.add('no-effect', marks.slowStart, "'slowstart' has no effect with balance failover: one server takes everything", { hint: 'leave it out' });
}

/** The path of clients' datagrams: the VIP, by way of the server. What checks do not take is said here. */
function validatePath({ director, marks }: DirectorDraft, report: Reporter): void {
  const { mode, probe, name } = director;
  const parts = 'parts' in probe ? probe.parts : [{ probe }];
  if (marks.checkVip) {
    const other = parts.find((part) => !BY_PATH.includes(part.probe.kind))?.probe.kind;
    const why = mode === 'nat' ? 'in mode nat clients reach the server at its own address, which is what is checked'
      : director.vip === null ? `director '${name}' has no VIP to ask at`
        : other !== undefined ? `${other === 'default' ? "'check' without an option" : `${other}check`} is no single question by UDP` : null;
    if (why !== null) report.add('check-vip', marks.checkVip, `expected no 'vip': ${why}`, { hint: other !== undefined && mode !== 'nat' ? 'ask the service: option udpcheck, dnscheck, radiuscheck, …' : "leave 'vip' out" });
    return;
  }
  if (mode === 'nat' || !marks.option) return;
  const asks = parts.some((part) => UDP_CHECKS.includes(part.probe.kind) || TCP_CHECKS.includes(part.probe.kind));
  if (!asks || !director.servers.some((server) => server.checked)) return;
  report.add('check-off-path', marks.option, `in mode ${mode} clients reach the servers of director '${name}' at the VIP, and the check asks at the server's own address: a VIP that is missing there${mode === 'tunnel' ? ', or a broken tunnel,' : ''} is not seen`, {
    hint: parts.every((part) => BY_PATH.includes(part.probe.kind)) ? 'check vip asks at the VIP, by way of each server' : 'the service must listen on the server\'s own address too; passive sees what comes back where the engine sees replies',
  });
}
