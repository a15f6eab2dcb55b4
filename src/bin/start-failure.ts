/** What stopped a start, in the CLI's words. */
import { CliError } from '../cli/failure.ts';
import { Refusal } from '../daemon/control.ts';

/** Returns whatever stopped the start as a CliError: the parts of the daemon throw errors that carry their cure. */
export function startFailure(error: unknown): unknown {
  if (error instanceof CliError || !(error instanceof Error)) return error;
  if (error instanceof Refusal) {
    const exit = error.code === 'CONFIG_INVALID' ? 'invalid' : error.code === 'UNSUPPORTED' ? 'unsupported' : 'failed';
    return new CliError(exit, error.message, { ...(error.cure === undefined ? {} : { cure: error.cure }), issues: error.issues, cause: error });
  }
  return 'cure' in error && typeof error.cure === 'string' ? new CliError('failed', error.message, { cure: error.cure, cause: error }) : error;
}

