/** For tests: a Client that holds plausible data and remembers what it was asked, and a world of strings around the CLI. */
import type { Client, Documents, DocumentsView, PlanView, RevisionView, ServerView, SessionsView, StatusView, TokenView } from '../client/types.ts';
import { COMMANDS } from './commands.ts';
import type { DaemonOptions, Io } from './command.ts';
import { runCli } from './program.ts';

export const NOW = Date.UTC(2026, 10, 22, 12, 0, 0);

export const TEXTS: Documents = { layer4: 'director web 192.0.2.1:53 UDP\n    server a 192.0.2.2:53\n', nat: '', services: '' };

export const SERVER: ServerView = {
  director: 'web', name: 'a', address: '192.0.2.2:53', state: 'up', reason: 'rcode NOERROR in 1.2 ms', sinceMs: NOW - 65_000,
  weight: 10, configuredWeight: 10, weightPercent: 100, sorry: false, checked: true, override: null, sessions: 3, sessionsCreated: 40, sessionsMoved: 0,
  unanswered: 0, icmpErrors: 0, recent: { sessions: 1, packetsIn: 3 }, responses: { replies: 900, p50Ms: 0.812, p90Ms: 3.4, p99Ms: 48.5 }, lastCheck: null, packetsIn: 1234, bytesIn: 99, packetsOut: 1230, bytesOut: 99,
};

const PLAN: PlanView = { steps: [{ op: 'add-server', text: 'add server a to web' }, { op: 'remove-server', text: 'remove server b from web' }], moves: 2, issues: [], unsupported: [] };
const REVISION: RevisionView = { revision: 7, atMs: NOW - 3_600_000, who: 'admin', what: 'save', etag: 'e7', note: '' };
const TOKEN: TokenView = { id: 't1', name: 'ci', role: 'viewer', createdAtMs: NOW, expiresAtMs: null, lastUsedAtMs: null };

export const STATUS: StatusView = {
  version: '0.1.0', node: process.version, startedAtMs: NOW - 90_000,
  engine: { name: 'userspace', why: 'auto took userspace', epoch: 'x', gauges: {} },
  privileges: { uid: 0, capabilities: ['CAP_NET_BIND_SERVICE', 'CAP_NET_RAW'], noNewPrivileges: true },
  etags: { edited: 'e2', running: 'e1', saved: 'e1' },
  diff: { editedToRunning: '--- running\n+++ edited\n@@ -1 +1 @@\n-a\n+b\n', runningToSaved: '' },
  confirmBy: NOW + 45_000, blackholes: [], warnings: [],
  directors: [{
    name: 'web', vip: '192.0.2.1:53', protocol: 'UDP', balance: 'leastconn', mode: 'nat', state: 'degraded', sessions: 3, sessionsCreated: 40, drops: { no_server: 2 }, responses: { replies: 900, p50Ms: 0.812, p90Ms: 3.4, p99Ms: 48.5 },
    packetsIn: 1234, bytesIn: 99, packetsOut: 1230, bytesOut: 99,
    servers: [SERVER, { ...SERVER, name: 'b', state: 'down', reason: 'ICMP port unreachable', override: 'disable' }],
  }],
  drops: { table_full: 0 },
};

const SESSION: SessionsView['sessions'][number] = {
  director: 'web', client: '198.51.100.7:40000', vip: '192.0.2.1:53', server: 'a', serverAddress: '192.0.2.2:53', sourcePort: 20_000,
  ageMs: 5000, idleMs: 100, expiresInMs: 119_900, outstanding: 0, packetsIn: 1, bytesIn: 30, packetsOut: 1, bytesOut: 60,
};

/** What was asked, in order: the method and its arguments. */
export type Calls = (readonly [method: string, ...args: unknown[]])[];

