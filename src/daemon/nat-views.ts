/** What each NAT rule of the running configuration has taken, for people. Pure. */
import type { NatRuleView } from '../client/types.ts';
import type { Config, NatRule } from '../config/model.ts';
import { natActsOnBalanced, sourceNatOf } from '../plan/desire.ts';

/** A rule that an engine carries out for one director. */
export interface Rewrite {
  readonly rule: NatRule;
  readonly director: string;
}

export interface Taken {
  readonly flows: number;
  readonly packets: number;
}

export interface NatFacts {
  /** Rules that stand in the kernel's table, by name. */
  readonly inTable: ReadonlySet<string>;
  /** Flows that rules of the table took; null: it cannot be read. */
  readonly flows: ReadonlyMap<string, number> | null;
  /** What the engine does itself; empty where it leaves all to the table. */
  readonly rewrites: readonly Rewrite[];
  /** What a rule took of a director since it began to act on it; null: it cannot be read. */
  taken(rewrite: Rewrite): Taken | null;
}

/** Returns which rule an engine that changes the source itself carries out for which director; none without `conntrack`. */
export function rewritesOf(config: Config): readonly Rewrite[] {
  if (!natActsOnBalanced(config)) return [];
  return config.directors.flatMap((director) => {
    const name = sourceNatOf(director, config.natRules)?.rule;
    const rule = config.natRules.find((one) => one.name === name);
    return rule === undefined ? [] : [{ rule, director: director.name }];
  });
}

/** Returns all rules in their order. A rule may act in both places: on balanced traffic in the engine, on all other in the table. */
export function natRuleViews(config: Config, facts: NatFacts): readonly NatRuleView[] {
  return config.natRules.map(({ name }): NatRuleView => {
    const rewrites = facts.rewrites.filter(({ rule }) => rule.name === name);
    const table = facts.inTable.has(name);
    const parts = rewrites.map((rewrite) => facts.taken(rewrite));
    const known = parts.filter((part) => part !== null);
    const isKnown = known.length === parts.length;
    const sum = (pick: (taken: Taken) => number): number => known.reduce((total, part) => total + pick(part), 0);
    return {
      name, table, directors: rewrites.map(({ director }) => director),
      flows: isKnown && (!table || facts.flows !== null) ? (table ? facts.flows?.get(name) ?? 0 : 0) + sum((part) => part.flows) : null,
      // The kernel asks NAT rules about the first packet of a flow alone: what follows, nobody counts.
      packets: table || !isKnown ? null : sum((part) => part.packets),
    };
  });
}
