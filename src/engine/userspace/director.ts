/** A director as a worker runs it: the desired state with everything the hot path needs worked out beforehand. */
import { createPicker, type Picker, type PickerState } from '../../balance/picker.ts';
import { hashIp } from '../../balance/hash.ts';
import { REPLIED_TIMEOUT_MS, REQUEST_TIMEOUT_MS, UNREPLIED_TIMEOUT_MS, type Balance, type OnAction } from '../../balance/terms.ts';
import { ipBytes } from '../../net/ip.ts';
import { serverKey, type DesiredDirector, type DesiredServer } from '../../plan/desired.ts';
import type { SlottedDirector } from './protocol.ts';
import type { SharedViews } from './shared.ts';

export const TWO_WAY = 0;
export const REQUEST_REPLY = 1;
export const ONE_WAY = 2;

/** Deciseconds since the shared epoch, set once a batch: reading a clock per candidate would cost more than the choice. */
export interface SharedClock {
  ds: number;
}

export interface RuntimeDirector {
  readonly slot: number;
  readonly desired: DesiredDirector;
  readonly kind: 0 | 1 | 2;
  readonly replies: number;
  readonly unrepliedMs: number;
  readonly repliedMs: number;
  readonly max: number;
  /** New sessions a second, of all and of one source; Infinity: no bound. */
  readonly rate: number;
  readonly sourceRate: number;
  /** Bytes a session carries to its client for each of its client's; Infinity: no bound. */
  readonly amplification: number;
  /** Server slots, parallel to desired.servers. */
  readonly serverSlots: readonly number[];
  /** Slots that take new sessions, in the picker's order. */
  readonly candidates: Int32Array;
  readonly picker: Picker;
  readonly pickerInput: string;
  readonly destHash: number;
  readonly sorrySlot: number;
  /** Set while only the sorry server can take sessions. */
  readonly sorryInUse: boolean;
  readonly persistenceDs: number;
  readonly masks: { readonly v4: Int32Array; readonly v6: Int32Array };
  /** request-reply: when the requests of this epoch turn into those of the epoch before. */
  epochEndsAt: number;
}

/** Returns the runtime form of a director; reuses the picker of `before` when the same servers with the same weights take part. */
export function runtimeDirector(slotted: SlottedDirector, shared: SharedViews, clock: SharedClock, before: RuntimeDirector | undefined): RuntimeDirector {
  const { director, serverSlots, slot } = slotted;
  const normal = director.servers.filter((s) => !s.sorry && takesSessions(s));
  const sorry = director.servers.findIndex((s) => s.sorry && s.state !== 'disabled' && s.state !== 'down');
  const sorrySlot = sorry < 0 ? -1 : serverSlots[sorry];
  const candidates = Int32Array.from(normal, (s) => serverSlots[director.servers.indexOf(s)]);
  const kind = director.session.kind === 'one-way' ? ONE_WAY : director.session.kind === 'request-reply' ? REQUEST_REPLY : TWO_WAY;
  const balance = effectiveBalance(director.balance, kind);
  const pickerInput = `${balance}|${candidateText(director)}|${candidates.join(',')}`;
  const timeoutMs = director.session.timeoutMs;
  return {
    slot,
    desired: director,
    kind,
    replies: Math.max(1, director.session.replies),
    unrepliedMs: timeoutMs ?? (kind === REQUEST_REPLY ? REQUEST_TIMEOUT_MS : UNREPLIED_TIMEOUT_MS),
    repliedMs: timeoutMs ?? REPLIED_TIMEOUT_MS,
    max: director.session.max ?? Infinity,
    rate: director.session.rate ?? Infinity,
    sourceRate: director.session.sourceRate ?? Infinity,
    amplification: director.session.amplification ?? Infinity,
    serverSlots,
    candidates,
    picker: before?.pickerInput === pickerInput ? before.picker
      : createPicker(balance, normal.map((s) => ({ key: serverKey(s), weight: s.weight })), new SharedPickerState(shared, clock, slot, candidates), {
        ...(before && { previous: before.picker }), ...(slotted.locality && { memory: slotted.locality }),
      }),
    pickerInput,
    destHash: director.vip === null ? 0 : hashIp(ipBytes(director.vip)),
    sorrySlot,
    sorryInUse: sorrySlot >= 0 && normal.every((s) => s.weight === 0),
    persistenceDs: director.persistence === null ? 0 : Math.ceil(director.persistence.timeoutMs / 100),
    masks: { v4: maskWords(96 + (director.persistence?.prefix4 ?? 32)), v6: maskWords(director.persistence?.prefix6 ?? 128) },
    epochEndsAt: before?.epochEndsAt ?? 0,
  };
}

/** Returns which servers take new sessions and with what weight, as text that changes exactly when that does. */
export function candidateText(director: DesiredDirector): string {
  return director.servers.filter((s) => !s.sorry && takesSessions(s)).map((s) => `${serverKey(s)}=${s.weight}`).join(',');
}

/** Returns what `on` says for sessions of this server in its present state; null while the server is in normal use. */
export function policyOf(director: DesiredDirector, server: DesiredServer | null, sorryNeeded: boolean): OnAction | null {
  if (server === null) return director.on.remove;
  if (server.sorry) return sorryNeeded ? null : director.on.remove;
  switch (server.state) {
    case 'up':
    case 'unknown':
      return null;
    case 'drain':
      return director.on.drain;
    case 'down':
      return director.on.down;
    case 'disabled':
      return director.on.remove;
  }
}

/** True when the server's state lets it take new sessions (its weight may still be 0). */
export function takesSessions(server: DesiredServer): boolean {
  return server.state === 'up' || server.state === 'unknown';
}

// One-way datagrams leave no session to count, so algorithms that look at counts turn into their rotation.
function effectiveBalance(balance: Balance, kind: 0 | 1 | 2): Balance {
  if (kind !== ONE_WAY) return balance;
  return balance === 'leastconn' || balance === 'shortestexpected' || balance === 'neverqueue' ? 'roundrobin' : balance;
}

// A class, not closures: with many directors a picker's calls stay monomorphic (370 ns instead of 530 for leastconn over 20 servers).
class SharedPickerState implements PickerState {
  readonly #shared: SharedViews;
  readonly #clock: SharedClock;
  readonly #directorSlot: number;
  readonly #candidates: Int32Array;

  constructor(shared: SharedViews, clock: SharedClock, directorSlot: number, candidates: Int32Array) {
    this.#shared = shared;
    this.#clock = clock;
    this.#directorSlot = directorSlot;
    this.#candidates = candidates;
  }

  active(i: number): number {
    return this.#shared.active[this.#candidates[i]];
  }

  blocked(i: number): boolean {
    return this.#shared.blockedUntil[this.#candidates[i]] > this.#clock.ds;
  }

  next(): number {
    return Atomics.add(this.#shared.rotation, this.#directorSlot, 1) >>> 0;
  }

  random(): number {
    return (Math.random() * 0x1_0000_0000) >>> 0;
  }

  nowMs(): number {
    return this.#clock.ds * 100;
  }
}

// The first `bits` of 128 set, as words in the byte order sockets give addresses in (little-endian reads of network bytes).
function maskWords(bits: number): Int32Array {
  const bytes = new Uint8Array(16);
  for (let i = 0; i < 16; i++) bytes[i] = 0xff00 >> Math.max(0, Math.min(8, bits - i * 8));
  return new Int32Array(bytes.buffer);
}
