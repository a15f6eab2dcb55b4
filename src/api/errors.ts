/**
 * Every way a call is refused: one table of code, HTTP status, meaning and cure, and one function that turns whatever was thrown into it.
 * Answers never hold what the caller sent in a body: it may be a password.
 */
import type { FastifyError } from 'fastify';
import type { ErrorView } from '../client/types.ts';
import { Refusal } from '../daemon/control.ts';
import { EngineError, Unsupported } from '../engine/engine.ts';
import { validationMessage, type Complaint } from './validation.ts';

/** Status, meaning (for the reference) and the cure given when the refusal brings none. Codes are stable; docs/reference/api.md lists them. */
export const ERRORS = {
  BAD_REQUEST: [400, 'a field, a header or the JSON of the request is wrong', 'see docs/reference/api.md or /api/v1/openapi.json for what the call takes'],
  UNAUTHENTICATED: [401, 'no valid sign-in or token came with the call', 'sign in at POST /api/v1/sign-in, or send `Authorization: Bearer <token>` (the CLI reads cli.token in the state directory)'],
  FORBIDDEN: [403, 'the role of the caller does not allow the call', 'use a sign-in or a token with the role admin'],
  CSRF: [403, 'a write with a sign-in cookie came without its x-weir-csrf header', 'send the `csrf` value of GET /api/v1/sign-in as the header x-weir-csrf, or use a bearer token'],
  BAD_ORIGIN: [403, 'a page of another origin made the call', 'call from the page that weir serves, or without a browser'],
  NOT_FOUND: [404, 'what the call names does not exist', undefined],
  UNKNOWN_ROUTE: [404, 'no route has this path', 'see /api/v1/openapi.json for all routes'],
  METHOD_NOT_ALLOWED: [405, 'the path exists, with other methods', 'use a method of the Allow header'],
  TIMEOUT: [408, 'the request did not arrive in time', 'send it again'],
  CONFIRM_PENDING: [409, 'an apply waits for its confirmation', 'confirm it (POST /api/v1/confirm) or wait for its rollback'],
  NOTHING_TO_CONFIRM: [409, 'no apply waits for a confirmation', 'apply with confirmMs first'],
  NOT_USABLE: [409, 'sessions would not stay with the server named', 'name a server that is up, or bring this one back first'],
  EDITED_BY_ANOTHER: [412, 'the etag in If-Match is not that of the edited documents', 'read the documents again, merge, and send their new etag'],
  TOO_LARGE: [413, 'the body is larger than the call takes', 'documents take 64 MiB in one request, every other call 64 KiB'],
  BAD_MEDIA: [415, 'the body is not JSON', 'send `Content-Type: application/json`'],
  BAD_HOST: [421, 'the Host header names none of the names of this API', 'use the address it listens on, localhost, or add the name to the allowed hosts'],
  CONFIG_INVALID: [422, 'the configuration has errors; all are in `issues`', 'correct what the issues name'],
  UNSUPPORTED: [422, 'the engine cannot do what was asked', 'choose another engine in `service lvs`, or leave it out'],
  TOO_MANY: [429, 'too many attempts from this address', 'wait for the seconds that the Retry-After header says'],
  HEADERS_TOO_LARGE: [431, 'the headers of the request are larger than 16 KiB', 'send fewer or shorter headers'],
  INTERNAL: [500, 'a fault of weir itself', "look for the request's id in the log, and report it"],
  APPLY_FAILED: [500, 'the engine refused the change; what ran before still runs', 'read the message; status shows what runs now'],
  STORE_FAILED: [500, 'the state directory could not be written; nothing was changed', 'free space or correct the permissions of the state directory, then try again'],
  BUSY: [503, 'a limit on calls at the same time is reached', 'try again after the seconds that the Retry-After header says'],
} as const satisfies Record<string, readonly [status: number, meaning: string, cure: string | undefined]>;

export type ErrorCode = keyof typeof ERRORS;

