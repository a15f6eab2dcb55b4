/** A NAT table in memory, for the daemon's tests: transactional as the real one. */
import { ABSENT, type ObservedTable } from './listing.ts';
import { NatError, type NatRefusals, type NatTable } from './nft.ts';
import type { NatPlan } from './plan.ts';
import { countersOf } from './ruleset.ts';

export interface FakeNatTable extends NatTable {
  /** What the kernel would hold. */
  current: ObservedTable;
  readonly applied: readonly NatPlan[];
  /** Why it cannot be had; empty: it can. */
  refusals: NatRefusals;
  /** Fails the next applies, as many as this. */
  failing: number;
  /** What read() tells: packets by rule; an error is thrown. */
  flows: ReadonlyMap<string, number> | NatError;
}

/** Returns an absent table that can be had. */
export function createFakeNatTable(): FakeNatTable {
  const applied: NatPlan[] = [];
  const table: FakeNatTable = {
    current: ABSENT, applied, refusals: [], failing: 0, flows: new Map(),
    probe: async () => table.refusals,
    observe: async () => table.current,
    async apply(plan) {
      if (plan.script === null) return;
      if (table.failing > 0) {
        table.failing--;
        throw new NatError('nft refused it', { cure: 'told to' });
      }
      applied.push(plan);
      table.current = plan.rules.length === 0 ? ABSENT : { present: true, rules: plan.rules, counters: new Map(countersOf(plan.rules).map((name) => [name, { packets: 0, bytes: 0 }])), foreign: [] };
    },
    async read() {
      if (table.flows instanceof NatError) throw table.flows;
      return new Map([...table.flows].map(([name, packets]) => [name, { packets, bytes: 0 }]));
    },
    remove: async () => void (table.current = ABSENT),
  };
  return table;
}
