/**
 * Programs of the system (nft, ip, sysctl…) run as argv, never through a shell: with a timeout, a cap on what they may say, LC_ALL=C,
 * and an error that carries everything an operator needs to run the same by hand.
 */
import { spawn } from 'node:child_process';

export interface CommandOptions {
  /** Written to standard input, which is then closed. */
  readonly input?: string;
  /** Default 10 s; then SIGKILL. */
  readonly timeoutMs?: number;
  /** Of standard output; default 64 MB. The error output is cut at 64 KB and never fails a command. */
  readonly maxBytes?: number;
}

export interface CommandResult {
  readonly stdout: string;
  readonly stderr: string;
}

/** How the parts of weir run a program; tests give a fake. Rejects with CommandError. */
export type RunCommand = (argv: readonly string[], options?: CommandOptions) => Promise<CommandResult>;

/** A program that could not be started, failed, or did not end. `kind` 'absent': there is no such program. */
export class CommandError extends Error {
  readonly kind: 'absent' | 'failed' | 'timeout' | 'output';
  readonly argv: readonly string[];
  readonly exitCode: number | null;
  readonly signal: string | null;
  readonly stderr: string;
  readonly durationMs: number;
  constructor(fields: {
    readonly kind: CommandError['kind']; readonly argv: readonly string[]; readonly exitCode?: number | null; readonly signal?: string | null;
    readonly stderr?: string; readonly durationMs?: number; readonly cause?: unknown;
  }) {
    super(messageOf(fields), { cause: fields.cause });
    this.name = 'CommandError';
    this.kind = fields.kind;
    this.argv = fields.argv;
    this.exitCode = fields.exitCode ?? null;
    this.signal = fields.signal ?? null;
    this.stderr = fields.stderr ?? '';
    this.durationMs = fields.durationMs ?? 0;
  }
}

const TIMEOUT_MS = 10_000;
const MAX_OUT = 64 * 1024 * 1024;
const MAX_ERR = 64 * 1024;
/** A service manager's PATH may leave the system's programs out. */
const PATH = [process.env['PATH'] ?? '', '/usr/local/sbin', '/usr/sbin', '/sbin', '/usr/bin', '/bin'].filter((p) => p !== '').join(':');

/** Runs a program to its end and returns what it printed. Rejects with CommandError unless it ends with 0 in time. */
export const runCommand: RunCommand = (argv, options = {}) => {
  const [file = '', ...args] = argv;
  const started = performance.now();
  const { timeoutMs = TIMEOUT_MS, maxBytes = MAX_OUT } = options;
  return new Promise((resolve, reject) => {
    const child = spawn(file, args, { stdio: ['pipe', 'pipe', 'pipe'], shell: false, env: { PATH, LC_ALL: 'C' } });
    const out: Buffer[] = [];
    const err: Buffer[] = [];
    let outBytes = 0;
    let errBytes = 0;
    let stopped: 'timeout' | 'output' | null = null;
    const stop = (why: 'timeout' | 'output'): void => {
      stopped ??= why;
      child.kill('SIGKILL');
    };
    const timer = setTimeout(() => stop('timeout'), timeoutMs);
    const fail = (fields: Omit<ConstructorParameters<typeof CommandError>[0], 'argv' | 'stderr' | 'durationMs'>): void => {
      reject(new CommandError({ ...fields, argv, stderr: Buffer.concat(err).toString('utf8'), durationMs: Math.round(performance.now() - started) }));
    };
    child.stdout.on('data', (chunk: Buffer) => {
      outBytes += chunk.length;
      if (outBytes > maxBytes) stop('output');
      else out.push(chunk);
    });
    child.stderr.on('data', (chunk: Buffer) => {
      if (errBytes < MAX_ERR) err.push(chunk.subarray(0, MAX_ERR - errBytes));
      errBytes += chunk.length;
    });
    // A program that ends before it has read everything: its exit code tells why.
    child.stdin.on('error', () => undefined);
    child.on('error', (cause: NodeJS.ErrnoException) => {
      clearTimeout(timer);
      fail({ kind: cause.code === 'ENOENT' ? 'absent' : 'failed', cause });
    });
    child.on('close', (exitCode, signal) => {
      clearTimeout(timer);
      if (stopped) fail({ kind: stopped, exitCode, signal });
      else if (exitCode === 0) resolve({ stdout: Buffer.concat(out).toString('utf8'), stderr: Buffer.concat(err).toString('utf8') });
      else fail({ kind: 'failed', exitCode, signal });
    });
    child.stdin.end(options.input ?? '');
  });
};

function messageOf({ kind, argv, exitCode, signal, stderr, durationMs, cause }: ConstructorParameters<typeof CommandError>[0]): string {
  const line = argv.join(' ');
  const said = (stderr ?? '').trim();
  switch (kind) {
    case 'absent':
      return `there is no program ${argv[0] ?? ''} on this host`;
    case 'timeout':
      return `${line}: not done after ${durationMs ?? 0} ms`;
    case 'output':
      return `${line}: printed more than was expected`;
    case 'failed':
      if (cause instanceof Error && (exitCode ?? null) === null && (signal ?? null) === null) return `${line}: ${cause.message}`;
      return `${line}: ${signal ? `ended by ${signal}` : `exit code ${exitCode ?? '?'}`}${said === '' ? '' : `: ${said}`}`;
    default:
      return kind satisfies never;
  }
}
