/**
 * `option arpcheck`: the host answers for its address on the link (ARP, ND). Says nothing of the service on it.
 * Needs no privilege: a datagram to the discard port makes the kernel resolve or verify the neighbour, and its table tells the outcome.
 * The kernel trusts an entry for a while (docs/reference/checks.md), so a host that dies is seen later than by other checks.
 */
import type { Target } from '../health.ts';
import { attempt, cannot, fail, pass, type Check, type Finding } from './attempt.ts';
import { datagram } from './datagram.ts';

const DISCARD_PORT = 9;

/** Returns a check that the target is a live neighbour, on `iface` when that is given. */
export function arpCheck({ iface }: { readonly iface: string | null }): Check {
  return (target, env) => {
    const what = protocolName(target);
    let seen = `no ${what} answer within ${target.timeoutMs} ms`;
    return attempt(env, {
      timeoutMs: target.timeoutMs,
      onTimeout: () => fail(seen),
      begin: (settle) => {
        const reach = env.neighbours.reach(target.ip);
        if (reach.kind === 'local') {
          settle(pass('an address of this host: no neighbour to ask'));
          return () => undefined;
        }
        let over = false;
        const close = datagram(target, {
          port: DISCARD_PORT,
          payload: new Uint8Array(0),
          onReply: () => settle(pass('the host answers (a datagram from its discard port)')),
          onError: (finding) => {
            if (finding.finding === 'refused') settle(pass('the host answers (ICMP port unreachable from its discard port)'));
            else settle(finding.detail === 'host unreachable' ? fail(`no ${what} answer`) : finding);
          },
          onSent: () => void watch().then(settle, (cause: unknown) => settle(cannot(`the neighbour table cannot be read: ${String(cause)}`))),
        });
        const watch = async (): Promise<Finding> => {
          while (!over) {
            const entry = await env.neighbours.look(target.ip, env.nowMs());
            if (entry === undefined && reach.kind === 'routed') {
              return fail(`${target.ip.text} is not on-link: ${what} sees only hosts of this host's own networks; use icmpcheck, tcpcheck or dnscheck`);
            }
            if (entry !== undefined && iface !== null && entry.iface !== iface) return fail(`the host is a neighbour on ${entry.iface}, not on ${iface}`);
            if (entry?.state === 'complete') return pass(`${what} entry ${entry.lladdr ?? ''} on ${entry.iface}`);
            if (entry === undefined) seen = `no ${what} entry appears: the interface ${reach.kind === 'on-link' ? reach.iface : ''} does without ${what}`;
            else seen = `no ${what} answer on ${entry.iface} within ${target.timeoutMs} ms`;
          }
          return fail(seen);
        };
        return () => {
          over = true;
          close();
        };
      },
    });
  };
}

/** Returns `ARP` or `ND`. */
export function protocolName(target: Target): 'ARP' | 'ND' {
  return target.ip.family === 4 ? 'ARP' : 'ND';
}
