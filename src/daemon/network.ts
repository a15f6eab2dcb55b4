/** The `network` services as the running configuration names them: a part each, started at boot unless `no autostart`, gone with its section. */
import { networkSettings } from '../config/network.ts';
import type { RunCommand } from '../command/command.ts';
import type { Ledger } from '../services/ledger.ts';
import { networkPart } from '../services/network.ts';
import type { ServiceRegistry } from '../services/registry.ts';
import type { Sysctls } from '../services/sysctl.ts';
import type { ServiceConfig } from '../config/model.ts';
import type { Core } from './core.ts';

/** How services reach this host. */
export interface HostTools {
  readonly run: RunCommand;
  readonly ledger: Ledger;
  readonly sysctls: Sysctls;
}

/** A service whose section has changed since it was put into force. */
export interface Behind {
  readonly service: string;
  readonly text: string;
}

export interface NetworkServices {
  /** Starts those that start at boot. One that fails is shown as failed and ends nothing: the others, and weir, go on. */
  start(): Promise<void>;
  /** Takes in sections that came; stops and forgets those whose section is gone. */
  follow(): void;
  /** Takes away everything weir has added, and nothing else. */
  remove(): Promise<void>;
  behind(): readonly Behind[];
}

/** Returns the services; with `tools` null there are none and sections are kept as written. */
export function createNetworkServices({ core, services, tools }: { readonly core: Core; readonly services: ServiceRegistry; readonly tools: HostTools | null }): NetworkServices {
  const parts = new Map<string, ReturnType<typeof networkPart>>();

  function sections(): ReadonlyMap<string, ServiceConfig> {
    return new Map(core.running.config.services.flatMap((s) => (s.name === 'network' && s.instance !== null ? [[s.instance, s] as const] : [])));
  }

  function register({ run, ledger }: HostTools): void {
    for (const iface of sections().keys()) {
      if (parts.has(iface)) continue;
      const part = networkPart({
        iface, run, ledger,
        settings: () => {
          const section = sections().get(iface);
          return section ? networkSettings(section) : null;
        },
      });
      parts.set(iface, part);
      services.register(part, 'stopped');
    }
  }

  async function act(iface: string, action: 'start' | 'stop'): Promise<void> {
    try {
      await services.act('network', iface, action);
    } catch (error) {
      core.events.add({ kind: 'service', who: 'weir', service: `network ${iface}`, text: `service network ${iface}: ${action} failed: ${error instanceof Error ? error.message : String(error)}`, audit: true });
    }
  }

  async function forget(): Promise<void> {
    const named = sections();
    for (const iface of [...parts.keys()]) {
      if (named.has(iface)) continue;
      await act(iface, 'stop');
      parts.delete(iface);
      services.unregister('network', iface);
    }
  }

  return {
    async start() {
      if (!tools) return;
      register(tools);
      for (const [iface, { autostart }] of sections()) if (autostart) await act(iface, 'start');
    },
    follow() {
      if (!tools) return;
      register(tools);
      if ([...parts.keys()].every((iface) => sections().has(iface))) return;
      core.queue.run(forget).catch(() => undefined);
    },
    async remove() {
      for (const part of parts.values()) await part.stop();
    },
    behind: () => [...parts].filter(([, part]) => part.behind()).map(([iface]) => ({ service: `network ${iface}`, text: 'its addresses or routes have changed in the configuration' })),
  };
}
