/** Why a command failed: what is printed, and which exit code it means. */
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

/** Exit codes of the daemon's refusals that are not plain failures. */
const EXIT_OF_CODE: Readonly<Record<string, ExitName>> = {
  BAD_REQUEST: 'usage',
  UNAUTHENTICATED: 'notAllowed',
  FORBIDDEN: 'notAllowed',
  NOT_FOUND: 'notFound',
  EDITED_BY_ANOTHER: 'conflict',
  CONFIRM_PENDING: 'conflict',
  NOTHING_TO_CONFIRM: 'conflict',
  CONFIG_INVALID: 'invalid',
  UNSUPPORTED: 'unsupported',
};

/** Returns what is told of whatever a command threw. */
export function failureOf(thrown: unknown): Failure {
  if (thrown instanceof CliError) {
    return { exit: EXIT[thrown.exit], error: { code: thrown.exit, message: thrown.message, ...optional(thrown.cure, thrown.issues) } };
  }
  const refusal = refusalOf(thrown);
  if (refusal !== null) return { exit: EXIT[EXIT_OF_CODE[refusal.code] ?? 'failed'], error: refusal };
  const unreachable = unreachableReason(thrown);
  if (unreachable !== null) {
    return { exit: EXIT.unreachable, error: { code: 'unreachable', message: `the daemon does not answer: ${unreachable}`, cure: 'is `weir run` up? `--api URL` or WEIR_API says where, `--state DIR` or WEIR_STATE where its state is' } };
  }
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

/** Returns the ErrorView inside an ApiError; known by its shape, so that a fake client may throw its own. */
function refusalOf(thrown: unknown): ErrorView | null {
  if (!(thrown instanceof Error) || !('view' in thrown)) return null;
  const { view } = thrown;
  return typeof view === 'object' && view !== null && 'code' in view && 'message' in view ? (view as ErrorView) : null;
}

/** Returns the system's word for a connection that failed: fetch wraps it as `cause`, once or twice. */
function unreachableReason(thrown: unknown): string | null {
  for (let error = thrown, depth = 0; error instanceof Error && depth < 4; error = error.cause, depth++) {
    const code = 'code' in error ? String(error.code) : '';
    if (/^(ECONN|ENOTFOUND|EAI_|EHOSTUNREACH|ENETUNREACH|ETIMEDOUT|UND_ERR_|EPIPE|ERR_TLS|CERT_|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO)/.test(code)) {
      return error.message === '' ? code : `${error.message} (${code})`;
    }
  }
  return null;
}
