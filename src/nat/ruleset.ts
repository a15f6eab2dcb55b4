/**
 * Rules of the table to what `nft -f` reads: the whole table anew, or only what changed with the counters of untouched rules kept.
 * Either is one transaction: the kernel takes all of it or none. Names only our own table.
 */
import { CHAINS, counterName, FAMILY, ruleText, TABLE, type ChainName, type TableRule } from './table-rule.ts';

const WHERE = `${FAMILY} ${TABLE}`;
const CHAIN_NAMES = Object.keys(CHAINS) as readonly ChainName[];

/** Returns the script that makes the table from nothing, replacing whatever stands under its name. */
export function renderRuleset(rules: readonly TableRule[]): string {
  const lines = [`add table ${WHERE}`, `delete table ${WHERE}`, `table ${WHERE} {`];
  for (const counter of countersOf(rules)) lines.push(`\tcounter ${counter} {`, '\t}', '');
  for (const chain of CHAIN_NAMES) {
    lines.push(`\tchain ${chain} {`, `\t\t${hookText(chain)}`);
    for (const rule of rules) if (rule.chain === chain) lines.push(`\t\t${ruleText(rule)}`);
    lines.push('\t}', ...(chain === CHAIN_NAMES.at(-1) ? [] : ['']));
  }
  lines.push('}');
  return `${lines.join('\n')}\n`;
}

/** Returns the script that turns the table from `from` into `to`; counters named in `kept` go on counting. */
export function renderUpdate(change: { readonly gone: readonly string[]; readonly anew: readonly string[]; readonly rules: readonly TableRule[] }): string {
  const lines: string[] = CHAIN_NAMES.map((chain) => `flush chain ${WHERE} ${chain}`);
  for (const counter of change.gone) lines.push(`delete counter ${WHERE} ${counter}`);
  for (const counter of change.anew) lines.push(`add counter ${WHERE} ${counter}`);
  for (const rule of change.rules) lines.push(`add rule ${WHERE} ${rule.chain} ${ruleText(rule)}`);
  return `${lines.join('\n')}\n`;
}

/** Returns the script that takes the table away, also when it is not there. */
export function renderRemoval(): string {
  return `add table ${WHERE}\ndelete table ${WHERE}\n`;
}

/** Returns the names of the counters that rules use, in order, each once. */
export function countersOf(rules: readonly TableRule[]): readonly string[] {
  return [...new Set(rules.filter((rule) => rule.counted).map((rule) => counterName(rule.name)))];
}

function hookText(chain: ChainName): string {
  const { hook, priority } = CHAINS[chain];
  return `type nat hook ${hook} priority ${priority}; policy accept;`;
}
