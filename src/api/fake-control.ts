/** A Control in memory for tests of the API and its clients: keeps documents, revisions and events; has one director with two servers. */
import { createHash } from 'node:crypto';
import type { ApplyResult, DirectorView, Documents, DocumentsView, EventView, PlanView, RevisionView, SampleView, ServerView, ServiceView, Stage, StatusView } from '../client/types.ts';
import type { Issue } from '../config/issue.ts';
import { Refusal, type Control } from '../daemon/control.ts';
import type { Reading } from '../engine/engine.ts';
import { RESPONSE_BUCKETS } from '../engine/response-times.ts';

export interface FakeControl extends Control {
  /** Every call that changes something, as `name who arguments`. */
  readonly calls: string[];
  readonly noted: EventView[];
  readonly listeners: number;
  emit(event: Omit<EventView, 'seq' | 'atMs' | 'who'>): EventView;
  sample(sample: SampleView): void;
}

export const FIRST: Documents = {
  layer4: 'director d1 127.0.0.1:8000 UDP\n    server s1 127.0.0.1:8001 weight 1 check\n    server s2 127.0.0.1:8002 weight 1 check\n',
  nat: '',
  services: 'service lvs\n    conntrack\nservice snmpd\n    community tops3cret\n',
};

const RESPONSES = { replies: 9, p50Ms: 0.8, p90Ms: 1.5, p99Ms: 12.25 };
const NO_TRAFFIC = { packetsIn: 0, bytesIn: 0, packetsOut: 0, bytesOut: 0 };

