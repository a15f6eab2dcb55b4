/** What really happened during a soak, as the runner notes it, and which losses that explains. Pure. */
import { BACKENDS, DETECTION_MS, isWatched, takesTraffic, type State } from './model.ts';

export type Happening =
  /** A change of what runs: in between, either may hold. */
  | { readonly kind: 'changed'; readonly fromMs: number; readonly toMs: number; readonly before: Pick<State, 'running' | 'overrides'>; readonly after: Pick<State, 'running' | 'overrides'> }
  | { readonly kind: 'server-killed' | 'server-stopped' | 'server-back'; readonly server: string; readonly atMs: number }
  /** From the last reading of its counters to the banner of the next process. */
  | { readonly kind: 'daemon-down'; readonly fromMs: number; readonly toMs: number }
  /** A new process knows of no server what the one before had not written down; its data plane may have gone on since `fromMs`, with what it says from then on. */
  | { readonly kind: 'health-anew'; readonly fromMs: number; readonly toMs: number }
  | { readonly kind: 'worker-down'; readonly fromMs: number; readonly toMs: number }
  /** Datagrams that weir, or a kernel's socket, counted as dropped. `director` null: of any. */
  | { readonly kind: 'counted'; readonly reason: string; readonly director: string | null; readonly fromMs: number; readonly toMs: number; readonly count: number };

/** Why datagrams sent in an interval may be lost: any number of them, or `count`. Null fields: any. */
export interface Cause {
  readonly reason: string;
  readonly director: string | null;
  readonly server: string | null;
  readonly fromMs: number;
  readonly toMs: number;
  readonly count: number | null;
}

/** ICMP says at once that a server is gone: only what was under way is lost. */
const ICMP_MS = 300;
/** Where nothing was under way, the first datagram afterwards finds out, one in each packet thread and family. */
const FINDERS = 4;

/** Returns the causes that a history gives. */
export function causesOf(history: readonly Happening[]): readonly Cause[] {
  return [...counted(history), ...absences(history), ...deaths(history), ...outages(history)];
}

function counted(history: readonly Happening[]): readonly Cause[] {
  return history.flatMap((h): readonly Cause[] => (h.kind === 'counted' ? [{ reason: h.reason, director: h.director, server: null, fromMs: h.fromMs, toMs: h.toMs, count: h.count }] : []));
}

function outages(history: readonly Happening[]): readonly Cause[] {
  return history.flatMap((h): readonly Cause[] => {
    if (h.kind !== 'daemon-down' && h.kind !== 'worker-down') return [];
    return [{ reason: h.kind === 'daemon-down' ? 'no weir ran' : 'a packet worker was dead', director: null, server: null, fromMs: h.fromMs, toMs: h.toMs, count: null }];
  });
}

/** A director is not there from the begin of the apply that deletes it to the end of the one that adds it. */
function absences(history: readonly Happening[]): readonly Cause[] {
  const goneFrom = new Map<string, number>();
  const causes: Cause[] = [];
  for (const h of history) {
    if (h.kind !== 'changed') continue;
    const [before, after] = [h.before, h.after].map(({ running }) => new Set(running.directors.map((d) => d.name)));
    for (const name of before) if (!after.has(name)) goneFrom.set(name, h.fromMs);
    for (const name of after) {
      if (before.has(name)) continue;
      causes.push({ reason: 'the director was not there', director: name, server: null, fromMs: goneFrom.get(name) ?? h.fromMs, toMs: h.toMs, count: null });
      goneFrom.delete(name);
    }
  }
  for (const [director, fromMs] of goneFrom) causes.push({ reason: 'the director was not there', director, server: null, fromMs, toMs: Infinity, count: null });
  return causes;
}

/**
 * A dead server may cost what is sent until it is found out: from its death on, and from whatever makes weir ask again (its checks begin
 * anew, or all health does).
 */
function deaths(history: readonly Happening[]): readonly Cause[] {
  const causes: Cause[] = [];
  for (const server of BACKENDS) {
    let death: { readonly atMs: number; readonly silent: boolean } | null = null;
    const spans: { fromMs: number; toMs: number; silent: boolean }[] = [];
    for (const h of history) {
      if (h.kind !== 'server-killed' && h.kind !== 'server-stopped' && h.kind !== 'server-back') continue;
      if (h.server !== server) continue;
      if (h.kind !== 'server-back') death ??= { atMs: h.atMs, silent: h.kind === 'server-stopped' };
      else if (death !== null) {
        spans.push({ fromMs: death.atMs, toMs: h.atMs, silent: death.silent });
        death = null;
      }
    }
    if (death !== null) spans.push({ fromMs: death.atMs, toMs: Infinity, silent: death.silent });
    for (const span of spans) causes.push(...deathCauses(server, span, history));
  }
  return causes;
}

function deathCauses(server: string, span: { readonly fromMs: number; readonly toMs: number; readonly silent: boolean }, history: readonly Happening[]): readonly Cause[] {
  const boundMs = span.silent ? DETECTION_MS : ICMP_MS;
  const finders = (director: string | null, fromMs: number): readonly Cause[] =>
    (span.silent ? [] : [{ reason: 'it found out that its server was dead', director, server, fromMs, toMs: Math.min(fromMs + DETECTION_MS, span.toMs), count: FINDERS }]);
  const reason = span.silent ? 'its server was dead and silent, not yet found out' : 'its server was dead, ICMP under way';
  const cause = (director: string | null, fromMs: number, toMs: number): readonly Cause[] => [{ reason, director, server, fromMs, toMs: Math.min(toMs + boundMs, span.toMs), count: null }, ...finders(director, toMs)];
  const causes = [...cause(null, span.fromMs, span.fromMs)];
  for (const h of history) {
    if (h.kind === 'health-anew' && h.toMs >= span.fromMs && h.fromMs <= span.toMs) causes.push(...cause(null, h.fromMs, h.toMs));
    if (h.kind !== 'changed' || h.toMs < span.fromMs || h.fromMs > span.toMs) continue;
    for (const { name } of h.after.running.directors) {
      if (isWatched(h.after, name, server) && !isWatched(h.before, name, server)) causes.push(...cause(name, h.fromMs, h.toMs));
      // Evidence keeps a server out ten seconds, in the workers of one apply: one that takes traffic anew is asked anew.
      else if (takesTraffic(h.after, name, server) && !takesTraffic(h.before, name, server)) causes.push(...cause(name, h.fromMs, h.toMs));
    }
  }
  return causes;
}
