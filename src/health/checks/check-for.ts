/** From a configured kind of check to the function that runs it. */
import type { CheckResult, Target } from '../health.ts';
import type { CheckKind, SingleCheck } from '../../config/model.ts';
import { a2sCheck } from './a2s.ts';
import { arpCheck } from './arp.ts';
import { cannot, type Check, type CheckEnv } from './attempt.ts';
import { combine } from './combine.ts';
import { defaultCheck } from './default.ts';
import { dnsCheck } from './dns.ts';
import { dtlsCheck } from './dtls.ts';
import { execCheck } from './exec.ts';
import { httpCheck } from './http.ts';
import { icmpCheck } from './icmp.ts';
import { ntpCheck } from './ntp.ts';
import { quicCheck } from './quic.ts';
import { radiusCheck } from './radius.ts';
import { sipCheck } from './sip.ts';
import { snmpCheck } from './snmp.ts';
import { stunCheck } from './stun.ts';
import { syslogCheck } from './syslog.ts';
import { tcpCheck } from './tcp.ts';
import { tftpCheck } from './tftp.ts';
import { udpCheck } from './udp.ts';
import { wireguardCheck } from './wireguard.ts';

const made = new WeakMap<CheckKind, Check>();

/** Runs the target's check once. Settles within its timeout; rejects with SyntaxError on a bad regular expression alone. */
export async function runCheck(target: Target, env: CheckEnv): Promise<CheckResult> {
  const { source, ip } = target;
  if (source !== null && source.family !== ip.family) {
    const detail = `\`check source\` is IPv${source.family}, the server IPv${ip.family}: give servers of each family a director of their own, or leave \`source\` out`;
    return { ...cannot(detail), latencyMs: 0 };
  }
  return checkFor(target.probe)(target, env);
}

/** Returns the check of `probe`, made once for each probe object (a director's servers share theirs). Throws SyntaxError on a bad regular expression. */
export function checkFor(probe: CheckKind): Check {
  let check = made.get(probe);
  if (check === undefined) made.set(probe, (check = make(probe)));
  return check;
}

function make(probe: CheckKind): Check {
  if (!('parts' in probe)) return makeOne(probe);
  return combine(probe.kind, probe.parts.map((part) => ({ name: part.probe.kind, check: makeOne(part.probe), port: part.port })));
}

function makeOne(probe: SingleCheck): Check {
  switch (probe.kind) {
    case 'default':
      return defaultCheck;
    case 'arp':
      return arpCheck(probe);
    case 'icmp':
      return icmpCheck;
    case 'tcp':
      return tcpCheck;
    case 'http':
      return httpCheck(probe);
    case 'udp':
      return udpCheck(probe);
    case 'dns':
      return dnsCheck(probe);
    case 'ntp':
      return ntpCheck(probe);
    case 'radius':
      return radiusCheck(probe);
    case 'sip':
      return sipCheck(probe);
    case 'snmp':
      return snmpCheck(probe);
    case 'tftp':
      return tftpCheck(probe);
    case 'stun':
      return stunCheck;
    case 'dtls':
      return dtlsCheck(probe);
    case 'quic':
      return quicCheck;
    case 'syslog':
      return syslogCheck(probe);
    case 'a2s':
      return a2sCheck;
    case 'wireguard':
      return wireguardCheck(probe);
    case 'exec':
      return execCheck(probe);
    default:
      return probe satisfies never;
  }
}
