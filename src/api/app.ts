/**
 * The API: fastify, the guard, the routes and one error handler over a Control. It owns no state of the balancer;
 * closing it ends its streams and nothing else.
 */
import cookie from '@fastify/cookie';
import helmet from '@fastify/helmet';
import fastify, { LogController, type FastifyBaseLogger, type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import type { Socket } from 'node:net';
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox';
import type { Control } from '../daemon/control.ts';
import type { Auth } from './auth/auth.ts';
import { installJsonParser } from './body.ts';
import { createLimiter } from './auth/limiter.ts';
import { createCounters } from './counters.ts';
import { ApiFault, ERRORS, answerTo, type ErrorCode } from './errors.ts';
import { installGuard } from './guard.ts';
import { nearest } from './nearest.ts';
import { installOpenApi } from './openapi.ts';
import { BODY_LIMIT, type RouteContext } from './route.ts';
import { accountsRoutes } from './routes/accounts.ts';
import { changesRoutes } from './routes/changes.ts';
import { documentsRoutes } from './routes/documents.ts';
import { liveRoutes } from './routes/live.ts';
import { servicesRoutes } from './routes/services.ts';
import { rootRoutes, statusRoutes } from './routes/status.ts';
import { trafficRoutes } from './routes/traffic.ts';
import { createStreamHub } from './stream.ts';
import { webRoutes, type WebFiles } from './web.ts';
import { prepareRequest, printable } from './validation.ts';

export interface AppOptions {
  readonly control: Control;
  readonly auth: Auth;
  /** A pino logger; `createLog` of src/api/log.ts makes one that keeps secrets out. */
  readonly log: FastifyBaseLogger;
  readonly version: string;
  /** Names or addresses, each with or without a port, that may stand in Host besides loopback and the address a connection came to. */
  readonly allowedHosts: readonly string[];
  readonly tls?: { readonly cert: string | Buffer; readonly key: string | Buffer };
  /** True serves /metrics without a token. */
  readonly metricsPublic?: boolean;
  /** The built web pages; without them / says how to build them. */
  readonly web?: WebFiles | null;
  /** ms since 1970; for tests. */
  readonly now?: () => number;
  /** Bounds of the event stream; for tests. */
  readonly stream?: { readonly maxClients?: number; readonly maxBufferedBytes?: number; readonly heartbeatMs?: number };
  /** Bounds of connections; for tests. */
  readonly limits?: Partial<ConnectionLimits>;
}

/** How many connections there may be, and how long headers, a whole request, and the look for late ones may take. */
interface ConnectionLimits {
  readonly connections: number;
  readonly headersMs: number;
  readonly requestMs: number;
  readonly checkMs: number;
}

const LIMITS: ConnectionLimits = { connections: 1024, headersMs: 10_000, requestMs: 60_000, checkMs: 2_000 };
/** A socket on which nothing moves for this long is closed; streams have their heartbeat. */
const SILENT_MS = 120_000;
const MAX_HEADER_BYTES = 16 * 1024;
const ATTEMPTS_A_MINUTE = 5;

/** Returns the server with all routes, not listening yet (see listen.ts; `app.inject` works at once). */
export function createApp(options: AppOptions): FastifyInstance {
  const { control, auth, log, version, tls, now = Date.now } = options;
  const hub = createStreamHub({ control, ...options.stream });
  const counters = createCounters();
  const context: RouteContext = {
    control, auth, hub, counters, version, now,
    tls: tls !== undefined,
    metricsPublic: options.metricsPublic ?? false,
    attempts: createLimiter({ max: ATTEMPTS_A_MINUTE, windowMs: 60_000, now }),
  };
  const app = newServer(log, tls, { ...LIMITS, ...options.limits });
  const known: KnownRoute[] = [];

  app.removeContentTypeParser('text/plain');
  installJsonParser(app);
  installOpenApi(app, { version, tls: context.tls });
  app.addHook('onRoute', (route) => void known.push({ path: route.url, methods: [route.method].flat() }));
  void app.register(cookie);
  void app.register(helmet, securityHeaders(context.tls));
  app.addHook('onRequest', async (_request, reply) => void reply.header('cache-control', 'no-store'));
  app.addHook('onResponse', async (request, reply) => {
    counters.answers[`${Math.floor(reply.statusCode / 100)}xx` as keyof typeof counters.answers]++;
    // The route, never the URL: a query is not for the log, and reads of a UI are not news.
    const line = { method: request.method, route: request.is404 ? undefined : request.routeOptions.url, status: reply.statusCode, ms: Math.round(reply.elapsedTime), who: request.caller?.who, from: request.ip };
    if (request.method === 'GET' && reply.statusCode < 400) request.log.debug(line, 'answered');
    else request.log.info(line, 'answered');
  });
  app.addHook('preValidation', async (request) => prepareRequest(request));
  app.setErrorHandler(sendRefusal);
  app.setNotFoundHandler((request) => {
    throw notFound(request.method, request.url.split('?')[0] ?? '', known);
  });
  app.addHook('preClose', async () => hub.close());
  auth.onEnd(() => hub.recheck());

  // As a plugin after the cookies, which it reads; at the root, so that no route and no 404 is without it.
  const guard = async (root: FastifyInstance): Promise<void> => installGuard(root, context, options.allowedHosts);
  void app.register(Object.assign(guard, { [Symbol.for('skip-override')]: true }));
  void app.register(async (scope) => {
    rootRoutes(scope.withTypeProvider<TypeBoxTypeProvider>(), context);
    webRoutes(scope.withTypeProvider<TypeBoxTypeProvider>(), options.web ?? null);
    await scope.register(
      async (inner) => {
        const v1 = inner.withTypeProvider<TypeBoxTypeProvider>();
        statusRoutes(v1, context);
        documentsRoutes(v1, context);
        changesRoutes(v1, context);
        trafficRoutes(v1, context);
        servicesRoutes(v1, context);
        liveRoutes(v1, context);
        accountsRoutes(v1, context);
      },
      { prefix: '/api/v1' },
    );
  });
  return app;
}

function sendRefusal(error: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const { status, headers, view, fault } = answerTo(error, request.id);
  if (fault) request.log.error({ err: error }, 'fault while answering');
  return reply.code(status).headers(headers).send(view);
}

function newServer(log: FastifyBaseLogger, tls: AppOptions['tls'], limits: ConnectionLimits): FastifyInstance {
  const common = {
    loggerInstance: log,
    // Our own line after each answer says more and never the URL.
    logController: new LogController({ disableRequestLogging: true }),
    bodyLimit: BODY_LIMIT,
    requestTimeout: limits.requestMs,
    connectionTimeout: SILENT_MS,
    keepAliveTimeout: 72_000,
    trustProxy: false,
    onProtoPoisoning: 'error' as const,
    onConstructorPoisoning: 'error' as const,
    clientErrorHandler,
    // A path that is not a path never reaches a hook.
    frameworkErrors: (error: unknown, request: FastifyRequest, reply: FastifyReply) => void sendRefusal(error, request, reply),
    // Unknown fields are refused, never removed; texts never become numbers by themselves (see prepareRequest).
    ajv: { customOptions: { removeAdditional: false, coerceTypes: false, useDefaults: false, allErrors: true, verbose: true } },
    routerOptions: { maxParamLength: 256, ignoreTrailingSlash: false },
  };
  const sockets = { maxHeaderSize: MAX_HEADER_BYTES, headersTimeout: limits.headersMs, connectionsCheckingInterval: limits.checkMs };
  const app = tls === undefined
    ? fastify({ ...common, http: sockets })
    : (fastify({ ...common, https: { ...sockets, ...tls, minVersion: 'TLSv1.2' } }) as unknown as FastifyInstance);
  app.server.maxConnections = limits.connections;
  return app;
}

function securityHeaders(tls: boolean): Parameters<typeof helmet>[1] {
  return {
    contentSecurityPolicy: { useDefaults: false, directives: { 'default-src': ["'none'"], 'base-uri': ["'none'"], 'form-action': ["'none'"], 'frame-ancestors': ["'none'"] } },
    strictTransportSecurity: tls ? { maxAge: 31_536_000, includeSubDomains: false } : false,
    crossOriginResourcePolicy: { policy: 'same-origin' },
    referrerPolicy: { policy: 'no-referrer' },
    frameguard: { action: 'deny' },
  };
}

/** Answers what never became a request: broken HTTP, headers too large or too slow. */
function clientErrorHandler(error: NodeJS.ErrnoException, socket: Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy();
    return;
  }
  const code: ErrorCode = error.code === 'HPE_HEADER_OVERFLOW' ? 'HEADERS_TOO_LARGE' : error.code === 'ERR_HTTP_REQUEST_TIMEOUT' ? 'TIMEOUT' : 'BAD_REQUEST';
  const [status, message, cure] = ERRORS[code];
  const body = JSON.stringify({ code, message: code === 'BAD_REQUEST' ? 'expected an HTTP/1.1 request' : message, ...(code === 'BAD_REQUEST' ? {} : { cure }) });
  socket.end(`HTTP/1.1 ${status} ${code}\r\nContent-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`);
}

interface KnownRoute {
  readonly path: string;
  readonly methods: readonly string[];
}

function notFound(method: string, path: string, known: readonly KnownRoute[]): ApiFault {
  const same = known.filter((route) => matches(route.path, path));
  if (same.length > 0) {
    const allow = [...new Set(same.flatMap((route) => route.methods))].toSorted().join(', ');
    return new ApiFault('METHOD_NOT_ALLOWED', `expected ${allow} for this path, found ${printable(method)}`, { allow });
  }
  const near = nearest(path, [...new Set(known.map((route) => route.path))]);
  return new ApiFault('UNKNOWN_ROUTE', `no route has the path ${printable(path)}`, near === undefined ? {} : { cure: `did you mean ${near}? /api/v1/openapi.json has all routes` });
}

function matches(pattern: string, path: string): boolean {
  const [want, have] = [pattern.split('/'), path.split('/')];
  return want.length === have.length && want.every((part, i) => (part.startsWith(':') ? have[i] !== '' : part === have[i]));
}
