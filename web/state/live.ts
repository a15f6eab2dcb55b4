/** What the daemon tells by itself: the status, samples and events; kept while the connection is lost, with the time it is from. */
import { signal } from '@preact/signals';
import type { EventView, SampleView, StatusView } from '../../src/client/types.ts';
import { api, attempt, endedSignIn, errorView, me } from './api.ts';

export type Link = { readonly state: 'live' } | { readonly state: 'lost'; readonly sinceMs: number; readonly why: string; readonly nextMs: number };

export const status = signal<StatusView | null>(null);
/** When `status` was read, ms since 1970. */
export const statusAtMs = signal(0);
export const link = signal<Link>({ state: 'live' });
export const events = signal<readonly EventView[]>([]);
/** Counts samples taken: what draws from `history` reads this to be drawn again. */
export const samples = signal(0);
/** Counts connections made: what was read beside the stream must be read again, since it may have missed some. */
export const connections = signal(0);

/** Newest last. */
let kept: SampleView[] = [];
const rates = new Map<string, number[]>();
const drops = new Map<string, number>();

/** Enough for the stream to go on from; the rest is read when somebody looks at a log. */
const EVENTS_FIRST = 50;
/** What the daemon keeps. */
const EVENTS_KEPT = 10_000;
/** Of all directors, for the lines of Overview; the page of one director asks for all of its own (director-history.ts). */
const SAMPLES_KEPT = 60;
const POLL_MS = 2000;
const RETRY_MS = [500, 1000, 2000, 4000, 8000, 15_000];

let abort: AbortController | null = null;
let wake: (() => void) | null = null;
let poll: ReturnType<typeof setTimeout> | undefined;

/** Returns the last packet rates (in plus out, a second) of a director, oldest first. */
export function ratesOf(director: string): readonly number[] {
  return rates.get(director) ?? [];
}

/** Returns the drops a second of a director in the newest sample. */
export function dropsOf(director: string): number {
  return drops.get(director) ?? 0;
}

/** Returns the samples of the last minute, oldest first. */
export function history(): readonly SampleView[] {
  return kept;
}

/** Begins to listen; ends what was begun before. */
export function startLive(): void {
  stopLive();
  // Another sign-in may be another run of the daemon, which counts its events anew.
  events.value = [];
  abort = new AbortController();
  const { signal: ended } = abort;
  void follow(ended);
  void pollStatus(ended);
}

export function stopLive(): void {
  abort?.abort();
  abort = null;
  clearTimeout(poll);
}

/** Reads the events from before those at hand. */
export async function loadOlderEvents(): Promise<void> {
  const first = events.peek()[0]?.seq;
  if (first === undefined || first <= 1 || older) return;
  older = true;
  const all = await attempt(() => api.events());
  older = false;
  if (all === undefined) return;
  const last = all.at(-1)?.seq ?? 0;
  events.value = [...all, ...events.peek().filter(({ seq }) => seq > last)].slice(-EVENTS_KEPT);
}

let older = false;

/** Reads the status now, as after a change. */
export async function refreshStatus(): Promise<void> {
  if (abort !== null) await readStatus(abort.signal);
}

/** Tries at once instead of at the end of the wait. */
export function tryNow(): void {
  wake?.();
}

async function readStatus(ended: AbortSignal): Promise<number> {
  const startedAt = performance.now();
  try {
    const view = await api.status();
    if (ended.aborted) return 0;
    status.value = view;
    statusAtMs.value = Date.now();
    if (link.peek().state === 'lost') wake?.();
  } catch (error) {
    if (ended.aborted) return 0;
    if (!endedSignIn(error)) lost(errorView(error).message, 0);
  }
  return performance.now() - startedAt;
}

/** Polls; a large configuration is read less often, so that reading it never is the main thing done. */
async function pollStatus(ended: AbortSignal): Promise<void> {
  const tookMs = await readStatus(ended);
  if (!ended.aborted) poll = setTimeout(() => void pollStatus(ended), Math.max(POLL_MS, tookMs * 8));
}

async function follow(ended: AbortSignal): Promise<void> {
  for (let failures = 0; !ended.aborted;) {
    try {
      if (failures > 0) await api.signedIn().then((view) => { me.value = view; });
      const series = await api.series({ last: SAMPLES_KEPT });
      if (ended.aborted) return;
      kept = [];
      rates.clear();
      drops.clear();
      for (const sample of series) take(sample);
      samples.value++;
      connections.value++;
      const known = events.peek().at(-1)?.seq ?? 0;
      if (known === 0) events.value = await api.events({ last: EVENTS_FIRST });
      const opened = api.stream((message) => {
        if (ended.aborted) return;
        failures = 0;
        if (link.peek().state === 'lost') link.value = { state: 'live' };
        if (message.type === 'sample') {
          take(message.sample);
          samples.value++;
        } else if (message.event.seq > (events.peek().at(-1)?.seq ?? 0)) {
          events.value = [...events.peek(), message.event].slice(-EVENTS_KEPT);
          void refreshSoon(ended);
        }
      }, ended, { sinceSeq: events.peek().at(-1)?.seq ?? 0 });
      await opened;
      if (ended.aborted) return;
      throw new Error('the daemon ended the connection');
    } catch (error) {
      if (ended.aborted || endedSignIn(error)) return;
      const waitMs = RETRY_MS[Math.min(failures++, RETRY_MS.length - 1)] ?? 15_000;
      lost(errorView(error).message, waitMs);
      await pause(waitMs, ended);
    }
  }
}

let soon = false;

/** Many events at once are one reading. */
async function refreshSoon(ended: AbortSignal): Promise<void> {
  if (soon) return;
  soon = true;
  await new Promise((done) => setTimeout(done, 150));
  soon = false;
  if (!ended.aborted) await readStatus(ended);
}

function lost(why: string, waitMs: number): void {
  const before = link.peek();
  link.value = { state: 'lost', why, sinceMs: before.state === 'lost' ? before.sinceMs : statusAtMs.peek() || Date.now(), nextMs: waitMs === 0 && before.state === 'lost' ? before.nextMs : Date.now() + waitMs };
}

function pause(ms: number, ended: AbortSignal): Promise<void> {
  return new Promise((done) => {
    const timer = setTimeout(finish, ms);
    function finish(): void {
      clearTimeout(timer);
      wake = null;
      done();
    }
    wake = finish;
    ended.addEventListener('abort', finish, { once: true });
  });
}

function take(sample: SampleView): void {
  const newest = kept.at(-1);
  if (newest !== undefined && sample.atMs <= newest.atMs) return;
  kept.push(sample);
  if (kept.length > SAMPLES_KEPT) kept.shift();
  for (const { name, packetsInPerS, packetsOutPerS, dropsPerS } of sample.directors) {
    drops.set(name, dropsPerS);
    const list = rates.get(name) ?? [];
    list.push(packetsInPerS + packetsOutPerS);
    if (list.length > SAMPLES_KEPT) list.shift();
    rates.set(name, list);
  }
}
