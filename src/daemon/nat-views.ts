/** What each NAT rule of the running configuration has taken, for people. Pure. */
import type { NatRuleView } from '../client/types.ts';
import type { Config } from '../config/model.ts';
import type { Reading } from '../engine/engine.ts';
import { natActsOnBalanced, sourceNatOf } from '../plan/desire.ts';

export interface NatFacts {
  /** Rules that stand in the kernel's table, by name. */
  readonly inTable: ReadonlySet<string>;
  /** Flows that rules of the table took; null: it cannot be read. */
  readonly flows: ReadonlyMap<string, number> | null;
  /** Whether the engine changes the source of balanced traffic itself. */
  readonly engineActs: boolean;
  readonly reading: Reading | null;
}

/** Returns all rules in their order. A rule may act in both places: on balanced traffic in the engine, on all other in the table. */
export function natRuleViews(config: Config, facts: NatFacts): readonly NatRuleView[] {
  const { inTable, flows, engineActs, reading } = facts;
  const readings = new Map((reading?.directors ?? []).map((director) => [director.name, director]));
  const rewritten = new Map<string, string[]>();
  if (engineActs && natActsOnBalanced(config)) {
    for (const director of config.directors) {
      const rule = sourceNatOf(director, config.natRules)?.rule;
      if (rule !== undefined) rewritten.set(rule, [...(rewritten.get(rule) ?? []), director.name]);
    }
  }
  return config.natRules.map(({ name }): NatRuleView => {
    const directors = rewritten.get(name) ?? [];
    const table = inTable.has(name);
    const sum = (pick: (director: Reading['directors'][number]) => number): number => directors.reduce((total, director) => total + (readings.has(director) ? pick(readings.get(director) as Reading['directors'][number]) : 0), 0);
    const counted = (!table || flows !== null) && (directors.length === 0 || reading !== null);
    return {
      name, table, directors,
      flows: counted ? (table ? flows?.get(name) ?? 0 : 0) + sum((director) => director.sessionsCreated) : null,
      // The kernel asks NAT rules about the first packet of a flow alone: what follows, nobody counts.
      packets: table || reading === null ? null : sum((director) => director.packetsIn + director.packetsOut),
    };
  });
}
