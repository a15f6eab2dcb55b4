/** Sign-in and sign-out, tokens, passwords. What is noted of them never holds a secret. */
import type { FastifyReply, FastifyRequest } from 'fastify';
import { Type } from 'typebox';
import type { SignInView } from '../../client/types.ts';
import type { Caller } from '../auth/auth.ts';
import { ADMIN } from '../auth/auth.ts';
import { createLimiter, sourceKey } from '../auth/limiter.ts';
import { MAX_PASSWORD, MIN_PASSWORD, PasswordBusy } from '../auth/password.ts';
import { ApiFault } from '../errors.ts';
import { cookieName } from '../guard.ts';
import { NoContent } from '../openapi.ts';
import { SCHEMAS, listOf, ref, strict, words } from '../schemas.ts';
import { callerOf, whoOf, type Api, type RouteContext } from '../route.ts';

const MINUTE_MS = 60_000;
const TEN_YEARS_MS = 10 * 365 * 86_400_000;
const userName = Type.String({ minLength: 1, maxLength: 64 });

/** Adds the routes under /api/v1. */
export function accountsRoutes(app: Api, context: RouteContext): void {
  const { auth, control, counters, tls } = context;
  const cookie = cookieName(tls);
  const cookieOptions = { path: '/', httpOnly: true, sameSite: 'strict', secure: tls } as const;

  app.post('/sign-in', {
    config: { access: 'public' },
    onRequest: limited(context),
    schema: {
      operationId: 'signIn', tags: ['accounts'], summary: 'Signs a browser in: sets the cookie, returns the CSRF token',
      description: 'Ends after 30 minutes without use, after 12 hours, and with a restart. Five attempts a minute and source address, passwords of other calls included.',
      body: strict({ user: userName, password: Type.String({ maxLength: MAX_PASSWORD }) }),
      response: { 200: ref('SignInView') },
    },
  }, async (request, reply) => {
    const { user, password } = request.body;
    const done = await auth.signIn(user, password, request.ip).catch(busy);
    if (done === null) {
      counters.signInsFailed++;
      // A name that is no user's may be a password typed into the wrong field.
      control.note({ kind: 'sign-in-failed', who: auth.hasUser(user) ? user : 'unknown', text: `wrong user or password, from ${request.ip}` });
      throw new ApiFault('UNAUTHENTICATED', 'wrong user or password', { cure: '`weir passwd` on the balancer itself sets a new password' });
    }
    counters.signInsOk++;
    control.note({ kind: 'sign-in', who: done.caller.who, text: `signed in from ${request.ip}` });
    void reply.setCookie(cookie, done.cookie, cookieOptions);
    return signInView(done.caller);
  });

  app.get('/sign-in', {
    config: { access: 'viewer' },
    schema: { operationId: 'signedIn', tags: ['accounts'], summary: 'Who the caller is', response: { 200: ref('SignInView') } },
  }, async (request) => signInView(callerOf(request)));

  app.delete('/sign-in', {
    config: { access: 'viewer' },
    schema: { operationId: 'signOut', tags: ['accounts'], summary: 'Ends this sign-in', response: { 204: NoContent } },
  }, async (request, reply) => {
    const caller = signedIn(request);
    auth.signOut(caller);
    control.note({ kind: 'sign-out', who: caller.who, text: `signed out from ${request.ip}` });
    return gone(reply.clearCookie(cookie, cookieOptions));
  });

  app.delete('/sign-ins', {
    config: { access: 'viewer' },
    schema: { operationId: 'signOutEverywhere', tags: ['accounts'], summary: "Ends every sign-in of the caller's user, this one too", response: { 204: NoContent } },
  }, async (request, reply) => {
    const caller = signedIn(request);
    auth.signOutEverywhere(caller.user);
    control.note({ kind: 'sign-out', who: caller.who, text: `signed out everywhere, from ${request.ip}` });
    return gone(reply.clearCookie(cookie, cookieOptions));
  });

  app.get('/tokens', {
    config: { access: 'admin' },
    schema: { operationId: 'tokens', tags: ['accounts'], summary: 'Every token: name, role, expiry, last use; never the token itself', response: { 200: listOf('TokenView') } },
  }, async () => auth.tokens());

  app.post('/tokens', {
    config: { access: 'admin' },
    schema: {
      operationId: 'createToken', tags: ['accounts'], summary: 'Makes a bearer token; it is told this once',
      body: strict({
        name: Type.String({ pattern: '^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$', description: 'a name of 1 to 64 letters, digits, dots, dashes or underscores' }),
        role: words(['admin', 'viewer']),
        expiresInMs: Type.Optional(Type.Integer({ minimum: MINUTE_MS, maximum: TEN_YEARS_MS, description: 'never, when left out' })),
      }),
      response: { 201: Type.Object({ ...SCHEMAS.TokenView.properties, token: Type.String() }, { description: 'made' }) },
    },
  }, async (request, reply) => {
    const made = await auth.createToken(request.body);
    control.note({ kind: 'token-created', who: whoOf(request), text: `token ${made.name} (${made.id}, ${made.role}${made.expiresAtMs === null ? '' : `, until ${new Date(made.expiresAtMs).toISOString()}`})` });
    return reply.code(201).send(made);
  });

  app.delete('/tokens/:id', {
    config: { access: 'admin' },
    schema: {
      operationId: 'revokeToken', tags: ['accounts'], summary: 'Revokes a token at once',
      params: strict({ id: Type.String({ pattern: '^[0-9a-f]{16}$', description: 'an id of 16 hexadecimal digits' }) }), response: { 204: NoContent },
    },
  }, async (request, reply) => {
    const revoked = await auth.revokeToken(request.params.id);
    control.note({ kind: 'token-revoked', who: whoOf(request), text: `token ${revoked.name} (${revoked.id})` });
    return gone(reply);
  });

  app.post('/passwd', {
    config: { access: 'admin' },
    onRequest: limited(context),
    schema: {
      operationId: 'passwd', tags: ['accounts'], summary: "Changes a password and ends the user's other sign-ins; tokens stay",
      description: 'A sign-in must give its own oldPassword; a token with the role admin need not, which is how `weir passwd` helps when the password is lost.',
      body: strict({
        user: Type.Optional(userName),
        oldPassword: Type.Optional(Type.String({ maxLength: MAX_PASSWORD })),
        newPassword: Type.String({ minLength: MIN_PASSWORD, maxLength: MAX_PASSWORD }),
      }),
      response: { 204: NoContent },
    },
  }, async (request, reply) => {
    const caller = callerOf(request);
    const { oldPassword, newPassword } = request.body;
    const user = request.body.user ?? (caller.via === 'cookie' ? caller.user : ADMIN);
    if (caller.via === 'cookie' && (oldPassword === undefined || user !== caller.user)) {
      throw new ApiFault('BAD_REQUEST', 'body.oldPassword: expected the password of the signed-in user, and no other user', { cure: 'give oldPassword, or use a token with the role admin' });
    }
    const changed = await auth.passwd({ user, oldPassword: oldPassword ?? null, newPassword, ...(caller.via === 'cookie' ? { keep: caller.key } : {}) }).catch(busy);
    if (!changed) {
      counters.signInsFailed++;
      control.note({ kind: 'sign-in-failed', who: caller.who, text: `wrong old password of ${user}, from ${request.ip}` });
      throw new ApiFault('BAD_REQUEST', 'body.oldPassword: not the password of this user');
    }
    control.note({ kind: 'password-changed', who: caller.who, text: `password of ${user}` });
    return gone(reply);
  });
}

