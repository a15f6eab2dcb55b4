/** What `npm run bench -- lvs` runs in the guest. Argument: BenchOptions as JSON. Progress on standard output, the result as JSON on file descriptor 3. */
import { writeSync } from 'node:fs';
import type { BenchOptions } from './args.ts';
import { measureCarried, type Carried } from './carried.ts';
import { describeMachine, type Machine } from './machine.ts';
import { alone, onStage } from './stage.ts';
import { choose, SUBJECTS } from './subjects/all.ts';

export interface InsideResult {
  readonly machine: Machine;
  readonly versions: Readonly<Record<string, string>>;
  readonly results: readonly Carried[];
  readonly failures: readonly string[];
  readonly absent: readonly string[];
}

const options = JSON.parse(process.argv[2] ?? '') as BenchOptions;
const interrupted = new AbortController();
process.once('SIGTERM', () => interrupted.abort(new DOMException('interrupted by SIGTERM', 'AbortError')));
const run = { signal: interrupted.signal, progress: (line: string) => void process.stdout.write(`${line}\n`) };

const { names, versions, absent } = choose(options.subjects);
for (const line of absent) run.progress(line);
const results: Carried[] = [];
const failures: string[] = [];
const onFailure = (message: string): void => {
  failures.push(message);
  run.progress(message);
};
await alone(run, async () => {
  for (const servers of options.servers) {
    await onStage(servers, options.quick, { ...run, ends: options.ends }, async (stage) => {
      for (const clients of options.clients) results.push(...(await measureCarried(stage, { names, subjects: SUBJECTS, clients, rounds: options.rounds, onFailure, signal: run.signal })));
    });
  }
}, 1);
const text = Buffer.from(JSON.stringify({ machine: describeMachine(), versions, results, failures, absent } satisfies InsideResult));
for (let at = 0; at < text.length;) at += writeSync(3, text, at);
