/** NAT rules and what they have taken. */
import type { NatRuleView } from '../../client/types.ts';
import type { Command } from '../command.ts';
import { short, table, type Cell, type Style } from '../text.ts';

export const nat: Command = {
  name: 'nat',
  group: 'Servers and sessions',
  short: 'list NAT rules, where each acts, and the flows and packets it took',
  details: 'FLOWS counts what a rule took: in the kernel\'s table the first packet of each flow, in the engine each session of the directors whose source the rule changes. PACKETS is known for the engine alone: the kernel asks NAT rules about first packets only.',
  args: [],
  options: [],
  needs: 'daemon',
  json: true,
  examples: ['weir nat', 'weir nat --json'],
  async run({ client }) {
    const rules = await (await client()).nat();
    return { data: rules, text: (style) => natText(rules, style) };
  },
};

function natText(rules: readonly NatRuleView[], style: Style): string {
  if (rules.length === 0) return 'no NAT rules\n';
  const rows = rules.map((rule): Cell[] => [rule.name, whereText(rule), rule.flows === null ? '?' : short(rule.flows), rule.packets === null ? '-' : short(rule.packets)]);
  return table(['RULE', 'ACTS', 'FLOWS', 'PACKETS'], rows, style);
}

function whereText({ table: inTable, directors }: NatRuleView): string {
  const places = [...(directors.length === 0 ? [] : [`engine: ${directors.join(', ')}`]), ...(inTable ? ['nftables'] : [])];
  return places.length === 0 ? 'nowhere' : places.join('; ');
}
