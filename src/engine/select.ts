/** Which engine runs: tries each in the design's order by really probing it, and keeps every refusal for status. */
import type { Desired } from '../plan/desired.ts';
import type { Engine, EngineEvent, EngineName } from './engine.ts';
import { EngineError } from './engine.ts';

/** A way to make an engine. `variant` tells apart two ways of one engine (`native`, `generic`). */
export interface EngineCandidate {
  readonly name: EngineName;
  readonly variant: string | null;
  /** Why `auto` passes this candidate over for such a configuration although it could run it; null: it does not. */
  notForAuto?(context: AutoContext): string | null;
  create(onEvent: (event: EngineEvent) => void): Promise<Engine>;
}

/** What `auto` chooses an engine for. `conntrack`: the configuration has NAT rules act on balanced traffic. */
export interface AutoContext {
  readonly desired: Desired;
  readonly conntrack: boolean;
}

export interface EngineRefusal {
  readonly candidate: string;
  readonly what: string;
  readonly cure: string;
}

/** `why` is one line for status; `refusals` are of all candidates tried before the one taken. */
export interface EngineChoice {
  readonly engine: Engine;
  readonly why: string;
  readonly refusals: readonly EngineRefusal[];
}

/** What `auto` tries, best first (DESIGN section 5). */
export const AUTO_ORDER: readonly string[] = ['xdp native', 'lvs', 'xdp generic', 'userspace'];

/**
 * Returns the engine to use: the named one, or for `auto` the first of AUTO_ORDER whose probe succeeds and that can do all of
 * `context` (the last one is taken whatever it cannot do, so that an apply names it). A named engine that cannot run is refused, never replaced by another. Throws EngineError that names every refusal and its cure.
 */
export async function selectEngine(options: {
  readonly wanted: 'auto' | EngineName;
  readonly candidates: readonly EngineCandidate[];
  readonly onEvent: (event: EngineEvent) => void;
  readonly context?: AutoContext | undefined;
}): Promise<EngineChoice> {
  const { wanted } = options;
  const order = inOrder(options.candidates).filter((c) => wanted === 'auto' || c.name === wanted);
  if (order.length === 0) {
    const built = [...new Set(inOrder(options.candidates).map((c) => c.name))].join(', ');
    throw new EngineError(`engine ${wanted} is not part of this build`, { cure: `choose one of: auto, ${built}` });
  }
  const refusals: EngineRefusal[] = [];
  for (const candidate of order) {
    const context = wanted === 'auto' && candidate !== order.at(-1) ? options.context : undefined;
    const engine = await attempt({ candidate, context, onEvent: options.onEvent }, refusals);
    if (engine) return { ...engine, why: whyText(wanted, candidate, engine.notes, refusals), refusals };
  }
  const reasons = refusals.map((r) => `${r.candidate}: ${r.what}`).join('; ');
  throw new EngineError(wanted === 'auto' ? `no engine can run here: ${reasons}` : `engine ${wanted} cannot run here: ${reasons}`, {
    cure: [...new Set(refusals.map((r) => r.cure))].join('; '),
  });
}

async function attempt(
  { candidate, context, onEvent }: { readonly candidate: EngineCandidate; readonly context: AutoContext | undefined; readonly onEvent: (event: EngineEvent) => void },
  refusals: EngineRefusal[],
): Promise<{ engine: Engine; notes: readonly string[] } | null> {
  const name = labelOf(candidate);
  const reason = context && candidate.notForAuto?.(context);
  if (reason) {
    refusals.push({ candidate: name, what: reason, cure: `service lvs, engine ${candidate.name}` });
    return null;
  }
  let engine: Engine | null = null;
  try {
    engine = await candidate.create(onEvent);
    const probe = await engine.probe();
    const [cannot] = probe.ok && context ? engine.unsupported(context.desired) : [];
    if (probe.ok && cannot === undefined) return { engine, notes: probe.notes };
    if (probe.ok) refusals.push({ candidate: name, what: cannot?.message ?? '', cure: `weir check --engine ${candidate.name} names all it cannot do` });
    else for (const refusal of probe.refusals) refusals.push({ candidate: name, ...refusal });
    if (!probe.ok && probe.refusals.length === 0) refusals.push({ candidate: name, what: 'the probe failed without a reason', cure: 'report this as a fault of weir' });
  } catch (error) {
    const cure = error instanceof EngineError ? error.cure : 'see the message';
    refusals.push({ candidate: name, what: error instanceof Error ? error.message : String(error), cure });
  }
  // 'leave': it has applied nothing, and what an earlier run left flowing is not this attempt's to take down.
  await engine?.close('leave').catch(() => undefined);
  return null;
}

function whyText(wanted: string, candidate: EngineCandidate, notes: readonly string[], refusals: readonly EngineRefusal[]): string {
  const chosen = wanted === 'auto' ? `auto took ${labelOf(candidate)}` : `${labelOf(candidate)}, as configured`;
  const note = notes.length === 0 ? '' : ` (${notes.join('; ')})`;
  const others = refusals.map((r) => `not ${r.candidate}: ${r.what}`).join('; ');
  return `${chosen}${note}${others === '' ? '' : `; ${others}`}`;
}

function inOrder(candidates: readonly EngineCandidate[]): EngineCandidate[] {
  const rank = (c: EngineCandidate): number => {
    const at = AUTO_ORDER.indexOf(labelOf(c));
    return at < 0 ? AUTO_ORDER.length : at;
  };
  return [...candidates].sort((a, b) => rank(a) - rank(b));
}

function labelOf(candidate: EngineCandidate): string {
  return candidate.variant === null ? candidate.name : `${candidate.name} ${candidate.variant}`;
}
