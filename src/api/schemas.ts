/**
 * The shapes of the API as JSON Schema: one value that validates, serialises and documents.
 * `Named` holds each schema to its type in src/client/types.ts; the compiler refuses this file when the two differ in either direction.
 */
import { Type, type Static, type TSchema } from 'typebox';
import { BALANCES, MAX_WEIGHT } from '../balance/terms.ts';
import type { Issue, Position } from '../config/issue.ts';
import {
  DOCUMENT_NAMES, type ApplyResult, type BlackholeView, type DirectorView, type Documents, type DocumentsView, type EditResult, type ErrorView, type EventView,
  type ExplainView, type HostView, type NatRuleView, type PlanView, type ResponseView, type RevisionView, type SampleView, type ServerView, type ServiceView, type SessionsView, type SignInView,
  type StatusView, type TokenView,
} from '../client/types.ts';

/** Names that may be referred to as `#/components/schemas/<name>`, with the type each stands for. */
interface Named {
  readonly Position: Position;
  readonly Issue: Issue;
  readonly ErrorView: ErrorView;
  readonly Documents: Documents;
  readonly DocumentsView: DocumentsView;
  readonly EditResult: EditResult;
  readonly PlanView: PlanView;
  readonly ApplyResult: ApplyResult;
  readonly RevisionView: RevisionView;
  readonly ResponseView: ResponseView;
  readonly ServerView: ServerView;
  readonly DirectorView: DirectorView;
  readonly BlackholeView: BlackholeView;
  readonly StatusView: StatusView;
  readonly NatRuleView: NatRuleView;
  readonly ServiceView: ServiceView;
  readonly SessionsView: SessionsView;
  readonly ExplainView: ExplainView;
  readonly EventView: EventView;
  readonly SampleView: SampleView;
  readonly TokenView: TokenView;
  readonly SignInView: SignInView;
  readonly HostView: HostView;
}

/** Returns a reference to a named schema, typed as what it describes. */
export function ref<N extends keyof Named>(name: N): Type.TUnsafe<Named[N]> {
  return Type.Unsafe<Named[N]>({ $ref: `${name}#` });
}

/** Returns the schema of an array of named things. */
export function listOf<N extends keyof Named>(name: N): Type.TUnsafe<readonly Named[N][]> {
  return Type.Unsafe<readonly Named[N][]>({ type: 'array', items: { $ref: `${name}#` } });
}

/** Returns the schema of one of a few words. */
export function words<const T extends string>(values: readonly T[], description?: string): Type.TUnsafe<T> {
  return Type.Unsafe<T>({ type: 'string', enum: [...values], ...(description === undefined ? {} : { description }) });
}

/** Returns the schema of an object that refuses unknown fields: what every request uses. */
export function strict<P extends Type.TProperties>(properties: P, options: { readonly minProperties?: number; readonly description?: string } = {}): Type.TObject<P> {
  return Type.Object(properties, { ...options, additionalProperties: false });
}

const text = (description?: string) => Type.String(description === undefined ? {} : { description });
const count = (description?: string) => Type.Integer({ minimum: 0, ...(description === undefined ? {} : { description }) });
const msSince1970 = (description = 'ms since 1970') => Type.Integer({ description });
const textOrNull = () => Type.Unsafe<string | null>({ type: ['string', 'null'] });
const integerOrNull = (description: string) => Type.Unsafe<number | null>({ type: ['integer', 'null'], description });
const numberOrNull = (description: string) => Type.Unsafe<number | null>({ type: ['number', 'null'], description });
/** `anyOf` with a reference, since a bare reference cannot be null. */
const responsesOrNull = (description: string) => Type.Unsafe<ResponseView | null>({ anyOf: [{ $ref: 'ResponseView#' }, { type: 'null' }], description });
const numbersByName = (description: string) => Type.Unsafe<Readonly<Record<string, number>>>({ type: 'object', additionalProperties: { type: 'number' }, description });

const traffic = {
  packetsIn: count('datagrams from clients towards servers'),
  bytesIn: count('UDP payload bytes of packetsIn'),
  packetsOut: count('datagrams of replies towards clients; of directors and servers also those that `session amplification` dropped'),
  bytesOut: count('UDP payload bytes of packetsOut'),
};

const planFields = {
  steps: Type.Array(Type.Object({ op: text(), text: text() })),
  moves: count('live sessions that the change would take from a server'),
  issues: listOf('Issue'),
  unsupported: Type.Array(Type.String(), { description: 'what the engine cannot do of it; a plan with any cannot be applied' }),
};

