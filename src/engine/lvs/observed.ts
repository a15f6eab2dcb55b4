/** What ip_vs does now, told as a desired state: the record where the kernel agrees with it, the kernel where it does not. Pure. */
import type { Desired, DesiredDirector, DesiredServer } from '../../plan/desired.ts';
import { SVC_ONEPACKET, SVC_PERSISTENT, destKey, serviceKey, type IpvsTimeouts, type ReadService } from './ipvs.ts';
import { sameService } from './changes.ts';
import type { LvsRecord } from './record.ts';
import { balanceOf } from './schedulers.ts';
import { seconds, targetOf, timeoutWish, type TargetService } from './target.ts';

/** Returns the observation. `marksIntact` false: the nftables table is not what was set, so directors fed by marks are not served. */
export function observed(record: LvsRecord, services: readonly ReadService[], facts: { readonly marksIntact: boolean; readonly timeouts: IpvsTimeouts }): Desired {
  const present = new Map(services.map((s) => [serviceKey(s.id), s]));
  const targets = new Map(targetOf(record.desired, record.holds).services.map((t) => [t.director, t]));
  return {
    directors: record.desired.directors.flatMap((d): DesiredDirector[] => {
      const target = targets.get(d.name) as TargetService;
      const now = present.get(serviceKey(target.service.id));
      if (now === undefined || (target.service.id.kind === 'mark' && d.vip !== null && !facts.marksIntact)) return [];
      return [withTimeout(directorNow(d, target, now), record.desired, facts.timeouts)];
    }),
  };
}

function directorNow(d: DesiredDirector, target: TargetService, now: ReadService): DesiredDirector {
  const servers = serversNow(d, target, now);
  const forward = now.dests.find((dest) => dest.forward !== d.mode && dest.forward !== 'local')?.forward;
  const same: DesiredDirector = { ...d, servers, ...(forward === undefined || forward === 'local' ? {} : { mode: forward }) };
  if (sameService(target.service, now)) return same;
  // Somebody changed the service itself: shown as what it is now as far as words go, so that a plan puts it right.
  return {
    ...same,
    balance: now.scheduler === target.service.scheduler ? d.balance : (balanceOf(now.scheduler) ?? 'random'),
    persistence: (now.flags & SVC_PERSISTENT) === 0 ? null : { timeoutMs: now.timeoutS * 1000, prefix4: now.prefix, prefix6: now.prefix },
    session: (now.flags & SVC_ONEPACKET) !== 0 ? { ...d.session, kind: 'one-way' } : d.session.kind === 'one-way' ? { ...d.session, kind: 'two-way' } : d.session,
  };
}

function serversNow(d: DesiredDirector, target: TargetService, now: ReadService): DesiredServer[] {
  const present = new Map(now.dests.map((dest) => [destKey(dest), dest]));
  const expected = new Map(target.dests.map((dest) => [destKey(dest), dest]));
  const servers = d.servers.flatMap((server): DesiredServer[] => {
    const wanted = expected.get(destKey(server));
    const found = present.get(destKey(server));
    if (wanted === undefined) return found === undefined ? [server] : [{ ...server, state: 'up', weight: found.weight }];
    if (found === undefined) return [];
    return [found.weight === wanted.weight ? server : { ...server, state: 'up', weight: found.weight === server.weight && server.state === 'up' ? found.weight + 1 : found.weight }];
  });
  const strangers = now.dests.filter((dest) => !expected.has(destKey(dest)) && !d.servers.some((s) => destKey(s) === destKey(dest)));
  return [...servers, ...strangers.map((dest): DesiredServer => ({ name: `unknown-${dest.ip.text}-${dest.port}`, ip: dest.ip, port: dest.port, weight: dest.weight, state: 'up', sorry: false }))];
}

/** A timeout that was asked for and that somebody has changed is shown as it is. */
function withTimeout(d: DesiredDirector, desired: Desired, timeouts: IpvsTimeouts): DesiredDirector {
  const wish = timeoutWish(desired, d.protocol);
  const now = timeouts[d.protocol];
  if (d.session.timeoutMs === null || d.session.kind === 'one-way' || wish === null || wish === now || seconds(d.session.timeoutMs) === now) return d;
  return { ...d, session: { ...d.session, timeoutMs: now * 1000 } };
}
