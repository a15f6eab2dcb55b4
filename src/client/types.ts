/**
 * What the daemon and its clients say to each other: the shapes of the API. Free of Node; the CLI and the web UI
 * import these and `Client` and nothing else of the daemon. The API's schemas (src/api/schemas.ts) are held to these types by the compiler.
 */
import type { Issue } from '../config/issue.ts';
import type { ServerState } from '../balance/terms.ts';

/** The three documents of a configuration, one per UI tab. */
export const DOCUMENT_NAMES = ['layer4', 'nat', 'services'] as const;
export type DocumentName = (typeof DOCUMENT_NAMES)[number];
export type Documents = Readonly<Record<DocumentName, string>>;

/** The three states a configuration is in. */
export type Stage = 'edited' | 'running' | 'saved';

/** Sessions whose datagrams go nowhere: pinned to a server that is not in the set, or on one that gets requests and answers none. */
export interface BlackholeView {
  readonly director: string;
  readonly server: string;
  readonly address: string;
  readonly cause: 'not-in-set' | 'one-way';
  readonly sessions: number;
  readonly sinceMs: number;
  /** One sentence for people. */
  readonly text: string;
}

/** `etag` is the content's hash: it changes exactly when a document does. */
export interface DocumentsView {
  readonly stage: Stage;
  readonly etag: string;
  readonly documents: Documents;
}

export interface EditResult {
  readonly etag: string;
  readonly issues: readonly Issue[];
}

/** `moves` counts live sessions that the change would take from a server. */
export interface PlanView {
  readonly steps: readonly { readonly op: string; readonly text: string }[];
  readonly moves: number;
  readonly issues: readonly Issue[];
  /** What the engine cannot do of it, in words; a plan with any cannot be applied. */
  readonly unsupported: readonly string[];
}

export interface ApplyResult extends PlanView {
  readonly revision: number;
  /** Set when the apply waits for `confirm`: rolled back by itself at this time (ms since 1970). */
  readonly confirmBy: number | null;
}

export interface RevisionView {
  readonly revision: number;
  readonly atMs: number;
  readonly who: string;
  readonly what: 'apply' | 'save' | 'rollback' | 'start' | 'auto-rollback';
  readonly etag: string;
  readonly note: string;
}

/** `capabilities` are those in effect, as `CAP_NET_RAW`; with `noNewPrivileges` neither it nor what it starts can get others. */
export interface PrivilegesView {
  readonly uid: number;
  readonly capabilities: readonly string[];
  readonly noNewPrivileges: boolean;
}

export interface StatusView {
  readonly version: string;
  readonly node: string;
  readonly startedAtMs: number;
  readonly engine: { readonly name: string; readonly why: string; readonly epoch: string; readonly gauges: Readonly<Record<string, number>> };
  /** What the daemon's process may do; null where that cannot be told (not Linux). */
  readonly privileges: PrivilegesView | null;
  readonly etags: Readonly<Record<Stage, string>>;
  /** Lines of a unified diff, empty when equal. */
  readonly diff: { readonly editedToRunning: string; readonly runningToSaved: string };
  readonly confirmBy: number | null;
  readonly warnings: readonly Issue[];
  readonly blackholes: readonly BlackholeView[];
  readonly directors: readonly DirectorView[];
  readonly drops: Readonly<Record<string, number>>;
}

export interface TrafficView {
  readonly packetsIn: number;
  readonly bytesIn: number;
  readonly packetsOut: number;
  readonly bytesOut: number;
}

/**
 * How long servers took to answer: of `replies` replies, the times in ms below which half, 90 % and 99 % came, from the last request of a
 * session to the first reply after it. The times are null when no reply came.
 */
export interface ResponseView {
  readonly replies: number;
  readonly p50Ms: number | null;
  readonly p90Ms: number | null;
  readonly p99Ms: number | null;
}

export interface DirectorView extends TrafficView {
  readonly name: string;
  readonly vip: string;
  readonly protocol: string;
  readonly balance: string;
  readonly mode: string;
  readonly state: 'up' | 'degraded' | 'down' | 'sorry';
  readonly sessions: number;
  readonly sessionsCreated: number;
  readonly drops: Readonly<Record<string, number>>;
  /** Of the last 10 to 20 s; null: the engine does not see replies. */
  readonly responses: ResponseView | null;
  readonly servers: readonly ServerView[];
}

