/** What health shall watch of the running configuration. */
import type { Config } from '../config/model.ts';
import type { Target } from '../health/health.ts';
import { healthKey, overrideOf, type Overrides } from './core.ts';

/** Returns a target for each server with `check` that is neither sorry nor disabled. Port: the check's, else the server's, else the director's first, else 0. */
export function targetsOf(config: Config, overrides: Overrides): readonly Target[] {
  return config.directors.flatMap((director) =>
    director.servers.flatMap((server): Target[] => {
      const override = overrideOf(overrides, director.name, server.name);
      const disabled = override === 'disable' || (server.disabled && override !== 'enable');
      if (!server.checked || server.sorry || disabled) return [];
      const { check } = director;
      return [
        {
          key: healthKey(director, server),
          director: director.name,
          server: server.name,
          ip: server.ip,
          port: check.port ?? server.port ?? director.ports?.first ?? 0,
          probe: director.probe,
          intervalMs: check.intervalMs,
          timeoutMs: check.timeoutMs,
          rise: check.rise,
          fall: check.fall,
          source: check.source,
        },
      ];
    }),
  );
}

/** The kinds of check that are built; the language knows more. */
const BUILT: ReadonlySet<string> = new Set(['default', 'arp', 'icmp', 'tcp', 'http', 'udp', 'dns']);

/** Returns what health cannot do of a configuration, in words. */
export function unsupportedChecks(config: Config): readonly string[] {
  return config.directors
    .filter((d) => !BUILT.has(d.probe.kind) && d.servers.some((s) => s.checked && !s.sorry))
    .map((d) => `weir cannot do ${d.probe.kind} checks yet (director ${d.name})`);
}
