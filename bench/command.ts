/** Runs system tools: argv arrays, no shell, a time limit, errors that tell the whole story. */
import { spawnSync } from 'node:child_process';

/** A tool that failed: argv, how it ended, and what it said. */
export class CommandError extends Error {
  readonly argv: readonly string[];
  readonly stderr: string;
  constructor(argv: readonly string[], how: string, stderr: string, options?: { cause?: unknown }) {
    super(`\`${argv.join(' ')}\` ${how}${stderr === '' ? '' : `: ${stderr}`}`, options);
    this.name = 'CommandError';
    this.argv = argv;
    this.stderr = stderr;
  }
}

/** Runs one tool to its end (at most 20 s, or `limitMs`) and returns its stdout. Throws CommandError when it cannot start or exits other than 0. */
export function run(command: string, args: readonly string[], options: { input?: string; limitMs?: number } = {}): string {
  const result = spawnSync(command, args, {
    encoding: 'utf8',
    timeout: options.limitMs ?? 20_000,
    maxBuffer: 16 << 20,
    env: { ...process.env, LC_ALL: 'C' },
    ...(options.input === undefined ? {} : { input: options.input }),
  });
  const argv = [command, ...args];
  if (result.error) {
    const missing = (result.error as NodeJS.ErrnoException).code === 'ENOENT';
    throw new CommandError(argv, missing ? `could not start: ${command} is not installed` : 'could not run', result.error.message, { cause: result.error });
  }
  if (result.status !== 0) {
    throw new CommandError(argv, result.signal === null ? `exited with ${result.status}` : `was ended by ${result.signal}`, result.stderr.trim());
  }
  return result.stdout;
}

/** Runs one tool and returns its stdout, or undefined when it fails: for clean-up and for questions whose answer may be "no". */
export function tryRun(command: string, args: readonly string[], options: { input?: string } = {}): string | undefined {
  try {
    return run(command, args, options);
  } catch (error) {
    if (error instanceof CommandError) return undefined;
    throw error;
  }
}
