/**
 * What stands before every handler, in this order: the Host must be one of ours (against DNS rebinding), a page's Origin must be the Host
 * (against other sites and other local ports), the caller must be known and have the role, and a write with a cookie must bring its CSRF token.
 * All of it runs before a body is read.
 */
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { isLoopback, parseIp } from '../net/ip.ts';
import { createLimiter, sourceKey } from './auth/limiter.ts';
import { sameSecret } from './auth/sign-ins.ts';
import type { Caller } from './auth/auth.ts';
import { ApiFault } from './errors.ts';
import type { Access, RouteContext } from './route.ts';
import { printable } from './validation.ts';

/** The header that holds the CSRF token of a sign-in. */
export const CSRF_HEADER = 'x-weir-csrf';

/** Returns the name of the sign-in cookie: with TLS one that no other host or plain-HTTP page can set. */
export function cookieName(tls: boolean): string {
  return tls ? '__Host-weir' : 'weir';
}

/** Installs the checks. `allowedHosts` are names or addresses, each with or without a port, besides the loopback ones and the address a connection came to. */
export function installGuard(app: FastifyInstance, context: RouteContext, allowedHosts: readonly string[]): void {
  const allowed = new Set(allowedHosts.map((host) => host.toLowerCase()));
  // A monitor with a revoked token calls for ever: one line a minute and source is enough of it.
  const notes = createLimiter({ max: 1, windowMs: 60_000, now: context.now });

  app.decorateRequest('caller', null);
  app.addHook('onRequest', async (request) => {
    const host = checkHost(request, allowed);
    checkOrigin(request, host, context.tls);
    if (request.is404) return;
    const access: Access = request.routeOptions.config.access ?? 'admin';
    if (access === 'public') return;
    const caller = identify(request, context, notes);
    request.caller = caller;
    if (access === 'admin' && caller.role !== 'admin') throw new ApiFault('FORBIDDEN', `expected the role admin, ${caller.who} has the role ${caller.role}`);
    if (caller.via === 'cookie' && request.method !== 'GET' && request.method !== 'HEAD') {
      const given = request.headers[CSRF_HEADER];
      if (typeof given !== 'string' || !sameSecret(given, caller.csrf)) throw new ApiFault('CSRF', `expected the header ${CSRF_HEADER} with the token of this sign-in`);
    }
  });
}

/** Returns the Host header when it may be used here; throws ApiFault BAD_HOST. */
function checkHost(request: FastifyRequest, allowed: ReadonlySet<string>): string {
  const host = (request.headers.host ?? '').toLowerCase();
  const match = /^(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::(\d{1,5}))?$/.exec(host);
  const name = match?.[1] ?? '';
  if (match !== null && (name === 'localhost' || allowed.has(name) || allowed.has(host) || isOurAddress(name, request.socket.localAddress))) return host;
  throw new ApiFault('BAD_HOST', `expected a Host header that names this API, found ${printable(host)}`);
}

function isOurAddress(name: string, local: string | undefined): boolean {
  const ip = parseIp(name.startsWith('[') ? name.slice(1, -1) : name);
  if (ip === undefined) return false;
  return isLoopback(ip) || (local !== undefined && ip.text === parseIp(local.startsWith('::ffff:') ? local.slice(7) : (local.split('%')[0] ?? ''))?.text);
}

/** Throws ApiFault BAD_ORIGIN when a page of another origin made the call. Without our own TLS a proxy may have taken it off, so both schemes pass. */
function checkOrigin(request: FastifyRequest, host: string, tls: boolean): void {
  const { origin } = request.headers;
  if (origin === undefined) return;
  const lower = origin.toLowerCase();
  if (lower === `https://${host}` || (!tls && lower === `http://${host}`)) return;
  throw new ApiFault('BAD_ORIGIN', `expected the origin of this API, found ${printable(origin)}`);
}

function identify(request: FastifyRequest, context: RouteContext, notes: { attempt(key: string): number }): Caller {
  const { authorization } = request.headers;
  if (authorization !== undefined) {
    const token = /^Bearer +(\S+)$/i.exec(authorization)?.[1];
    if (token === undefined) throw new ApiFault('UNAUTHENTICATED', 'expected an Authorization header of the form `Bearer <token>`');
    const caller = context.auth.byToken(token);
    if (caller !== undefined) return caller;
    context.counters.tokensRefused++;
    if (notes.attempt(sourceKey(request.ip)) === 0) context.control.note({ kind: 'token-refused', who: 'unknown', text: `a bearer token from ${request.ip} is unknown, expired or revoked` });
    throw new ApiFault('UNAUTHENTICATED', 'the token is unknown, expired or revoked');
  }
  const cookie = request.cookies[cookieName(context.tls)];
  if (cookie === undefined) throw new ApiFault('UNAUTHENTICATED', 'this call needs a sign-in or a token');
  const caller = context.auth.byCookie(cookie);
  if (caller === undefined) throw new ApiFault('UNAUTHENTICATED', 'the sign-in is over (30 minutes without use, 12 hours, a sign-out, a changed password or a restart)');
  return caller;
}
