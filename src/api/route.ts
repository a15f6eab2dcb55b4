/** What every route file gets, and the types they share. */
import type { FastifyBaseLogger, FastifyInstance, RawReplyDefaultExpression, RawRequestDefaultExpression, RawServerDefault } from 'fastify';
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox';
import type { Control } from '../daemon/control.ts';
import type { Auth, Caller } from './auth/auth.ts';
import type { Limiter } from './auth/limiter.ts';
import { ApiFault } from './errors.ts';
import type { ApiCounters } from './counters.ts';
import type { StreamHub } from './stream.ts';

/** Who may call a route: anyone, any signed-in caller, or admins. A route without it is for admins. */
export type Access = 'public' | 'viewer' | 'admin';

declare module 'fastify' {
  interface FastifyContextConfig {
    access?: Access;
  }
  interface FastifyRequest {
    /** Null on public routes. */
    caller: Caller | null;
  }
}

/** The server as route files see it. */
export type Api = FastifyInstance<RawServerDefault, RawRequestDefaultExpression, RawReplyDefaultExpression, FastifyBaseLogger, TypeBoxTypeProvider>;

export interface RouteContext {
  readonly control: Control;
  readonly auth: Auth;
  readonly hub: StreamHub;
  readonly counters: ApiCounters;
  readonly version: string;
  readonly tls: boolean;
  readonly metricsPublic: boolean;
  /** Attempts to give a password, by source address. */
  readonly attempts: Limiter;
  readonly now: () => number;
}

/** Returns the caller of a route that is not public. */
export function callerOf(request: { readonly caller: Caller | null }): Caller {
  if (request.caller === null) throw new ApiFault('UNAUTHENTICATED', 'this call needs a sign-in or a token');
  return request.caller;
}

/** Returns the name that goes into revisions and the event log. */
export function whoOf(request: { readonly caller: Caller | null }): string {
  return callerOf(request).who;
}

/** 64 MiB: what the parser takes. */
export const DOCUMENTS_LIMIT = 64 * 1024 * 1024;
export const BODY_LIMIT = 64 * 1024;
