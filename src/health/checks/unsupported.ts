/** Checks the language knows and weir cannot run yet: refused by name at apply, and never a verdict on a server. */
import type { CheckKind, OtherCheckKind } from '../../config/model.ts';
import { attempt, cannot, type Check } from './attempt.ts';

const OTHER: readonly OtherCheckKind[] = ['radius', 'sip', 'ntp', 'snmp', 'tftp', 'stun', 'dtls', 'quic', 'syslog', 'a2s', 'exec'];

/** One director whose check is not built; `text` is for people. */
export interface UnsupportedCheck {
  readonly director: string;
  readonly kind: OtherCheckKind;
  readonly text: string;
}

/** True for the kinds that are still to be built. */
export function isUnsupported(kind: CheckKind['kind']): kind is OtherCheckKind {
  return OTHER.some((other) => other === kind);
}

/** Returns the directors whose servers are to be checked in a way that is not built, in the order given. */
export function unsupportedChecks(
  directors: readonly { readonly name: string; readonly probe: CheckKind; readonly servers: readonly { readonly checked: boolean }[] }[],
): readonly UnsupportedCheck[] {
  return directors.flatMap(({ name, probe, servers }) =>
    isUnsupported(probe.kind) && servers.some((server) => server.checked) ? [{ director: name, kind: probe.kind, text: notBuilt(probe.kind) }] : [],
  );
}

/** Returns a check that says so and decides nothing. */
export function unsupportedCheck(kind: OtherCheckKind): Check {
  return (_target, env) =>
    attempt(env, {
      timeoutMs: 1000,
      onTimeout: () => cannot(notBuilt(kind)),
      begin: (settle) => {
        settle(cannot(notBuilt(kind)));
        return () => undefined;
      },
    });
}

function notBuilt(kind: OtherCheckKind): string {
  return `${kind}check is not built yet: use udpcheck, dnscheck, tcpcheck, httpcheck, icmpcheck or arpcheck`;
}
