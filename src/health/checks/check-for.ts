/** From a configured kind of check to the function that runs it. */
import type { CheckResult, Target } from '../health.ts';
import type { CheckKind } from '../../config/model.ts';
import { arpCheck } from './arp.ts';
import { cannot, type Check, type CheckEnv } from './attempt.ts';
import { defaultCheck } from './default.ts';
import { dnsCheck } from './dns.ts';
import { httpCheck } from './http.ts';
import { icmpCheck } from './icmp.ts';
import { tcpCheck } from './tcp.ts';
import { udpCheck } from './udp.ts';
import { unsupportedCheck } from './unsupported.ts';

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
    case 'radius':
    case 'sip':
    case 'ntp':
    case 'snmp':
    case 'tftp':
    case 'stun':
    case 'dtls':
    case 'quic':
    case 'syslog':
    case 'a2s':
    case 'exec':
      return unsupportedCheck(probe.kind);
    default:
      return probe satisfies never;
  }
}
