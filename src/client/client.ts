/**
 * The API as functions, over fetch: the only way the CLI and the web UI reach the daemon. Free of Node.
 * A refused call throws ApiError with the daemon's own words; so does one that never reached it (status 0).
 */
import type {
  ApplyResult, Client, DocumentsView, EditResult, ErrorView, EventView, ExplainView, HostView, NatRuleView, PlanView, RevisionView, SampleView, ServerView, ServiceView,
  SessionsView, SignInView, StatusView, TokenView,
} from './types.ts';
import type { Issue } from '../config/issue.ts';
import { readStream } from './sse.ts';

/** A call that was refused, or that no daemon answered (`status` 0, code UNREACHABLE, TIMEOUT or BAD_ANSWER). */
export class ApiError extends Error {
  readonly status: number;
  readonly view: ErrorView;
  constructor(status: number, view: ErrorView, cause?: unknown) {
    super(view.message, { cause });
    this.name = 'ApiError';
    this.status = status;
    this.view = view;
  }
}

/** A browser's way in: the cookie is kept by the browser, the CSRF token by this object. */
export interface SignInCalls {
  signIn(user: string, password: string): Promise<SignInView>;
  /** Who the caller is; after a reload of the page this finds the CSRF token again. */
  signedIn(): Promise<SignInView>;
  signOut(): Promise<void>;
  signOutEverywhere(): Promise<void>;
}

/** What the web UI asks beside what the CLI can. */
export interface HostCalls {
  host(): Promise<HostView>;
}

export interface ClientOptions {
  /** `http://127.0.0.1:8440`, or '' for the page's own origin. */
  readonly baseUrl: string;
  /** A bearer token; without one the browser's sign-in is used. */
  readonly token?: string;
  readonly fetch?: typeof fetch;
  /** Most ms for an answer (10 s); calls that change or check a configuration have twelve times as long. */
  readonly timeoutMs?: number;
}

interface CallOptions {
  readonly body?: unknown;
  readonly query?: Readonly<Record<string, string | number | undefined>>;
  readonly ifMatch?: string | undefined;
  readonly slow?: boolean;
}

const API = '/api/v1';

