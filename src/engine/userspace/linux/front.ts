/**
 * The listeners of one worker: opened before a switch, joined to epoll with it, known by their number. A wildcard VIP has a further
 * number for each local address that datagrams hit (pktinfo.ts), so that sessions keep the address they were opened with.
 */
import { isUnspecified, type Ip } from '../../../net/ip.ts';
import { DROP_ID } from '../../drops.ts';
import type { Forwarder } from '../forwarder.ts';
import { listenersOf, type WantedListener } from '../listeners.ts';
import type { SlottedDirector } from '../protocol.ts';
import { DIRECTOR_COUNTER, DIRECTOR_STRIDE } from '../shared.ts';
import type { Inbox } from './messages.ts';
import { LocalAddresses } from './pktinfo.ts';
import type { Sockets } from './sockets.ts';

export interface OpenListener {
  readonly id: number;
  readonly fd: number;
  readonly ip: Ip;
  readonly port: number;
  readonly nameLength: number;
  readonly wildcard: boolean;
  droppedBefore: number;
}

/** Listeners by their numbers; `fd` is the descriptor in the process that hands them over. */
export interface FrontHandover {
  readonly next: number;
  readonly listeners: readonly {
    readonly id: number; readonly fd: number; readonly ip: Ip; readonly port: number; readonly droppedBefore: number;
    readonly children: readonly { readonly id: number; readonly address: Ip }[];
  }[];
}

export interface FrontOptions {
  readonly sockets: Sockets;
  readonly forwarder: Forwarder;
  /** Other workers bind the same addresses. */
  readonly share: boolean;
  readonly watch: (l: OpenListener) => void;
  readonly unwatch: (l: OpenListener) => void;
}

export class Front {
  /** By listener number, those of wildcards' local addresses included. */
  readonly listeners: (OpenListener | undefined)[] = [];
  readonly fds: number[] = [];
  readonly #options: FrontOptions;
  readonly #local = new LocalAddresses();
  readonly #byKey = new Map<string, OpenListener>();
  #prepared: { directors: readonly SlottedDirector[]; opened: OpenListener[] } | null = null;
  #next = 0;

  constructor(options: FrontOptions) {
    this.#options = options;
  }

  /** Opens what the directors need and is not open. Throws SocketRefused, and has opened nothing. */
  prepare(directors: readonly SlottedDirector[]): void {
    const { sockets, share } = this.#options;
    const opened: OpenListener[] = [];
    try {
      for (const { key, ip, port } of listenersOf(directors)) {
        if (!this.#byKey.has(key)) opened.push(open(this.#next++, ip, port, sockets.openListener(ip, port, share)));
      }
    } catch (error) {
      for (const l of opened) sockets.close(l.fd);
      throw error;
    }
    this.#prepared = { directors, opened };
  }

  /** Switches forwarder and listeners to what was prepared. */
  commit(now: number): void {
    const prepared = this.#prepared;
    if (!prepared) throw new Error('commit without prepare');
    this.#prepared = null;
    const { forwarder, watch } = this.#options;
    const wanted = listenersOf(prepared.directors);
    const wantedKeys = new Set(wanted.map((w) => w.key));
    for (const [key, l] of this.#byKey) if (!wantedKeys.has(key)) this.#close(key, l, now);
    forwarder.apply(prepared.directors, now);
    for (const l of prepared.opened) {
      this.#byKey.set(`${l.ip.text}|${l.port}`, l);
      this.listeners[l.id] = l;
      this.fds[l.id] = l.fd;
    }
    this.#assign(wanted, now);
    for (const l of prepared.opened) watch(l);
  }

  /** Returns the listeners as a successor takes them over; their descriptors are those of `fds`. */
  handover(): FrontHandover {
    return {
      next: this.#next,
      listeners: [...this.#byKey.values()].map(({ id, fd, ip, port, droppedBefore }) => ({
        id, fd, ip, port, droppedBefore, children: this.#local.childrenOf(id).map((child) => ({ id: child, address: this.#local.addressOf(child)! })),
      })),
    };
  }

