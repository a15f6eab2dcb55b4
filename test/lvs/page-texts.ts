/** The page's documents, for one interface (near) and for two (far): the texts an operator types, and what the kernel's own tools then show. */
import type { Documents } from '../../src/client/types.ts';
import { HOSTS, type HostName } from './hosts.ts';

export interface Shape {
  readonly name: 'near' | 'far';
  readonly title: string;
  readonly vip: string;
  /** OUT of the NAT rule; IN is eth0. */
  readonly out: 'eth0' | 'eth1';
  readonly servers: readonly [HostName, HostName];
}

export const PORT = 8000;
export const NEAR: Shape = { name: 'near', title: 'one interface', vip: '192.0.2.3', out: 'eth0', servers: ['near1', 'near2'] };
export const FAR: Shape = { name: 'far', title: 'two interfaces', vip: '192.0.2.4', out: 'eth1', servers: ['far1', 'far2'] };

/** How soon a check tells: an interval, so many failures in a row, and the last one's time. */
export const CHECK = { intervalMs: 1000, timeoutMs: 500, fall: 2 } as const;

/** Returns the director; `option` is the page's `option …` line, without one the check is the page's own. */
export function director(shape: Shape, { servers = shape.servers, option = '' }: { readonly servers?: readonly HostName[]; readonly option?: string } = {}): string {
  return `director ${shape.name} ${shape.vip}:${PORT} UDP
    balance leastconn
    mode nat
    check interval ${CHECK.intervalMs}ms timeout ${CHECK.timeoutMs}ms rise 1 fall ${CHECK.fall}
${option === '' ? '' : `    option ${option}\n`}${servers.map((name) => `    server ${name} ${HOSTS[name].ip}:${PORT} weight 10 check\n`).join('')}`;
}

/** Returns the NAT rule as the page has it: protocol, before destination and its port, after source; IN and OUT. */
export function rule(shape: Shape): string {
  return `nat ${shape.name}
    in eth0
    out ${shape.out}
    protocol udp
    before destination ${shape.vip} dport ${PORT}
    after source ${shape.vip}
`;
}

/** Returns services.conf: the VIPs are the service network's to add. */
export function services({ conntrack }: { readonly conntrack: boolean }): string {
  return `service lvs
    ############ Linux Virtual Server, layer 3/4 load balancing
${conntrack ? '    conntrack\n' : ''}    engine lvs
service network eth0
    ip address ${NEAR.vip}/24
    ip address ${FAR.vip}/24
`;
}

/** Both shapes at once: what is saved at the end of the walk. */
export const WHOLE: Documents = { layer4: `${director(NEAR)}${director(FAR)}`, nat: `${rule(NEAR)}${rule(FAR)}`, services: services({ conntrack: true }) };

/** What `ipvsadm -Ln` shows of WHOLE; connection counts are `n`. */
export const IPVSADM = `IP Virtual Server version 1.2.1 (size=4096)
Prot LocalAddress:Port Scheduler Flags
  -> RemoteAddress:Port           Forward Weight ActiveConn InActConn
UDP  192.0.2.3:8000 wlc
  -> 192.0.2.21:8000              Masq    10     n          n
  -> 192.0.2.22:8000              Masq    10     n          n
UDP  192.0.2.4:8000 wlc
  -> 198.51.100.21:8000           Masq    10     n          n
  -> 198.51.100.22:8000           Masq    10     n          n
`;

/** What `nft list ruleset` shows of WHOLE: this and no other table; counters are `n`, in the order of their names (the kernel lists them as they came). */
export const RULESET = `table inet weir {
	counter nat-far {
		packets n bytes n
	}

	counter nat-near {
		packets n bytes n
	}

	chain prerouting {
		type nat hook prerouting priority dstnat; policy accept;
	}

	chain postrouting {
		type nat hook postrouting priority srcnat; policy accept;
		meta nfproto ipv4 iifname "eth0" oifname "eth0" meta l4proto udp ct original ip daddr 192.0.2.3 ct original proto-dst 8000 counter name "nat-near" snat ip to 192.0.2.3 comment "weir nat near"
		meta nfproto ipv4 iifname "eth0" oifname "eth1" meta l4proto udp ct original ip daddr 192.0.2.4 ct original proto-dst 8000 counter name "nat-far" snat ip to 192.0.2.4 comment "weir nat far"
	}
}
`;
