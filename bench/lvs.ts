/** `npm run bench -- lvs`: weir's lvs engine beside the same services set by hand, in the stock kernel that the lvs tier boots. */
import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { BenchOptions } from './args.ts';
import { carriedTable, judgePairs, pairsText } from './carried.ts';
import { compileBpf } from './compile.ts';
import type { InsideResult } from './lvs-inside.ts';
import { describeMachine, machineText } from './machine.ts';
import { ROOT } from './root.ts';
import { CannotMeasure, type BenchRun } from './stage.ts';

interface Guest {
  readonly through: readonly string[];
  stop(): Promise<void>;
}

/** Returns the report as text, and writes the JSON file if one was asked for. Rejects with CannotMeasure, or with the reason of the signal. */
export async function benchLvs(options: BenchOptions, { signal, progress }: BenchRun): Promise<string> {
  const host = describeMachine();
  progress(machineText(host));
  // There is a compiler here; the guest sees what it made.
  compileBpf('traffic');
  const { startGuest } = (await import(join(ROOT, 'scripts/guest/guest.mjs'))) as { startGuest(options: { time: 'clock' | 'instructions' }): Promise<Guest> };
  const guest = await startGuest({ time: 'instructions' }).catch((error: unknown) => {
    throw new CannotMeasure(error instanceof Error ? error.message : String(error));
  });
  let inside: InsideResult;
  try {
    inside = await measureInside(guest, options, { signal, progress });
  } finally {
    await guest.stop();
  }
  const bars = judgePairs(inside.results);
  if (options.json !== null) writeFileSync(options.json, `${JSON.stringify({ at: new Date().toISOString(), host, options, ...inside, bars }, null, 2)}\n`);
  return [
    `${machineText(inside.machine)}\nunder qemu, 4 ns an instruction, on ${machineText(host)}\n`,
    `${Object.entries(inside.versions).map(([name, version]) => `${name} ${version}`).join(', ')}\n`,
    'Round trips/s by the clock of the guest, which is its instructions; 64-byte frames, median of the tries. The generator and the servers, whose part `limit` shows, are in every figure.\n\n',
    carriedTable(inside.results),
    `\n${pairsText(bars)}`,
    [...inside.failures, ...inside.absent].map((line) => `not measured: ${line}\n`).join(''),
  ].join('');
}

/** Runs bench/lvs-inside.ts in the guest; its lines are progress, its file descriptor 3 the result. */
function measureInside(guest: Guest, options: BenchOptions, { signal, progress }: BenchRun): Promise<InsideResult> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [...guest.through, join(ROOT, 'dist/bench/lvs-inside.js'), JSON.stringify(options)], { cwd: ROOT, stdio: ['ignore', 'pipe', 'inherit', 'pipe'] });
    const abort = (): void => void child.kill('SIGTERM');
    signal.addEventListener('abort', abort, { once: true });
    let rest = '';
    let last = '';
    let result = '';
    child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      const lines = (rest + text).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) progress((last = line));
    });
    (child.stdio[3] as NodeJS.ReadableStream).setEncoding('utf8').on('data', (text: string) => (result += text));
    child.on('error', reject);
    child.on('close', (code) => {
      signal.removeEventListener('abort', abort);
      if (signal.aborted) reject(signal.reason as Error);
      else if (code === 0 && result !== '') resolve(JSON.parse(result) as InsideResult);
      else reject(new Error(`the bench in the guest ended with exit code ${code}: ${rest || last}`));
    });
  });
}
