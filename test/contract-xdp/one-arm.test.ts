/**
 * The contract suite once more, on one arm and with source NAT, as the ALOHA page sets it up: one interface, and servers that answer the
 * address the balancer sends from. Every director is given a NAT rule on its way to the engine, which the suite does not see.
 */
import type { Engine, EngineEvent } from '../../src/engine/engine.ts';
import { createXdpEngine } from '../../src/engine/xdp/index.ts';
import { parseIp, type Ip } from '../../src/net/ip.ts';
import type { Desired, DesiredDirector, SourceNat } from '../../src/plan/desired.ts';
import type { Plan, PlanStep } from '../../src/plan/plan.ts';
import { runContract } from '../contract/suite.ts';
import { differences } from '../xdp/differences.ts';
import { closedAfter, createXdpWorld } from '../xdp/world.ts';

const world = closedAfter(createXdpWorld({ oneArmed: true }));

runContract({ name: 'xdp with source NAT', create: async (onEvent) => natted(onEvent), world, skip: differences({ clientItself: false }) });

async function natted(onEvent: (event: EngineEvent) => void): Promise<Engine> {
  const engine = await createXdpEngine({ onEvent, sessions: 1 << 14 });
  const map = ({ directors }: Desired, of: (d: DesiredDirector) => SourceNat | null): Desired => ({ directors: directors.map((d) => ({ ...d, sourceNat: of(d) })) });
  const plan = ({ steps, next }: Plan): Plan => ({ steps: steps.map(natStep), next: map(next, ruleOf) });
  const natStep = (step: PlanStep): PlanStep => (step.op === 'add-director' ? { ...step, director: { ...step.director, sourceNat: ruleOf(step.director) } } : step);
  return {
    name: engine.name,
    probe: () => engine.probe(),
    unsupported: (desired) => engine.unsupported(desired),
    observe: async () => map(await engine.observe(), () => null),
    apply: (next) => engine.apply(plan(next)),
    read: () => engine.read(),
    sessions: (filter, page) => engine.sessions(filter, page),
    purge: (filter) => engine.purge(filter),
    pin: (request) => engine.pin(request),
    explain: (query) => engine.explain(query),
    close: (how) => engine.close(how),
  };
}

/** One address for IPv6, a pool of two for IPv4. */
function ruleOf(d: DesiredDirector): SourceNat {
  const [first, last] = d.vip?.family === 6 ? ['2001:db8:1::fe', '2001:db8:1::fe'] : ['198.51.100.241', '198.51.100.242'];
  return { rule: 'pool', addresses: { first: ip(first), last: ip(last) }, ports: null };
}

function ip(text: string): Ip {
  const parsed = parseIp(text);
  if (parsed === undefined) throw new Error(`not an address: ${text}`);
  return parsed;
}
