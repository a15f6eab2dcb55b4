/** What share each server gets against its weight, of what says most about the present. */
import type { ServerView } from '../client/types.ts';

export interface Shares {
  /** What is shared, for the head of the column: `38 new sessions`; empty when there is nothing. */
  readonly of: string;
  /** Where that is from, in a sentence. */
  readonly meaning: string;
  /** The part of each server, in the order given, 0..1; null when there is nothing to share. */
  readonly parts: readonly (number | null)[];
  /** What its weight gives it, 0..1. */
  readonly due: readonly number[];
}

/** Returns the shares of new sessions; without any lately, of live ones; for directors without sessions, of datagrams. */
export function sharesOf(servers: readonly ServerView[]): Shares {
  // A sorry server is due nothing while another may serve.
  const isServed = servers.some(({ sorry, weight }) => !sorry && weight > 0);
  const weightOf = ({ sorry, weight }: ServerView): number => (sorry && isServed ? 0 : weight);
  const weights = servers.reduce((sum, server) => sum + weightOf(server), 0);
  const due = servers.map((server) => (weights === 0 ? 0 : weightOf(server) / weights));
  const bases: readonly (readonly [pick: (server: ServerView) => number, one: string, many: string, meaning: string])[] = [
    [(server) => server.recent.sessions, 'new session', 'new sessions', 'Shares are of the sessions begun in the last 10 to 20 seconds.'],
    [(server) => server.sessions, 'live session', 'live sessions', 'Shares are of live sessions: none began in the last seconds.'],
    [(server) => server.recent.packetsIn, 'datagram', 'datagrams', 'Shares are of the datagrams of the last 10 to 20 seconds: there are no sessions.'],
  ];
  for (const [pick, one, many, meaning] of bases) {
    const total = servers.reduce((sum, server) => sum + pick(server), 0);
    if (total > 0) return { of: `${total} ${total === 1 ? one : many}`, meaning, parts: servers.map((server) => pick(server) / total), due };
  }
  return { of: '', meaning: 'There is nothing to share: no sessions, and no datagrams in the last seconds.', parts: servers.map(() => null), due };
}