/** Every named schema; the key is its `$id`. */
export const SCHEMAS = {
  Position: Type.Object({
    file: text(),
    line: Type.Integer({ description: '1-based' }),
    col: Type.Integer({ description: '1-based' }),
    endCol: Type.Integer({ description: 'one past the last column of the word at fault' }),
  }),
  Issue: Type.Object({
    severity: words(['error', 'warning']),
    code: text('stable name of the problem'),
    message: text('what was expected and what was found'),
    at: ref('Position'),
    nearest: Type.Optional(text('the known word nearest to the one found')),
    hint: Type.Optional(text('the cure')),
  }),
  ErrorView: Type.Object({
    code: text('stable name of the refusal, see the table of errors'),
    message: text('what was expected and what was found'),
    cure: Type.Optional(text('what to do about it')),
    issues: Type.Optional(listOf('Issue')),
  }),
  Documents: Type.Object({ layer4: text('the text of layer4.conf'), nat: text('the text of nat.conf'), services: text('the text of services.conf') }),
  DocumentsView: Type.Object({
    stage: words(['edited', 'running', 'saved']),
    etag: text('hash of the content; the ETag header holds it in quotes'),
    documents: ref('Documents'),
  }),
  EditResult: Type.Object({ etag: text(), issues: listOf('Issue') }),
  PlanView: Type.Object(planFields),
  ApplyResult: Type.Object({
    ...planFields,
    revision: count(),
    confirmBy: integerOrNull('ms since 1970: rolled back by itself then unless confirmed; null when nothing waits'),
  }),
  RevisionView: Type.Object({
    revision: count(),
    atMs: msSince1970(),
    who: text(),
    what: words(['apply', 'save', 'rollback', 'start', 'auto-rollback']),
    etag: text(),
    note: text(),
  }),
  ResponseView: Type.Object({
    replies: count('replies in the span'),
    p50Ms: numberOrNull('half of them came sooner after their request; null when there were none'),
    p90Ms: numberOrNull('nine tenths came sooner'),
    p99Ms: numberOrNull('99 of 100 came sooner'),
  }),
  ServerView: Type.Object({
    ...traffic,
    director: text(),
    name: text(),
    address: text('10.0.0.1:53 or [2001:db8::1]:53; no port when it is the one the client used'),
    state: words(['up', 'unknown', 'drain', 'down', 'disabled']),
    reason: text('why the state is what it is'),
    sinceMs: msSince1970(),
    weight: Type.Integer({ minimum: 0, maximum: MAX_WEIGHT }),
    configuredWeight: Type.Integer({ minimum: 0, maximum: MAX_WEIGHT }),
    weightPercent: Type.Integer({ minimum: 0, maximum: 100, description: 'the share of configuredWeight that checks, a slow start and passive health leave the server' }),
    sorry: Type.Boolean(),
    checked: Type.Boolean(),
    override: Type.Unsafe<ServerView['override']>({ type: ['string', 'null'], enum: ['drain', 'disable', 'enable', null] }),
    sessions: count(),
    sessionsCreated: count(),
    sessionsMoved: count(),
    unanswered: count('requests or sessions that ended without any reply'),
    icmpErrors: count(),
    recent: Type.Object({ sessions: count(), packetsIn: count() }, { description: 'what came in the last 10 to 20 s: sessions begun, datagrams sent to it' }),
    responses: responsesOrNull('response times of the last 10 to 20 s; null: the engine does not see replies'),
    lastCheck: Type.Union([Type.Object({ atMs: msSince1970(), ok: Type.Boolean(), latencyMs: Type.Number(), detail: text() }), Type.Null()]),
  }),
  DirectorView: Type.Object({
    ...traffic,
    name: text(),
    vip: text(),
    protocol: text('udp or tcp'),
    balance: text(`one of ${BALANCES.join(', ')}`),
    mode: text('nat, gateway or tunnel'),
    state: words(['up', 'degraded', 'down', 'sorry']),
    sessions: count(),
    sessionsCreated: count(),
    drops: numbersByName('datagrams dropped, by reason'),
    responses: responsesOrNull('response times of the last 10 to 20 s, all servers; null: the engine does not see replies'),
    servers: listOf('ServerView'),
  }),
  BlackholeView: Type.Object({
    director: text(),
    server: text(),
    address: text(),
    cause: words(['not-in-set', 'one-way'], 'pinned to a server that is down, disabled or gone; or on one that gets requests and answers none'),
    sessions: count(),
    sinceMs: msSince1970(),
    text: text('one sentence for people'),
  }),
  StatusView: Type.Object({
    version: text(),
    node: text(),
    startedAtMs: msSince1970(),
    engine: Type.Object({ name: text(), why: text('why this engine was taken'), epoch: text('changes when counters start again from zero'), gauges: numbersByName('gauges of the engine itself') }),
    privileges: Type.Union([
      Type.Object({
        uid: Type.Integer({ description: 'user id the daemon runs as' }),
        capabilities: Type.Array(Type.String(), { description: 'in effect, as CAP_NET_RAW' }),
        noNewPrivileges: Type.Boolean({ description: 'neither the daemon nor what it starts can get others' }),
      }),
      Type.Null(),
    ]),
    etags: Type.Object({ edited: text(), running: text(), saved: text() }),
    diff: Type.Object({ editedToRunning: text('unified diff, empty when equal'), runningToSaved: text('unified diff, empty when equal') }),
    confirmBy: integerOrNull('ms since 1970 of the rollback that a pending confirm would stop'),
    warnings: listOf('Issue'),
    blackholes: listOf('BlackholeView'),
    directors: listOf('DirectorView'),
    drops: numbersByName('datagrams dropped that belong to no director, by reason'),
  }),
  NatRuleView: Type.Object({
    name: text(),
    table: Type.Boolean({ description: "it stands in the kernel's nftables table" }),
    directors: Type.Array(Type.String(), { description: 'directors whose traffic gets its source from this rule inside the engine' }),
    flows: integerOrNull('flows in the table plus sessions of the directors; starts again when the rule changes; null: they cannot be read'),
    packets: integerOrNull('packets both ways of the directors; null where the table acts: the kernel asks NAT rules about the first packet of a flow alone'),
  }),
  ServiceView: Type.Object({
    name: text(),
    instance: textOrNull(),
    state: words(['running', 'stopped', 'failed']),
    autostart: Type.Boolean(),
    sinceMs: msSince1970(),
    lastError: textOrNull(),
    text: text('its section as configured'),
  }),
  SessionsView: Type.Object({
    sessions: Type.Array(Type.Object({
      ...traffic,
      director: text(),
      client: text(),
      vip: text(),
      server: text(),
      serverAddress: text(),
      sourcePort: Type.Integer({ description: "the balancer's own port towards the server" }),
      ageMs: Type.Integer(),
      idleMs: Type.Integer(),
      expiresInMs: Type.Integer(),
      outstanding: count('request-reply: replies still awaited'),
    })),
    next: Type.Unsafe<string | null>({ type: ['string', 'null'], description: 'cursor of the next page; null on the last' }),
    total: count('all live sessions, matching or not'),
  }),
  ExplainView: Type.Object({
    director: textOrNull(),
    server: Type.Unsafe<string | null>({ type: ['string', 'null'], description: 'null: it would be dropped, `why` says for what reason' }),
    why: text(),
    candidates: Type.Array(Type.Object({ server: text(), state: text(), weight: Type.Integer(), sessions: count(), note: text('what the algorithm made of it') })),
  }),
  EventView: Type.Object({
    seq: count('grows by one with each event'),
    atMs: msSince1970(),
    kind: text('a word like server-down, apply, sign-in'),
    who: text(),
    text: text(),
    director: Type.Optional(text()),
    server: Type.Optional(text()),
    service: Type.Optional(text('the service whose log it stands in: lvs, health, api or network <interface>')),
  }),
  SampleView: Type.Object({
    atMs: msSince1970(),
    directors: Type.Array(Type.Object({
      name: text(),
      packetsInPerS: Type.Number(),
      bytesInPerS: Type.Number(),
      packetsOutPerS: Type.Number(),
      bytesOutPerS: Type.Number(),
      sessions: Type.Number(),
      newSessionsPerS: Type.Number(),
      dropsPerS: Type.Number(),
      drops: numbersByName('dropsPerS by reason; reasons at rest are left out'),
      responses: responsesOrNull('response times of this sample; null when no reply came, or the engine does not see them'),
    })),
  }),
  TokenView: Type.Object({
    id: text(),
    name: text(),
    role: words(['admin', 'viewer']),
    createdAtMs: msSince1970(),
    expiresAtMs: integerOrNull('ms since 1970; null: never'),
    lastUsedAtMs: integerOrNull('ms since 1970, to the minute after a restart; null: never used'),
  }),
  SignInView: Type.Object({
    who: text('the name that the event log shows'),
    role: words(['admin', 'viewer']),
    csrf: Type.Unsafe<string | null>({ type: ['string', 'null'], description: 'send it back as x-weir-csrf with every write; null for a bearer token, which needs none' }),
    expiresAtMs: integerOrNull('ms since 1970: the sign-in ends then at the latest; null: never'),
  }),
  HostView: Type.Object({
    interfaces: Type.Array(Type.Object({ name: text(), addresses: Type.Array(Type.String()) })),
  }),
} satisfies Record<keyof Named, TSchema>;

