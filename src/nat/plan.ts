/** From the rules that shall be to the one transaction that makes them so; empty when the kernel has them already. Pure. */
import { countersOf, renderRemoval, renderRuleset, renderUpdate } from './ruleset.ts';
import type { ObservedTable } from './listing.ts';
import { counterName, FAMILY, ruleKey, ruleText, TABLE, type TableRule } from './table-rule.ts';

/** `script` null: nothing to do. `texts` are the lines shown to people. */
export interface NatPlan {
  readonly texts: readonly string[];
  readonly script: string | null;
  readonly rules: readonly TableRule[];
}

/** Returns what would change. A rule that stays as it is keeps its counter; one that changes starts again from zero. */
export function planNat(rules: readonly TableRule[], observed: ObservedTable): NatPlan {
  if (rules.length === 0) {
    const texts = observed.present ? [`remove the nftables table ${FAMILY} ${TABLE}`] : [];
    return { texts, script: observed.present ? renderRemoval() : null, rules };
  }
  if (!observed.present) return { texts: changesOf(rules, []), script: renderRuleset(rules), rules };
  if (observed.foreign.length > 0) {
    const what = observed.foreign.slice(0, 8).join(', ') + (observed.foreign.length > 8 ? ', …' : '');
    return { texts: [`replace the nftables table ${FAMILY} ${TABLE}: it holds what weir did not write (${what})`, ...changesOf(rules, observed.rules)], script: renderRuleset(rules), rules };
  }
  const texts = changesOf(rules, observed.rules);
  if (texts.length === 0) return { texts, script: null, rules };
  const wanted = countersOf(rules);
  const present = [...observed.counters.keys()];
  const touched = new Set(changedNames(rules, observed.rules).map(counterName));
  const gone = present.filter((counter) => !wanted.includes(counter) || touched.has(counter));
  const anew = wanted.filter((counter) => !present.includes(counter) || touched.has(counter));
  return { texts, script: renderUpdate({ gone, anew, rules }), rules };
}

/** The lines of a plan: rules by name that come, go and change, then the order when that alone differs. */
function changesOf(to: readonly TableRule[], from: readonly TableRule[]): string[] {
  const before = byName(from);
  const after = byName(to);
  const lines: string[] = [];
  for (const [key, rules] of before) if (!after.has(key)) lines.push(`remove ${key}: ${textsOf(rules)}`);
  for (const [key, rules] of after) {
    const old = before.get(key);
    if (!old) lines.push(`add ${key}: ${textsOf(rules)}`);
    else if (textsOf(old) !== textsOf(rules)) lines.push(`${key}: ${textsOf(old)} -> ${textsOf(rules)}`);
  }
  if (lines.length > 0 || (to.length === from.length && to.every((rule, i) => ruleKey(rule) === ruleKey(from[i] as TableRule)))) return lines;
  return [`order of the NAT rules: ${[...after.keys()].map((key) => key.replace(/^NAT rule /, '')).join(', ')}`];
}

function changedNames(to: readonly TableRule[], from: readonly TableRule[]): string[] {
  const before = byName(from);
  return [...byName(to)].filter(([key, rules]) => before.has(key) && textsOf(before.get(key) ?? []) !== textsOf(rules)).map(([, rules]) => rules[0]?.name ?? '');
}

function byName(rules: readonly TableRule[]): Map<string, TableRule[]> {
  const map = new Map<string, TableRule[]>();
  for (const rule of rules) {
    const key = rule.action.kind === 'accept' ? `exception of director ${rule.name}` : `NAT rule ${rule.name}`;
    const list = map.get(key);
    if (list) list.push(rule);
    else map.set(key, [rule]);
  }
  return map;
}

function textsOf(rules: readonly TableRule[]): string {
  return rules.map((rule) => `${rule.chain} ${ruleText(rule).replace(/ comment "[^"]*"$/, '')}`).join('; ');
}
