/**
 * What the API may ask of the daemon: the owner of edited, running and saved, of health and of the engine.
 * One implementation (src/daemon/daemon.ts), one at a time: calls that change anything are serialised inside.
 * Every change says who asked for it; refusals throw Refusal and have changed nothing.
 */
import type {
  ApplyResult, DirectorView, Documents, DocumentsView, EditResult, EventView, ExplainView, NatRuleView, PlanView, PurgeQuery, RevisionView, SampleView,
  ServerView, ServiceAction, ServiceView, SessionsQuery, SessionsView, Stage, StatusView,
} from '../client/types.ts';
import type { Issue } from '../config/issue.ts';
import type { Reading } from '../engine/engine.ts';
import type { HealthService } from '../health/health.ts';

export interface Control {
  status(): Promise<StatusView>;
  documents(stage: Stage): DocumentsView;
  edit(documents: Partial<Documents>, options: { readonly who: string; readonly ifMatch?: string }): Promise<EditResult>;
  check(documents: Partial<Documents>): readonly Issue[];
  plan(): Promise<PlanView>;
  apply(options: { readonly who: string; readonly confirmMs?: number; readonly ifMatch?: string }): Promise<ApplyResult>;
  confirm(who: string): Promise<void>;
  save(who: string): Promise<RevisionView>;
  revisions(): readonly RevisionView[];
  revision(revision: number): Promise<DocumentsView>;
  rollback(revision: number, who: string): Promise<ApplyResult>;
  directors(): Promise<readonly DirectorView[]>;
  servers(): Promise<readonly ServerView[]>;
  override(director: string, server: string, action: 'drain' | 'disable' | 'enable' | 'reset', who: string): Promise<ServerView>;
  sessions(query: SessionsQuery): Promise<SessionsView>;
  purge(query: PurgeQuery, who: string): Promise<number>;
  /** Moves live sessions of a client to a server; returns how many are there now, at least one. Throws Refusal NOT_FOUND, NOT_USABLE, UNSUPPORTED or BAD_REQUEST. */
  pin(request: { readonly client: string; readonly director: string; readonly server: string }, who: string): Promise<number>;
  explain(query: { readonly client: string; readonly vip: string; readonly protocol: 'udp' | 'tcp' }): Promise<ExplainView>;
  services(): readonly ServiceView[];
  service(name: string, instance: string | null, action: ServiceAction, who: string): Promise<ServiceView>;
  reading(): Promise<Reading>;
  /** Counters of the health checker, for /metrics; absent where there is no checker. */
  healthCounters?(): ReturnType<HealthService['counters']>;
  /** What traffic showed of directors and sessions, for /metrics; absent where nothing watches it. */
  traffic?(): { readonly blackholes: StatusView['blackholes']; readonly expects: (director: string) => 'replies' | 'nothing' | 'unknown' };
  /** Every NAT rule of the running configuration, in its order, with what it took; counters that cannot be read are null. */
  natRules(): Promise<readonly NatRuleView[]>;
  series(): readonly SampleView[];
  /** Events newer than `sinceSeq`, oldest first; the log is bounded. */
  events(sinceSeq: number): readonly EventView[];
  /** Adds to the event and audit log (sign-ins, token changes). */
  note(event: { readonly kind: string; readonly who: string; readonly text: string }): void;
  /** Calls back on each event and sample until the returned function is called. */
  subscribe(listener: { event?(event: EventView): void; sample?(sample: SampleView): void }): () => void;
}

/** Why a refusal: the API maps each code to one HTTP status. */
export type RefusalCode =
  | 'BAD_REQUEST'
  | 'CONFIG_INVALID'
  | 'NOT_FOUND'
  | 'EDITED_BY_ANOTHER'
  | 'CONFIRM_PENDING'
  | 'NOTHING_TO_CONFIRM'
  | 'NOT_USABLE'
  | 'UNSUPPORTED'
  | 'APPLY_FAILED'
  | 'STORE_FAILED';

/** A call that was refused and changed nothing. `cure` says what to do about it. */
export class Refusal extends Error {
  readonly code: RefusalCode;
  readonly cure: string | undefined;
  readonly issues: readonly Issue[];
  constructor(code: RefusalCode, message: string, options: { cure?: string; issues?: readonly Issue[]; cause?: unknown } = {}) {
    super(message, { cause: options.cause });
    this.name = 'Refusal';
    this.code = code;
    this.cure = options.cure;
    this.issues = options.issues ?? [];
  }
}