export interface ServerView extends TrafficView {
  readonly director: string;
  readonly name: string;
  readonly address: string;
  readonly state: ServerState;
  /** Why the state is what it is: the check's last answer, ICMP evidence, the configuration or an operator. */
  readonly reason: string;
  readonly sinceMs: number;
  readonly weight: number;
  readonly configuredWeight: number;
  /** The share of it, 0..100, that checks, a slow start and passive health leave the server. */
  readonly weightPercent: number;
  readonly sorry: boolean;
  readonly checked: boolean;
  readonly override: 'drain' | 'disable' | 'enable' | null;
  readonly sessions: number;
  readonly sessionsCreated: number;
  readonly sessionsMoved: number;
  readonly unanswered: number;
  readonly icmpErrors: number;
  /** What came in the last 10 to 20 s: sessions begun, datagrams sent to it. */
  readonly recent: { readonly sessions: number; readonly packetsIn: number };
  /** Of the last 10 to 20 s; null: the engine does not see replies. */
  readonly responses: ResponseView | null;
  readonly lastCheck: { readonly atMs: number; readonly ok: boolean; readonly latencyMs: number; readonly detail: string } | null;
}

/**
 * A NAT rule of the running configuration and what it took. `table`: it stands in the kernel's nftables table; `directors`: those whose
 * traffic gets its source from this rule inside the engine. Neither: it acts on nothing, as without `conntrack`.
 */
export interface NatRuleView {
  readonly name: string;
  readonly table: boolean;
  readonly directors: readonly string[];
  /** Flows in the table plus sessions of the directors, since the rule began to act; null: they cannot be read. Starts again when the rule changes, or the engine. */
  readonly flows: number | null;
  /** Packets both ways of the directors; null where the table acts, which sees the first packet of a flow alone. */
  readonly packets: number | null;
}

export interface ServiceView {
  readonly name: string;
  readonly instance: string | null;
  readonly state: 'running' | 'stopped' | 'failed';
  readonly autostart: boolean;
  readonly sinceMs: number;
  readonly lastError: string | null;
  readonly text: string;
}
export type ServiceAction = 'start' | 'stop' | 'restart' | 'reload';

export interface SessionsQuery {
  readonly director?: string;
  readonly server?: string;
  readonly client?: string;
  readonly cursor?: string;
  readonly limit?: number;
}
/** `blackholed`: only those of the alarms that stand (StatusView.blackholes); `client` cannot be given with it. */
export interface PurgeQuery {
  readonly director?: string;
  readonly server?: string;
  readonly client?: string;
  readonly blackholed?: boolean;
}
export interface SessionsView {
  readonly sessions: readonly (TrafficView & {
    readonly director: string;
    readonly client: string;
    readonly vip: string;
    readonly server: string;
    readonly serverAddress: string;
    readonly sourcePort: number;
    readonly ageMs: number;
    readonly idleMs: number;
    readonly expiresInMs: number;
    readonly outstanding: number;
  })[];
  readonly next: string | null;
  readonly total: number;
}
export interface ExplainView {
  readonly director: string | null;
  readonly server: string | null;
  readonly why: string;
  readonly candidates: readonly { readonly server: string; readonly state: string; readonly weight: number; readonly sessions: number; readonly note: string }[];
}

/** An entry of the event log, newest last. `kind` is a word like `server-down`, `apply`, `sign-in`. */
export interface EventView {
  readonly seq: number;
  readonly atMs: number;
  readonly kind: string;
  readonly who: string;
  readonly text: string;
  readonly director?: string;
  readonly server?: string;
  /** The service whose log it stands in: `lvs`, `health`, `api`, `network eth0`; none for what concerns the texts alone. */
  readonly service?: string;
}

export interface EventsQuery {
  readonly since?: number;
  readonly service?: string;
  readonly last?: number;
}

/** One sample of the live series, rates per second since the sample before. */
export interface SampleView {
  readonly atMs: number;
  readonly directors: readonly {
    readonly name: string;
    readonly packetsInPerS: number;
    readonly bytesInPerS: number;
    readonly packetsOutPerS: number;
    readonly bytesOutPerS: number;
    readonly sessions: number;
    readonly newSessionsPerS: number;
    readonly dropsPerS: number;
    /** The same by reason; reasons at rest are left out. */
    readonly drops: Readonly<Record<string, number>>;
    /** Of this sample's replies; null when none came, or the engine does not see them. */
    readonly responses: ResponseView | null;
  }[];
}

