/** The steps that take ip_vs from what it holds to a target, each with the step that takes it back. */
import type { IpvsDest, Ipvs, IpvsService, ReadDest, ReadService, ServiceId } from './ipvs.ts';
import { SVC_FLAGS, destKey, serviceKey } from './ipvs.ts';
import { EngineError } from '../engine.ts';
import type { Target, TargetService } from './target.ts';

export interface Change {
  readonly text: string;
  /** The server it adds or removes, as `service destination`. */
  readonly adds?: string;
  readonly removes?: readonly string[];
  run(ipvs: Ipvs): void;
  undo(ipvs: Ipvs): void;
}

/** Returns the changes (the kernel puts each new server first in its list, so they come in reverse), in an order that leaves no service without servers in between: what comes, what changes, what goes. */
export function changesTo(target: readonly TargetService[], owned: readonly ReadService[]): Change[] {
  const present = new Map(owned.map((s) => [serviceKey(s.id), s]));
  const wanted = new Set(target.map((t) => serviceKey(t.service.id)));
  const changes: Change[] = [];
  for (const { service, dests } of target) {
    const now = present.get(serviceKey(service.id));
    if (now === undefined) changes.push(addService(service), ...dests.toReversed().map((d) => addDest(service.id, d)));
    else changes.push(...serviceChanges(service, now), ...destChanges(service.id, dests, now.dests));
  }
  for (const service of owned) if (!wanted.has(serviceKey(service.id))) changes.push(removeService(service));
  return changes;
}

/** True when the kernel's service is what is wanted, its servers aside. */
export function sameService(wanted: IpvsService, now: IpvsService): boolean {
  return wanted.scheduler === now.scheduler && wanted.flags === (now.flags & SVC_FLAGS) && wanted.prefix === now.prefix && (wanted.timeoutS === now.timeoutS || wanted.timeoutS === 0);
}

/** Returns the name of a server in `adds` and `removes`. */
export function destName(id: ServiceId, dest: Pick<IpvsDest, 'ip' | 'port'>): string {
  return `${serviceKey(id)} ${destKey(dest)}`;
}

/** Throws EngineError when the target has a service that the kernel has already and that is not weir's. */
export function refuseForeign(target: Target, all: readonly ReadService[], owned: readonly ReadService[]): void {
  const ours = new Set(owned.map((s) => serviceKey(s.id)));
  const theirs = new Set(all.map((s) => serviceKey(s.id)).filter((key) => !ours.has(key)));
  const clash = target.services.find((t) => theirs.has(serviceKey(t.service.id)));
  if (clash === undefined) return;
  const { id } = clash.service;
  const remove = id.kind === 'mark' ? `ipvsadm -D -f ${id.mark}` : `ipvsadm -D -${id.protocol === 'udp' ? 'u' : 't'} ${serviceKey(id).replace(/^\w+ /, '')}`;
  throw new EngineError(`director ${clash.director}: ip_vs has a service ${serviceKey(id)} already that weir did not set`, { cure: `remove it (${remove}) and whatever set it, or give the director another address or port` });
}

function serviceChanges(service: IpvsService, now: ReadService): Change[] {
  if (sameService(service, now)) return [];
  const old = { ...plain(now), flags: now.flags & SVC_FLAGS };
  return [{ text: `${serviceKey(service.id)} scheduler ${service.scheduler}`, run: (k) => k.setService(service), undo: (k) => k.setService(old) }];
}

function destChanges(id: ServiceId, wanted: readonly IpvsDest[], now: readonly ReadDest[]): Change[] {
  const present = new Map(now.map((d) => [destKey(d), d]));
  const keys = new Set(wanted.map(destKey));
  const comes: Change[] = [];
  const changed: Change[] = [];
  for (const dest of wanted) {
    const old = present.get(destKey(dest));
    if (old === undefined) comes.push(addDest(id, dest));
    // A server on this host is made `local` by the kernel, whatever was asked for.
    else if (old.weight !== dest.weight || (old.forward !== dest.forward && old.forward !== 'local')) changed.push(setDest(id, dest, old));
  }
  return [...comes.toReversed(), ...changed, ...now.filter((d) => !keys.has(destKey(d))).map((d) => removeDest(id, d))];
}

function addService(service: IpvsService): Change {
  return { text: `added ${serviceKey(service.id)}`, run: (k) => k.addService(service), undo: (k) => k.removeService(service.id) };
}

function removeService(service: ReadService): Change {
  return {
    text: `removed ${serviceKey(service.id)}`,
    removes: service.dests.map((d) => destName(service.id, d)),
    run: (k) => k.removeService(service.id),
    undo(k) {
      k.addService({ ...plain(service), flags: service.flags & SVC_FLAGS });
      for (const dest of service.dests.toReversed()) k.addDest(service.id, dest);
    },
  };
}

function addDest(id: ServiceId, dest: IpvsDest): Change {
  return { text: `added ${destName(id, dest)}`, adds: destName(id, dest), run: (k) => k.addDest(id, dest), undo: (k) => k.removeDest(id, dest) };
}

function setDest(id: ServiceId, dest: IpvsDest, old: IpvsDest): Change {
  return { text: `${destName(id, dest)} weight ${dest.weight}`, run: (k) => k.setDest(id, dest), undo: (k) => k.setDest(id, old) };
}

function removeDest(id: ServiceId, dest: IpvsDest): Change {
  return { text: `removed ${destName(id, dest)}`, removes: [destName(id, dest)], run: (k) => k.removeDest(id, dest), undo: (k) => k.addDest(id, dest) };
}

function plain({ id, scheduler, flags, timeoutS, prefix }: IpvsService): IpvsService {
  return { id, scheduler, flags, timeoutS, prefix };
}
