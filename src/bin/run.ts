import type { DaemonOptions, Io } from '../cli/command.ts';
import { CliError } from '../cli/failure.ts';

export async function runDaemon(_options: DaemonOptions, _context: { readonly io: Io; readonly version: string; readonly packageDirectory: string }): Promise<number> {
  throw new CliError('failed', 'weir run is not wired yet');
}
