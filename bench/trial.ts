/** One subject under one load: warm its sessions up, then send at a rate and see what comes back. */
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

/** Who sends: `clients` in turn from number `first` on. */
export interface ClientRange {
  readonly first: number;
  readonly count: number;
}

const WARM_RATE = 8_000;
const WARM_SECONDS = 0.2;
const WARM_ROUNDS = 5;
const WARM_ENOUGH = 0.98;
/** Longer warm-ups are cut in runs of this length. */
const MOST_SECONDS = 4;

/** Sends for `seconds` at `rate` and returns what came back. A reply that reached another client than the one that asked is a lost one. */
export async function observe(traffic: Traffic, running: RunningSubject, clients: ClientRange, rate: number, seconds: number): Promise<Observation> {
  const counts = await traffic.send({ framesPerSecond: rate, seconds, firstClient: clients.first, clients: clients.count, target: running.target });
  return fromCounts(counts);
}

/** Sends from every client at a low rate until nearly all are answered: sessions exist then. Rejects, with what was seen, when they never are. */
export async function warmUp(traffic: Traffic, running: RunningSubject, clients: ClientRange): Promise<void> {
  const seen: string[] = [];
  for (let round = 0; round < WARM_ROUNDS; round++) {
    const seconds = Math.min(MOST_SECONDS, Math.max(WARM_SECONDS, (1.1 * clients.count) / WARM_RATE));
    const { sent, replies, icmp, loss } = await observe(traffic, running, clients, WARM_RATE, seconds);
    if (loss <= 1 - WARM_ENOUGH) return;
    seen.push(`${replies} of ${sent}${icmp > 0 ? ` (${icmp} ICMP errors)` : ''}`);
  }
  throw new Error(`the subject does not answer at ${WARM_RATE}/s: replies ${seen.join(', ')}`);
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
