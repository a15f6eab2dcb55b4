/** What the tests of the API share: an app over the fake Control with users and tokens in a temporary directory, and a log that is kept. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { FastifyInstance, InjectOptions } from 'fastify';
import type { Response } from 'light-my-request';
import type { TestContext } from 'node:test';
import { createApp, type AppOptions } from './app.ts';
import { openAuth, type Auth } from './auth/auth.ts';
import { createFakeControl, type FakeControl } from './fake-control.ts';
import { createLog } from './log.ts';

/** Weak hashes: the tests are about the rules round them. */
export const CHEAP = { N: 16, r: 1, p: 1 };

export interface Harness {
  readonly app: FastifyInstance;
  readonly auth: Auth;
  readonly control: FakeControl;
  readonly directory: string;
  readonly password: string;
  readonly admin: string;
  readonly viewer: string;
  readonly clock: { nowMs: number };
  readonly logged: string[];
  call(options: InjectOptions & { readonly token?: string }): Promise<Response>;
}

/** Returns the app and its surroundings; all is gone after the test. `admin` and `viewer` are tokens. */
export async function createHarness(t: TestContext, options: Partial<AppOptions> = {}): Promise<Harness> {
  const directory = await mkdtemp(path.join(tmpdir(), 'weir-api-'));
  const clock = { nowMs: 1_800_000_000_000 };
  const now = (): number => clock.nowMs;
  const logged: string[] = [];
  const auth = await openAuth({ directory, now, cost: CHEAP });
  const { adminPassword } = await auth.bootstrap();
  const control = createFakeControl();
  const log = createLog({ level: 'debug', destination: { write: (line: string) => void logged.push(line) } });
  const app = createApp({ control, auth, log, version: '0.1.0', allowedHosts: ['weir.example', 'other.example:8440'], now, ...options });
  t.after(async () => {
    await app.close();
    await auth.close();
    await rm(directory, { recursive: true });
  });
  const admin = (await auth.createToken({ name: 'a', role: 'admin' })).token;
  const viewer = (await auth.createToken({ name: 'v', role: 'viewer' })).token;
  return {
    app, auth, control, directory, clock, logged, admin, viewer,
    password: adminPassword ?? '',
    call: ({ token, ...inject }) => app.inject({ ...inject, headers: { host: 'localhost:8440', ...(token === undefined ? {} : { authorization: `Bearer ${token}` }), ...inject.headers } }),
  };
}

/** Signs in and returns the headers a browser would send with a write. */
export async function browser(h: Harness): Promise<{ readonly cookie: string; readonly csrf: string }> {
  const answer = await h.call({ method: 'POST', url: '/api/v1/sign-in', body: { user: 'admin', password: h.password } });
  const set = String(answer.headers['set-cookie']);
  return { cookie: set.split(';')[0] ?? '', csrf: answer.json<{ csrf: string }>().csrf };
}

/** A good call of every operation of the document, by operationId, with what it needs and answers. A test holds the list to the document. */
export const EVERY_CALL: Readonly<Record<string, { readonly method: 'GET' | 'PUT' | 'POST' | 'DELETE'; readonly url: string; readonly body?: object; readonly access: 'public' | 'viewer' | 'admin'; readonly status: number }>> = {
  healthz: { method: 'GET', url: '/healthz', access: 'public', status: 200 },
  metrics: { method: 'GET', url: '/metrics', access: 'viewer', status: 200 },
  status: { method: 'GET', url: '/api/v1/status', access: 'viewer', status: 200 },
  host: { method: 'GET', url: '/api/v1/host', access: 'viewer', status: 200 },
  openapi: { method: 'GET', url: '/api/v1/openapi.json', access: 'viewer', status: 200 },
  documents: { method: 'GET', url: '/api/v1/documents/edited', access: 'viewer', status: 200 },
  edit: { method: 'PUT', url: '/api/v1/documents/edited', body: { nat: '# none\n' }, access: 'admin', status: 200 },
  check: { method: 'POST', url: '/api/v1/check', body: { layer4: 'wrong' }, access: 'viewer', status: 200 },
  plan: { method: 'GET', url: '/api/v1/plan', access: 'viewer', status: 200 },
  apply: { method: 'POST', url: '/api/v1/apply', body: { confirmMs: 60_000 }, access: 'admin', status: 200 },
  confirm: { method: 'POST', url: '/api/v1/confirm', access: 'admin', status: 204 },
  save: { method: 'POST', url: '/api/v1/save', access: 'admin', status: 200 },
  revisions: { method: 'GET', url: '/api/v1/revisions', access: 'viewer', status: 200 },
  revision: { method: 'GET', url: '/api/v1/revisions/1', access: 'viewer', status: 200 },
  rollback: { method: 'POST', url: '/api/v1/revisions/1/rollback', access: 'admin', status: 200 },
  servers: { method: 'GET', url: '/api/v1/servers', access: 'viewer', status: 200 },
  override: { method: 'POST', url: '/api/v1/override', body: { director: 'd1', server: 's1', action: 'drain' }, access: 'admin', status: 200 },
  sessions: { method: 'GET', url: '/api/v1/sessions?limit=2', access: 'viewer', status: 200 },
  purge: { method: 'POST', url: '/api/v1/sessions/purge', body: { server: 's1' }, access: 'admin', status: 200 },
  pin: { method: 'POST', url: '/api/v1/sessions/pin', body: { client: '127.0.0.1', director: 'd1', server: 's1' }, access: 'admin', status: 200 },
  nat: { method: 'GET', url: '/api/v1/nat', access: 'viewer', status: 200 },
  explain: { method: 'GET', url: '/api/v1/explain?client=192.0.2.1:4000&vip=127.0.0.1:8000', access: 'viewer', status: 200 },
  services: { method: 'GET', url: '/api/v1/services', access: 'viewer', status: 200 },
  service: { method: 'POST', url: '/api/v1/services/action', body: { name: 'lvs', action: 'restart' }, access: 'admin', status: 200 },
  events: { method: 'GET', url: '/api/v1/events?since=0', access: 'viewer', status: 200 },
  series: { method: 'GET', url: '/api/v1/series', access: 'viewer', status: 200 },
  // Never ends; its good call is in stream.test.ts. A bad Last-Event-ID shows that the guard let it through.
  stream: { method: 'GET', url: '/api/v1/stream?since=no', access: 'viewer', status: 400 },
  signIn: { method: 'POST', url: '/api/v1/sign-in', body: { user: 'admin', password: 'not this one' }, access: 'public', status: 401 },
  signedIn: { method: 'GET', url: '/api/v1/sign-in', access: 'viewer', status: 200 },
  // A token has no sign-in to end: these two show that the guard let it through; accounts.test.ts has the good ones.
  signOut: { method: 'DELETE', url: '/api/v1/sign-in', access: 'viewer', status: 400 },
  signOutEverywhere: { method: 'DELETE', url: '/api/v1/sign-ins', access: 'viewer', status: 400 },
  tokens: { method: 'GET', url: '/api/v1/tokens', access: 'admin', status: 200 },
  createToken: { method: 'POST', url: '/api/v1/tokens', body: { name: 'new', role: 'viewer' }, access: 'admin', status: 201 },
  revokeToken: { method: 'DELETE', url: '/api/v1/tokens/0123456789abcdef', access: 'admin', status: 404 },
  passwd: { method: 'POST', url: '/api/v1/passwd', body: { newPassword: 'a new password' }, access: 'admin', status: 204 },
};
