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
