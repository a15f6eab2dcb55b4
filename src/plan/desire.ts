/**
 * Configuration, health and operators' overrides folded into what the data plane shall do. Pure.
 *
 * A server's state, strongest first: an operator's `disable`; `disabled` in the configuration; a failed check; a drain by the operator
 * or the configuration; health. An operator's `enable` cancels `drain` and `disabled` of the configuration. A failed check beats a drain
 * because the drain's default is to keep sessions, and a dead server must not keep them: `on down` decides, as for any dead server.
 */
import type { ServerState } from '../balance/terms.ts';
import type { Config, Director, NatRule, Server } from '../config/model.ts';
import { cidrContains } from '../net/cidr.ts';
import { weightsInForce } from './weights.ts';
import { serverKey, type Desired, type DesiredDirector, type DesiredServer, type SourceNat } from './desired.ts';

export type HealthState = Extract<ServerState, 'up' | 'unknown' | 'down'>;
export type OverrideAction = 'drain' | 'disable' | 'enable';

export interface DesireInputs {
  healthOf(director: Director, server: Server): HealthState;
  /** `server` is the server's name: an override holds for the name, whatever its address becomes. */
  overrideOf(director: string, server: string): OverrideAction | null;
  /** The share of its weight a server has now, 0..100; left out: all of it. */
  weightPercentOf?(director: Director, server: Server): number;
}

/** `shown` is for people; `engine` is what the engine is told (`unknown` is told as `up`, an inhibited dead server as `drain`). */
export interface Judgement {
  readonly shown: ServerState;
  readonly engine: ServerState;
  readonly cause: 'override' | 'config' | 'health';
}

/** Returns the desired state: directors sorted by name, servers in configuration order. */
export function desire(config: Config, inputs: DesireInputs): Desired {
  const conntrack = natActsOnBalanced(config);
  const directors = config.directors.map((director): DesiredDirector => ({
    name: director.name,
    vip: director.vip,
    ports: director.ports,
    protocol: director.protocol,
    mode: director.mode,
    balance: director.balance,
    persistence: director.persistence,
    session: director.session,
    on: director.on,
    sourceNat: conntrack ? sourceNatOf(director, config.natRules) : null,
    servers: desiredServers(director, inputs),
  }));
  directors.sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
  return { directors };
}

/** Returns a server's state and what decided it. */
export function judgeServer(
  server: Server,
  facts: { readonly health: HealthState; readonly override: OverrideAction | null; readonly inhibit: boolean },
): Judgement {
  const { override, inhibit } = facts;
  // A sorry server is the last resort and never checked: evidence against it leaves nothing better to try.
  const health = server.sorry ? 'up' : facts.health;
  if (override === 'disable') return both('disabled', 'override');
  if (server.disabled && override !== 'enable') return both('disabled', 'config');
  if (health === 'down') return { shown: 'down', engine: inhibit ? 'drain' : 'down', cause: 'health' };
  if (override === 'drain') return both('drain', 'override');
  if (server.drain && override !== 'enable') return both('drain', 'config');
  return { shown: health, engine: 'up', cause: override === 'enable' && (server.drain || server.disabled) ? 'override' : 'health' };
}

/** Returns the key of a configured server within its director, equal to serverKey of its desired form. */
export function configuredServerKey(server: Server): string {
  return serverKey({ name: server.name, ip: server.ip, port: server.port ?? 0 });
}

/** True when `service lvs` has `conntrack`: without it NAT rules do not act on balanced traffic. */
export function natActsOnBalanced(config: Config): boolean {
  return config.services.some((service) => service.name === 'lvs' && service.conntrack);
}

/** Returns the first NAT rule that rewrites the source of all of a director's traffic, as ALOHA's page matches them, or null. */
export function sourceNatOf(director: Director, rules: readonly NatRule[]): SourceNat | null {
  const rule = rules.find((r) => r.after.source !== null && matchesDirector(r, director));
  if (!rule || rule.after.source === null) return null;
  const { source, sport } = rule.after;
  return { rule: rule.name, addresses: source === 'masquerade' ? null : { first: source.first, last: source.last }, ports: sport };
}

function matchesDirector(rule: NatRule, director: Director): boolean {
  const { before, after } = rule;
  if (director.vip === null) return false;
  if (after.source !== null && after.source !== 'masquerade' && after.source.first.family !== director.vip.family) return false;
  if (rule.protocol !== 'any' && rule.protocol !== director.protocol) return false;
  // A rule for some clients only is not a rule of the director: it stays with the engine's NAT table.
  if (before.source !== null || before.sport !== null) return false;
  if (before.destination !== null && !cidrContains(before.destination, director.vip)) return false;
  // One for some ports only neither: natLimits names it where the engine cannot do it.
  if (before.dport === null) return true;
  const { first, last } = director.ports ?? { first: 1, last: 65_535 };
  return before.dport.first <= first && before.dport.last >= last;
}

function desiredServers(director: Director, inputs: DesireInputs): readonly DesiredServer[] {
  // `failover` goes by which weight is highest: a share of it would hand everything to another server.
  const weights = inputs.weightPercentOf === undefined || director.balance === 'failover' ? null
    : weightsInForce(director.servers.map((server) => ({ weight: server.weight, percent: server.sorry ? 100 : inputs.weightPercentOf?.(director, server) ?? 100 })));
  return director.servers.map((server, i) => desiredServer(director, server, weights?.[i] ?? server.weight, inputs));
}

function desiredServer(director: Director, server: Server, weight: number, inputs: DesireInputs): DesiredServer {
  const judged = judgeServer(server, {
    health: inputs.healthOf(director, server),
    override: inputs.overrideOf(director.name, server.name),
    inhibit: director.check.inhibit,
  });
  return { name: server.name, ip: server.ip, port: server.port ?? 0, weight, state: judged.engine, sorry: server.sorry };
}

function both(state: ServerState, cause: Judgement['cause']): Judgement {
  return { shown: state, engine: state, cause };
}
