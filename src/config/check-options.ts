/** The `check`, `option` and `passive` lines of a director: timers, addresses, which checks there are, and how they combine. */
import type { DirectorMarks, Seen } from './draft.ts';
import { CHECK_WORDS, OPTION_WORDS, PASSIVE_WORDS, PERSISTENCE_WORDS } from './grammar.ts';
import type { Position } from './issue.ts';
import type { Line } from './lex.ts';
import type { CheckKind, CheckTiming, PassiveSettings, Persistence, SingleCheck } from './model.ts';
import { PROBE_WORDS, readProbe } from './probes.ts';
import type { Reporter } from './report.ts';
import { takeIp, takeNetmask, takeNumber, takePort, takeTime } from './values.ts';
import { takeWord, unknownWord, WordTable } from './words.ts';

export const DEFAULT_INTERVAL_MS = 10_000;
export const DEFAULT_RISE = 2;
export const DEFAULT_FALL = 3;
export const DEFAULT_PERSISTENCE_MS = 300_000;

const INTERVAL = { minMs: 100, maxMs: 86_400_000 };
const TIMEOUT = { minMs: 10, maxMs: 3_600_000 };
const PERSISTENCE_TIMEOUT = { minMs: 1000, maxMs: 31 * 86_400_000 };
const COUNT = { min: 1, max: 100 };
const SLOW_START = { minMs: 1000, maxMs: 86_400_000 };
const DAMPING_COUNT = { min: 2, max: 100 };
const DAMPING_TIME = { minMs: 1000, maxMs: 86_400_000 };
const PASSIVE_HOLD = { minMs: 1000, maxMs: 3_600_000 };
/** Settings that may stand several times on one line. */
const REPEATED: ReadonlySet<string> = new Set(['arg']);

export const DEFAULT_PASSIVE: { sharePercent: number; holdMs: number; slower: number | null } = { sharePercent: 34, holdMs: 10_000, slower: 5 };

const TIMING = new WordTable(CHECK_WORDS);
const OPTIONS = new WordTable(OPTION_WORDS);
const PERSISTENCE = new WordTable(PERSISTENCE_WORDS);
const PASSIVE = new WordTable(PASSIVE_WORDS);

/** What one director's `check` and `option` lines said so far. */
export interface CheckDraft {
  timing: { -readonly [K in keyof CheckTiming]?: CheckTiming[K] };
  /** One for each `option …check` line; the port that stands on that line is that check's own. */
  readonly probes: { readonly probe: SingleCheck; readonly at: Position; readonly port: OwnPort | null }[];
  combine: 'all' | 'any' | undefined;
  persistence: { timeoutMs: number; netmask: { family: 4 | 6 | null; prefix: number } | undefined } | undefined;
}

interface OwnPort {
  readonly port: number | undefined;
  readonly at: Position;
}

interface Context {
  readonly line: Line;
  readonly report: Reporter;
  readonly seen: Seen;
  readonly marks: DirectorMarks;
  readonly draft: CheckDraft;
  /** Takes the `port` of an `option` line. */
  readonly ownPort?: (own: OwnPort) => void;
}

/** Reads the rest of a `check` line. */
export function readCheckLine(context: Context): void {
  const { line, report } = context;
  while (line.peek() !== undefined) {
    if (takeTiming(context)) continue;
    line.take();
    unknownWord(line, report, TIMING, 'a check setting');
    return;
  }
}

/** Reads the rest of an `option` line: persistence, or a check with its settings. */
export function readOptionLine(context: Context): void {
  const { line, report, seen, marks, draft } = context;
  // One page spells it `option icmp check`.
  const apart = line.words[line.index + 1] === 'check' && OPTIONS.find(`${line.peek()}check`) !== undefined;
  const option = apart ? OPTIONS.find(`${line.take()}${line.take()}`) : takeWord(line, report, 'option', OPTIONS, 'an option');
  if (option === undefined) return;
  const at = line.at();
  if (option === 'persistence') {
    if (seen.once(report, "'option persistence'", at)) marks.persistence = at;
    draft.persistence = readPersistence(context);
    return;
  }
  const kind = PROBE_WORDS.find((word) => option === `${word}check`);
  if (kind === undefined) return;
  marks.option ??= at;
  // Several checks may each have a port; a timer they share.
  let port: OwnPort | null = null;
  const own: Context = { ...context, ownPort: (found) => (port = found) };
  const apiece = draft.probes.length === 0 ? option : `${option} of option line ${draft.probes.length + 1}`;
  const probe = readProbe({ line, report, settings: (name, words, take) => settings(own, { name, apiece, words, take }) }, kind);
  draft.probes.push({ probe: Object.freeze(probe), at, port });
}

/** Returns what the `option` lines make together: one check, or several; `fallback` when there is none. Reports several that nothing combines. */
export function finishProbe(draft: CheckDraft, report: Reporter, fallback: CheckKind): CheckKind {
  const { probes, combine, timing } = draft;
  const [first, second] = probes;
  if (first === undefined) return fallback;
  if (combine !== undefined && second !== undefined) {
    const parts = probes.map(({ probe, port }) => Object.freeze({ probe, port: port?.port ?? null }));
    return Object.freeze({ kind: combine, parts: Object.freeze(parts) });
  }
  if (second !== undefined) {
    const { file, line, col } = first.at;
    report.add('given-twice', second.at, `expected a check option once, it already stands at ${file}:${line}:${col}`, { hint: "with 'check all' each of several must be good, with 'check any' one of them" });
  }
  if (first.port !== null) {
    if (timing.port !== undefined) report.add('given-twice', first.port.at, "expected check port once, it stands on the 'check' line too");
    timing.port ??= first.port.port;
  }
  return first.probe;
}

