/** The kernel's LVS set by hand, as an administrator would with ipvsadm and nft: what weir's lvs engine is measured against. */
import { hostPortText } from '../../src/net/endpoint.ts';
import { run, tryRun } from '../command.ts';
import type { Topology } from '../topology/topology.ts';
import { KERNEL, type RunningSubject, type Subject } from './subject.ts';

/** Mode nat, conntrack on, and the page's rule: servers see the VIP. */
export const ipvsadm: Subject = subject('ipvsadm', true);
/** Mode nat alone: servers see the client. */
export const ipvsadmPlain: Subject = subject('ipvsadm-plain', false);

const CONNTRACK = '/proc/sys/net/ipv4/vs/conntrack';

function subject(name: string, page: boolean): Subject {
  return { name, ...KERNEL, sessionsPerSecond: 20_000, version: ipvsVersion, start: (topology) => startByHand(topology, page) };
}

/** Returns the version of ipvsadm, or why LVS cannot be measured here. */
export function ipvsVersion(): ReturnType<Subject['version']> {
  const version = /\bv(\d\S*)/.exec(tryRun('ipvsadm', ['--version']) ?? '')?.[1];
  if (version === undefined) return { ok: false, why: 'ipvsadm is not installed: apt-get install ipvsadm' };
  return tryRun('ipvsadm', ['-Ln']) === undefined ? { ok: false, why: 'this kernel has no ip_vs: npm run bench -- lvs measures it in one that has' } : { ok: true, version };
}

async function startByHand(topology: Topology, page: boolean): Promise<RunningSubject> {
  const { vip, serverEndpoints, balancer } = topology;
  const inside = (command: string, args: readonly string[], input?: string) => run('ip', ['netns', 'exec', balancer, command, ...args], input === undefined ? {} : { input });
  const service = hostPortText(vip.ip, vip.port);
  const stop = async () => {
    inside('ipvsadm', ['-D', '-u', service]);
    if (!page) return;
    tryRun('ip', ['netns', 'exec', balancer, 'nft', 'delete', 'table', 'ip', 'bench']);
    inside('tee', [CONNTRACK], '0');
    // Entries outlive the rules that made them, and would slow the subject after this one.
    inside('conntrack', ['-F']);
  };
  try {
    inside('ipvsadm', ['-R'], [`-A -u ${service} -s wrr`, ...serverEndpoints.map((s) => `-a -u ${service} -r ${hostPortText(s.ip, s.port)} -m -w 1`), ''].join('\n'));
    if (page) {
      inside('tee', [CONNTRACK], '1');
      inside('nft', ['-f', '-'], ruleset(topology));
    }
  } catch (error) {
    await stop();
    throw error;
  }
  return { target: vip, pid: null, sessions: null, stop };
}

/** Returns what nft reads: the page's rule, as one writes it. */
function ruleset({ vip }: Pick<Topology, 'vip'>): string {
  return `table ip bench {
  chain postrouting {
    type nat hook postrouting priority srcnat
    meta l4proto udp ct original ip daddr ${vip.ip.text} ct original proto-dst ${vip.port} snat to ${vip.ip.text}
  }
}
`;
}
