/** `npm run bench -- xdp`: weir's xdp engine between what the kernel does, what others make of it, and what could be reached at best. */
import { writeFileSync } from 'node:fs';
import type { BenchOptions } from './args.ts';
import { XDP_BARS, barsText, judgeBars } from './bars.ts';
import { describeMachine, loadWarning, machineText } from './machine.ts';
import { measureRounds, type RateResult } from './rates.ts';
import { alone, onStage, type BenchRun } from './stage.ts';
import { choose, SUBJECTS } from './subjects/all.ts';
import { measureXdpSections, xdpSectionsText } from './xdp-sections.ts';
import { xdpTable } from './xdp-table.ts';

/** Returns the report as text, and writes the JSON file if one was asked for. Rejects with CannotMeasure, or with the reason of the signal. */
export function benchXdp(options: BenchOptions, run: BenchRun): Promise<string> {
  return alone(run, () => measureAll(options, run));
}

async function measureAll(options: BenchOptions, run: BenchRun): Promise<string> {
  const { signal, progress } = run;
  const machine = describeMachine();
  const { names, versions, absent } = choose(options.subjects);
  for (const line of [...absent, machineText(machine), ...loadWarning(machine)]) progress(line);
  const results: RateResult[] = [];
  const failures: string[] = [];
  const onFailure = (message: string) => {
    failures.push(message);
    progress(message);
  };
  for (const servers of options.servers) {
    await onStage(servers, options.quick, run, async (stage) => {
      const loads = options.clients.map((clients) => ({ clients }));
      results.push(...(await measureRounds(stage, { names, subjects: SUBJECTS, loads, rounds: options.rounds, onFailure, signal })));
    });
  }
  const sections = options.sections ? await measureXdpSections(names, options, run) : null;
  const bars = judgeBars(results, XDP_BARS);
  if (options.json !== null) {
    writeFileSync(options.json, `${JSON.stringify({ at: new Date().toISOString(), machine, versions, options, results, bars, sections, failures, absent }, null, 2)}\n`);
  }
  return [
    `${machineText(machine)}\n`,
    `${Object.entries(versions).map(([name, version]) => `${name} ${version}`).join(', ')}\n`,
    `Highest rate of round trips with under 1 % loss, one balancer core, 64-byte frames, best of the rounds, ends ${options.ends}.\n\n`,
    xdpTable(results),
    `\n${barsText(bars)}`,
    sections === null ? '' : `\n${xdpSectionsText(sections)}\n`,
    [...failures, ...absent].map((line) => `not measured: ${line}\n`).join(''),
  ].join('');
}
