/** `npm run bench -- userspace`: all subjects on one stage, then what is asked of weir alone. */
import { writeFileSync } from 'node:fs';
import type { BenchOptions } from './args.ts';
import { USERSPACE_BARS, barsText, judgeBars } from './bars.ts';
import { describeMachine, loadWarning, machineText } from './machine.ts';
import { measureRounds, rateTable, type RateResult } from './rates.ts';
import { measureSections, sectionsText, type SectionResults } from './sections.ts';
import { alone, onStage, type BenchRun } from './stage.ts';
import { choose, SUBJECTS } from './subjects/all.ts';
import { weir } from './subjects/weir-start.ts';
import { otherBenches } from './topology/topology.ts';

/** 100,000 sessions over fewer servers would need more local ports than `ulimit -Hn` gives sockets, on many machines. */
const SECTION_SERVERS = 16;

/** Returns the report as text, and writes the JSON file if one was asked for. Rejects with CannotMeasure, or with the reason of the signal. */
export function benchUserspace(options: BenchOptions, run: BenchRun): Promise<string> {
  return alone(run, () => measureAll(options, run));
}

async function measureAll(options: BenchOptions, run: BenchRun): Promise<string> {
  const { signal, progress } = run;
  const machine = describeMachine();
  const { names, versions, absent } = choose(options.subjects);
  for (const line of [...absent, machineText(machine), ...loadWarning(machine)]) progress(line);

  const disturbances = otherBenches().map((pid) => `another bench (process ${pid}) ran at the same time: figures of both are too low`);
  for (const line of disturbances) progress(line);
  const results: RateResult[] = [];
  const failures: string[] = [];
  const onFailure = (message: string) => {
    failures.push(message);
    progress(message);
  };
  let sections: SectionResults | null = null;
  for (const servers of options.servers) {
    await onStage(servers, options.quick, run, async (stage) => {
      const loads = options.clients.map((clients) => ({ clients }));
      results.push(...(await measureRounds(stage, { names, subjects: SUBJECTS, loads, rounds: options.rounds, onFailure, signal })));
    });
  }
  if (options.sections && names.includes('weir')) {
    const servers = Math.max(SECTION_SERVERS, ...options.servers);
    const [best] = results.filter((one) => one.subject === 'weir').toSorted((a, b) => b.clients - a.clients || b.servers - a.servers);
    await onStage(servers, options.quick, run, async (stage) => {
      sections = await measureSections(stage, weir, best);
    });
  }
  const bars = judgeBars(results, USERSPACE_BARS);
  if (options.json !== null) {
    writeFileSync(options.json, `${JSON.stringify({ at: new Date().toISOString(), machine, versions, options, results, bars, sections, failures, absent, disturbances }, null, 2)}\n`);
  }
  return [
    `${machineText(machine)}\n`,
    `${Object.entries(versions).map(([name, version]) => `${name} ${version}`).join(', ')}\n`,
    `Highest rate with under 1 % loss, one balancer core, 64-byte frames, best of three tries a rate, ends ${options.ends}.\n\n`,
    rateTable(results),
    `\n${barsText(bars)}`,
    sections === null ? '' : `\n${sectionsText(sections)}`,
    [...failures, ...absent].map((line) => `not measured: ${line}\n`).join(''),
    disturbances.map((line) => `${line}\n`).join(''),
  ].join('');
}
