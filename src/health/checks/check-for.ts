/** From a configured kind of check to the function that runs it. */
import type { CheckKind } from '../../config/model.ts';
import { arpCheck } from './arp.ts';
import type { Check } from './attempt.ts';
import { defaultCheck } from './default.ts';
import { dnsCheck } from './dns.ts';
import { httpCheck } from './http.ts';
import { icmpCheck } from './icmp.ts';
import { tcpCheck } from './tcp.ts';
import { udpCheck } from './udp.ts';
import { unsupportedCheck } from './unsupported.ts';

const made = new WeakMap<CheckKind, Check>();

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
    default:
      return unsupportedCheck(probe.kind);
  }
}
