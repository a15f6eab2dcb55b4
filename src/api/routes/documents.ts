/** The three documents: read, edit, check. */
import type { FastifyRequest } from 'fastify';
import { Type } from 'typebox';
import type { DocumentsView } from '../../client/types.ts';
import { ApiFault } from '../errors.ts';
import { maskDraft, maskSecrets } from '../mask.ts';
import { SomeDocuments, listOf, ref, strict, words } from '../schemas.ts';
import { DOCUMENTS_LIMIT, callerOf, whoOf, type Api, type RouteContext } from '../route.ts';
import type { Caller } from '../auth/auth.ts';
import { createSlots } from '../slots.ts';

/** Bodies of up to 64 MiB that are read at the same time. */
const LARGE_BODIES = 4;
/** Of a viewer's documents to check, in bytes: far above what people write. */
const VIEWER_LIMIT = 1024 * 1024;

/** Adds the routes under /api/v1. */
export function documentsRoutes(app: Api, { control }: RouteContext): void {
  const slots = createSlots(LARGE_BODIES, 'documents');

  app.get('/documents/:stage', {
    config: { access: 'viewer' },
    schema: {
      operationId: 'documents', tags: ['configuration'],
      summary: 'The three documents as edited, running or saved',
      description: 'The ETag header holds the etag; with If-None-Match the answer is 304 when it is still that. A viewer sees *** in place of secrets.',
      params: strict({ stage: words(['edited', 'running', 'saved']) }),
      response: { 200: ref('DocumentsView'), 304: Type.Null({ description: 'not changed' }) },
    },
  }, async (request, reply) => {
    const view = control.documents(request.params.stage);
    void reply.header('etag', quoted(view.etag));
    if (matchesAny(request.headers['if-none-match'], view.etag)) return reply.code(304).send(null);
    return shownTo(callerOf(request), view);
  });

  app.put('/documents/edited', {
    ...slots.hooks,
    bodyLimit: DOCUMENTS_LIMIT,
    config: { access: 'admin' },
    schema: {
      operationId: 'edit', tags: ['configuration'],
      summary: 'Replaces the given documents as edited; errors in them are reported and kept, Apply is what refuses them',
      description: 'With If-Match, refused with 412 unless the edited etag is that one.',
      body: SomeDocuments,
      response: { 200: ref('EditResult') },
    },
  }, async (request, reply) => {
    const ifMatch = ifMatchOf(request.headers['if-match']);
    const result = await control.edit(request.body, { who: whoOf(request), ...(ifMatch === undefined ? {} : { ifMatch }) });
    void reply.header('etag', quoted(result.etag));
    return result;
  });

  app.post('/check', {
    ...slots.hooks,
    onRequest: [refuseLargeOfViewer, slots.hooks.onRequest],
    bodyLimit: DOCUMENTS_LIMIT,
    config: { access: 'viewer' },
    schema: {
      operationId: 'check', tags: ['configuration'],
      summary: 'Returns every problem of the given documents; stores nothing',
      body: SomeDocuments,
      response: { 200: listOf('Issue') },
    },
  }, async (request) => control.check(request.body));
}

/** To parse 64 MiB takes ten seconds and a gigabyte: who may change the configuration may ask for that, who may read it may not. */
async function refuseLargeOfViewer(request: FastifyRequest): Promise<void> {
  if (callerOf(request).role === 'admin') return;
  // An absent length is one that may be anything.
  const length = Number(request.headers['content-length'] ?? Number.NaN);
  if (!(length <= VIEWER_LIMIT)) throw new ApiFault('TOO_LARGE', `expected a Content-Length of at most ${VIEWER_LIMIT} from a viewer`, { cure: 'check larger documents with the role admin, or with weir check' });
}

/** Returns the documents with what a viewer must not see masked. */
export function shownTo(caller: Caller, view: DocumentsView): DocumentsView {
  if (caller.role === 'admin') return view;
  const { layer4, nat, services } = view.documents;
  const mask = view.stage === 'edited' ? maskDraft : maskSecrets;
  return { ...view, documents: { layer4: mask(layer4), nat: mask(nat), services: mask(services) } };
}

/** Returns the etag of an If-Match header, undefined without one or for `*` (RFC 9110 13.1.1). Throws ApiFault when it is not one strong entity tag. */
export function ifMatchOf(header: string | undefined): string | undefined {
  if (header === undefined || header.trim() === '*') return undefined;
  const tag = /^\s*"([\x21\x23-\x7e]{0,256})"\s*$/.exec(header)?.[1];
  if (tag === undefined) throw new ApiFault('BAD_REQUEST', 'If-Match: expected one entity tag in quotes, as the ETag header gave it', { cure: 'send If-Match: "<etag>"' });
  return tag;
}

/** Weak comparison of an If-None-Match list (RFC 9110 13.1.2). */
function matchesAny(header: string | undefined, etag: string): boolean {
  if (header === undefined) return false;
  return header.split(',').some((tag) => tag.trim() === '*' || tag.trim().replace(/^W\//, '') === quoted(etag));
}

function quoted(etag: string): string {
  return `"${etag}"`;
}
