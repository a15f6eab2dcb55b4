/** argv to exit code: the CLI on this process. The only place of process.exit. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { COMMANDS } from '../cli/commands.ts';
import type { Options } from '../cli/command.ts';
import { findDaemon } from '../cli/connection.ts';
import { runCli } from '../cli/program.ts';
import { createClient } from '../client/client.ts';
import type { Client } from '../client/types.ts';
import { processIo } from './io.ts';

/** The package's directory, from dist/src/bin; a clone keeps its state there. */
const PACKAGE = fileURLToPath(new URL('../../..', import.meta.url));

/** Exit code of a program that SIGINT ended at once. */
const INTERRUPTED = 130;

const stop = new AbortController();
let interrupts = 0;
process.on('SIGINT', () => {
  if (++interrupts > 1) process.exit(INTERRUPTED);
  stop.abort();
});
process.on('SIGTERM', () => stop.abort());
// A reader that goes away (`weir events | head`) ends the program quietly, as it would any other.
process.stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : 1));
process.stderr.on('error', () => {});

const io = processIo(stop.signal);
const version = packageVersion();

/** Makes the client of a command. */
async function connect(options: Options): Promise<Client> {
  const { baseUrl, token } = await findDaemon({ options, env: process.env, files: io.files, clone: PACKAGE, alive });
  return createClient({ baseUrl, ...(token === undefined ? {} : { token }) });
}

/** Signal 0 asks whether the process is there; EPERM says that it is, and another user's. */
function alive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM';
  }
}

function packageVersion(): string {
  const value: unknown = JSON.parse(readFileSync(new URL('../../../package.json', import.meta.url), 'utf8'));
  return typeof value === 'object' && value !== null && 'version' in value ? String(value.version) : 'unknown';
}

const code = await runCli(process.argv.slice(2), {
  commands: COMMANDS,
  io,
  connect,
  programs: {
    version,
    // Loaded when asked for: `weir status` needs no data plane and no HTTP server.
    daemon: async (options) => {
      await (await import('./limit.ts')).limitPrivileges(options, { io, packageDirectory: PACKAGE });
      return (await import('./run.ts')).runDaemon(options, { io, version, packageDirectory: PACKAGE });
    },
    unsupported: async (engine, documents) => (await import('./engines.ts')).engineLimits(engine, documents),
    hostIssues: async (config, engine) => (await import('./host-facts.ts')).issuesHere(config, engine),
    send: async (options) => (await import('./datagram.ts')).sendDatagram(options),
  },
});
// What is written to a pipe is still on its way; keep-alive connections of fetch would keep the process for seconds.
for (const stream of [process.stdout, process.stderr]) await new Promise<void>((resolve) => stream.write('', () => resolve()));
process.exit(code);
