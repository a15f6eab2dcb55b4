/** The words that the language, the plan and every engine share. */

export type Protocol = 'udp' | 'tcp';
export type ForwardingMode = 'nat' | 'gateway' | 'tunnel';

/** Balance algorithms. `localitybased` is IPVS lblc, `localitybased-replication` is lblcr. */
export const BALANCES = [
  'roundrobin',
  'leastconn',
  'localitybased',
  'localitybased-replication',
  'source',
  'srcdst',
  'dest',
  'shortestexpected',
  'neverqueue',
  'failover',
  'maglev',
  'random',
] as const;
export type Balance = (typeof BALANCES)[number];

/**
 * What ties a client to a server. two-way: until idle (120 s after a reply, 30 s before one, or `timeoutMs`).
 * request-reply: each datagram is a request, scheduled by itself and done after `replies` datagrams back. one-way: each datagram by itself, no reply.
 * `rate` and `sourceRate`: new sessions a second of the whole director, and of one source address (IPv6: its /64); null: no bound.
 * `amplification`: payload bytes of replies a session carries for each its client has sent; null: no bound.
 */
export interface SessionPolicy {
  readonly kind: 'two-way' | 'request-reply' | 'one-way';
  readonly replies: number;
  readonly timeoutMs: number | null;
  readonly max: number | null;
  readonly rate: number | null;
  readonly sourceRate: number | null;
  readonly amplification: number | null;
}

/** What happens to live sessions: move them at once, keep them (for `forMs`, or as long as they live when null), or drop their datagrams. */
export type OnAction = { readonly kind: 'move' } | { readonly kind: 'keep'; readonly forMs: number | null } | { readonly kind: 'drop' };

/** The three events and what each does. A disabled server counts as removed. */
export interface OnPolicy {
  readonly down: OnAction;
  readonly drain: OnAction;
  readonly remove: OnAction;
}

/** up and unknown take new sessions; drain, down and disabled take none. */
export type ServerState = 'up' | 'unknown' | 'drain' | 'down' | 'disabled';

/** Default idle times of a two-way session, in ms: before a reply was seen, and after. */
export const UNREPLIED_TIMEOUT_MS = 30_000;
export const REPLIED_TIMEOUT_MS = 120_000;
/** Default time in ms a request of a request-reply session waits for its replies. */
export const REQUEST_TIMEOUT_MS = 30_000;
export const MAX_WEIGHT = 256;
