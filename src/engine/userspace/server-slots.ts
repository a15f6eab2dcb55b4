/**
 * What a worker knows of each server slot: whose it is, which endpoint stands for it, and what becomes of its sessions while it takes none.
 * A slot stays known after its server was removed, until another server gets it: sessions may still name it.
 */
import type { OnAction } from '../../balance/terms.ts';
import type { Ip } from '../../net/ip.ts';
import type { DesiredServer } from '../../plan/desired.ts';
import { EndpointTable } from './endpoints.ts';

/** What becomes of sessions of a slot; none is the normal case. */
export const POLICY_NONE = 0;
export const POLICY_MOVE = 1;
export const POLICY_KEEP = 2;
export const POLICY_DROP = 3;

interface Owner {
  readonly name: string;
  readonly directorSlot: number;
}

/** What a successor must know of slots and endpoints, under their numbers. `policy` and `keepUntil` have one entry an owner. */
export interface SlotsHandover {
  readonly owners: readonly (Owner | undefined)[];
  readonly policy: Uint8Array;
  readonly keepUntil: Float64Array;
  readonly endpoints: readonly { readonly ip: Ip; readonly port: number; readonly slots: readonly number[] }[];
}

export class ServerSlots {
  readonly endpoints = new EndpointTable();
  readonly policy: Uint8Array;
  readonly keepUntil: Float64Array;
  readonly #owners: Owner[] = [];
  readonly #servers = new Map<number, DesiredServer>();
  /** For servers that keep the client's port: the endpoint of each VIP port used so far. */
  readonly #byPort = new Map<number, Map<number, number>>();
  readonly #fixed: Int32Array;

  constructor(servers: number) {
    this.policy = new Uint8Array(servers);
    this.keepUntil = new Float64Array(servers);
    this.#fixed = new Int32Array(servers).fill(-1);
  }

  /** Returns whose slot it is or was last. */
  owner(slot: number): Owner {
    return this.#owners[slot];
  }

  /** Gives the slot to a server of the director, or confirms it. */
  set(slot: number, directorSlot: number, server: DesiredServer): void {
    this.#owners[slot] = { name: server.name, directorSlot };
    this.#servers.set(slot, server);
  }

  /** Returns the slots whose servers are in the running state. */
  present(): IterableIterator<number> {
    return this.#servers.keys();
  }

  /** Marks the slot's server as gone; its sessions keep their endpoint. */
  remove(slot: number): void {
    for (const endpoint of [this.#fixed[slot], ...(this.#byPort.get(slot)?.values() ?? [])]) {
      if (endpoint < 0) continue;
      const slots = this.endpoints.slots[endpoint];
      slots.splice(slots.indexOf(slot), 1);
    }
    this.#fixed[slot] = -1;
    this.#byPort.delete(slot);
    this.#servers.delete(slot);
  }

  /** Returns the endpoint that datagrams for this VIP port go to; the slot's server must be present. */
  endpointOf(slot: number, vipPort: number): number {
    const fixed = this.#fixed[slot];
    return fixed >= 0 ? fixed : this.#findEndpoint(slot, vipPort);
  }

  /** Sets what becomes of the slot's sessions. Returns true when they have to be looked at. A deadline runs from the change, not from each apply. */
  setPolicy(slot: number, action: OnAction | null, now: number): boolean {
    const policy = action === null ? POLICY_NONE : action.kind === 'move' ? POLICY_MOVE : action.kind === 'drop' ? POLICY_DROP : POLICY_KEEP;
    if (this.policy[slot] === policy) return false;
    this.policy[slot] = policy;
    this.keepUntil[slot] = action?.kind === 'keep' && action.forMs !== null ? now + action.forMs : Infinity;
    return policy === POLICY_MOVE;
  }

  /** Returns a copy of what sessions refer to. */
  handover(): SlotsHandover {
    const { ips, ports, slots } = this.endpoints;
    return {
      owners: [...this.#owners],
      policy: this.policy.slice(0, this.#owners.length),
      keepUntil: this.keepUntil.slice(0, this.#owners.length),
      endpoints: ips.map((ip, i) => ({ ip, port: ports[i], slots: [...slots[i]] })),
    };
  }

  /** Takes over owners, deadlines and endpoint numbers; nothing may have been set before. The servers come with `set`, then call `adoptEndpoints`. */
  adopt({ owners, policy, keepUntil, endpoints }: SlotsHandover): void {
    owners.forEach((owner, slot) => {
      if (owner !== undefined) this.#owners[slot] = owner;
    });
    this.policy.set(policy);
    this.keepUntil.set(keepUntil);
    for (const { ip, port } of endpoints) this.endpoints.intern(ip, port);
  }

  /** Lets the endpoints stand for their slots again, once the servers are set. */
  adoptEndpoints({ endpoints }: SlotsHandover): void {
    for (const { port, slots } of endpoints) for (const slot of slots) if (this.#servers.has(slot)) this.endpointOf(slot, port);
  }

  #findEndpoint(slot: number, vipPort: number): number {
    const server = this.#servers.get(slot);
    if (server === undefined) throw new Error(`server slot ${slot} has no server`);
    const ports = this.#byPort.get(slot);
    const known = ports?.get(vipPort);
    if (known !== undefined) return known;
    const endpoint = this.endpoints.intern(server.ip, server.port === 0 ? vipPort : server.port);
    if (server.port !== 0) this.#fixed[slot] = endpoint;
    else if (ports) ports.set(vipPort, endpoint);
    else this.#byPort.set(slot, new Map([[vipPort, endpoint]]));
    this.endpoints.slots[endpoint].push(slot);
    return endpoint;
  }
}
