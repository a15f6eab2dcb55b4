/** Who has which row: names of the slots, of owners that left too. */
import { parseIp, type Ip } from '../../net/ip.ts';
import type { Slots } from './slots.ts';

export interface Owner {
  readonly director: string;
  readonly directorSlot: number;
  readonly server: string;
  readonly key: string;
  readonly ip: Ip;
}

export interface Names {
  /** Whose server row it is, or was last. */
  ownerOf(server: number): Owner | undefined;
  /** Rows of servers of a director (undefined: any) with a name (undefined: any). */
  serverSlots(director: string | undefined, server: string | undefined): ReadonlySet<number>;
}

/** Returns the names of these slots. */
export function namesOf(slots: Slots): Names {
  const owners = new Map<number, Owner>();
  for (const director of slots) {
    for (const [key, slot] of Object.entries(director.servers)) {
      // serverKey is name|address|port; a name holds no bar.
      const [server = '', address = ''] = key.split('|');
      const ip = parseIp(address);
      if (ip !== undefined) owners.set(slot, { director: director.name, directorSlot: director.slot, server, key, ip });
    }
  }
  return {
    ownerOf: (slot) => owners.get(slot),
    serverSlots: (director, server) => new Set([...owners].filter(([, o]) => (director === undefined || o.director === director) && (server === undefined || o.server === server)).map(([slot]) => slot)),
  };
}
