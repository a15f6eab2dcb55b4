/** What a balance algorithm would choose and why, in words: the source of `weir explain`. */
import { createPicker, failoverOrder, type Candidate, type PickRequest, type Picker, type PickerState } from './picker.ts';
import type { Balance } from './terms.ts';

export interface ExplainPickOptions {
  readonly balance: Balance;
  readonly servers: readonly Candidate[];
  /** As the live picker's, but next() and random() must only look: return what the live ones would return next, and change nothing. */
  readonly state: PickerState;
  readonly request: PickRequest;
  /** The live picker: a localitybased one is asked what it remembers. */
  readonly picker?: Picker;
  readonly table?: Uint16Array;
}

/** `index` -1: no server. `notes` has one entry a server, e.g. `12 sessions / weight 10 = 1.2`; `why` says what decided. */
export interface PickExplanation {
  readonly index: number;
  readonly why: string;
  readonly notes: readonly string[];
}

/** Returns what pick(request) would return now, and why. Changes nothing. */
export function explainPick({ balance, servers, state, request, picker, table }: ExplainPickOptions): PickExplanation {
  let advanced = 0;
  const looking: PickerState = {
    active: (i) => state.active(i),
    blocked: (i) => state.blocked(i),
    next: () => (state.next() + advanced++) >>> 0,
    random: () => state.random() >>> 0,
    nowMs: () => state.nowMs?.() ?? 0,
  };
  const index = createPicker(balance, servers, looking, { ...(picker && { previous: picker }), ...(table && { table }) }).pick(request);
  const total = servers.reduce((sum, s) => sum + s.weight, 0);
  const context: NoteContext = { state, total, order: balance === 'failover' ? failoverOrder(servers) : [], kept: picker?.locality?.servers(request.dest) ?? [] };
  const notes = servers.map((server, i) => {
    if (server.weight === 0) return 'weight 0: takes no new sessions';
    const note = noteOf(balance, server, i, context);
    return state.blocked(i) ? `skipped, evidence that it is down; ${note}` : note;
  });
  return { index, why: index < 0 ? noneWhy(servers) : WHY[balance], notes };
}

interface NoteContext {
  readonly state: PickerState;
  readonly total: number;
  readonly order: readonly number[];
  readonly kept: readonly number[];
}

const WHY: Readonly<Record<Balance, string>> = {
  roundrobin: "roundrobin: the next turn of the weighted rotation is this server's",
  leastconn: 'leastconn: fewest sessions for its weight',
  shortestexpected: 'shortestexpected: least (sessions + 1) for its weight',
  neverqueue: 'neverqueue: an idle server first, else least (sessions + 1) for its weight',
  failover: 'failover: the highest weight that is available',
  source: "source: the hash of the client's address",
  dest: 'dest: the hash of the address that was hit',
  srcdst: "srcdst: the hash of the client's address and the address that was hit",
  maglev: "maglev: the hash of the client's address and port",
  random: 'random: by chance, in proportion to weight; the next one may go elsewhere',
  localitybased: "localitybased: this destination's server, or while that is overloaded the one with fewest sessions for its weight",
  'localitybased-replication':
    "localitybased-replication: the member of this destination's set with fewest sessions for its weight, or while that is overloaded one more member",
};

function noneWhy(servers: readonly Candidate[]): string {
  if (servers.length === 0) return 'there is no server';
  return servers.every((s) => s.weight === 0) ? 'every server has weight 0' : 'every server with a weight is blocked by evidence that it is down';
}

function noteOf(balance: Balance, { weight }: Candidate, i: number, { state, total, order, kept }: NoteContext): string {
  const active = state.active(i);
  switch (balance) {
    case 'leastconn':
      return `${sessions(active)} / weight ${weight} = ${ratio(active / weight)}`;
    case 'shortestexpected':
      return `(${sessions(active)} + 1) / weight ${weight} = ${ratio((active + 1) / weight)}`;
    case 'neverqueue':
      return active === 0 ? 'idle' : `(${sessions(active)} + 1) / weight ${weight} = ${ratio((active + 1) / weight)}`;
    case 'localitybased':
    case 'localitybased-replication':
      return `${kept.includes(i) ? 'kept for this destination, ' : ''}${sessions(active)} / weight ${weight} = ${ratio(active / weight)}`;
    case 'failover':
      return `choice ${order.indexOf(i) + 1} of ${order.length}, weight ${weight}`;
    case 'roundrobin':
      return `weight ${weight}: ${ratio((100 * weight) / total)} % of the turns`;
    case 'random':
      return `weight ${weight}: ${ratio((100 * weight) / total)} % of the chances`;
    case 'source':
    case 'dest':
    case 'srcdst':
    case 'maglev':
      return `weight ${weight}: ${ratio((100 * weight) / total)} % of the hash table`;
  }
}

function sessions(count: number): string {
  return count === 1 ? '1 session' : `${count} sessions`;
}

function ratio(value: number): string {
  return String(Number(value.toPrecision(3)));
}
