/**
 * Why a datagram was dropped. Numbers are never reused: they are map indexes, metric labels and API names.
 * Add at the end; a reason that is gone keeps its line with `unused`.
 */
export const DROP_REASONS = [
  { id: 0, name: 'no_server', text: 'no server of the director takes sessions and there is no sorry server' },
  { id: 1, name: 'session_max', text: "the director's `session max` is reached" },
  { id: 2, name: 'table_full', text: "the engine's session table is at its cap" },
  { id: 3, name: 'no_port', text: 'no source port towards the server is free and rested' },
  { id: 4, name: 'on_policy', text: '`on … drop` drops datagrams of sessions whose server is gone' },
  { id: 5, name: 'unexpected_reply', text: 'a datagram on a server-side port that belongs to no session, or not from its server' },
  { id: 6, name: 'send_full', text: 'the kernel had no buffer for the datagram (ENOBUFS, EAGAIN)' },
  { id: 7, name: 'too_big', text: 'the datagram exceeds what the path or the socket takes (EMSGSIZE)' },
  { id: 8, name: 'unreachable', text: 'the kernel has no way to the destination (ENETUNREACH, EHOSTUNREACH, EPERM)' },
  { id: 9, name: 'send_error', text: 'any other error of the send' },
  { id: 10, name: 'receive_overflow', text: 'the kernel dropped it before weir could read it (socket receive buffer full)' },
  { id: 11, name: 'no_director', text: 'it arrived for a director that was just removed' },
  { id: 12, name: 'rate_limit', text: "the new sessions of this second reached the director's `session rate`, or those of its source `session source-rate`" },
  { id: 13, name: 'fragment', text: 'a later fragment of a datagram whose first fragment was not seen' },
  { id: 14, name: 'ttl', text: 'its time to live had come to its end' },
  { id: 15, name: 'amplification', text: 'a reply with which its session would have carried more than `session amplification` times the bytes of its client' },
] as const;

export type DropReason = (typeof DROP_REASONS)[number]['name'];

/** The id of each reason by name. */
export const DROP_ID: Readonly<Record<DropReason, number>> = Object.freeze(
  Object.fromEntries(DROP_REASONS.map((r) => [r.name, r.id])) as Record<DropReason, number>,
);
