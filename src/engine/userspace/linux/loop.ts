/**
 * The packet loop of one worker on Linux: epoll, recvmmsg, the forwarder's decision, sendmmsg. It never returns to Node's
 * event loop; the main thread wakes it through an eventfd. README.md draws a datagram's path through it.
 */
import { deserialize, serialize } from 'node:v8';
import type { Ip } from '../../../net/ip.ts';
import { Forwarder, type ForwarderHandover } from '../forwarder.ts';
import type { SlottedDirector, WorkerSetup } from '../protocol.ts';
import { WORKER_COUNTER, clockOffset, sharedViews, type SharedViews } from '../shared.ts';
import { UpstreamPools } from '../upstreams.ts';
import type { Succession, WorkerIo } from '../commands.ts';
import { Descriptors } from './descriptors.ts';
import { dropReason } from './drop-reason.ts';
import { ErrorQueue } from './errors.ts';
import { Front, type FrontHandover, type OpenListener } from './front.ts';
import {
  AF_INET, EINTR, EPOLL_CTL_ADD, EPOLL_CTL_DEL, EPOLL_DATA_WORD, EPOLL_EVENT_WORDS, EPOLLERR, EPOLLET, EPOLLIN, Memory, MSG_DONTWAIT, loadLibc, type Libc,
} from './libc.ts';
import { GRO_CONTROL_BYTES, Inbox, NAME_WORDS } from './messages.ts';
import { Outbox } from './outbox.ts';
import { OverflowCount } from './overflow.ts';
import { SockaddrTable } from './sockaddr.ts';
import { Sockets } from './sockets.ts';
import { isBulk, type Tuned } from './tuning.ts';

const CLIENT_BATCH = 128;
const REPLY_SLOTS = 256;
const REPLY_BATCH = 64;
const MAX_EVENTS = 512;
const LISTENER_TAG = 1 << 28;
const UPSTREAM_TAG = 1 << 29;
const WAKE_TAG = 1 << 30;
const TAG_MASK = LISTENER_TAG - 1;
/** How long epoll may sleep: sessions are swept once a second, in shares. */
const IDLE_MS = 1000;
const BUSY_MS = 100;

/** What a loop leaves to its successor; `tuned` is parallel to the descriptors: listeners, then upstream sockets by number. */
interface LoopHandover {
  readonly forwarder: ForwarderHandover;
  readonly front: FrontHandover;
  readonly clientNames: Int32Array;
  readonly upstreams: number;
  readonly tuned: readonly Tuned[];
  readonly overflow: readonly number[];
  readonly sendCalls: [toServers: number, toClients: number]; readonly segmented: [toServers: number, toClients: number];
}

export class LinuxLoop implements WorkerIo {
  readonly forwarder: Forwarder;
  readonly shared: SharedViews;
  readonly #libc: Libc;
  readonly #sockets: Sockets;
  readonly #errors: ErrorQueue;
  readonly #overflow: OverflowCount;
  readonly #front: Front;
  readonly #epoll: number;
  /** Hears of the main thread alone: what a frozen loop waits on. */
  readonly #wakeOnly: number;
  readonly #events = new Memory(MAX_EVENTS * EPOLL_EVENT_WORDS * 4);
  readonly #clientBox = new Inbox(CLIENT_BATCH, GRO_CONTROL_BYTES);
  readonly #wildcardBox: { box: Inbox | null } = { box: null };
  readonly #replyBox = new Inbox(REPLY_SLOTS, GRO_CONTROL_BYTES);
  readonly #toServers: Outbox;
  readonly #toClients: Outbox;
  readonly #clientNames = new SockaddrTable();
  readonly #endpointNames = new SockaddrTable();
  readonly #endpointNameLength: number[] = [];
  readonly #upstreamFds: number[] = [];
  readonly #worker: Float64Array;
  readonly #directorCounters: Float64Array;
  readonly #setup: WorkerSetup;
  readonly #clockOffset: number;
  readonly #wakeBuffer = new Memory(8);
  readonly #otherTags = new Int32Array(MAX_EVENTS);
  #replyFill = 0;
  #now = 0;
  /** When the last send to servers began: response times count from there, not from when the batch was read. */
  #sendingAt = 0;
  #running = true;
  #frozen = false;

