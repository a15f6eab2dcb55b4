/** The services: list, start, stop, restart, reload. */
import { Type } from 'typebox';
import { maskSecrets } from '../mask.ts';
import { listOf, ref, strict, words } from '../schemas.ts';
import { callerOf, whoOf, type Api, type RouteContext } from '../route.ts';

/** Adds the routes under /api/v1. */
export function servicesRoutes(app: Api, { control }: RouteContext): void {
  app.get('/services', {
    config: { access: 'viewer' },
    schema: { operationId: 'services', tags: ['services'], summary: 'Every service, its state and its section', response: { 200: listOf('ServiceView') } },
  }, async (request) => {
    const services = control.services();
    return callerOf(request).role === 'admin' ? services : services.map((service) => ({ ...service, text: maskSecrets(service.text) }));
  });

  app.post('/services/action', {
    config: { access: 'admin' },
    schema: {
      operationId: 'service', tags: ['services'], summary: 'Starts, stops, restarts or reloads a service',
      body: strict({
        name: Type.String({ minLength: 1, maxLength: 256 }),
        instance: Type.Optional(Type.Unsafe<string | null>({ type: ['string', 'null'], maxLength: 256 })),
        action: words(['start', 'stop', 'restart', 'reload']),
      }),
      response: { 200: ref('ServiceView') },
    },
  }, (request) => control.service(request.body.name, request.body.instance ?? null, request.body.action, whoOf(request)));
}
