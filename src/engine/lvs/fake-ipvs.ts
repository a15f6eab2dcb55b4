/** An ip_vs in memory for tests: keeps services and servers as the kernel does, refuses what it refuses, and fails where told to. */
import { destKey, serviceKey, type IpvsService, type Ipvs, type IpvsDest, type IpvsStats, type IpvsTimeouts, type ReadService, type ServiceId } from './ipvs.ts';
import { EEXIST, ENOENT, ESRCH, NetlinkError } from './socket.ts';

const ZERO: IpvsStats = { connections: 0, packetsIn: 0, packetsOut: 0, bytesIn: 0, bytesOut: 0 };

export class FakeIpvs implements Ipvs {
  readonly schedulers = new Set(['wrr', 'wlc', 'lblc', 'lblcr', 'sh', 'dh', 'sed', 'nq', 'fo', 'mh']);
  /** Steps taken so far, those refused too. */
  steps: string[] = [];
  /** Called before each step; may throw. */
  onStep: (text: string) => void = () => undefined;
  #services = new Map<string, ReadService>();
  #timeouts: IpvsTimeouts = { tcp: 900, tcpFin: 120, udp: 300 };

  services(): ReadService[] {
    return structuredClone([...this.#services.values()]);
  }

  addService(service: IpvsService): void {
    this.#step(`add ${serviceKey(service.id)}`);
    if (!this.schedulers.has(service.scheduler)) throw new NetlinkError(`adding ip_vs service (${service.scheduler})`, ENOENT);
    if (this.#services.has(serviceKey(service.id))) throw new NetlinkError('adding', EEXIST);
    this.#services.set(serviceKey(service.id), { ...service, stats: ZERO, dests: [] });
  }

  setService(service: IpvsService): void {
    this.#step(`set ${serviceKey(service.id)}`);
    this.#services.set(serviceKey(service.id), { ...this.#get(service.id), ...service });
  }

  removeService(id: ServiceId): void {
    this.#step(`remove ${serviceKey(id)}`);
    this.#get(id);
    this.#services.delete(serviceKey(id));
  }

  addDest(id: ServiceId, dest: IpvsDest): void {
    this.#step(`add ${destKey(dest)}`);
    const service = this.#get(id);
    if (service.dests.some((d) => destKey(d) === destKey(dest))) throw new NetlinkError('adding', EEXIST);
    const { ip, port, forward, weight } = dest;
    this.#services.set(serviceKey(id), { ...service, dests: [{ ip, port, forward, weight, active: 0, inactive: 0, stats: ZERO }, ...service.dests] });
  }

  setDest(id: ServiceId, dest: IpvsDest): void {
    this.#step(`set ${destKey(dest)} weight ${dest.weight}`);
    this.#edit(id, dest, { forward: dest.forward, weight: dest.weight });
  }

  removeDest(id: ServiceId, dest: Pick<IpvsDest, 'ip' | 'port'>): void {
    this.#step(`remove ${destKey(dest)}`);
    const service = this.#get(id);
    if (!service.dests.some((d) => destKey(d) === destKey(dest))) throw new NetlinkError('removing', ENOENT);
    this.#services.set(serviceKey(id), { ...service, dests: service.dests.filter((d) => destKey(d) !== destKey(dest)) });
  }

  timeouts(): IpvsTimeouts {
    return this.#timeouts;
  }

  setTimeouts(timeouts: IpvsTimeouts): void {
    this.#step(`timeouts udp ${timeouts.udp}`);
    this.#timeouts = timeouts;
  }

  info(): { version: string; tableSize: number } {
    return { version: '1.2.1', tableSize: 4096 };
  }

  close(): void {
    // Nothing to close.
  }

  /** Makes the kernel show traffic on a server and its service. */
  carry(id: ServiceId, dest: Pick<IpvsDest, 'ip' | 'port'>, traffic: { readonly sessions: number; readonly packets: number }): void {
    const stats: IpvsStats = { connections: traffic.sessions, packetsIn: traffic.packets, packetsOut: traffic.packets, bytesIn: traffic.packets * 100, bytesOut: traffic.packets * 128 };
    this.#edit(id, dest, { inactive: traffic.sessions, stats });
    this.#services.set(serviceKey(id), { ...this.#get(id), stats });
  }

  #edit(id: ServiceId, dest: Pick<IpvsDest, 'ip' | 'port'>, change: Partial<ReadService['dests'][number]>): void {
    const service = this.#get(id);
    this.#services.set(serviceKey(id), { ...service, dests: service.dests.map((d) => (destKey(d) === destKey(dest) ? { ...d, ...change } : d)) });
  }

  #get(id: ServiceId): ReadService {
    const service = this.#services.get(serviceKey(id));
    if (service === undefined) throw new NetlinkError('looking up', ESRCH);
    return service;
  }

  #step(text: string): void {
    this.steps.push(text);
    this.onStep(text);
  }
}
