/** Which sockets a set of directors needs: one for each VIP address and port. */
import type { Ip } from '../../net/ip.ts';
import type { SlottedDirector } from './protocol.ts';

export interface WantedListener {
  /** `address|port`. */
  readonly key: string;
  readonly ip: Ip;
  readonly port: number;
  readonly directorSlot: number;
}

/** Returns the key of a listener. */
export function listenerKey(ip: Ip, port: number): string {
  return `${ip.text}|${port}`;
}

/** Returns the listeners of all directors, ranges spread out, in order. */
export function listenersOf(directors: readonly SlottedDirector[]): readonly WantedListener[] {
  return directors.flatMap(({ slot, director: { vip, ports } }) => {
    if (vip === null || ports === null) return [];
    return Array.from({ length: ports.last - ports.first + 1 }, (_, i) => ({
      key: listenerKey(vip, ports.first + i), ip: vip, port: ports.first + i, directorSlot: slot,
    }));
  });
}
