/** What the userspace engine cannot do, by name. */
import { isUnspecified } from '../../net/ip.ts';
import { portCount } from '../../net/ports.ts';
import type { Desired, DesiredDirector } from '../../plan/desired.ts';
import { Unsupported } from '../engine.ts';

/** A socket a port and worker: a wider range belongs to an engine that sees packets. */
export const MAX_RANGE = 4096;

/** Returns everything in `desired` that this engine cannot do. */
export function userspaceUnsupported(desired: Desired, io: 'linux' | 'portable'): readonly Unsupported[] {
  return desired.directors.flatMap((d) => reasons(d, io).map((what) => new Unsupported('userspace', what, d.name)));
}

function reasons(d: DesiredDirector, io: 'linux' | 'portable'): string[] {
  const out: string[] = [];
  if (d.protocol !== 'udp') out.push('TCP');
  if (d.mode !== 'nat') out.push(`mode ${d.mode}`);
  if (d.vip === null) out.push('a director without an address');
  else if (d.ports === null) out.push('all ports of an address');
  else if (portCount(d.ports) > MAX_RANGE) out.push(`a range of more than ${MAX_RANGE} ports`);
  if (io === 'portable' && d.vip !== null && isUnspecified(d.vip)) out.push('a wildcard address without the Linux fast path (replies could leave from another address)');
  return out;
}
