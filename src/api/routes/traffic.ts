/** Servers, sessions, and where a client would go. */
import { Type } from 'typebox';
import { ApiFault } from '../errors.ts';
import { listOf, ref, strict, words } from '../schemas.ts';
import { whoOf, type Api, type RouteContext } from '../route.ts';

const name = (description: string) => Type.String({ minLength: 1, maxLength: 256, description });
const filter = {
  director: Type.Optional(name('only sessions of this director')),
  server: Type.Optional(name('only sessions with this server')),
  client: Type.Optional(Type.String({ minLength: 2, maxLength: 64, description: 'only sessions of this client: an address or address:port' })),
};

/** Adds the routes under /api/v1. */
export function trafficRoutes(app: Api, { control }: RouteContext): void {
  app.get('/servers', {
    config: { access: 'viewer' },
    schema: { operationId: 'servers', tags: ['traffic'], summary: 'Every server: state and why, weight, sessions, counters', response: { 200: listOf('ServerView') } },
  }, () => control.servers());

  app.post('/override', {
    config: { access: 'admin' },
    schema: {
      operationId: 'override', tags: ['traffic'], summary: "Drains, disables or enables a server over its configuration and its check; reset takes that back",
      body: strict({ director: name('name of the director'), server: name('name of the server'), action: words(['drain', 'disable', 'enable', 'reset']) }),
      response: { 200: ref('ServerView') },
    },
  }, (request) => control.override(request.body.director, request.body.server, request.body.action, whoOf(request)));

  app.get('/sessions', {
    config: { access: 'viewer' },
    schema: {
      operationId: 'sessions', tags: ['traffic'], summary: 'One page of live sessions', description: 'Give `next` of the answer as `cursor` for the page after it.',
      querystring: strict({
        ...filter,
        cursor: Type.Optional(Type.String({ minLength: 1, maxLength: 1024 })),
        limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 1000, description: 'sessions a page; 100 when left out' })),
      }),
      response: { 200: ref('SessionsView') },
    },
  }, (request) => control.sessions({ limit: 100, ...request.query }));

  app.post('/sessions/purge', {
    config: { access: 'admin' },
    schema: {
      operationId: 'purge', tags: ['traffic'], summary: 'Ends the sessions that match all given fields, or all of them',
      body: strict({ ...filter, blackholed: Type.Optional(Type.Literal(true, { description: 'only sessions of the alarms in `blackholes` of the status; goes with director and server' })), all: Type.Optional(Type.Boolean({ description: 'true, and no other field: every session of every director' })) }),
      response: { 200: Type.Object({ purged: Type.Integer({ description: 'how many were ended' }) }) },
    },
  }, async (request) => {
    const { all, ...wanted } = request.body;
    // A forgotten body must not end every session there is.
    if ((all === true) === Object.keys(wanted).length > 0) throw new ApiFault('BAD_REQUEST', 'body: expected director, server, client or blackholed, or else {"all": true}');
    return { purged: await control.purge(wanted, whoOf(request)) };
  });

  app.post('/sessions/pin', {
    config: { access: 'admin' },
    schema: {
      operationId: 'pin', tags: ['traffic'], summary: 'Moves live sessions of one client to a server of their director',
      description: 'They stay there as any session does: until they end, or the server goes. Refused with 404 when the client has none, with 409 when the server takes none.',
      body: strict({
        client: Type.String({ minLength: 2, maxLength: 64, description: 'address:port for one session, an address for all of that client with the director' }),
        director: name('name of the director'),
        server: name('name of the server they go to'),
      }),
      response: { 200: Type.Object({ pinned: Type.Integer({ minimum: 1, description: 'how many sessions are with the server now' }) }) },
    },
  }, async (request) => ({ pinned: await control.pin(request.body, whoOf(request)) }));

  app.get('/nat', {
    config: { access: 'viewer' },
    schema: { operationId: 'nat', tags: ['traffic'], summary: 'Every NAT rule that runs: where it acts, and the flows and packets it took', response: { 200: listOf('NatRuleView') } },
  }, () => control.natRules());

  app.get('/explain', {
    config: { access: 'viewer' },
    schema: {
      operationId: 'explain', tags: ['traffic'], summary: 'Where a datagram of this client would go now, and why; sends nothing',
      querystring: strict({
        client: Type.String({ minLength: 2, maxLength: 64, description: 'address or address:port of the client' }),
        vip: Type.String({ minLength: 2, maxLength: 64, description: 'address:port it sends to' }),
        protocol: Type.Optional(words(['udp', 'tcp'], 'udp when left out')),
      }),
      response: { 200: ref('ExplainView') },
    },
  }, (request) => control.explain({ protocol: 'udp', ...request.query }));
}
