/** Which server a client's sessions may be pinned to, or why they would not stay there: the same words in every engine that pins. */
import type { DesiredDirector, DesiredServer } from '../plan/desired.ts';
import { EngineError, type PinRequest } from './engine.ts';

export interface PinTarget {
  readonly director: DesiredDirector;
  /** Place in director.servers. */
  readonly index: number;
}

/** Returns the server that `request` names. Throws EngineError where there is none, or where a session would not stay. */
export function pinTarget(directors: readonly DesiredDirector[], request: Pick<PinRequest, 'director' | 'server'>): PinTarget {
  const director = directors.find((d) => d.name === request.director);
  if (!director) throw new EngineError(`there is no director '${request.director}'`, { cure: 'weir status lists them' });
  const index = director.servers.findIndex((s) => s.name === request.server);
  if (index < 0) throw new EngineError(`director '${director.name}' has no server '${request.server}'`, { cure: `it has ${director.servers.map((s) => s.name).join(', ') || 'none'}` });
  if (director.session.kind !== 'two-way') {
    throw new EngineError(`director '${director.name}' schedules every datagram by itself (session ${director.session.kind}): there is no session to pin`, {
      cure: 'drain the other servers, or let the director have two-way sessions',
    });
  }
  const why = whyNot(director, director.servers[index]);
  if (why !== null) throw new EngineError(`server '${request.server}' ${why}`, { cure: 'pin to a server that is up' });
  return { director, index };
}

function whyNot({ servers, on }: DesiredDirector, server: DesiredServer): string | null {
  if (server.state === 'down' || server.state === 'disabled') return `is ${server.state}: a session there would be lost`;
  if (server.state === 'drain' && on.drain.kind !== 'keep') return `is draining, with on drain ${on.drain.kind}: a session there would not stay`;
  const othersServe = servers.some((s) => !s.sorry && s.weight > 0 && (s.state === 'up' || s.state === 'unknown'));
  if (server.sorry && othersServe && on.remove.kind !== 'keep') return 'is the sorry server, and others take sessions: a session there would not stay';
  return null;
}