/** Returns a client of the daemon at `baseUrl`. */
export function createClient(options: ClientOptions): Client & SignInCalls & HostCalls {
  const { token, timeoutMs = 10_000 } = options;
  const base = options.baseUrl.replace(/\/+$/, '');
  const doFetch = options.fetch ?? fetch;
  let csrf: string | null = null;

  const send = async (method: string, path: string, call: CallOptions, signal: AbortSignal, extra: Readonly<Record<string, string>> = {}): Promise<Response> => {
    const headers: Record<string, string> = { ...extra };
    if (token !== undefined) headers['authorization'] = `Bearer ${token}`;
    else if (csrf !== null && method !== 'GET') headers['x-weir-csrf'] = csrf;
    if (call.body !== undefined) headers['content-type'] = 'application/json';
    if (call.ifMatch !== undefined) headers['if-match'] = `"${call.ifMatch}"`;
    const init = { method, headers, signal, credentials: 'same-origin', redirect: 'error', cache: 'no-store', ...(call.body === undefined ? {} : { body: JSON.stringify(call.body) }) } as const;
    let response: Response;
    try {
      response = await doFetch(base + path + queryText(call.query), init);
    } catch (error) {
      throw unanswered(error, signal, base);
    }
    if (response.ok) return response;
    throw await refused(response);
  };

  const ask = async <T>(method: string, path: string, call: CallOptions = {}): Promise<T> => {
    const limitMs = call.slow === true ? timeoutMs * 12 : timeoutMs;
    const signal = AbortSignal.timeout(limitMs);
    const response = await send(method, API + path, call, signal);
    if (response.status === 204) return undefined as T;
    try {
      return (await response.json()) as T;
    } catch (error) {
      throw signal.aborted ? unanswered(error, signal, base) : badAnswer(response.status, error);
    }
  };

  const remember = (view: SignInView): SignInView => {
    csrf = view.csrf;
    return view;
  };
  const forget = (): void => {
    csrf = null;
  };

  return {
    host: () => ask<HostView>('GET', '/host'),
    status: () => ask<StatusView>('GET', '/status'),
    documents: (stage) => ask<DocumentsView>('GET', `/documents/${stage}`, { slow: true }),
    edit: (documents, { ifMatch } = {}) => ask<EditResult>('PUT', '/documents/edited', { body: documents, ifMatch, slow: true }),
    check: (documents) => ask<readonly Issue[]>('POST', '/check', { body: documents, slow: true }),
    plan: () => ask<PlanView>('GET', '/plan', { slow: true }),
    apply: ({ confirmMs, ifMatch } = {}) => ask<ApplyResult>('POST', '/apply', { body: confirmMs === undefined ? {} : { confirmMs }, ifMatch, slow: true }),
    confirm: () => ask<void>('POST', '/confirm', { slow: true }),
    save: () => ask<RevisionView>('POST', '/save', { slow: true }),
    revisions: () => ask<readonly RevisionView[]>('GET', '/revisions'),
    revision: (revision) => ask<DocumentsView>('GET', `/revisions/${revision}`, { slow: true }),
    rollback: (revision) => ask<ApplyResult>('POST', `/revisions/${revision}/rollback`, { slow: true }),
    servers: () => ask<readonly ServerView[]>('GET', '/servers'),
    override: (director, server, action) => ask<ServerView>('POST', '/override', { body: { director, server, action } }),
    sessions: ({ director, server, client, cursor, limit } = {}) => ask<SessionsView>('GET', '/sessions', { query: { director, server, client, cursor, limit } }),
    async purge({ director, server, client, blackholed }) {
      const all = director === undefined && server === undefined && client === undefined && blackholed !== true;
      const body = { director, server, client, ...(blackholed === true ? { blackholed } : {}) };
      return (await ask<{ purged: number }>('POST', '/sessions/purge', { body: all ? { all } : body, slow: true })).purged;
    },
    explain: ({ client, vip, protocol }) => ask<ExplainView>('GET', '/explain', { query: { client, vip, protocol } }),
    pin: async ({ client, director, server }) => (await ask<{ pinned: number }>('POST', '/sessions/pin', { body: { client, director, server } })).pinned,
    nat: () => ask<readonly NatRuleView[]>('GET', '/nat'),
    services: () => ask<readonly ServiceView[]>('GET', '/services'),
    service: (name, instance, action) => ask<ServiceView>('POST', '/services/action', { body: { name, instance, action }, slow: true }),
    events: ({ since, service, last } = {}) => ask<readonly EventView[]>('GET', '/events', { query: { since, service, last } }),
    series: ({ director, last } = {}) => ask<readonly SampleView[]>('GET', '/series', { query: { director, last } }),
    async stream(onMessage, signal, { sinceSeq } = {}) {
      try {
        const response = await send('GET', `${API}/stream`, {}, signal, { accept: 'text/event-stream', ...(sinceSeq === undefined ? {} : { 'last-event-id': String(sinceSeq) }) });
        if (response.body === null) throw badAnswer(response.status, undefined);
        await readStream(response.body, onMessage, signal);
      } catch (error) {
        if (signal.aborted) return;
        throw error instanceof ApiError ? error : new ApiError(0, { code: 'STREAM_BROKEN', message: `the stream broke: ${reasonOf(error)}`, cure: 'connect again with the seq of the last event' }, error);
      }
    },
    async metrics() {
      const signal = AbortSignal.timeout(timeoutMs);
      const response = await send('GET', '/metrics', {}, signal);
      return response.text();
    },
    tokens: () => ask<readonly TokenView[]>('GET', '/tokens'),
    createToken: ({ name, role, expiresInMs }) => ask<TokenView & { readonly token: string }>('POST', '/tokens', { body: { name, role, expiresInMs } }),
    revokeToken: (id) => ask<void>('DELETE', `/tokens/${encodeURIComponent(id)}`),
    passwd: ({ user, oldPassword, newPassword }) => ask<void>('POST', '/passwd', { body: { user, oldPassword, newPassword } }),
    signIn: async (user, password) => remember(await ask<SignInView>('POST', '/sign-in', { body: { user, password } })),
    signedIn: async () => remember(await ask<SignInView>('GET', '/sign-in')),
    signOut: () => ask<void>('DELETE', '/sign-in').finally(forget),
    signOutEverywhere: () => ask<void>('DELETE', '/sign-ins').finally(forget),
  };
}

function queryText(query: CallOptions['query']): string {
  const given = Object.entries(query ?? {}).filter((pair): pair is [string, string | number] => pair[1] !== undefined);
  if (given.length === 0) return '';
  return `?${given.map(([name, value]) => `${name}=${encodeURIComponent(value)}`).join('&')}`;
}

async function refused(response: Response): Promise<ApiError> {
  let view: unknown;
  try {
    view = await response.json();
  } catch (error) {
    return badAnswer(response.status, error);
  }
  const { code, message } = (view ?? {}) as Partial<ErrorView>;
  return typeof code === 'string' && typeof message === 'string' ? new ApiError(response.status, view as ErrorView) : badAnswer(response.status, undefined);
}

function badAnswer(status: number, cause: unknown): ApiError {
  return new ApiError(status, { code: 'BAD_ANSWER', message: `expected an answer of weir, found something else with status ${status}`, cure: 'is another program listening at this address, or a proxy in between?' }, cause);
}

function unanswered(error: unknown, signal: AbortSignal, base: string): ApiError {
  const where = base === '' ? 'the daemon' : base;
  if (signal.aborted && (signal.reason as { name?: string } | undefined)?.name === 'TimeoutError') {
    return new ApiError(0, { code: 'TIMEOUT', message: `${where} did not answer in time`, cure: 'look at the log of the daemon; the call may still have taken effect' }, error);
  }
  return new ApiError(0, { code: 'UNREACHABLE', message: `no answer from ${where}: ${reasonOf(error)}`, cure: 'is weir running, and is this the address it prints at its start?' }, error);
}

/** fetch hides the reason of `fetch failed` in the cause. */
function reasonOf(error: unknown): string {
  const { cause, message } = (error ?? {}) as { cause?: { message?: string; code?: string }; message?: string };
  return cause?.message || cause?.code || message || String(error);
}
