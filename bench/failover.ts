/** `npm run bench -- failover`: what a flow that never pauses loses when its server goes, in every engine this machine can run. */
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { ROOT } from './root.ts';
import { CannotMeasure, type BenchRun } from './stage.ts';

interface Guest {
  readonly through: readonly string[];
  stop(): Promise<void>;
}

const SHOW = join(ROOT, 'dist/test/failover/show.js');

/** Returns the tables of the engines asked for (default all) as Markdown. Rejects with CannotMeasure when a word is no engine. */
export async function benchFailover(argv: readonly string[], { progress }: BenchRun): Promise<string> {
  const engines = argv.length === 0 ? ['userspace', 'xdp', 'lvs'] : argv;
  const unknown = engines.find((name) => !['userspace', 'xdp', 'lvs'].includes(name));
  if (unknown !== undefined) throw new CannotMeasure(`expected engines to show, of userspace, xdp, lvs; got ${unknown}`);
  const sections: string[] = [];
  for (const engine of engines) {
    progress(`failover: ${engine}…`);
    sections.push(`## ${engine}\n\n${engine === 'lvs' ? await inGuest() : await show(process.execPath, [SHOW, engine])}`);
  }
  return `${sections.join('\n')}`;
}

/** ip_vs is not in every kernel: shown in the stock one the tests boot. */
async function inGuest(): Promise<string> {
  const { startGuest } = (await import(join(ROOT, 'scripts/guest/guest.mjs'))) as { startGuest(): Promise<Guest> };
  const guest = await startGuest();
  try {
    return await show(process.execPath, [...guest.through, SHOW, 'lvs']);
  } finally {
    await guest.stop();
  }
}

/** Returns what the program prints; an engine that cannot run here says so in its place. */
function show(command: string, args: readonly string[]): Promise<string> {
  return new Promise((resolve) => {
    const child = spawn(command, args, { cwd: ROOT, stdio: ['ignore', 'pipe', 'pipe', 'ignore'] });
    let text = '';
    let errors = '';
    child.stdout?.setEncoding('utf8').on('data', (more: string) => (text += more));
    child.stderr?.setEncoding('utf8').on('data', (more: string) => (errors = (errors + more).slice(-2_000)));
    child.on('error', (error) => resolve(`cannot be shown here: ${error.message}\n`));
    child.on('close', () => resolve(text === '' ? `cannot be shown here:\n\n${errors.trim()}\n` : text));
  });
}