  /** Takes over listeners under their numbers, with `fdOf` for the descriptors they have here. They are not watched before `join`. */
  adopt(handover: FrontHandover, directors: readonly SlottedDirector[], fdOf: (fd: number) => number, now: number): void {
    this.#next = handover.next;
    for (const { id, fd, ip, port, droppedBefore, children } of handover.listeners) {
      const l: OpenListener = { ...open(id, ip, port, fdOf(fd)), droppedBefore };
      this.#byKey.set(`${ip.text}|${port}`, l);
      for (const child of children) this.#local.add(child.id, id, child.address);
      for (const number of [id, ...children.map((child) => child.id)]) {
        this.listeners[number] = l;
        this.fds[number] = l.fd;
      }
    }
    this.#assign(listenersOf(directors), now);
  }

  /** Starts to receive on all listeners that were taken over. */
  join(): void {
    for (const l of this.#byKey.values()) this.#options.watch(l);
  }

  /** Closes what was prepared. */
  abort(): void {
    for (const l of this.#prepared?.opened ?? []) this.#options.sockets.close(l.fd);
    this.#prepared = null;
  }

  /** Adds what the kernel dropped for want of receive buffer to the directors' counters (one worker's stripe). */
  countOverflow(directorCounters: Float64Array): void {
    for (const l of this.#byKey.values()) {
      const drops = this.#options.sockets.drops(l.fd);
      const at = this.#options.forwarder.listeners[l.id]!.directorSlot * DIRECTOR_STRIDE + DIRECTOR_COUNTER.drops + DROP_ID.receive_overflow;
      directorCounters[at] += drops - l.droppedBefore;
      l.droppedBefore = drops;
    }
  }

  close(): void {
    for (const l of this.#byKey.values()) this.#options.sockets.close(l.fd);
  }

  vipOf(id: number): { ip: Ip; port: number } {
    const l = this.listeners[id]!;
    return { ip: this.#local.addressOf(id) ?? l.ip, port: l.port };
  }

  /** Returns the number that stands for the local address which message i of the inbox hit on a wildcard VIP. */
  child(l: OpenListener, box: Inbox, i: number): number {
    const known = this.#local.find(l.id, l.ip.family, box, i);
    if (known >= 0) return known;
    const { forwarder } = this.#options;
    const id = this.#next++;
    this.#local.add(id, l.id, this.#local.addressIn(l.ip.family, box, i));
    this.listeners[id] = l;
    this.fds[id] = l.fd;
    const parent = forwarder.listeners[l.id]!;
    forwarder.listeners[id] = { id, directorSlot: parent.directorSlot, vipPort: parent.vipPort };
    return id;
  }

  /** Returns the address of the control message that makes replies leave from this number's local address, 0 for none. */
  controlOf(id: number): number {
    return this.#local.controlOf(id);
  }

  controlLengthOf(id: number): number {
    return this.#local.controlLengthOf(id);
  }

  // Tells the forwarder whose each listener is.
  #assign(wanted: readonly WantedListener[], now: number): void {
    const { forwarder } = this.#options;
    for (const w of wanted) {
      const l = this.#byKey.get(w.key)!;
      for (const id of [l.id, ...this.#local.childrenOf(l.id)]) {
        // A socket that another director took over: its sessions were the old one's.
        const before = forwarder.listeners[id];
        if (before && before.directorSlot !== w.directorSlot) forwarder.endListener(id, now);
        forwarder.listeners[id] = { id, directorSlot: w.directorSlot, vipPort: l.port };
      }
    }
  }

  #close(key: string, l: OpenListener, now: number): void {
    const { forwarder, sockets, unwatch } = this.#options;
    unwatch(l);
    sockets.close(l.fd);
    this.#byKey.delete(key);
    for (const id of [l.id, ...this.#local.remove(l.id)]) {
      forwarder.endListener(id, now);
      this.listeners[id] = undefined;
    }
  }
}

function open(id: number, ip: Ip, port: number, fd: number): OpenListener {
  return { id, fd, ip, port, nameLength: ip.family === 4 ? 16 : 28, wildcard: isUnspecified(ip), droppedBefore: 0 };
}
