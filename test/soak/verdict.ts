/** What a soak showed: what is wrong, in words, and the table. Pure. */
import { growthOf, longestLife, MEASURES, type Growth, type Sample } from './growth.ts';
import { lostText } from './ledger.ts';
import type { Outcome } from './runner.ts';

/** After the last session a process may hold so much more than before the first: connections of the API, a file of the log. */
const IDLE_MORE = { fds: 8, threads: 2, timers: 8 };
const SHOWN = 40;

export interface Asked {
  readonly engine: string;
  readonly seed: number;
  readonly minutes: number;
}

export interface Verdict {
  readonly growth: readonly Growth[];
  /** How long the process lived that growth was looked for in, ms. */
  readonly lifeMs: number;
  /** Empty: all that must hold held. */
  readonly problems: readonly string[];
}

/** Returns what is wrong with an outcome. */
export function verdictOf(outcome: Outcome): Verdict {
  const { totals, attribution: { unexplained }, idle } = outcome;
  const life = longestLife(outcome.samples);
  const growth = growthOf(life);
  const idleMore = (['fds', 'threads', 'timers'] as const).filter((measure) => idle.after[measure] > idle.before[measure] + IDLE_MORE[measure]);
  return {
    growth, lifeMs: (life.at(-1)?.atMs ?? 0) - (life[0]?.atMs ?? 0),
    problems: [
      ...(unexplained.length === 0 ? [] : [`${unexplained.length} of ${totals.sent} datagrams were lost and nothing explains it`]),
      ...(totals.twice === 0 ? [] : [`${totals.twice} datagrams came twice`]),
      ...(totals.strays === 0 ? [] : [`${totals.strays} answers came to somebody else, or not from the VIP`]),
      ...growth.filter(({ ok }) => !ok).map(({ measure, growth: by, most }) => `${measure} grew by ${by.toFixed(1)} in the later two thirds of a process's life; the bound is ${most}`),
      ...idleMore.map((measure) => `${measure}: ${idle.before[measure]} before any traffic, ${idle.after[measure]} when all sessions had ended`),
      ...outcome.faults,
    ],
  };
}

/** Returns the report as Markdown tables; ends with a newline. */
export function reportText(asked: Asked, { events, totals, attribution, idle }: Outcome, { growth, lifeMs }: Verdict): string {
  const reasons = Object.entries(attribution.byReason).toSorted(([, a], [, b]) => b - a);
  const lost = reasons.reduce((sum, [, n]) => sum + n, 0) + attribution.unexplained.length;
  return [
    `soak, engine ${asked.engine}, ${asked.minutes} minutes, seed ${asked.seed}`, '',
    table(['event', 'times'], Object.entries(events).toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([kind, n]) => [kind, n])), '',
    table(['datagrams', ''], [['sent', totals.sent], ['answered, or got where no answer is due', totals.sent - lost], ['lost', lost], ...reasons.map(([reason, n]) => [`— ${reason}`, n] as const), ['— unexplained', attribution.unexplained.length]]), '',
    table([`the process that lived ${(lifeMs / 60_000).toFixed(1)} minutes, later two thirds`, 'first', 'last', 'growth', 'bound'], growth.map(({ measure, first, last, growth: by, most }) => [measure, first.toFixed(1), last.toFixed(1), by.toFixed(1), most])), '',
    table(['idle', 'before any traffic', 'after the last session'], MEASURES.map((measure) => [measure, shown(idle.before, measure), shown(idle.after, measure)])), '',
  ].join('\n');
}

/** Returns what to look at when a soak failed: the seed, what is wrong, what was lost without a reason, what happened last. */
export function failureText(asked: Asked, outcome: Outcome, { problems }: Verdict, beginMs: number): string {
  const { attribution: { unexplained }, recent } = outcome;
  return [
    `again with: npm run soak -- --engine ${asked.engine} --minutes ${asked.minutes} --seed ${asked.seed}`, ...problems.map((problem) => `  ${problem}`),
    ...(unexplained.length === 0 ? [] : ['not explained:', ...unexplained.slice(0, SHOWN).map((lost) => `  ${lostText(lost, beginMs)}`), ...(unexplained.length > SHOWN ? [`  and ${unexplained.length - SHOWN} more`] : [])]),
    'what happened around them, and last:', ...around(recent, unexplained.map(({ sentMs }) => (sentMs - beginMs) / 1000)).map((line) => `  ${line}`),
  ].join('\n');
}

/** What happened within some seconds of a loss, and the last 20 things. */
function around(recent: readonly string[], lostS: readonly number[]): readonly string[] {
  return recent.filter((line, i) => i >= recent.length - 20 || lostS.some((s) => Math.abs(Number.parseFloat(line) - s) < 6));
}

function shown(sample: Sample, measure: (typeof MEASURES)[number]): string {
  return Number.isInteger(sample[measure]) ? String(sample[measure]) : sample[measure].toFixed(1);
}

function table(head: readonly string[], rows: readonly (readonly (string | number)[])[]): string {
  return [`| ${head.join(' | ')} |`, `|${head.map(() => '---').join('|')}|`, ...rows.map((row) => `| ${row.join(' | ')} |`)].join('\n');
}