  constructor(setup: WorkerSetup, onRefused: (serverSlot: number, detail: string) => void) {
    this.#setup = setup;
    this.shared = sharedViews(setup.shared);
    this.#worker = this.shared.workerCounters[setup.index]!;
    this.#directorCounters = this.shared.directorCounters[setup.index]!;
    this.#clockOffset = clockOffset(setup.shared.epochNs);
    this.#libc = loadLibc();
    this.#sockets = new Sockets(this.#libc, new Descriptors(setup.descriptors ?? new SharedArrayBuffer(0), setup.index));
    this.#errors = new ErrorQueue(this.#libc);
    this.#overflow = new OverflowCount((fd) => this.#sockets.drops(fd));
    this.#epoll = this.#sockets.openEpoll();
    this.#wakeOnly = this.#sockets.openEpoll();
    this.#watch(setup.wakeFd, WAKE_TAG, EPOLLIN);
    this.#watch(setup.wakeFd, WAKE_TAG, EPOLLIN, this.#wakeOnly);
    this.forwarder = new Forwarder({
      shared: this.shared, worker: setup.index, maxSessions: setup.maxSessions, onRefused,
      upstreams: new UpstreamPools({ maxSockets: setup.maxSockets, open: (number, spec) => this.#openUpstream(number, spec) }),
    });
    this.#front = new Front({
      sockets: this.#sockets, forwarder: this.forwarder, share: setup.shared.limits.workers > 1, left: setup.listeners,
      watch: (l) => this.#watch(l.fd, LISTENER_TAG | l.id, EPOLLIN),
      unwatch: (l) => void this.#libc.epoll_ctl(this.#epoll, EPOLL_CTL_DEL, l.fd, this.#events.address),
    });
    this.#toServers = new Outbox({ libc: this.#libc, capacity: CLIENT_BATCH, events: this.#serverEvents() });
    this.#toClients = new Outbox({ libc: this.#libc, capacity: REPLY_SLOTS, events: this.#clientEvents() });
  }