/** Returns the fake. A document with the word `wrong` has one error; `apply` refuses it. */
export function createFakeControl(): FakeControl {
  const stages: Record<Stage, Documents> = { edited: FIRST, running: FIRST, saved: FIRST };
  const log: EventView[] = [];
  const samples: SampleView[] = [];
  const calls: string[] = [];
  const listeners = new Set<{ event?(event: EventView): void; sample?(sample: SampleView): void }>();
  const kept: (RevisionView & { documents: Documents })[] = [];
  const overrides = new Map<string, ServerView['override']>();
  let confirmBy: number | null = null;

  const called = (...words: unknown[]): void => void calls.push(words.map((w) => (typeof w === 'string' ? w : JSON.stringify(w))).join(' '));
  const view = (stage: Stage, documents: Documents): DocumentsView => ({ stage, etag: etagOf(documents), documents });
  const emit = (event: Omit<EventView, 'seq' | 'atMs'>): EventView => {
    const whole = { seq: log.length + 1, atMs: 1_700_000_000_000 + log.length, ...event };
    log.push(whole);
    for (const listener of listeners) listener.event?.(whole);
    return whole;
  };
  const revise = (what: RevisionView['what'], who: string): RevisionView => {
    const revision = { revision: kept.length + 1, atMs: 1_700_000_000_000, who, what, etag: etagOf(stages.running), note: '' };
    kept.push({ ...revision, documents: stages.running });
    return revision;
  };
  const plan = (): PlanView => ({
    steps: stages.edited === stages.running ? [] : [{ op: 'change-director', text: 'change director d1' }],
    moves: 0, issues: issuesOf(stages.edited), unsupported: [],
  });
  const server = (name: string, port: number): ServerView => ({
    ...NO_TRAFFIC, packetsIn: 3, bytesIn: 30, director: 'd1', name, address: `127.0.0.1:${port}`, state: overrides.get(name) === 'drain' ? 'drain' : 'up', reason: 'not refused', sinceMs: 1_700_000_000_000,
    weight: 1, configuredWeight: 1, weightPercent: 100, sorry: false, checked: true, override: overrides.get(name) ?? null, sessions: 1, sessionsCreated: 2, sessionsMoved: 0, unanswered: 0, icmpErrors: 0, recent: { sessions: 1, packetsIn: 3 }, responses: RESPONSES,
    lastCheck: name === 's1' ? { atMs: 1_700_000_000_000, ok: true, latencyMs: 1.5, detail: 'not refused' } : null,
  });
  const servers = (): ServerView[] => [server('s1', 8001), server('s2', 8002)];
  const directors = (): DirectorView[] => [{
    ...NO_TRAFFIC, packetsIn: 6, bytesIn: 60, name: 'd1', vip: '127.0.0.1:8000', protocol: 'udp', balance: 'leastconn', mode: 'nat', state: 'up', sessions: 2, sessionsCreated: 4, drops: { no_server: 1 }, responses: RESPONSES, servers: servers(),
  }];
  const services: ServiceView[] = [{ name: 'lvs', instance: null, state: 'running', autostart: true, sinceMs: 1_700_000_000_000, lastError: null, text: 'service lvs\n    conntrack\n' }];

  const control: FakeControl = {
    calls,
    noted: log,
    get listeners() {
      return listeners.size;
    },
    emit: (event) => emit({ who: 'weir', ...event }),
    sample(sample) {
      samples.push(sample);
      for (const listener of listeners) listener.sample?.(sample);
    },
    async status(): Promise<StatusView> {
      return {
        version: '0.0.0', node: 'test', startedAtMs: 1_700_000_000_000, engine: { name: 'userspace', why: 'test', epoch: 'e1', gauges: { sockets: 3 } }, privileges: { uid: 990, capabilities: ['CAP_NET_RAW'], noNewPrivileges: true },
        etags: { edited: etagOf(stages.edited), running: etagOf(stages.running), saved: etagOf(stages.saved) },
        diff: { editedToRunning: stages.edited === stages.running ? '' : `-    community tops3cret\n+    community m0re\n`, runningToSaved: '' },
        confirmBy, blackholes: [], warnings: [], directors: directors(), drops: { unexpected_reply: 2 },
      };
    },
    documents: (stage) => view(stage, stages[stage]),
    async edit(documents, { who, ifMatch }) {
      if (ifMatch !== undefined && ifMatch !== etagOf(stages.edited)) throw new Refusal('EDITED_BY_ANOTHER', 'the documents were edited by another');
      called('edit', who, Object.keys(documents));
      stages.edited = { ...stages.edited, ...documents };
      return { etag: etagOf(stages.edited), issues: issuesOf(stages.edited) };
    },
    check: (documents) => issuesOf({ layer4: '', nat: '', services: '', ...documents }),
    plan: async () => plan(),
    async apply({ who, confirmMs, ifMatch }): Promise<ApplyResult> {
      if (ifMatch !== undefined && ifMatch !== etagOf(stages.edited)) throw new Refusal('EDITED_BY_ANOTHER', 'the documents were edited by another');
      const issues = issuesOf(stages.edited);
      if (issues.length > 0) throw new Refusal('CONFIG_INVALID', `${issues.length} error`, { issues });
      if (confirmBy !== null) throw new Refusal('CONFIRM_PENDING', 'an apply waits for its confirmation');
      called('apply', who, confirmMs ?? 'for good');
      const made = plan();
      stages.running = stages.edited;
      confirmBy = confirmMs === undefined ? null : 1_700_000_000_000 + confirmMs;
      return { ...made, revision: revise('apply', who).revision, confirmBy };
    },
    async confirm(who) {
      if (confirmBy === null) throw new Refusal('NOTHING_TO_CONFIRM', 'no apply waits');
      called('confirm', who);
      confirmBy = null;
    },
    async save(who) {
      called('save', who);
      stages.saved = stages.running;
      return revise('save', who);
    },
    revisions: () => kept.map(({ documents: _documents, ...revision }) => revision),
    async revision(number) {
      return view('running', revisionOf(kept, number).documents);
    },
    async rollback(number, who) {
      const { documents } = revisionOf(kept, number);
      called('rollback', who, number);
      const made = plan();
      stages.edited = documents;
      stages.running = documents;
      return { ...made, revision: revise('rollback', who).revision, confirmBy: null };
    },
    directors: async () => directors(),
    servers: async () => servers(),
    async override(director, name, action, who) {
      const found = servers().find((s) => s.director === director && s.name === name);
      if (found === undefined) throw new Refusal('NOT_FOUND', `no server ${name} in director ${director}`);
      called('override', who, director, name, action);
      overrides.set(name, action === 'reset' ? null : action);
      return servers().find((s) => s.name === name) ?? found;
    },
    async sessions(query) {
      const all = [1, 2, 3].map((i) => ({
        ...NO_TRAFFIC, director: 'd1', client: `127.0.0.1:4000${i}`, vip: '127.0.0.1:8000', server: 's1', serverAddress: '127.0.0.1:8001', sourcePort: 50_000 + i, ageMs: 10, idleMs: 5, expiresInMs: 100, outstanding: 0,
      }));
      const from = Number(query.cursor ?? 0);
      const to = from + (query.limit ?? 100);
      return { sessions: all.slice(from, to).filter((s) => query.client === undefined || s.client === query.client), next: to < all.length ? String(to) : null, total: all.length };
    },
    async purge(query, who) {
      called('purge', who, query);
      return 3;
    },
    async pin({ client, director, server }, who) {
      if (!servers().some((s) => s.director === director && s.name === server)) throw new Refusal('NOT_FOUND', `no server ${server} in director ${director}`, { cure: 'did you mean s1?' });
      called('pin', who, client, director, server);
      return 2;
    },
    explain: async ({ client, vip, protocol }) => ({ director: 'd1', server: 's1', why: `${client} to ${vip} by ${protocol}: fewest sessions`, candidates: [{ server: 's1', state: 'up', weight: 1, sessions: 1, note: '1 session' }] }),
    services: () => services,
    async service(name, instance, action, who) {
      const found = services.find((s) => s.name === name && s.instance === instance);
      if (found === undefined) throw new Refusal('NOT_FOUND', `no service ${name}`);
      called('service', who, name, instance, action);
      return found;
    },
    reading: async (): Promise<Reading> => ({
      epoch: 'e1', atMs: 1_700_000_000_000, gauges: { sockets: 3 }, drops: { unexpected_reply: 2 },
      directors: directors().map((d) => ({ ...d, drops: { no_server: 1 }, servers: d.servers.map((s) => ({ ...s, responseTimes: Array.from({ length: RESPONSE_BUCKETS }, (_, i) => (i === 7 ? 9 : 0)) })) })),
    }),
    natRules: async () => [{ name: 'web', table: true, directors: [], flows: 3, packets: null }, { name: 'inside', table: false, directors: ['d1'], flows: 4, packets: 12 }],
    healthCounters: () => ({ done: 10, failed: 1, late: 0, targets: 2 }),
    series: () => samples,
    events: (since) => log.filter((event) => event.seq > since),
    note: (event) => void emit(event),
    subscribe(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
  };
  return control;
}

function etagOf(documents: Documents): string {
  return createHash('sha256').update(JSON.stringify([documents.layer4, documents.nat, documents.services])).digest('hex').slice(0, 16);
}

function issuesOf(documents: Documents): Issue[] {
  const line = documents.layer4.split('\n').findIndex((text) => text.includes('wrong'));
  if (line < 0) return [];
  return [{ severity: 'error', code: 'UNKNOWN_WORD', message: "expected a keyword, found 'wrong'", at: { file: 'layer4.conf', line: line + 1, col: 1, endCol: 6 }, nearest: 'weight' }];
}

function revisionOf<T extends { readonly revision: number }>(kept: readonly T[], number: number): T {
  const found = kept.find((r) => r.revision === number);
  if (found === undefined) throw new Refusal('NOT_FOUND', `no revision ${number}`);
  return found;
}
