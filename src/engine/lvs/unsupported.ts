/** What ip_vs cannot do, by name, each with what it has instead. */
import { isLoopback, isUnspecified } from '../../net/ip.ts';
import { serverKey, type Desired, type DesiredDirector } from '../../plan/desired.ts';
import { Unsupported } from '../engine.ts';
import { destKey } from './ipvs.ts';
import { schedulerOf } from './schedulers.ts';
import { directorFamily, isMarked, seconds } from './target.ts';

/** Returns everything in `desired` that this engine cannot do. `missing` are schedulers this kernel was found not to have. */
export function lvsUnsupported(desired: Desired, missing: ReadonlySet<string>): readonly Unsupported[] {
  return [...desired.directors.flatMap((d) => reasons(d, missing).map((what) => new Unsupported('lvs', what, d.name))), ...timeouts(desired), ...sameAddress(desired)];
}

function reasons(d: DesiredDirector, missing: ReadonlySet<string>): string[] {
  const out: string[] = [];
  const scheduler = schedulerOf(d);
  if (scheduler === null) out.push(`balance ${d.balance} (ip_vs has no such scheduler; roundrobin spreads by weight too)`);
  else if (missing.has(scheduler.name)) out.push(`balance ${d.balance} (this kernel has no scheduler ${scheduler.name}: module ip_vs_${scheduler.name})`);
  if (d.balance === 'srcdst' && (d.vip === null || isUnspecified(d.vip))) out.push('balance srcdst without one address (ip_vs hashes the source alone, which is the same only for one VIP)');
  if ((d.vip !== null && isLoopback(d.vip)) || d.servers.some((s) => isLoopback(s.ip))) out.push('loopback addresses (ip_vs forwards between hosts; the userspace engine serves this one)');
  if (d.session.kind === 'request-reply') out.push('session request-reply (ip_vs counts no replies; two-way, or one-way where no reply is expected)');
  if (d.session.kind === 'one-way' && d.protocol === 'tcp') out.push('session one-way for TCP');
  if (d.session.max !== null) out.push('session max (ip_vs has a limit for each server only)');
  if (d.session.rate !== null) out.push('session rate (ip_vs has no limit on new sessions)');
  if (d.session.sourceRate !== null) out.push('session source-rate (ip_vs has no limit on new sessions)');
  if (d.session.amplification !== null) out.push('session amplification (ip_vs does not weigh replies against requests)');
  for (const event of ['down', 'drain', 'remove'] as const) if (d.on[event].kind === 'drop') out.push(`on ${event} drop (ip_vs knows it only for all services at once)`);
  if (d.mode !== 'nat' && d.servers.some((s) => s.port !== 0 && (d.ports === null || s.port !== d.ports.first || d.ports.first !== d.ports.last))) {
    out.push(`a server port other than the director's in mode ${d.mode} (the packet is not changed)`);
  }
  const family = directorFamily(d);
  if (d.mode !== 'tunnel' && d.servers.some((s) => s.ip.family !== family)) out.push(`servers of another address family than ${d.vip === null ? 'the first' : 'the address'} (only mode tunnel may mix them)`);
  const seen = new Map<string, string>();
  for (const server of d.servers) {
    const other = seen.get(destKey(server));
    if (other !== undefined && other !== serverKey(server)) out.push(`two servers with one address and port (${server.name} and ${other.split('|')[0]})`);
    seen.set(destKey(server), serverKey(server));
  }
  return out;
}

/** ip_vs has one timeout for all UDP services and one for all TCP ones. */
function timeouts(desired: Desired): Unsupported[] {
  return (['udp', 'tcp'] as const).flatMap((protocol) => {
    const asking = desired.directors.filter((d) => d.protocol === protocol && d.session.kind !== 'one-way' && d.session.timeoutMs !== null);
    const [first, ...others] = asking;
    if (first === undefined) return [];
    const wish = seconds(first.session.timeoutMs ?? 0);
    return others.filter((d) => seconds(d.session.timeoutMs ?? 0) !== wish).map((d) =>
      new Unsupported('lvs', `session timeout ${seconds(d.session.timeoutMs ?? 0)}s beside ${wish}s of director ${first.name} (ip_vs has one ${protocol.toUpperCase()} timeout for all directors)`, d.name));
  });
}

function sameAddress(desired: Desired): Unsupported[] {
  const seen = new Map<string, string>();
  return desired.directors.flatMap((d) => {
    if (isMarked(d) || d.vip === null || d.ports === null) return [];
    const key = `${d.protocol}|${d.vip.text}|${d.ports.first}`;
    const other = seen.get(key);
    seen.set(key, d.name);
    return other === undefined ? [] : [new Unsupported('lvs', `the same address and port as director ${other}`, d.name)];
  });
}
