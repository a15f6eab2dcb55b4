/** The Services tab: actions on weir's parts, in the daemon's queue, told and recorded. */
import type { ServiceAction, ServiceView } from '../client/types.ts';
import type { HealthService } from '../health/health.ts';
import type { Lifecycle, ServiceRegistry } from '../services/registry.ts';
import { Refusal } from './control.ts';
import type { Core } from './core.ts';
import { notFound } from './overrides.ts';

const ACTIONS: readonly string[] = ['start', 'stop', 'restart', 'reload'];

/** Runs an action on a part and returns its view. Throws Refusal NOT_FOUND (with the nearest name), BAD_REQUEST, or APPLY_FAILED. */
export async function actOnService(
  core: Core,
  registry: ServiceRegistry,
  request: { readonly name: string; readonly instance: string | null; readonly action: ServiceAction; readonly who: string },
): Promise<ServiceView> {
  const { name, instance, action, who } = request;
  const label = instance === null ? name : `${name} ${instance}`;
  if (!registry.has(name, instance)) throw notFound('service of weir', label, registry.names());
  if (!ACTIONS.includes(action)) throw new Refusal('BAD_REQUEST', `an action must be start, stop, restart or reload, found ${String(action)}`, { cure: 'use one of these' });
  await core.queue.run(async () => {
    try {
      await registry.act(name, instance, action);
      core.events.add({ kind: 'service', who, service: label, text: `service ${label}: ${action}`, audit: true });
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      core.events.add({ kind: 'service', who, service: label, text: `service ${label}: ${action} failed: ${message}`, audit: true });
      throw error instanceof Refusal ? error : new Refusal('APPLY_FAILED', `service ${label}: ${message}`, { cure: 'see weir events', cause: error });
    }
  });
  const view = registry.views(core.running.config.services).find((s) => s.name === name && s.instance === instance);
  if (!view) throw new Error(`service ${label} has gone`);
  return view;
}

/** Returns the checker as a part; stopping it freezes the states it has found. */
export function healthPart(health: HealthService): Lifecycle {
  return {
    name: 'health',
    instance: null,
    text() {
      const { targets, done, failed } = health.counters();
      return `${targets === 1 ? '1 server' : `${targets} servers`} checked, ${done} checks done, ${failed} failed; while stopped, states stay as they are`;
    },
    start: async () => health.start(),
    stop: () => health.stop(),
  };
}