  /** Runs until `close`; `onWake` is called when the main thread has written to the eventfd. */
  run(onWake: () => void): void {
    while (this.#running) {
      const timeoutMs = this.forwarder.table.used > 0 && !this.#frozen ? BUSY_MS : IDLE_MS;
      const ready = this.#libc.epoll_wait(this.#frozen ? this.#wakeOnly : this.#epoll, this.#events.address, MAX_EVENTS, timeoutMs);
      if (ready < 0 && this.#libc.errno() !== EINTR) throw new Error(`epoll_wait failed (errno ${this.#libc.errno()})`);
      this.#setNow();
      this.#round(ready, onWake);
      if (!this.#frozen) this.forwarder.sweep(this.#now);
      this.#worker[WORKER_COUNTER.wakeups]++;
      this.#worker[WORKER_COUNTER.heartbeat] = this.#now;
    }
  }

  prepare(directors: readonly SlottedDirector[]): void {
    this.#front.prepare(directors);
  }

  commit(): void {
    this.#front.commit(this.#setNow());
  }

  abort(): void {
    this.#front.abort();
  }

  refresh(): void {
    this.#setNow();
    this.#front.countOverflow(this.#directorCounters);
    this.#worker[WORKER_COUNTER.upstreamOverflow] += this.#overflow.more(this.#upstreamFds);
    this.#worker[WORKER_COUNTER.noDirector] = this.forwarder.noDirector;
    this.#worker[WORKER_COUNTER.sockets] = this.#upstreamFds.length;
    this.#worker[WORKER_COUNTER.sessions] = this.forwarder.table.used;
    this.#worker[WORKER_COUNTER.tableCapacity] = this.forwarder.table.maxSessions;
    this.#worker[WORKER_COUNTER.orphanReplies] = this.forwarder.orphanReplies;
    this.#worker[WORKER_COUNTER.persistenceEvictions] = this.forwarder.chooser.persistence.evictions;
    this.#worker[WORKER_COUNTER.sourceEvictions] = this.forwarder.rates.sources.evictions;
    this.#worker[WORKER_COUNTER.sendCalls] = this.#toServers.sendCalls + this.#toClients.sendCalls;
    this.#worker[WORKER_COUNTER.segmented] = this.#toServers.segmented + this.#toClients.segmented;
  }

  close(): void {
    this.#running = false;
    this.#front.close();
    for (const fd of [...this.#upstreamFds, this.#epoll, this.#wakeOnly]) this.#sockets.close(fd);
  }

  now(): number {
    return this.#setNow();
  }

  sourcePort(upstream: number): number {
    return this.#sockets.localPort(this.#upstreamFds[upstream]);
  }

  vipOf(listener: number): { ip: Ip; port: number } {
    return this.#front.vipOf(listener);
  }

  sameClient(from: number, to: number): void {
    this.#clientNames.duplicate(from, to);
  }

  readonly succession: Succession = {
    freeze: () => {
      this.#frozen = true;
      this.refresh();
      const front = this.#front.handover();
      const listenerFds = front.listeners.map((l) => l.fd);
      const descriptors = [...listenerFds, ...this.#upstreamFds];
      const state: LoopHandover = {
        forwarder: this.forwarder.handover(),
        front,
        clientNames: this.#clientNames.words(this.forwarder.table.high),
        upstreams: this.#upstreamFds.length,
        tuned: descriptors.map((fd) => this.#sockets.tuning.of(fd)),
        overflow: this.#overflow.handover(),
        sendCalls: [this.#toServers.sendCalls, this.#toClients.sendCalls],
        segmented: [this.#toServers.segmented, this.#toClients.segmented],
      };
      return { state: serialize(state), descriptors };
    },
    thaw: () => {
      this.#frozen = false;
    },
    adopt: (directors, bytes, fds) => {
      const state = deserialize(bytes) as LoopHandover;
      const listenerFds = new Map(state.front.listeners.map((l, i) => [l.fd, fds[i]!]));
      fds.forEach((fd, i) => this.#sockets.adopt(fd, i < state.front.listeners.length ? 'listener' : 'other', state.tuned[i]!));
      this.#upstreamFds.push(...fds.slice(fds.length - state.upstreams));
      this.forwarder.adopt(state.forwarder, directors, this.#setNow());
      this.#front.adopt(state.front, directors, (fd) => listenerFds.get(fd)!, this.#now);
      this.#clientNames.adopt(state.clientNames);
      this.#overflow.adopt(state.overflow);
      [this.#toServers.sendCalls, this.#toClients.sendCalls] = state.sendCalls;
      [this.#toServers.segmented, this.#toClients.segmented] = state.segmented;
    },
    join: () => {
      this.#front.join();
      this.#upstreamFds.forEach((fd, number) => this.#watch(fd, UPSTREAM_TAG | number, EPOLLIN | EPOLLET));
    },
  };

  // Replies go first and are sent before anything may end a session: they hold pointers to their clients' addresses.
  #round(ready: number, onWake: () => void): void {
    const { words } = this.#events;
    let others = 0;
    for (let i = 0; i < ready; i++) {
      const tag = words[i * EPOLL_EVENT_WORDS + EPOLL_DATA_WORD];
      if ((tag & UPSTREAM_TAG) === 0) {
        this.#otherTags[others++] = tag;
        continue;
      }
      const events = words[i * EPOLL_EVENT_WORDS];
      if ((events & EPOLLERR) !== 0) this.#drainErrors(tag & TAG_MASK);
      if ((events & EPOLLIN) !== 0) this.#readUpstream(tag & TAG_MASK);
    }
    if (this.#replyFill > 0) this.#flushReplies();
    let woken = false;
    for (let i = 0; i < others; i++) {
      const tag = this.#otherTags[i];
      if (tag === WAKE_TAG) woken = true;
      if ((tag & LISTENER_TAG) === 0) continue;
      const l = this.#front.listeners[tag & TAG_MASK];
      if (l) this.#readListener(l);
    }
    if (woken) {
      this.#libc.read(this.#setup.wakeFd, this.#wakeBuffer.address, 8);
      onWake();
    }
  }

  #readListener(l: OpenListener): void {
    const box = l.wildcard ? (this.#wildcardBox.box ??= new Inbox(CLIENT_BATCH, 128)) : this.#clientBox;
    const n = this.#libc.recvmmsg(l.fd, box.headers.address, CLIENT_BATCH, MSG_DONTWAIT, 0);
    if (n <= 0) return;
    const names = box.names.ints;
    for (let i = 0; i < n; i++) {
      const id = l.wildcard ? this.#front.child(l, box, i) : l.id;
      const length = box.length(i);
      const segment = l.wildcard ? 0 : box.segmentSize(i);
      box.rearm(i);
      if (segment === 0 || segment >= length) {
        this.#forward(id, names, i * NAME_WORDS, box.slot(i), length);
        continue;
      }
      for (let from = 0; from < length; from += segment) {
        this.#forward(id, names, i * NAME_WORDS, box.slot(i) + from, Math.min(segment, length - from));
      }
    }
    const joined = this.#toServers.segmented;
    this.#toServers.flush(this.#upstreamFds);
    if (!l.wildcard && isBulk(n, this.#toServers.segmented - joined)) this.#sockets.tuning.expectBulk(l.fd);
    this.#worker[WORKER_COUNTER.batches]++;
  }

  // One datagram from a client, whose sockaddr starts at word `at` of `names`.
  #forward(listener: number, names: Int32Array, at: number, payload: number, length: number): void {
    const { forwarder } = this;
    const portBe = names[at] >>> 16;
    const v4 = (names[at] & 0xffff) === AF_INET;
    const go = v4
      ? forwarder.fromClient(listener, portBe, 0, 0, 0, names[at + 1], length, this.#now)
      : forwarder.fromClient(listener, portBe, names[at + 2], names[at + 3], names[at + 4], names[at + 5], length, this.#now);
    if (!go) return;
    if (forwarder.created) this.#clientNames.copy(forwarder.session, names, at);
    if (this.#toServers.pending === this.#toServers.capacity) this.#toServers.flush(this.#upstreamFds);
    const endpoint = forwarder.toEndpoint;
    const nameLength = this.#endpointNameLength[endpoint] ?? this.#writeEndpoint(endpoint);
    this.#toServers.add(forwarder.toUpstream, payload, length, this.#endpointNames.pointer(endpoint), nameLength, forwarder.session, forwarder.serverSlot, 0, 0);
  }

  #readUpstream(number: number): void {
    const fd = this.#upstreamFds[number];
    for (;;) {
      if (this.#replyFill + REPLY_BATCH > REPLY_SLOTS) this.#flushReplies();
      const n = this.#libc.recvmmsg(fd, this.#replyBox.header(this.#replyFill), REPLY_BATCH, MSG_DONTWAIT, 0);
      if (n <= 0) return;
      for (let i = this.#replyFill; i < this.#replyFill + n; i++) {
        this.#reply(number, i);
        this.#replyBox.rearm(i);
      }
      this.#replyFill += n;
      // Edge-triggered: fewer than asked for means the socket is empty.
      if (n < REPLY_BATCH) return;
      this.#sockets.tuning.expectBulk(fd);
    }
  }

  #reply(number: number, i: number): void {
    const names = this.#replyBox.names.ints;
    const at = i * NAME_WORDS;
    const portBe = names[at] >>> 16;
    const v4 = (names[at] & 0xffff) === AF_INET;
    const endpoint = v4
      ? this.forwarder.slots.endpoints.find(portBe, 0, 0, 0, names[at + 1])
      : this.forwarder.slots.endpoints.find(portBe, names[at + 2], names[at + 3], names[at + 4], names[at + 5]);
    const s = this.forwarder.fromServer(number, endpoint);
    if (s < 0) return;
    const listener = this.forwarder.table.listener[s];
    const l = this.#front.listeners[listener];
    if (!l) return;
    const control = l.wildcard ? this.#front.controlOf(listener) : 0;
    const controlLength = control === 0 ? 0 : this.#front.controlLengthOf(listener);
    const length = this.#replyBox.length(i);
    const step = this.#replyBox.segmentSize(i) || length || 1;
    const name = this.#clientNames.pointer(s);
    let from = 0;
    do {
      const bytes = Math.min(step, length - from);
      if (this.forwarder.carries(s, bytes, this.#now)) {
        // Flushing only sends: the slots of the replies still being read stay as they are.
        if (this.#toClients.pending === this.#toClients.capacity) this.#toClients.flush(this.#front.fds);
        this.#toClients.add(listener, this.#replyBox.slot(i) + from, bytes, name, l.nameLength, s, 0, control, controlLength);
      }
      from += step;
    } while (from < length);
  }

  #flushReplies(): void {
    this.#toClients.flush(this.#front.fds);
    this.#replyFill = 0;
  }

  #serverEvents(): ConstructorParameters<typeof Outbox>[0]['events'] {
    return {
      sending: () => (this.#sendingAt = performance.now() + this.#clockOffset),
      sent: (session, serverSlot, length) => {
        this.forwarder.requested(session, this.#sendingAt);
        this.forwarder.sent(serverSlot, session, length);
      },
      failed: (_session, serverSlot, _length, errno) => this.forwarder.drop(this.forwarder.slots.owner(serverSlot).directorSlot, dropReason(errno)),
      pendingError: (number) => this.#drainErrors(number),
      tooBig: (number) => this.#sockets.tuning.allowFragments(this.#upstreamFds[number]),
    };
  }

  #clientEvents(): ConstructorParameters<typeof Outbox>[0]['events'] {
    return {
      sending: () => undefined,
      sent: (session, _tag, length) => this.forwarder.replied(session, length, this.#now),
      failed: (session, _tag, length, errno) => {
        this.forwarder.unsent(session, length);
        this.forwarder.drop(this.forwarder.slots.owner(this.forwarder.table.server[session]).directorSlot, dropReason(errno));
      },
      pendingError: () => undefined,
      tooBig: (listener) => this.#sockets.tuning.allowFragments(this.#front.fds[listener]),
    };
  }

  #drainErrors(number: number): void {
    this.#errors.drain(this.#upstreamFds[number], {
      unreachable: (name, detail) => {
        const portBe = name[0] >>> 16;
        const v4 = (name[0] & 0xffff) === AF_INET;
        const { endpoints } = this.forwarder.slots;
        const endpoint = v4 ? endpoints.find(portBe, 0, 0, 0, name[1]) : endpoints.find(portBe, name[2], name[3], name[4], name[5]);
        if (this.forwarder.sendsFrom(number, endpoint)) this.forwarder.refused(endpoint, detail);
      },
    });
  }

  #openUpstream(number: number, spec: Parameters<Sockets['openUpstream']>[0]): boolean {
    const fd = this.#sockets.openUpstream(spec);
    if (fd < 0) {
      this.#worker[WORKER_COUNTER.socketsRefused]++;
      return false;
    }
    this.#upstreamFds[number] = fd;
    this.#watch(fd, UPSTREAM_TAG | number, EPOLLIN | EPOLLET);
    return true;
  }

  #writeEndpoint(endpoint: number): number {
    const { endpoints } = this.forwarder.slots;
    return (this.#endpointNameLength[endpoint] = this.#endpointNames.write(endpoint, endpoints.ips[endpoint], endpoints.ports[endpoint]));
  }

  #watch(fd: number, tag: number, events: number, epoll = this.#epoll): void {
    const event = new Memory(16);
    event.ints[0] = events;
    event.words[EPOLL_DATA_WORD] = tag;
    if (this.#libc.epoll_ctl(epoll, EPOLL_CTL_ADD, fd, event.address) !== 0) throw new Error(`epoll_ctl failed (errno ${this.#libc.errno()})`);
  }

  #setNow(): number {
    this.forwarder.tick((this.#now = performance.now() + this.#clockOffset));
    return this.#now;
  }
}