/** A refusal that the API itself decides. `retryAfterS` becomes the Retry-After header. */
export class ApiFault extends Error {
  readonly code: ErrorCode;
  readonly cure: string | undefined;
  readonly retryAfterS: number | undefined;
  readonly allow: string | undefined;
  constructor(code: ErrorCode, message: string, options: { readonly cure?: string; readonly retryAfterS?: number; readonly allow?: string } = {}) {
    super(message);
    this.name = 'ApiFault';
    this.code = code;
    this.cure = options.cure;
    this.retryAfterS = options.retryAfterS;
    this.allow = options.allow;
  }
}

/** What is sent for something thrown. `fault` marks what must be logged as ours. */
export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly view: ErrorView;
  readonly fault: boolean;
}

/** Returns status, headers and body for whatever a handler or fastify threw; anything unknown is INTERNAL and tells nothing of itself. */
export function answerTo(thrown: unknown, requestId: string): Answer {
  if (thrown instanceof ApiFault) {
    const headers: Record<string, string> = {};
    if (thrown.retryAfterS !== undefined) headers['retry-after'] = String(thrown.retryAfterS);
    if (thrown.allow !== undefined) headers['allow'] = thrown.allow;
    if (thrown.code === 'UNAUTHENTICATED') headers['www-authenticate'] = 'Bearer realm="weir"';
    return answer(thrown.code, thrown.message, { cure: thrown.cure, headers });
  }
  if (thrown instanceof Refusal) return answer(thrown.code, thrown.message, { cure: thrown.cure, issues: thrown.issues });
  if (thrown instanceof Unsupported) return answer('UNSUPPORTED', thrown.message);
  if (thrown instanceof EngineError) {
    const landed = thrown.landed.length === 0 ? '' : `; could not be taken back: ${thrown.landed.join(', ')}`;
    return answer('APPLY_FAILED', thrown.message + landed, { cure: thrown.cure });
  }
  return fastifyAnswer(thrown as Partial<FastifyError> & { validation?: readonly Complaint[]; validationContext?: string }) ?? {
    ...answer('INTERNAL', `weir failed while answering request ${requestId}`),
    fault: true,
  };
}

function answer(code: ErrorCode, message: string, more: { readonly cure?: string | undefined; readonly issues?: ErrorView['issues']; readonly headers?: Record<string, string> } = {}): Answer {
  const [status, , usualCure] = ERRORS[code];
  const cure = more.cure ?? usualCure;
  const view: ErrorView = {
    code,
    message,
    ...(cure === undefined ? {} : { cure }),
    ...(more.issues === undefined || more.issues.length === 0 ? {} : { issues: more.issues }),
  };
  return { status, headers: more.headers ?? {}, view, fault: false };
}

function fastifyAnswer(error: Partial<FastifyError> & { validation?: readonly Complaint[]; validationContext?: string }): Answer | undefined {
  if (error.validation !== undefined) return answer('BAD_REQUEST', validationMessage(error.validation, error.validationContext ?? 'body'));
  switch (error.code ?? '') {
    case 'FST_ERR_CTP_BODY_TOO_LARGE':
      return answer('TOO_LARGE', 'the body is larger than this call takes');
    case 'FST_ERR_CTP_INVALID_MEDIA_TYPE':
    case 'FST_ERR_CTP_INVALID_TYPE':
      return answer('BAD_MEDIA', 'expected a body of type application/json');
    case 'FST_ERR_CTP_EMPTY_JSON_BODY':
      return answer('BAD_REQUEST', 'expected JSON, found an empty body', { cure: 'send {} or leave out the Content-Type header' });
    case 'FST_ERR_CTP_INVALID_JSON_BODY':
      // Not where or what: V8 would quote the text around the error, which may be a password.
      return answer('BAD_REQUEST', 'the body is not JSON');
    case 'FST_ERR_CTP_INVALID_CONTENT_LENGTH':
      return answer('BAD_REQUEST', 'the length of the body is not what its Content-Length says');
    default:
  }
  if (error.statusCode !== undefined && error.statusCode >= 400 && error.statusCode < 500) return answer('BAD_REQUEST', `the request was refused (${error.code ?? error.statusCode})`);
  return undefined;
}