/** Returns the finished timing; shared when nothing was said. */
export function finishTiming(timing: CheckDraft['timing']): CheckTiming {
  const intervalMs = timing.intervalMs ?? DEFAULT_INTERVAL_MS;
  return Object.freeze({
    intervalMs,
    timeoutMs: timing.timeoutMs ?? Math.max(1, Math.floor(intervalMs / 2)),
    rise: timing.rise ?? DEFAULT_RISE,
    fall: timing.fall ?? DEFAULT_FALL,
    source: timing.source ?? null,
    port: timing.port ?? null,
    inhibit: timing.inhibit ?? false,
    slowStartMs: timing.slowStartMs ?? 0,
    vip: timing.vip ?? false,
    damping: timing.damping ?? null,
  });
}

/** Returns the persistence; a bare prefix length is of the family of the director's address. */
export function finishPersistence(persistence: CheckDraft['persistence'], family: 4 | 6): Persistence | null {
  if (!persistence) return null;
  const { timeoutMs, netmask } = persistence;
  const of = netmask?.family ?? family;
  return Object.freeze({ timeoutMs, prefix4: netmask && of === 4 ? netmask.prefix : 32, prefix6: netmask && of === 6 ? netmask.prefix : 128 });
}

/** Reads the rest of a `passive` line. */
export function readPassive({ line, report, seen }: Pick<Context, 'line' | 'report' | 'seen'>): PassiveSettings {
  const settings = { ...DEFAULT_PASSIVE };
  for (let written = line.take(); written !== undefined; written = line.take()) {
    const word = PASSIVE.find(written);
    if (word === undefined) {
      unknownWord(line, report, PASSIVE, 'a setting of passive');
      line.index = line.words.length;
      break;
    }
    seen.once(report, `passive ${word}`, line.at());
    if (word === 'share') settings.sharePercent = takeNumber(line, report, word, { min: 1, max: 90 }) ?? settings.sharePercent;
    else if (word === 'hold') settings.holdMs = takeTime(line, report, word, PASSIVE_HOLD) ?? settings.holdMs;
    else settings.slower = takeNumber(line, report, word, { min: 2, max: 1000 }) ?? settings.slower;
  }
  return Object.freeze(settings);
}

/** Takes one check setting with its value; false when the next word is none. */
function takeTiming(context: Context): boolean {
  const { line, report, seen, marks, draft: { timing } } = context;
  const word = TIMING.find(line.peek() ?? '');
  if (word === undefined) return false;
  line.take();
  const at = line.at();
  if (word !== 'port' || context.ownPort === undefined) seen.once(report, `check ${word}`, at);
  switch (word) {
    case 'interval':
      timing.intervalMs = takeTime(line, report, word, INTERVAL);
      return true;
    case 'timeout':
      marks.timeout = at;
      timing.timeoutMs = takeTime(line, report, word, TIMEOUT);
      return true;
    case 'rise':
    case 'fall':
      timing[word] = takeNumber(line, report, word, COUNT);
      return true;
    case 'source':
      timing.source = takeIp(line, report, word);
      return true;
    case 'port':
      if (context.ownPort) context.ownPort({ at, port: takePort(line, report, word) });
      else timing.port = takePort(line, report, word);
      return true;
    case 'inhibit':
      timing.inhibit = true;
      return true;
    case 'all':
    case 'any':
      seen.once(report, "'check all' or 'check any'", at);
      context.draft.combine = word;
      marks.combine = at;
      return true;
    case 'slowstart':
      marks.slowStart = at;
      timing.slowStartMs = takeTime(line, report, word, SLOW_START);
      return true;
    case 'damping': {
      const count = takeNumber(line, report, word, DAMPING_COUNT);
      const withinMs = takeTime(line, report, 'damping', DAMPING_TIME);
      timing.damping = count === undefined || withinMs === undefined ? null : Object.freeze({ count, withinMs });
      return true;
    }
    case 'vip':
      marks.checkVip = at;
      timing.vip = true;
      return true;
    default:
      return word satisfies never;
  }
}

function readPersistence({ line, report, seen }: Context): CheckDraft['persistence'] {
  const persistence: NonNullable<CheckDraft['persistence']> = { timeoutMs: DEFAULT_PERSISTENCE_MS, netmask: undefined };
  while (line.peek() !== undefined) {
    const word = PERSISTENCE.find(line.take() ?? '');
    if (word === undefined) {
      unknownWord(line, report, PERSISTENCE, 'a setting of persistence');
      line.index = line.words.length;
      break;
    }
    seen.once(report, `persistence ${word}`, line.at());
    if (word === 'timeout') persistence.timeoutMs = takeTime(line, report, word, PERSISTENCE_TIMEOUT) ?? persistence.timeoutMs;
    else persistence.netmask = takeNetmask(line, report, word);
  }
  return persistence;
}

/** Takes timers and the given settings in any order until the end of the line. `apiece` tells this option from others of its kind. */
function settings<W extends string>(context: Context, { name, apiece, words, take }: { readonly name: string; readonly apiece: string; readonly words: readonly { readonly word: W }[]; readonly take: (word: W) => void }): void {
  const { line, report, seen } = context;
  while (line.peek() !== undefined) {
    const text = line.peek() ?? '';
    const word = words.find((w) => w.word === text)?.word;
    if (word === undefined) {
      if (takeTiming(context)) continue;
      line.take();
      const table = new WordTable<string>([...words.map((known) => ({ meaning: '', ...known })), ...CHECK_WORDS]);
      unknownWord(line, report, table, `a setting of ${name}`);
      line.index = line.words.length;
      return;
    }
    line.take();
    if (!REPEATED.has(word)) seen.once(report, `${apiece} ${word}`, line.at());
    take(word);
  }
}
