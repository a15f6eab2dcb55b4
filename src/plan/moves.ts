/** How many live sessions an apply would take from their servers. */
import type { OnAction } from '../balance/terms.ts';
import { hostPortText } from '../net/endpoint.ts';
import { portCount, type PortRange } from '../net/ports.ts';
import type { DirectorReading, Reading } from '../engine/engine.ts';
import type { DesiredDirector, DesiredServer } from './desired.ts';
import type { Plan, PlanStep } from './plan.ts';

/**
 * Returns how many of the sessions in `reading` the plan moves or drops at once. Sessions kept by `on … keep` do not count,
 * nor those of directors that only change how new sessions are placed.
 */
export function sessionsMoved(plan: Plan, reading: Reading): number {
  const readings = new Map(reading.directors.map((d) => [d.name, d]));
  const next = new Map(plan.next.directors.map((d) => [d.name, d]));
  const whole = new Set<string>();
  let moved = 0;
  for (const step of plan.steps) {
    const name = lostDirector(step);
    if (name === null || whole.has(name)) continue;
    whole.add(name);
    moved += readings.get(name)?.sessions ?? 0;
  }
  for (const step of plan.steps) {
    if (step.op !== 'remove-server' && step.op !== 'change-server') continue;
    const director = next.get(step.director);
    const live = readings.get(step.director);
    if (whole.has(step.director) || !director || !live) continue;
    const action = step.op === 'remove-server' ? director.on.remove : actionOf(director, step.from, step.to);
    if (action === null || action.kind === 'keep') continue;
    moved += serverSessions(live, step.op === 'remove-server' ? step.server : step.from);
  }
  return moved;
}

/** Returns the director whose sessions all end with this step, or null. */
function lostDirector(step: PlanStep): string | null {
  if (step.op === 'remove-director') return step.director.name;
  if (step.op !== 'change-director') return null;
  const { from, to } = step;
  const same = from.vip?.text === to.vip?.text && from.protocol === to.protocol && from.mode === to.mode && from.session.kind === to.session.kind;
  return same && covers(to.ports, from.ports) ? null : to.name;
}

function covers(wide: PortRange | null, narrow: PortRange | null): boolean {
  if (wide === null) return true;
  if (narrow === null) return portCount(wide) === 65535;
  return wide.first <= narrow.first && narrow.last <= wide.last;
}

function actionOf(director: DesiredDirector, from: DesiredServer, to: DesiredServer): OnAction | null {
  if (from.state === to.state) return null;
  switch (to.state) {
    case 'down':
      return director.on.down;
    case 'drain':
      return director.on.drain;
    case 'disabled':
      return director.on.remove;
    case 'up':
    case 'unknown':
      return null;
    default:
      return to.state satisfies never;
  }
}

function serverSessions(live: DirectorReading, server: DesiredServer): number {
  const named = live.servers.filter((s) => s.name === server.name);
  const address = hostPortText(server.ip, server.port);
  return (named.length > 1 ? named.find((s) => s.address === address) : named[0])?.sessions ?? 0;
}
