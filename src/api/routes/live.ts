/** Events, the sampled series, and both as a stream. */
import { Type } from 'typebox';
import { notFound } from '../../daemon/overrides.ts';
import { ApiFault } from '../errors.ts';
import { listOf, strict } from '../schemas.ts';
import { callerOf, type Api, type RouteContext } from '../route.ts';

const MAX_SEQ = Number.MAX_SAFE_INTEGER;

/** Adds the routes under /api/v1. */
export function liveRoutes(app: Api, { control, auth, hub }: RouteContext): void {
  app.get('/events', {
    config: { access: 'viewer' },
    schema: {
      operationId: 'events', tags: ['live'], summary: 'The event log, oldest first; bounded, so old events go',
      querystring: strict({
        since: Type.Optional(Type.Integer({ minimum: 0, maximum: MAX_SEQ, description: 'only events with a greater seq' })),
        last: Type.Optional(Type.Integer({ minimum: 1, maximum: 100_000, description: 'only so many of the newest events' })),
        service: Type.Optional(Type.String({ minLength: 1, maxLength: 512, description: 'only the log of this service, as `lvs` or `network eth0`' })),
      }),
      response: { 200: listOf('EventView') },
    },
  }, async (request) => {
    const { since = 0, service, last = Number.MAX_SAFE_INTEGER } = request.query;
    const events = control.events(since);
    if (service === undefined) return events.slice(-last);
    const known = new Set([...control.services().map(({ name, instance }) => (instance === null ? name : `${name} ${instance}`)), ...events.flatMap((event) => event.service ?? [])]);
    if (!known.has(service)) throw notFound('service', service, [...known]);
    return events.filter((event) => event.service === service).slice(-last);
  });

  app.get('/series', {
    config: { access: 'viewer' },
    schema: {
      operationId: 'series', tags: ['live'], summary: 'The samples kept, oldest first',
      querystring: strict({
        director: Type.Optional(Type.String({ minLength: 1, maxLength: 256, description: 'only what is of this director' })),
        last: Type.Optional(Type.Integer({ minimum: 1, maximum: 100_000, description: 'only so many of the newest samples' })),
      }),
      response: { 200: listOf('SampleView') },
    },
  }, async (request) => {
    const { director, last = Number.MAX_SAFE_INTEGER } = request.query;
    const samples = control.series().slice(-last);
    if (director === undefined) return samples;
    const known = new Set(samples.flatMap((sample) => sample.directors.map(({ name }) => name)));
    if (samples.length > 0 && !known.has(director)) throw notFound('director with samples', director, [...known]);
    return samples.map(({ atMs, directors }) => ({ atMs, directors: directors.filter(({ name }) => name === director) }));
  });

  app.get('/stream', {
    exposeHeadRoute: false,
    config: { access: 'viewer' },
    schema: {
      operationId: 'stream', tags: ['live'], summary: 'Events and samples as they happen (server-sent events)',
      description:
        '`event: event` carries an EventView and has its seq as id, `event: sample` a SampleView; a comment line comes every 15 s. After a cut, Last-Event-ID brings the events missed. '
        + 'At 64 streams the next is refused with 503; a client that does not read is cut off. The stream ends with the sign-in or the token.',
      querystring: strict({ since: Type.Optional(Type.Integer({ minimum: 0, maximum: MAX_SEQ, description: 'like Last-Event-ID, which has precedence' })) }),
      response: { 200: { description: 'does not end by itself', content: { 'text/event-stream': { schema: Type.String() } } } },
    },
  }, (request, reply) => {
    const since = lastEventId(request.headers['last-event-id']) ?? request.query.since ?? null;
    const caller = callerOf(request);
    const { raw } = reply;
    // Its turn never comes while a stream before it goes on, and a response that waits for its turn is not told when the connection closes.
    if (raw.socket === null) throw new ApiFault('BAD_REQUEST', 'a stream cannot wait behind another answer on its connection', { cure: 'open a connection for each stream' });
    const place = hub.reserve();
    raw.on('close', place.release);
    // The socket's error is the close that follows; without a listener it would end the process.
    raw.on('error', () => undefined);
    reply.hijack();
    const headers = Object.fromEntries(Object.entries(reply.getHeaders()).filter(([, value]) => value !== undefined)) as Record<string, string>;
    raw.writeHead(200, { ...headers, 'content-type': 'text/event-stream; charset=utf-8', 'cache-control': 'no-store', 'x-accel-buffering': 'no' });
    place.start(raw, since, () => auth.isLive(caller));
  });
}

function lastEventId(header: string | string[] | undefined): number | undefined {
  if (header === undefined || header === '') return undefined;
  if (typeof header !== 'string' || !/^\d{1,15}$/.test(header)) throw new ApiFault('BAD_REQUEST', 'Last-Event-ID: expected the seq of an event');
  return Number(header);
}
