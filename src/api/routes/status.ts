/** GET /status, /healthz, /metrics and the OpenAPI document. */
import { networkInterfaces } from 'node:os';
import { Type } from 'typebox';
import { renderMetrics } from '../../stats/prometheus.ts';
import { maskDraft, maskIssues, maskSecrets } from '../mask.ts';
import { ref } from '../schemas.ts';
import { callerOf, type Api, type RouteContext } from '../route.ts';

/** Adds the routes under /api/v1. */
export function statusRoutes(app: Api, { control }: RouteContext): void {
  app.get('/status', {
    config: { access: 'viewer' },
    schema: { operationId: 'status', tags: ['status'], summary: 'What runs, where edited, running and saved differ, and how every director and server is', response: { 200: ref('StatusView') } },
  }, async (request) => {
    const status = await control.status();
    if (callerOf(request).role === 'admin') return status;
    const { editedToRunning, runningToSaved } = status.diff;
    return {
      ...status,
      diff: { editedToRunning: maskDraft(editedToRunning), runningToSaved: maskSecrets(runningToSaved) },
      warnings: maskIssues(status.warnings, control.documents('running').documents),
    };
  });

  app.get('/host', {
    config: { access: 'viewer' },
    schema: { operationId: 'host', tags: ['status'], summary: 'The interfaces of this host and their addresses, as NAT rules name them', response: { 200: ref('HostView') } },
  }, async () => ({
    interfaces: Object.entries(networkInterfaces()).map(([name, addresses]) => ({ name, addresses: (addresses ?? []).map(({ address }) => address) })),
  }));

  app.get('/openapi.json', {
    config: { access: 'viewer' },
    schema: { operationId: 'openapi', tags: ['status'], summary: 'This API as an OpenAPI 3.1 document', response: { 200: Type.Unsafe<object>({ type: 'object', additionalProperties: true }) } },
  }, async () => app.swagger() as object);
}

/** Adds the routes at the root. */
export function rootRoutes(app: Api, { control, auth, hub, counters, version, metricsPublic, attempts }: RouteContext): void {
  app.get('/healthz', {
    config: { access: 'public' },
    schema: { operationId: 'healthz', tags: ['status'], summary: 'Answers 200 while the daemon answers at all; says nothing of the servers', response: { 200: Type.Object({ ok: Type.Boolean() }) } },
  }, async () => ({ ok: true }));

  app.get('/metrics', {
    config: { access: metricsPublic ? 'public' : 'viewer' },
    schema: {
      operationId: 'metrics', tags: ['status'], summary: 'Counters and gauges in the Prometheus text format 0.0.4',
      response: { 200: { description: 'the metrics of docs/reference/metrics.md', content: { 'text/plain': { schema: Type.String() } } } },
    },
  }, async (_request, reply) => {
    const [reading, directors] = await Promise.all([control.reading(), control.directors()]);
    const health = control.healthCounters?.();
    const nat = await control.natRules();
    const traffic = control.traffic?.();
    const text = renderMetrics({
      reading,
      directors,
      health,
      nat,
      traffic,
      api: {
        answers: counters.answers, signInsOk: counters.signInsOk, signInsFailed: counters.signInsFailed, signInsLimited: attempts.refused,
        tokensRefused: counters.tokensRefused, signedIn: auth.signedIn, stream: hub.counters,
      },
      process: { uptimeS: process.uptime(), rssBytes: process.memoryUsage.rss(), cpuS: cpuSeconds(), nowMs: Date.now() },
      build: { version, node: process.version },
    });
    return reply.type('text/plain; version=0.0.4; charset=utf-8').send(text);
  });
}

function cpuSeconds(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
}