export type Role = 'admin' | 'viewer';
export interface TokenView {
  readonly id: string;
  readonly name: string;
  readonly role: Role;
  readonly createdAtMs: number;
  readonly expiresAtMs: number | null;
  readonly lastUsedAtMs: number | null;
}

/** Who the caller is. `csrf` goes back as the header `x-weir-csrf` with each write of a browser's sign-in; null for a bearer token, which needs none. */
export interface SignInView {
  readonly who: string;
  readonly role: Role;
  readonly csrf: string | null;
  readonly expiresAtMs: number | null;
}

/** The host the daemon runs on: what the NAT form offers as IN and OUT. */
export interface HostView {
  readonly interfaces: readonly { readonly name: string; readonly addresses: readonly string[] }[];
}

/** What a stream of live data carries. */
export type StreamMessage =
  | { readonly type: 'event'; readonly event: EventView }
  | { readonly type: 'sample'; readonly sample: SampleView };

/** The answer to a refused call. HTTP status as in docs/reference/api.md; `code` is stable, `cure` says what to do. */
export interface ErrorView {
  readonly code: string;
  readonly message: string;
  readonly cure?: string;
  readonly issues?: readonly Issue[];
}

/** Every power of the API as functions. Implemented over HTTP by src/client/client.ts; a refused call throws ApiError holding an ErrorView. */
export interface Client {
  status(): Promise<StatusView>;
  documents(stage: Stage): Promise<DocumentsView>;
  /** Replaces edited documents (those given). With `ifMatch`, refused with 412 when the edited etag is another. */
  edit(documents: Partial<Documents>, options?: { readonly ifMatch?: string }): Promise<EditResult>;
  /** Checks without storing anything. */
  check(documents: Partial<Documents>): Promise<readonly Issue[]>;
  plan(): Promise<PlanView>;
  apply(options?: { readonly confirmMs?: number; readonly ifMatch?: string }): Promise<ApplyResult>;
  confirm(): Promise<void>;
  save(): Promise<RevisionView>;
  revisions(): Promise<readonly RevisionView[]>;
  revision(revision: number): Promise<DocumentsView>;
  rollback(revision: number): Promise<ApplyResult>;
  servers(): Promise<readonly ServerView[]>;
  override(director: string, server: string, action: 'drain' | 'disable' | 'enable' | 'reset'): Promise<ServerView>;
  sessions(query?: SessionsQuery): Promise<SessionsView>;
  /** Ends the sessions that match all given fields, every one when none is given; returns how many. */
  purge(query: PurgeQuery): Promise<number>;
  explain(query: { readonly client: string; readonly vip: string; readonly protocol?: 'udp' | 'tcp' }): Promise<ExplainView>;
  /** Moves live sessions of a client, an address or address:port, to a server of their director; returns how many are there now. */
  pin(request: { readonly client: string; readonly director: string; readonly server: string }): Promise<number>;
  nat(): Promise<readonly NatRuleView[]>;
  services(): Promise<readonly ServiceView[]>;
  service(name: string, instance: string | null, action: ServiceAction): Promise<ServiceView>;
  /** The event log, oldest first: those after `since`, of one `service`, the `last` of them, where these are given. */
  events(query?: EventsQuery): Promise<readonly EventView[]>;
  /** The samples kept, oldest first: the `last` of them, and of one `director`, where these are given. */
  series(query?: { readonly director?: string; readonly last?: number }): Promise<readonly SampleView[]>;
  /** Runs until `signal` aborts or the daemon ends it (both resolve) or it fails (rejects). With `sinceSeq`, first sends the events after that one. */
  stream(onMessage: (message: StreamMessage) => void, signal: AbortSignal, options?: { readonly sinceSeq?: number }): Promise<void>;
  metrics(): Promise<string>;
  tokens(): Promise<readonly TokenView[]>;
  createToken(options: { readonly name: string; readonly role: Role; readonly expiresInMs?: number }): Promise<TokenView & { readonly token: string }>;
  revokeToken(id: string): Promise<void>;
  /** Changes the password of the signed-in user and ends its other sign-ins. */
  passwd(options: { readonly user?: string; readonly oldPassword?: string; readonly newPassword: string }): Promise<void>;
}
