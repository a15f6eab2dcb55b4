/** The kernel's own NAT: nftables DNAT to the servers in turn, SNAT to the VIP, conntrack in between. */
import { tryRun, run } from '../command.ts';
import type { Topology } from '../topology/topology.ts';
import { KERNEL, type RunningSubject, type Subject } from './subject.ts';

/** A session lives as long as a bench of it. */
const TIMEOUT_S = 600;

/** nftables as a subject. */
export const nftables: Subject = {
  name: 'nftables',
  ...KERNEL,
  sessionsPerSecond: 20_000,
  version: () => {
    const version = /v(\S+)/.exec(tryRun('nft', ['--version']) ?? '')?.[1];
    return version === undefined ? { ok: false, why: 'nft is not installed: apt-get install nftables' } : { ok: true, version };
  },
  start: async (topology) => startNftables(topology),
};

function startNftables(topology: Topology): RunningSubject {
  const inside = (command: string, args: readonly string[], input?: string) =>
    run('ip', ['netns', 'exec', topology.balancer, command, ...args], input === undefined ? {} : { input });
  inside('nft', ['-f', '-'], ruleset(topology));
  for (const name of ['udp_timeout', 'udp_timeout_stream']) {
    inside('tee', [`/proc/sys/net/netfilter/nf_conntrack_${name}`], String(TIMEOUT_S));
  }
  return {
    target: topology.vip,
    pid: null,
    sessions: async () => Number(inside('cat', ['/proc/sys/net/netfilter/nf_conntrack_count'])),
    stop: async () => {
      inside('nft', ['delete', 'table', 'ip', 'bench']);
      // Entries outlive the rules that made them, and would slow the subject after this one.
      inside('conntrack', ['-F']);
    },
  };
}

/** Returns what nft reads. Packets that are not for the VIP meet no rule but still a conntrack lookup, as on any such host. */
export function ruleset({ vip, serverEndpoints }: Pick<Topology, 'vip' | 'serverEndpoints'>): string {
  const elements = serverEndpoints.map((server, i) => `${i} : ${server.ip.text} . ${server.port}`).join(', ');
  return `table ip bench {
  chain prerouting {
    type nat hook prerouting priority dstnat
    ip daddr ${vip.ip.text} udp dport ${vip.port} dnat to numgen inc mod ${serverEndpoints.length} map { ${elements} }
  }
  chain postrouting {
    type nat hook postrouting priority srcnat
    ct original ip daddr ${vip.ip.text} snat to ${vip.ip.text}
  }
}
`;
}