/** Returns a hook that refuses more than the allowed attempts of a source before anything is read or hashed. */
function limited({ attempts, control, now }: RouteContext): (request: FastifyRequest) => Promise<void> {
  const notes = createLimiter({ max: 1, windowMs: MINUTE_MS, now });
  return async (request) => {
    const source = sourceKey(request.ip);
    const waitS = attempts.attempt(source);
    if (waitS === 0) return;
    if (notes.attempt(source) === 0) control.note({ kind: 'sign-in-limited', who: 'unknown', text: `too many attempts from ${request.ip}` });
    throw new ApiFault('TOO_MANY', `expected at most 5 attempts a minute from ${request.ip}`, { retryAfterS: waitS });
  };
}

function busy(error: unknown): never {
  if (error instanceof PasswordBusy) throw new ApiFault('BUSY', error.message, { retryAfterS: 2 });
  throw error;
}

function signedIn(request: FastifyRequest): Extract<Caller, { via: 'cookie' }> {
  const caller = callerOf(request);
  if (caller.via === 'cookie') return caller;
  throw new ApiFault('BAD_REQUEST', 'expected a sign-in cookie, found a token', { cure: 'a token has no sign-in to end; DELETE /api/v1/tokens/<id> revokes it' });
}

function signInView(caller: Caller): SignInView {
  return { who: caller.who, role: caller.role, csrf: caller.via === 'cookie' ? caller.csrf : null, expiresAtMs: caller.expiresAtMs };
}

function gone(reply: FastifyReply): FastifyReply {
  return reply.code(204).send(null);
}