/** Returns a client whose answers are above; `overrides` replaces methods. */
export function createFakeClient(calls: Calls, overrides: Partial<Client> = {}): Client {
  const view = (stage: 'edited' | 'running' | 'saved', etag: string): DocumentsView => ({ stage, etag, documents: TEXTS });
  const client: Client = {
    status: async () => STATUS,
    documents: async (stage) => view(stage, 'e1'),
    edit: async () => ({ etag: 'e2', issues: [] }),
    check: async () => [],
    plan: async () => PLAN,
    apply: async (options) => ({ ...PLAN, revision: 8, confirmBy: options?.confirmMs === undefined ? null : NOW + options.confirmMs }),
    confirm: async () => {},
    save: async () => REVISION,
    revisions: async () => [REVISION],
    revision: async () => view('saved', 'e7'),
    rollback: async () => ({ ...PLAN, revision: 9, confirmBy: null }),
    servers: async () => [SERVER],
    override: async (director, server, action) => ({ ...SERVER, director, name: server, override: action === 'reset' ? null : action, state: action === 'drain' ? 'drain' : 'up' }),
    sessions: async ({ cursor, limit = 100 } = {}) => {
      const first = cursor === undefined ? 0 : Number(cursor);
      const count = Math.min(limit, 2500 - first);
      return { sessions: Array.from({ length: count }, (_, i) => ({ ...SESSION, sourcePort: first + i })), next: first + count < 2500 ? String(first + count) : null, total: 2500 };
    },
    purge: async () => 5,
    pin: async () => 1,
    nat: async () => [
      { name: 'outbound', table: true, directors: [], flows: 12_345, packets: null }, { name: 'dns', table: false, directors: ['web'], flows: 40, packets: 2464 },
      { name: 'idle', table: false, directors: [], flows: 0, packets: 0 },
    ],
    explain: async () => ({ director: 'web', server: 'a', why: 'fewest sessions', candidates: [{ server: 'a', state: 'up', weight: 10, sessions: 3, note: '3/10' }] }),
    services: async () => [{ name: 'lvs', instance: null, state: 'running', autostart: true, sinceMs: NOW - 1000, lastError: null, text: '' }],
    service: async (name, instance) => ({ name, instance, state: 'running', autostart: true, sinceMs: NOW, lastError: null, text: '' }),
    events: async () => [{ seq: 1, atMs: NOW, kind: 'apply', who: 'admin', text: 'revision 8' }],
    series: async () => [],
    stream: async () => {},
    metrics: async () => 'weir_up 1\n',
    tokens: async () => [TOKEN],
    createToken: async ({ name, role }) => ({ ...TOKEN, name, role, token: 'weir_secret' }),
    revokeToken: async () => {},
    passwd: async () => {},
    ...overrides,
  };
  const recorded = Object.entries(client).map(([method, answer]: [string, (...given: unknown[]) => unknown]) => [method, (...args: unknown[]) => {
    calls.push([method, ...args]);
    return answer(...args);
  }]);
  return Object.fromEntries(recorded) as Client;
}

/** What a run of the CLI came to. */
export interface Outcome {
  readonly code: number;
  readonly out: string;
  readonly err: string;
  readonly calls: Calls;
  readonly written: ReadonlyMap<string, string>;
  readonly started: readonly DaemonOptions[];
}

/** Runs the CLI with a fake client, files from a map, and what is typed. */
export async function runFake(argv: readonly string[], options: {
  readonly client?: Partial<Client>; readonly files?: Readonly<Record<string, string | Uint8Array>>; readonly env?: Readonly<Record<string, string>>;
  readonly stdin?: string; readonly secrets?: readonly string[]; readonly tty?: boolean; readonly signal?: AbortSignal; readonly limits?: readonly string[];
} = {}): Promise<Outcome> {
  let out = '';
  let err = '';
  const calls: Calls = [];
  const written = new Map<string, string>();
  const started: DaemonOptions[] = [];
  const secrets = [...(options.secrets ?? [])];
  const files = options.files ?? {};
  const io: Io = {
    out: (text) => { out += text; },
    err: (text) => { err += text; },
    outIsTty: options.tty ?? false,
    errIsTty: options.tty ?? false,
    env: options.env ?? {},
    now: () => NOW,
    sleep: async () => {},
    signal: options.signal ?? new AbortController().signal,
    files: {
      async read(path) {
        const content = files[path];
        if (content === undefined) throw Object.assign(new Error(`ENOENT: no such file or directory, open '${path}'`), { code: 'ENOENT' });
        return typeof content === 'string' ? new TextEncoder().encode(content) : content;
      },
      async write(path, text) { written.set(path, text); },
      async kind(path) {
        if (files[path] !== undefined) return 'file';
        return Object.keys(files).some((name) => name.startsWith(`${path}/`)) ? 'directory' : 'none';
      },
    },
    stdin: async () => new TextEncoder().encode(options.stdin ?? ''),
    secret: async () => secrets.shift() ?? null,
  };
  const code = await runCli(argv, {
    commands: COMMANDS,
    io,
    connect: async () => createFakeClient(calls, options.client),
    programs: {
      version: '0.1.0',
      daemon: async (given) => {
        started.push(given);
        return 0;
      },
      unsupported: async () => options.limits ?? [],
      hostIssues: async (config, engine) => config.directors.map(({ at }) => ({ severity: 'warning', code: 'vip-not-here', message: `not here with ${engine ?? 'any engine'}`, at })),
      send: async ({ payload }) => (payload.length === 0 ? null : { payload, from: '127.0.0.1:8000', ms: 0.5 }),
    },
  });
  return { code, out, err, calls, written, started };
}
