/** From a configuration to the servers to watch. */
import type { CheckKind, Config } from '../config/model.ts';
import { directorKey, serverKey } from '../plan/desired.ts';
import type { Target } from './health.ts';

const TCP: CheckKind = Object.freeze({ kind: 'tcp' });

/** Returns the key of a server in health: `director|name|ip|port`, the director's and the server's keys. */
export function targetKey(director: { readonly name: string }, server: Parameters<typeof serverKey>[0]): string {
  return `${directorKey(director)}|${serverKey(server)}`;
}

/** Returns the names of director and server in a key. */
export function namesOfKey(key: string): { readonly director: string; readonly server: string } {
  const [director = '', server = ''] = key.split('|');
  return { director, server };
}

/**
 * Returns a target for each server that is checked, in configuration order. Sorry servers never are, and disabled ones are not
 * while they are disabled. The port probed is `check port`, else the server's, else the first of the director's (the client's is kept).
 * `check` without an option on a TCP director is a tcpcheck: a datagram would tell nothing of it.
 */
export function targetsOf(config: Pick<Config, 'directors'>): readonly Target[] {
  return config.directors.flatMap((director) =>
    director.servers
      .filter((server) => server.checked && !server.sorry && !server.disabled)
      .map((server) => ({
        key: targetKey(director, { ...server, port: server.port ?? 0 }),
        director: director.name,
        server: server.name,
        ip: server.ip,
        port: director.check.port ?? (viaOf(director) === null ? server.port : null) ?? director.ports?.first ?? 0,
        probe: director.protocol === 'tcp' && director.probe.kind === 'default' ? TCP : director.probe,
        intervalMs: director.check.intervalMs,
        timeoutMs: director.check.timeoutMs,
        rise: director.check.rise,
        fall: director.check.fall,
        source: director.check.source,
        via: viaOf(director),
        slowStartMs: director.check.slowStartMs,
        damping: director.check.damping,
      })),
  );
}

/** Null where `check vip` does not stand, or would be the server's own address anyway. */
function viaOf({ mode, vip, check }: Config['directors'][number]): Target['via'] {
  return check.vip && vip !== null && mode !== 'nat' ? { vip, mode } : null;
}
