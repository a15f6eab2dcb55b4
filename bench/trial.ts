/** One subject under one load: give every client a session, then send at a rate and see what comes back. */
import type { Trial } from './search.ts';
import type { RunningSubject } from './subjects/subject.ts';
import { quantileNs } from './traffic/histogram.ts';
import type { Traffic, TrafficCounts } from './traffic/traffic.ts';

/** A try with all that was seen. */
export interface Observation extends Trial {
  readonly sent: number;
  readonly replies: number;
  readonly misdelivered: number;
  readonly icmp: number;
  readonly p50Us: number;
  readonly p99Us: number;
}

/** Who sends: `count` clients in turn from number `first` on. */
export interface ClientRange {
  readonly first: number;
  readonly count: number;
}

/** The smallest Ethernet frame, as tools count it (without the frame check sequence's 4 bytes it would be 60). */
export const SMALL_FRAME_BYTES = 64;
export const WARM_RATE = 8_000;
const WARM_SECONDS = 0.2;
const WARM_ROUNDS = 5;
const WARM_ENOUGH = 0.98;
/** Longer warm-ups are cut in runs of this length. */
const MOST_SECONDS = 4;
const RUN_SECONDS = 2;
const MIN_RUN_SECONDS = 0.01;

/** What one try sends. */
export interface Sending {
  readonly clients: ClientRange;
  readonly rate: number;
  readonly seconds: number;
  /** Which client of the range begins; default the first. */
  readonly turn?: number;
  readonly frameBytes?: number;
}

/** Sends and returns what came back. A reply that reached another client than the one that asked is a lost one. */
export async function observe(traffic: Traffic, running: RunningSubject, sending: Sending): Promise<Observation> {
  const { clients, rate, seconds, turn = 0, frameBytes = SMALL_FRAME_BYTES } = sending;
  const counts = await traffic.send({ framesPerSecond: rate, seconds, firstClient: clients.first, clients: clients.count, turn, target: running.target, frameBytes });
  return fromCounts(counts);
}

/** Sends from every client at `rate` until nearly all are answered: sessions exist then. Rejects, with what was seen, when they never are. */
export async function warmUp(traffic: Traffic, running: RunningSubject, clients: ClientRange, rate: number = WARM_RATE): Promise<void> {
  const step = rate * MOST_SECONDS;
  for (let done = 0; done < clients.count; done += step) {
    await warmSome(traffic, running, { first: clients.first + done, count: Math.min(step, clients.count - done) }, rate);
  }
}

/**
 * Sends from every client once, at `rate` and in runs of 2 s, and returns how many were answered and how many datagrams were not; a last few clients
 * may have asked twice. A generator that had to leave out frames goes on where it was: by time alone, some clients would never get their turn.
 */
export async function visitAll(traffic: Traffic, running: RunningSubject, clients: ClientRange, rate: number, progress: (answered: number) => void): Promise<{ answered: number; lost: number }> {
  let answered = 0;
  let lost = 0;
  for (let sent = 0; sent < clients.count; ) {
    const seen = await observe(traffic, running, { clients, rate, seconds: Math.max(MIN_RUN_SECONDS, Math.min(RUN_SECONDS, (clients.count - sent) / rate)), turn: sent });
    if (seen.sent === 0) throw new Error('the generator sent nothing');
    sent += seen.sent;
    answered = Math.min(clients.count, answered + seen.replies);
    lost += Math.max(0, seen.sent - seen.replies);
    progress(answered);
  }
  return { answered, lost };
}

/** Returns once the subject answers again at a low rate: what the try before has left in its queues is gone. Rejects when it never does. */
export async function settle(traffic: Traffic, running: RunningSubject, clients: ClientRange): Promise<void> {
  await warmSome(traffic, running, { first: clients.first, count: Math.min(clients.count, WARM_RATE * WARM_SECONDS) }, WARM_RATE);
}

async function warmSome(traffic: Traffic, running: RunningSubject, clients: ClientRange, rate: number): Promise<void> {
  const seen: string[] = [];
  for (let round = 0; round < WARM_ROUNDS; round++) {
    const { sent, replies, icmp, loss } = await observe(traffic, running, { clients, rate, seconds: Math.max(WARM_SECONDS, (1.1 * clients.count) / rate) });
    if (loss <= 1 - WARM_ENOUGH) return;
    seen.push(`${replies} of ${sent}${icmp > 0 ? ` (${icmp} ICMP errors)` : ''}`);
  }
  throw new Error(`the subject does not answer at ${rate}/s: replies ${seen.join(', ')}`);
}

function fromCounts({ sender, receiver }: TrafficCounts): Observation {
  return {
    offered: sender.seconds > 0 ? sender.sent / sender.seconds : 0,
    // One frame answered twice would hide one lost: never better than none lost.
    loss: sender.sent === 0 ? 1 : Math.max(0, 1 - receiver.replies / sender.sent),
    sent: sender.sent,
    replies: receiver.replies,
    misdelivered: receiver.misdelivered,
    icmp: receiver.icmp,
    p50Us: quantileNs(receiver.buckets, 0.5) / 1e3,
    p99Us: quantileNs(receiver.buckets, 0.99) / 1e3,
  };
}
