/** Plan, apply, confirm, save and what came of them: revisions and rollback. */
import { Type } from 'typebox';
import { maskIssues } from '../mask.ts';
import { NoContent } from '../openapi.ts';
import { listOf, ref, strict } from '../schemas.ts';
import { callerOf, whoOf, type Api, type RouteContext } from '../route.ts';
import { ifMatchOf, shownTo } from './documents.ts';

const HOUR_MS = 3_600_000;
const revisionParams = strict({ revision: Type.Integer({ minimum: 0, description: 'a revision number' }) });

/** Adds the routes under /api/v1. */
export function changesRoutes(app: Api, { control }: RouteContext): void {
  app.get('/plan', {
    config: { access: 'viewer' },
    schema: { operationId: 'plan', tags: ['configuration'], summary: 'What Apply would change, and how many live sessions it would move', response: { 200: ref('PlanView') } },
  }, async (request) => {
    const plan = await control.plan();
    return callerOf(request).role === 'admin' ? plan : { ...plan, issues: maskIssues(plan.issues, control.documents('edited').documents) };
  });

  app.post('/apply', {
    config: { access: 'admin' },
    schema: {
      operationId: 'apply', tags: ['configuration'],
      summary: 'Makes the edited documents run, all or nothing',
      description: 'With confirmMs, rolled back by itself unless POST /confirm comes within that time. With If-Match, refused with 412 unless the edited etag is that one.',
      body: strict({ confirmMs: Type.Optional(Type.Integer({ minimum: 1000, maximum: 24 * HOUR_MS, description: 'ms until the rollback' })) }),
      response: { 200: ref('ApplyResult') },
    },
  }, (request) => {
    const ifMatch = ifMatchOf(request.headers['if-match']);
    const { confirmMs } = request.body;
    return control.apply({ who: whoOf(request), ...(confirmMs === undefined ? {} : { confirmMs }), ...(ifMatch === undefined ? {} : { ifMatch }) });
  });

  app.post('/confirm', {
    config: { access: 'admin' },
    schema: { operationId: 'confirm', tags: ['configuration'], summary: 'Keeps the apply that waits for it', response: { 204: NoContent } },
  }, async (request, reply) => {
    await control.confirm(whoOf(request));
    return reply.code(204).send(null);
  });

  app.post('/save', {
    config: { access: 'admin' },
    schema: { operationId: 'save', tags: ['configuration'], summary: 'Makes the running configuration survive a restart', response: { 200: ref('RevisionView') } },
  }, (request) => control.save(whoOf(request)));

  app.get('/revisions', {
    config: { access: 'viewer' },
    schema: { operationId: 'revisions', tags: ['configuration'], summary: 'Every apply, save and rollback that is kept: who, when, what', response: { 200: listOf('RevisionView') } },
  }, async () => control.revisions());

  app.get('/revisions/:revision', {
    config: { access: 'viewer' },
    schema: {
      operationId: 'revision', tags: ['configuration'], summary: 'The documents of a revision', description: 'A viewer sees *** in place of secrets.',
      params: revisionParams, response: { 200: ref('DocumentsView') },
    },
  }, async (request) => shownTo(callerOf(request), await control.revision(request.params.revision)));

  app.post('/revisions/:revision/rollback', {
    config: { access: 'admin' },
    schema: {
      operationId: 'rollback', tags: ['configuration'], summary: 'Makes the documents of a revision edited and running', params: revisionParams, response: { 200: ref('ApplyResult') },
    },
  }, (request) => control.rollback(request.params.revision, whoOf(request)));
}
