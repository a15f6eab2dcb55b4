/** Why a command failed: what is printed, and which exit code it means. */
import { ApiError } from '../client/client.ts';
import type { ErrorView } from '../client/types.ts';
import { issueText, type Issue } from '../config/issue.ts';
import { EXIT, type ExitName } from './exit-codes.ts';

/** A failure of the CLI's own. `cure` says what to do. */
export class CliError extends Error {
  readonly exit: ExitName;
  readonly cure: string | undefined;
  readonly issues: readonly Issue[];
  constructor(exit: ExitName, message: string, options: { readonly cure?: string; readonly issues?: readonly Issue[]; readonly cause?: unknown } = {}) {
    super(message, { cause: options.cause });
    this.name = 'CliError';
    this.exit = exit;
    this.cure = options.cure;
    this.issues = options.issues ?? [];
  }
}

/** What is told of a failure, as text and as JSON. */
export interface Failure {
  readonly exit: number;
  readonly error: ErrorView;
}

/** Exit codes of the daemon's refusals (src/api/errors.ts) that are not plain failures. */
const EXIT_OF_CODE: Readonly<Record<string, ExitName>> = {
  BAD_REQUEST: 'usage',
  UNAUTHENTICATED: 'notAllowed',
  FORBIDDEN: 'notAllowed',
  NOT_FOUND: 'notFound',
  EDITED_BY_ANOTHER: 'conflict',
  CONFIRM_PENDING: 'conflict',
  NOTHING_TO_CONFIRM: 'conflict',
  NOT_USABLE: 'conflict',
  CONFIG_INVALID: 'invalid',
  UNSUPPORTED: 'unsupported',
  UNREACHABLE: 'unreachable',
  TIMEOUT: 'unreachable',
  BAD_ANSWER: 'unreachable',
  STREAM_BROKEN: 'unreachable',
};

/** Returns what is told of whatever a command threw. */
export function failureOf(thrown: unknown): Failure {
  if (thrown instanceof CliError) {
    return { exit: EXIT[thrown.exit], error: { code: thrown.exit, message: thrown.message, ...optional(thrown.cure, thrown.issues) } };
  }
  if (thrown instanceof ApiError) return { exit: EXIT[EXIT_OF_CODE[thrown.view.code] ?? 'failed'], error: withCure(thrown.view) };
  const error = thrown instanceof Error ? thrown : new Error(String(thrown));
  return { exit: EXIT.fault, error: { code: 'fault', message: error.stack ?? error.message } };
}

/** Returns the lines for stderr: every issue, then the message, then the cure. */
export function failureText({ error }: Failure): string {
  const issues = (error.issues ?? []).map((issue) => `${issueText(issue)}\n`).join('');
  const cure = error.cure === undefined ? '' : `  ${error.cure}\n`;
  return `${issues}weir: ${error.message}\n${cure}`;
}

function optional(cure: string | undefined, issues: readonly Issue[]): Partial<ErrorView> {
  return { ...(cure === undefined ? {} : { cure }), ...(issues.length === 0 ? {} : { issues }) };
}

/** Adds what only the CLI knows to the daemon's own words. */
function withCure(view: ErrorView): ErrorView {
  if (view.code === 'UNREACHABLE' && /certificate/.test(view.message)) {
    return { ...view, cure: 'let this program trust the certificate: NODE_EXTRA_CA_CERTS=/path/of/its/ca.pem weir …' };
  }
  if (view.code === 'UNAUTHENTICATED') return { ...view, cure: 'run this as the user that runs weir (its state directory holds cli.token), or give a token with --token-file or WEIR_TOKEN' };
  return view;
}
