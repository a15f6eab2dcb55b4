/** The OpenAPI 3.1 document, made by @fastify/swagger from the schemas of the routes. */
import swagger from '@fastify/swagger';
import type { FastifyInstance, RouteOptions } from 'fastify';
import { Type } from 'typebox';
import { SCHEMAS, ref, strict } from './schemas.ts';
import { CSRF_HEADER, cookieName } from './guard.ts';
import type { Access } from './route.ts';

/** Registers the document and the named schemas; call before any route is added. */
export function installOpenApi(app: FastifyInstance, options: { readonly version: string; readonly tls: boolean }): void {
  for (const [name, schema] of Object.entries(SCHEMAS)) app.addSchema({ ...schema, $id: name });
  // Before swagger's own hook, so that what is filled in here is documented too.
  app.addHook('onRoute', completeRoute);
  void app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: { title: 'weir', version: options.version, description: 'Everything the CLI and the web UI can do.', license: { name: 'MIT', identifier: 'MIT' } },
      components: {
        securitySchemes: {
          bearer: { type: 'http', scheme: 'bearer', description: 'a token from POST /api/v1/tokens or the file cli.token' },
          cookie: { type: 'apiKey', in: 'cookie', name: cookieName(options.tls), description: `a sign-in from POST /api/v1/sign-in; writes also need the header ${CSRF_HEADER}` },
        },
      },
      tags: [
        { name: 'status' }, { name: 'configuration' }, { name: 'traffic' }, { name: 'services' }, { name: 'live' }, { name: 'accounts' },
      ],
    },
    refResolver: { buildLocalReference: (json, _base, _fragment, i) => (typeof json.$id === 'string' ? json.$id : `def-${i}`) },
  });
}

function completeRoute(route: RouteOptions): void {
  // The HEAD twin shares the schema of its GET, which has been here.
  if (route.method === 'HEAD') return;
  const access: Access = route.config?.access ?? 'admin';
  const schema = (route.schema ??= {});
  // An absent query schema would let unknown fields pass unseen.
  schema.querystring ??= strict({});
  schema.security = access === 'public' ? [] : [{ bearer: [] }, { cookie: [] }];
  schema.description = [schema.description, `Who may: ${access === 'public' ? 'anyone' : access === 'viewer' ? 'viewer, admin' : 'admin'}.`].filter(Boolean).join(' ');
  const responses = (schema.response ??= {}) as Record<string, unknown>;
  responses['4XX'] ??= described('refused', ref('ErrorView'));
  responses['5XX'] ??= described('failed', ref('ErrorView'));
}

function described<S extends object>(description: string, schema: S): S {
  return { ...schema, description };
}

/** The schema of an answer without a body. */
export const NoContent = Type.Null({ description: 'done' });
