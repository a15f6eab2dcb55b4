/** What health shall watch of the running configuration, with what operators said of it. */
import type { Config } from '../config/model.ts';
import type { Target } from '../health/health.ts';
import { targetsOf } from '../health/targets.ts';
import { overrideOf, type Overrides } from './core.ts';

/** Returns a target for each server that is checked, not sorry, and not disabled by the configuration or an operator. */
export function overriddenTargets(config: Config, overrides: Overrides): readonly Target[] {
  if (overrides.size === 0) return targetsOf(config);
  const directors = config.directors.map((director) => ({
    ...director,
    servers: director.servers.map((server) => {
      const override = overrideOf(overrides, director.name, server.name);
      return { ...server, disabled: override === 'disable' || (server.disabled && override !== 'enable') };
    }),
  }));
  return targetsOf({ directors });
}
