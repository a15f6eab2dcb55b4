/** Whom the outer header of a tunnel is from. Pure. */
import type { Ip } from '../../net/ip.ts';
import type { HostFacts, Way } from './host.ts';

/**
 * Returns the address that routes give for the way, unless it is a VIP: the servers have that themselves, and a host drops what comes from its own
 * address. Then another of the same device, else of any; the VIP where there is no other; null without a way.
 */
export function tunnelSource(way: Way | null, vips: ReadonlySet<string>, addresses: HostFacts['addresses']): Ip | null {
  const own = way?.source ?? null;
  if (way === null || own === null || !vips.has(own.text)) return own;
  const others = addresses.filter((a) => a.global && a.ip.family === own.family && !vips.has(a.ip.text));
  return (others.find((a) => a.device === way.device) ?? others[0])?.ip ?? own;
}
