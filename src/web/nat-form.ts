/** A NAT rule as the fields of the New Rule form, and as text. Empty means any (before) or unchanged (after). */
import { parseConfig } from '../config/parse.ts';
import type { Issue } from '../config/issue.ts';
import type { NatRule } from '../config/model.ts';
import { cidrText } from '../net/cidr.ts';
import { portRangeText } from '../net/ports.ts';
import { innerComments, sectionsOf } from './sections.ts';

export interface NatForm {
  readonly name: string;
  readonly inIface: string;
  readonly outIface: string;
  readonly protocol: string;
  readonly source: string;
  readonly sport: string;
  readonly destination: string;
  readonly dport: string;
  readonly afterSource: string;
  readonly afterSport: string;
  readonly afterDestination: string;
  readonly afterDport: string;
}

export const EMPTY_RULE: NatForm = {
  name: '', inIface: '', outIface: '', protocol: 'udp', source: '', sport: '', destination: '', dport: '', afterSource: '', afterSport: '', afterDestination: '', afterDport: '',
};

/** A row of the rule table: `form` is null when the rule has errors. */
export interface NatRow {
  readonly index: number;
  readonly name: string;
  readonly body: string;
  readonly line: number;
  readonly form: NatForm | null;
  readonly issues: readonly Issue[];
}

/** Returns a row for each section of nat.conf, in order, also for those that do not parse. */
export function natRows(text: string): readonly NatRow[] {
  return sectionsOf(text).blocks.map(({ name, body, line }, index) => {
    const { config, issues } = parseConfig([{ file: 'nat.conf', document: 'nat', text: body }]);
    const rule = config?.natRules[0];
    return { index, name, body, line, form: rule === undefined ? null : formOf(rule), issues };
  });
}

/** Returns the rule's section: only lines that say something; comments inside `before` (the section replaced) are kept. */
export function natText(form: NatForm, before = ''): string {
  const pairs = (list: readonly (readonly [string, string])[]): string => list.filter(([, value]) => value.trim() !== '').map(([word, value]) => ` ${word} ${value.trim()}`).join('');
  const match = pairs([['source', form.source], ['sport', form.sport], ['destination', form.destination], ['dport', form.dport]]);
  const change = pairs([['source', form.afterSource], ['sport', form.afterSport], ['destination', form.afterDestination], ['dport', form.afterDport]]);
  const lines = [
    `nat ${form.name.trim()}`,
    ...(form.inIface.trim() === '' ? [] : [`    in ${form.inIface.trim()}`]),
    ...(form.outIface.trim() === '' ? [] : [`    out ${form.outIface.trim()}`]),
    ...(form.protocol === 'any' || form.protocol === '' ? [] : [`    protocol ${form.protocol}`]),
    ...(match === '' ? [] : [`    before${match}`]),
    ...(change === '' ? [] : [`    after${change}`]),
  ];
  return `${lines.join('\n')}\n${innerComments(before)}`;
}

/** Returns a name no rule has yet: `udp-1`, `udp-2`, …. */
export function freeName(protocol: string, taken: readonly string[]): string {
  for (let i = 1; ; i++) {
    const name = `${protocol === '' || protocol === 'any' ? 'nat' : protocol}-${i}`;
    if (!taken.includes(name)) return name;
  }
}

/** The set-up a rule is for, by its interfaces. */
export function armsOf({ inIface, outIface }: Pick<NatForm, 'inIface' | 'outIface'>): 'one-arm' | 'two-arm' | 'any' {
  if (inIface === '' || outIface === '') return 'any';
  return inIface === outIface ? 'one-arm' : 'two-arm';
}

/** Returns what a rule matches, in words: `from 192.0.2.0/24 to 10.0.0.3:53`, or `anything`. */
export function beforeText({ source, sport, destination, dport }: NatForm): string {
  return [endpointWords('from', source, sport), endpointWords('to', destination, dport)].filter(Boolean).join(' ') || 'anything';
}

/** Returns what a rule makes of it, in words: `from masquerade`, or `unchanged`. */
export function afterText({ afterSource, afterSport, afterDestination, afterDport }: NatForm): string {
  return [endpointWords('from', afterSource, afterSport), endpointWords('to', afterDestination, afterDport)].filter(Boolean).join(' ') || 'unchanged';
}

function endpointWords(word: string, address: string, port: string): string {
  if (address === '') return port === '' ? '' : `${word} port ${port}`;
  return `${word} ${port === '' ? address : `${address.includes(':') ? `[${address}]` : address}:${port}`}`;
}

function formOf({ name, inIface, outIface, protocol, before, after }: NatRule): NatForm {
  const { source } = after;
  return {
    name,
    inIface: inIface ?? '',
    outIface: outIface ?? '',
    protocol,
    source: before.source === null ? '' : cidrText(before.source),
    sport: before.sport === null ? '' : portRangeText(before.sport),
    destination: before.destination === null ? '' : cidrText(before.destination),
    dport: before.dport === null ? '' : portRangeText(before.dport),
    afterSource: source === null ? '' : source === 'masquerade' ? source : source.first.text === source.last.text ? source.first.text : `${source.first.text}-${source.last.text}`,
    afterSport: after.sport === null ? '' : portRangeText(after.sport),
    afterDestination: after.destination?.text ?? '',
    afterDport: after.dport === null ? '' : String(after.dport),
  };
}
