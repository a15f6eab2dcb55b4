/** Ending the sessions of the alarms that stand, and no others: their clients' next datagrams are balanced anew. */
import type { BlackholeView } from '../client/types.ts';
import type { SessionFilter } from '../engine/engine.ts';
import type { Core } from './core.ts';
import { isAt } from './watch.ts';

/** Sessions ended one by one, where only their address tells them from those of another server of the same name. */
const MOST_SINGLY = 10_000;
const PAGE = 1000;

/** Ends the sessions of `alarms` that match the filter's director and server; returns how many. */
export async function purgeBlackholed(core: Core, alarms: readonly BlackholeView[], filter: SessionFilter): Promise<number> {
  let count = 0;
  for (const alarm of alarms) {
    const { director, server } = alarm;
    if ((filter.director ?? director) !== director || (filter.server ?? server) !== server) continue;
    count += isAnothers(core, alarm) ? await purgeSingly(core, alarm) : await core.engine.purge({ director, server });
  }
  return count;
}

/** True when the configuration has a server of this name at another address: sessions are named by the name. */
function isAnothers(core: Core, { director, server, address }: BlackholeView): boolean {
  const found = core.running.config.directors.find((d) => d.name === director)?.servers.find((s) => s.name === server);
  return found !== undefined && !isAt(found, address);
}

async function purgeSingly(core: Core, { director, server, address }: BlackholeView): Promise<number> {
  const clients = new Set<string>();
  let cursor: string | undefined;
  do {
    const page = await core.engine.sessions({ director, server }, { limit: PAGE, ...(cursor === undefined ? {} : { cursor }) });
    for (const session of page.sessions) if (session.serverAddress === address) clients.add(session.client);
    cursor = page.next ?? undefined;
  } while (cursor !== undefined && clients.size < MOST_SINGLY);
  let count = 0;
  for (const client of clients) count += await core.engine.purge({ director, server, client });
  return count;
}
