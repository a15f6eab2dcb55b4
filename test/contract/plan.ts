/** The plan a test hands to an engine: small on purpose and apart from src/plan/diff.ts, so that a fault there cannot hide one here. */
import { isDeepStrictEqual } from 'node:util';
import { serverKey, type Desired, type DesiredDirector } from '../../src/plan/desired.ts';
import type { Plan, PlanStep } from '../../src/plan/plan.ts';

/** Returns the steps from `observed` to `next`; no step when they are equal. */
export function planOf(next: Desired, observed: Desired): Plan {
  const steps: PlanStep[] = [];
  const now = new Map(observed.directors.map((d) => [d.name, d]));
  const wanted = new Set(next.directors.map((d) => d.name));
  for (const director of observed.directors) if (!wanted.has(director.name)) steps.push({ op: 'remove-director', director, text: `remove director ${director.name}` });
  for (const director of next.directors) {
    const from = now.get(director.name);
    if (!from) steps.push({ op: 'add-director', director, text: `add director ${director.name}` });
    else steps.push(...changesOf(from, director));
  }
  return { steps, next };
}

function changesOf(from: DesiredDirector, to: DesiredDirector): PlanStep[] {
  const steps: PlanStep[] = [];
  if (!isDeepStrictEqual({ ...from, servers: [] }, { ...to, servers: [] })) steps.push({ op: 'change-director', from, to, text: `change director ${to.name}` });
  const old = new Map(from.servers.map((s) => [serverKey(s), s]));
  const kept = new Set(to.servers.map(serverKey));
  const director = to.name;
  for (const server of from.servers) if (!kept.has(serverKey(server))) steps.push({ op: 'remove-server', director, server, text: `remove server ${server.name}` });
  for (const server of to.servers) {
    const before = old.get(serverKey(server));
    if (!before) steps.push({ op: 'add-server', director, server, text: `add server ${server.name}` });
    else if (!isDeepStrictEqual(before, server)) steps.push({ op: 'change-server', director, from: before, to: server, text: `change server ${server.name}` });
  }
  return steps;
}
