/** The few lines `weir run` begins with: what runs, how to try it, where things are. */
import { clean } from '../cli/text.ts';
import type { StatusView } from '../client/types.ts';

/** What the banner tells. `password` null: it was told before, or the operator chose it. */
export interface BannerFacts {
  readonly version: string;
  readonly url: string;
  readonly stateDirectory: string;
  readonly password: string | null;
  readonly status: Pick<StatusView, 'engine' | 'directors' | 'warnings'>;
  readonly demo: boolean;
  /** Whether the web pages are built. */
  readonly pages: boolean;
  /** How the program is called from here. */
  readonly command: string;
  /** Whether FILE or the saved configuration runs, when there may be a doubt. */
  readonly kept: string | null;
}

const DIRECTORS_SHOWN = 8;

/** Returns the lines, ending with a line feed. */
export function banner(facts: BannerFacts): string {
  const { status, command } = facts;
  const rows: (readonly [label: string, text: string])[] = [];
  for (const director of status.directors.slice(0, DIRECTORS_SHOWN)) {
    rows.push(['director', `${director.name}  ${director.vip} ${director.protocol}, ${director.servers.length === 1 ? '1 server' : `${director.servers.length} servers`}, ${director.balance}`]);
  }
  if (status.directors.length > DIRECTORS_SHOWN) rows.push(['', `and ${status.directors.length - DIRECTORS_SHOWN} more (${command} status)`]);
  if (status.directors.length === 0) rows.push(['director', `none yet: ${command} apply FILE --save`]);
  const [first] = status.directors;
  if (facts.demo && first !== undefined) rows.push(['try', `${command} send ${first.vip} hello      answers: srv1 got 5 bytes: hello`]);
  const warnings = status.warnings.length;
  rows.push(['look', `${command} status${warnings === 0 ? '' : `      (${warnings === 1 ? 'it has a warning' : `it has ${warnings} warnings`})`}`]);
  if (facts.pages) rows.push(['open', `${facts.url}/      (the web pages: everything is there)`]);
  rows.push(['API', facts.url]);
  if (facts.password !== null) rows.push(['password', `${facts.password}   (user admin; shown this once)`]);
  rows.push(['state', facts.stateDirectory]);
  const lines = rows.map(([label, text]) => `  ${label.padEnd(8)}  ${clean(text)}\n`).join('');
  return `weir ${facts.version} runs, engine ${clean(status.engine.name)}: ${clean(status.engine.why)}\n${facts.kept === null ? '' : `${facts.kept}\n`}${lines}`;
}
