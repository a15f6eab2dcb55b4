/** What the xdp engine cannot do, by name, each with what helps. Pure: what only the host can tell is refused by an apply (see host-refusals.ts). */
import { isLoopback } from '../../net/ip.ts';
import type { Desired, DesiredDirector } from '../../plan/desired.ts';
import { Unsupported } from '../engine.ts';
import { CONSTANTS } from './abi/spec.ts';

/** Returns everything in `desired` that this engine cannot do. */
export function xdpUnsupported(desired: Desired): readonly Unsupported[] {
  const servers = desired.directors.reduce((sum, d) => sum + d.servers.length, 0);
  return [
    ...desired.directors.flatMap((d) => reasons(d).map((what) => new Unsupported('xdp', what, d.name))),
    ...(desired.directors.length > CONSTANTS.MAX_DIRECTORS ? [new Unsupported('xdp', `${desired.directors.length} directors (it has room for ${CONSTANTS.MAX_DIRECTORS})`)] : []),
    ...(servers > CONSTANTS.MAX_SERVERS ? [new Unsupported('xdp', `${servers} servers (it has room for ${CONSTANTS.MAX_SERVERS})`)] : []),
  ];
}

function reasons(d: DesiredDirector): string[] {
  if (d.protocol !== 'udp') return ['TCP (the lvs engine does it)'];
  const out: string[] = [];
  if (d.vip === null) out.push('a director without an address (a mark is not seen before the kernel)');
  const family = d.vip?.family ?? d.servers[0]?.ip.family ?? 4;
  if (d.servers.some((s) => s.ip.family !== family)) out.push(`servers of another address family than ${d.vip === null ? 'the first' : 'the address'} (it changes addresses, not protocols; the userspace engine does it)`);
  if ((d.vip !== null && isLoopback(d.vip)) || d.servers.some((s) => isLoopback(s.ip))) out.push('loopback addresses (no frame ever comes in there; the userspace engine serves this host)');
  const candidates = d.servers.filter((s) => !s.sorry).length;
  if (candidates > CONSTANTS.MAX_CANDIDATES) out.push(`${candidates} servers of one director (at most ${CONSTANTS.MAX_CANDIDATES})`);
  if (d.mode !== 'nat' && d.servers.some((s) => s.port !== 0 && (d.ports === null || s.port !== d.ports.first || d.ports.first !== d.ports.last))) {
    out.push(`a server port other than the director's in mode ${d.mode} (the packet is not changed)`);
  }
  if (d.mode !== 'nat' && d.sourceNat !== null) out.push(`source NAT in mode ${d.mode} (the packet is not changed)`);
  return out;
}
