/** What became of every datagram: sent, got by a server, answered. Pure: times come in. */
import type { Kind } from './model.ts';

/** A datagram that is unaccounted for so long counts as lost; an answer that comes later still clears it. */
export const LATE_MS = 15_000;
/** A datagram that comes twice does so within minutes. */
const DONE_KEPT = 50_000;
/** Round-trip times are kept by the second, so many of each. */
const SAMPLES_A_SECOND = 64;

export interface Sent {
  readonly id: number;
  readonly director: string;
  readonly kind: Kind;
  /** Its socket: a client with a fixed port, or one that lives for a few datagrams. */
  readonly flow: string;
  readonly sentMs: number;
}

/** A datagram that was not answered, or of a one-way director not got by any server. */
export interface Lost extends Sent {
  /** The server that got it, whose answer did not arrive; null: none did. */
  readonly gotBy: string | null;
  /** The servers it may have been on its way to; null: any. */
  readonly candidates: readonly string[] | null;
}

interface Open extends Sent {
  gotBy: string | null;
}

/** A fixed client's server from a time on. */
interface Home {
  readonly fromMs: number;
  untilMs: number;
  readonly server: string;
}

export class Ledger {
  readonly totals = { sent: 0, got: 0, answered: 0, twice: 0, strays: 0 };
  /** In order of sending. */
  readonly #open = new Map<number, Open>();
  readonly #overdue = new Map<number, Open>();
  readonly #homes = new Map<string, Home[]>();
  /** What is settled, for a while: a second answer is a fault. */
  readonly #done = new Map<number, Kind>();
  /** What servers said of datagrams whose sender has not reported yet. */
  readonly #early = new Map<number, { readonly server: string; readonly atMs: number }>();
  /** Median-able round trips of each second. */
  readonly #roundTrips = new Map<number, number[]>();

  sent(datagram: Sent): void {
    this.totals.sent++;
    this.#open.set(datagram.id, { ...datagram, gotBy: null });
    const early = this.#early.get(datagram.id);
    if (early === undefined) return;
    this.#early.delete(datagram.id);
    this.got(datagram.id, early.server, early.atMs);
  }

  /** A server got it. */
  got(id: number, server: string, atMs: number): void {
    const open = this.#find(id);
    if (open === undefined) {
      const done = this.#done.get(id);
      if (done === undefined) this.#early.set(id, { server, atMs });
      else if (done === 'one-way') this.totals.twice++;
      return;
    }
    if (open.gotBy !== null) this.totals.twice++;
    open.gotBy = server;
    this.totals.got++;
    if (open.kind === 'one-way') this.#settle(open, atMs);
  }

  /** The client that sent it was answered. */
  answered(id: number, server: string, atMs: number): void {
    const open = this.#find(id);
    if (open === undefined) {
      if (this.#done.has(id)) this.totals.twice++;
      return;
    }
    this.totals.answered++;
    if (open.kind === 'two-way' && open.flow.startsWith('fixed')) this.#home(open.flow, server, open.sentMs);
    this.#settle(open, atMs);
  }

  /** A client got what it had not asked for. */
  stray(): void {
    this.totals.strays++;
  }

  /** Moves what is overdue out of the way. Call now and then: it keeps what is looked through short. */
  turn(nowMs: number): void {
    for (const [id, open] of this.#open) {
      if (open.sentMs > nowMs - LATE_MS) break;
      this.#open.delete(id);
      this.#overdue.set(id, open);
    }
    for (const id of this.#done.keys()) {
      if (this.#done.size <= DONE_KEPT) break;
      this.#done.delete(id);
    }
    for (const [id, { atMs }] of this.#early) if (atMs < nowMs - LATE_MS) this.#early.delete(id);
  }

  /** Returns the datagrams that are unaccounted for, in order of sending. */
  lost(): readonly Lost[] {
    return [...this.#overdue.values(), ...this.#open.values()].toSorted((a, b) => a.sentMs - b.sentMs).map((open) => ({ ...open, candidates: this.#candidates(open) }));
  }

  /** Returns the median round trip around a time, ms; 0 when there was none. */
  roundTripMs(atMs: number): number {
    const second = Math.floor(atMs / 1000);
    const near = [second - 1, second, second + 1].flatMap((s) => this.#roundTrips.get(s) ?? []).toSorted((a, b) => a - b);
    return near[near.length >> 1] ?? 0;
  }

  #find(id: number): Open | undefined {
    return this.#open.get(id) ?? this.#overdue.get(id);
  }

  #settle(open: Open, atMs: number): void {
    this.#open.delete(open.id);
    this.#overdue.delete(open.id);
    this.#done.set(open.id, open.kind);
    const second = Math.floor(open.sentMs / 1000);
    const samples = this.#roundTrips.get(second) ?? [];
    if (samples.length === 0) this.#roundTrips.set(second, samples);
    if (samples.length < SAMPLES_A_SECOND) samples.push(atMs - open.sentMs);
  }

  #home(flow: string, server: string, sentMs: number): void {
    const homes = this.#homes.get(flow) ?? [];
    if (homes.length === 0) this.#homes.set(flow, homes);
    const last = homes.at(-1);
    if (last?.server === server) last.untilMs = Math.max(last.untilMs, sentMs);
    else homes.push({ server, fromMs: sentMs, untilMs: sentMs });
  }

  // A fixed two-way client answered by the same server before and after cannot have been on its way to another. Answers may overtake one
  // another, so only what lies well inside a stay counts.
  #candidates(open: Open): readonly string[] | null {
    if (open.gotBy !== null) return [open.gotBy];
    const inside = (this.#homes.get(open.flow) ?? []).filter((home) => home.fromMs <= open.sentMs && home.untilMs >= open.sentMs);
    return inside.length === 1 ? [inside[0].server] : null;
  }
}

/** Returns what is known of a loss, in words; `beginMs` is where times are counted from. */
export function lostText({ id, director, flow, sentMs, gotBy, candidates }: Lost, beginMs: number): string {
  return `${((sentMs - beginMs) / 1000).toFixed(3)} s  ${director}, client ${flow}, datagram ${id}: ${gotBy === null ? 'no server got it' : `${gotBy} got it, its answer did not arrive`}${candidates === null ? '' : `; its session was on ${candidates.join(', ')}`}`;
}
