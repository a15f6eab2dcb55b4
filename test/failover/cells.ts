/**
 * What happens to a flow from a fixed source port when its server goes, in every combination: what happened, the session kind, what `on`
 * says. What is expected of each is said here once, and held by every engine that can do it.
 */
import type { OnAction, OnPolicy, SessionPolicy } from '../../src/balance/terms.ts';
import type { DesiredDirector, DesiredServer } from '../../src/plan/desired.ts';
import { ON_DEFAULT, session } from '../contract/make.ts';

export const EVENTS = ['down', 'drain', 'remove', 'weight', 'again', 'restart', 'kill'] as const;
export type FailoverEvent = (typeof EVENTS)[number];
export const KINDS = ['two-way', 'request-reply', 'one-way'] as const;
export const ACTIONS = ['move', 'keep', 'keep for', 'drop'] as const;
export type ActionName = (typeof ACTIONS)[number];

/** A flow sends one datagram each so many ms. */
export const PACE_MS = 10;
/** `keep for` keeps so long. */
export const KEEP_MS = 400;

export interface Cell {
  /** Also the director's name. */
  readonly name: string;
  readonly event: FailoverEvent;
  readonly kind: SessionPolicy['kind'];
  readonly action: ActionName;
}

/** Every combination of the table. */
export function allCells(events: readonly FailoverEvent[] = EVENTS): readonly Cell[] {
  return events.flatMap((event) => KINDS.flatMap((kind) => ACTIONS.map((action) => ({ event, kind, action, name: `${event}-${kind}-${action.replace(' ', '-')}` }))));
}

/** Where the flow's datagrams are after the event. `later`: first where they were, elsewhere once KEEP_MS are over. */
export type Fate = 'stays' | 'moves' | 'later' | 'dropped';

/** Returns what becomes of the cell's flow in an engine whose data plane outlives a restart. */
export function fateOf({ event, kind, action }: Cell): Fate {
  // Nothing was taken from the server; sessions have no reason to leave.
  if (event === 'weight' || event === 'restart' || event === 'kill') return 'stays';
  // Its director was gone for a moment, and its sessions with it: it is a new one, wherever that goes.
  if (event === 'again') return 'moves';
  // Each datagram is scheduled by itself: there is nothing that `on` could keep.
  if (kind !== 'two-way') return 'moves';
  return { move: 'moves', keep: 'stays', 'keep for': 'later', drop: 'dropped' }[action] as Fate;
}

/** Returns the action in the engine's terms. */
export function actionOf(action: ActionName): OnAction {
  if (action === 'move' || action === 'drop') return { kind: action };
  return { kind: 'keep', forMs: action === 'keep' ? null : KEEP_MS };
}

/** Returns the cell's director before its event: everything goes to the first server, since the other has no weight. */
export function before(cell: Cell, vip: DesiredDirector['vip'], port: number, [first, second]: readonly [DesiredServer, DesiredServer]): DesiredDirector {
  const action = actionOf(cell.action);
  const on: OnPolicy = cell.event === 'down' || cell.event === 'drain' || cell.event === 'remove' ? { ...ON_DEFAULT, [cell.event]: action } : { down: action, drain: action, remove: action };
  return {
    name: cell.name, vip, ports: { first: port, last: port }, protocol: 'udp', mode: 'nat', balance: 'roundrobin', persistence: null, session: session(cell.kind), on, sourceNat: null,
    servers: [first, { ...second, weight: 0 }],
  };
}

/** Returns the director once its event has happened; of `again` what it is the second time. */
export function afterwards(cell: Cell, director: DesiredDirector): DesiredDirector {
  const [first, second] = director.servers;
  const open = { ...second, weight: 1 };
  switch (cell.event) {
    case 'down':
    case 'drain':
      return { ...director, servers: [{ ...first, state: cell.event }, open] };
    case 'remove':
      return { ...director, servers: [open] };
    case 'weight':
      return { ...director, servers: [{ ...first, weight: 5 }, { ...second, weight: 0 }] };
    case 'again':
      return { ...director, servers: [{ ...first, weight: 0 }, open] };
    case 'restart':
    case 'kill':
      return director;
  }
}