/** Documents as a request gives them: any of the three, no other. */
export const SomeDocuments = strict(
  Object.fromEntries(DOCUMENT_NAMES.map((name) => [name, Type.Optional(Type.String({ description: `the text of ${name}.conf` }))])) as Record<keyof Documents, Type.TOptional<Type.TString>>,
  { minProperties: 1, description: 'at least one of' },
);

type Mutable<T> = T extends readonly (infer E)[] ? Mutable<E>[] : T extends object ? { -readonly [K in keyof T]: Mutable<T[K]> } : T;
type Same<A, B> = (<T>() => T extends Mutable<A> ? 1 : 2) extends <T>() => T extends Mutable<B> ? 1 : 2 ? true : false;
/** Fails to compile, naming the schema, when a schema and its type differ in either direction. */
export const HELD: { readonly [N in keyof Named]: Same<Named[N], Static<(typeof SCHEMAS)[N]>> } = {
  Position: true, Issue: true, ErrorView: true, Documents: true, DocumentsView: true, EditResult: true, PlanView: true, ApplyResult: true, RevisionView: true, ResponseView: true,
  ServerView: true, DirectorView: true, BlackholeView: true, StatusView: true, ServiceView: true, SessionsView: true, ExplainView: true, EventView: true, SampleView: true,
  TokenView: true, SignInView: true, HostView: true, NatRuleView: true,
};
