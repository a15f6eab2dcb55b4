/**
 * `check` without an `option`, the ALOHA page's own case: an empty datagram is not refused by ICMP, and an on-link host answers for
 * its address. The weakest check there is, and each detail says what it cannot see.
 */
import type { Target } from '../health.ts';
import { attempt, fail, pass, type Check, type CheckEnv, type Finding } from './attempt.ts';
import { protocolName } from './arp.ts';
import { datagram } from './datagram.ts';
import { QUIET_MS } from './udp.ts';

/** A check that needs no reply. */
export const defaultCheck: Check = plainCheck({ answered: pass('answered an empty datagram'), blind: 'a service that reads nothing looks the same: use dnscheck or udpcheck' });

/** Returns a check that needs no reply; `answered` is what a reply means, `blind` says what silence cannot tell. */
export function plainCheck({ answered, blind }: { readonly answered: Finding; readonly blind: string }): Check {
  return (target, env) => tryPlain(target, env, answered, blind);
}

function tryPlain(target: Target, env: CheckEnv, answered: Finding, blind: string): ReturnType<Check> {
  const what = protocolName(target);
  const quietMs = Math.min(QUIET_MS, Math.floor(target.timeoutMs * 0.75));
  const quiet = `no ICMP error within ${quietMs} ms`;
  const reach = env.neighbours.reach(target.ip);
  let silentOn: string | null = null;
  return attempt(env, {
    timeoutMs: target.timeoutMs,
    onTimeout: () => (silentOn === null ? pass(`${quiet}; the neighbour table was not read in time`) : fail(`the host does not answer ${what} on ${silentOn}`)),
    begin: (settle) => {
      let over = false;
      let cancelQuiet = (): void => undefined;
      const verdict = async (): Promise<void> => {
        if (reach.kind === 'local') return settle(pass(`${quiet}, no reply required; an address of this host: ${blind}`));
        if (reach.kind === 'routed') return settle(pass(`${quiet}, no reply required; beyond a router: a host that is gone looks the same: use dnscheck, udpcheck or icmpcheck`));
        while (!over) {
          const finding = await look();
          if (finding !== null) settle(finding);
        }
      };
      const look = async (): Promise<Finding | null> => {
        const entry = await env.neighbours.look(target.ip, env.nowMs());
        if (entry === undefined) return pass(`${quiet}, no reply required; no ${what} on this link: a host that is gone looks the same`);
        if (entry.state === 'complete') return pass(`${quiet}, host answers ${what} on ${entry.iface}, no reply required; ${blind}`);
        silentOn = entry.iface;
        return null;
      };
      const close = datagram(target, {
        payload: new Uint8Array(0),
        onReply: () => settle(answered),
        onError: (finding) => settle(finding.detail === 'host unreachable' ? fail(`host unreachable: it does not answer ${what}, or a router says so`) : finding),
        onSent: () => {
          cancelQuiet = env.setTimer(() => {
            verdict().catch((cause: unknown) => settle(pass(`${quiet}; the neighbour table cannot be read: ${String(cause)}`)));
          }, quietMs);
        },
      });
      return () => {
        over = true;
        cancelQuiet();
        close();
      };
    },
  });
}
