/** Which server slot a client's sessions may be pinned to, or why they would not stay there. */
import { EngineError } from '../engine.ts';
import { policyOf, takesSessions } from './director.ts';
import type { SlottedDirector } from './protocol.ts';

/** Returns the slot of a director's server. Throws EngineError where there is none, or where a session would not stay. */
export function pinTarget(slotted: readonly SlottedDirector[], directorName: string, serverName: string): number {
  const found = slotted.find((s) => s.director.name === directorName);
  if (!found) throw new EngineError(`there is no director '${directorName}'`, { cure: 'weir status lists them' });
  const { director, serverSlots } = found;
  const i = director.servers.findIndex((s) => s.name === serverName);
  if (i < 0) throw new EngineError(`director '${directorName}' has no server '${serverName}'`, { cure: `it has ${director.servers.map((s) => s.name).join(', ') || 'none'}` });
  if (director.session.kind !== 'two-way') {
    throw new EngineError(`director '${directorName}' schedules every datagram by itself (session ${director.session.kind}): there is no session to pin`, {
      cure: 'drain the other servers, or let the director have two-way sessions',
    });
  }
  const server = director.servers[i];
  if (server.state === 'down' || server.state === 'disabled') {
    throw new EngineError(`server '${serverName}' is ${server.state}: a session there would be lost`, { cure: 'pin to a server that is up' });
  }
  const sorryNeeded = !director.servers.some((s) => !s.sorry && s.weight > 0 && takesSessions(s));
  const policy = policyOf(director, server, sorryNeeded);
  if (policy !== null && policy.kind !== 'keep') {
    const why = server.sorry ? 'is the sorry server, and others take sessions' : `is draining, with on drain ${policy.kind}`;
    throw new EngineError(`server '${serverName}' ${why}: a session there would not stay`, { cure: 'pin to a server that is up' });
  }
  return serverSlots[i];
}
