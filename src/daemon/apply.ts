/**
 * Edited to running, running to saved, and back. An apply is: check all, plan, make the new state durable beside the old, let the
 * engine take it, switch. Whatever fails on the way leaves all three stages and the data plane as they were.
 *
 * A restart of the daemon starts from saved, as a reboot of an appliance does: unsaved and unconfirmed changes end with the process.
 */
import type { ApplyResult, Documents, PlanView, RevisionView } from '../client/types.ts';
import type { Issue } from '../config/issue.ts';
import type { Config } from '../config/model.ts';
import { sessionsMoved } from '../plan/moves.ts';
import type { Desired } from '../plan/desired.ts';
import { etagOf } from '../store/documents.ts';
import type { StateChange, StoredOverride } from '../store/store.ts';
import { Refusal } from './control.ts';
import { act, desiredFor, follow, planTo, readingOrNull, stored, type Core, type Running, type WholePlan } from './core.ts';
import { natProblems } from './nat.ts';

export interface Stages {
  plan(): Promise<PlanView>;
  apply(options: { readonly who: string; readonly confirmMs?: number; readonly ifMatch?: string }): Promise<ApplyResult>;
  confirm(who: string): Promise<void>;
  save(who: string): Promise<RevisionView>;
  rollback(revision: number, who: string): Promise<ApplyResult>;
  edit(documents: Partial<Documents>, options: { readonly who: string; readonly ifMatch?: string }): Promise<{ etag: string; issues: readonly Issue[] }>;
}

const MIN_CONFIRM_MS = 1000;
/** A disk that was full may have room again. */
const RECORD_AGAIN_MS = 10_000;
const MAX_CONFIRM_MS = 24 * 60 * 60 * 1000;
/** Of the three documents together, in characters; the parser has the same bound for each. */
const MAX_DOCUMENT_CHARACTERS = 64 * 1024 * 1024;

/** Returns the changes of stages; each runs in the daemon's queue. A plan changes nothing and waits for nobody. */
export function createStages(core: Core): Stages {
  return {
    plan: () => planView(core),
    edit: (documents, options) => core.queue.run(() => edit(core, documents, options)),
    apply: (options) => core.queue.run(() => apply(core, options)),
    confirm: (who) => core.queue.run(() => confirm(core, who)),
    save: (who) => core.queue.run(() => save(core, who)),
    rollback: (revision, who) => core.queue.run(() => rollback(core, revision, who)),
  };
}

/** Returns `documents` with what is missing taken from edited. Throws Refusal BAD_REQUEST for anything but texts of a bearable size. */
export function completeDocuments(core: Core, documents: Partial<Documents>): Documents {
  const edited = stateOf(core).edited.documents;
  const whole: Documents = { layer4: documents.layer4 ?? edited.layer4, nat: documents.nat ?? edited.nat, services: documents.services ?? edited.services };
  let size = 0;
  for (const [name, text] of Object.entries(whole)) {
    if (typeof text !== 'string') throw new Refusal('BAD_REQUEST', `document ${name}: a text expected, found ${typeof text}`, { cure: 'send each document as a JSON string' });
    size += text.length;
  }
  if (size > MAX_DOCUMENT_CHARACTERS) throw new Refusal('BAD_REQUEST', `the documents may have ${MAX_DOCUMENT_CHARACTERS} characters together, found ${size}`, { cure: 'check that these are configurations' });
  return whole;
}

/** Returns the store's state. Throws when the daemon has not started: a fault of the caller. */
export function stateOf(core: Core): NonNullable<ReturnType<Core['store']['state']>> {
  const state = core.store.state();
  if (!state) throw new Error('the daemon has not started');
  return state;
}

/** Throws Refusal UNSUPPORTED naming everything that the engine or the NAT table cannot do. */
export async function refuseUnsupported(core: Core, config: Config, desired: Desired): Promise<void> {
  const missing = await unsupportedTexts(core, config, desired);
  if (missing.length === 0) return;
  throw new Refusal('UNSUPPORTED', missing.join('\n'), { cure: `change these, or choose another engine (weir check --engine NAME shows what each can do)` });
}

/** Throws Refusal CONFIG_INVALID with all issues; returns the configuration when there is no error. */
export function requireConfig(core: Core, documents: Documents, what: string): { readonly config: Config; readonly issues: readonly Issue[] } {
  const { config, issues } = core.parse(documents);
  const errors = issues.filter((i) => i.severity === 'error').length;
  if (config && errors === 0) return { config, issues };
  throw new Refusal('CONFIG_INVALID', `${what} has ${errors === 1 ? '1 error' : `${errors} errors`}; nothing was changed`, { cure: 'correct what the issues name', issues });
}

/** Takes back an apply that nobody confirmed: the stages always follow; the data plane follows at once or as soon as it can. */
export async function takeBack(core: Core): Promise<void> {
  const { pending } = core;
  if (!pending) return;
  const note = `revision ${pending.revision} was not confirmed in time`;
  core.pending = null;
  // Before it is recorded: who waits for this has lost the way in, and no disk may keep it from them.
  core.running = pending.previous;
  core.changed();
  try {
    await follow(core, 'also nat');
  } catch (error) {
    core.events.add({ kind: 'apply-failed', who: 'weir', service: 'lvs', text: `the automatic rollback is tried again: ${textOf(error)}` });
    core.natOwed = true;
    core.trigger();
  }
  try {
    await record(core, note);
  } catch (error) {
    core.events.add({ kind: 'store-failed', who: 'weir', text: `the automatic rollback could not be recorded, and is tried again: ${textOf(error)}` });
    recordLater(core, note);
  }
  core.events.add({ kind: 'auto-rollback', who: 'weir', service: 'lvs', text: `${note}: revision ${pending.previous.revision} runs again`, audit: true });
}

/** Makes the store say what runs after an automatic rollback. Throws StoreError. */
async function record(core: Core, note: string): Promise<void> {
  const { running } = core;
  if (stateOf(core).running.etag === running.etag) return;
  const made = await core.store.commit({ running: running.documents, revision: { who: 'weir', what: 'auto-rollback', note } });
  core.running = { ...running, revision: made?.revision ?? running.revision };
}

/** Until it succeeds or something else runs, which is recorded with it. */
function recordLater(core: Core, note: string): void {
  const { etag } = core.running;
  core.clock.after(RECORD_AGAIN_MS, () => {
    core.queue.run(async () => (core.running.etag === etag ? record(core, note) : undefined)).catch(() => recordLater(core, note));
  });
}

async function edit(core: Core, documents: Partial<Documents>, options: { readonly who: string; readonly ifMatch?: string }): Promise<{ etag: string; issues: readonly Issue[] }> {
  requireMatch(core, options.ifMatch);
  const whole = completeDocuments(core, documents);
  const { issues } = core.parse(whole);
  const etag = etagOf(whole);
  if (etag !== stateOf(core).edited.etag) {
    await stored(core.store.commit({ edited: whole }));
    const names = Object.keys(documents).join(', ');
    core.events.add({ kind: 'edit', who: options.who, text: `edited ${names}`, audit: true });
  }
  return { etag, issues };
}

async function planView(core: Core): Promise<PlanView> {
  const { config, issues } = core.parse(stateOf(core).edited.documents);
  if (!config || issues.some((i) => i.severity === 'error')) return { steps: [], moves: 0, issues, unsupported: [] };
  const desired = desiredFor(core, config);
  const plan = await planTo(core, desired, config);
  return { ...(await planText(core, plan)), issues, unsupported: await unsupportedTexts(core, config, desired) };
}

async function apply(core: Core, options: { readonly who: string; readonly confirmMs?: number; readonly ifMatch?: string }): Promise<ApplyResult> {
  refusePending(core);
  requireMatch(core, options.ifMatch);
  requireConfirmMs(options.confirmMs);
  const { documents, etag } = stateOf(core).edited;
  const change = { who: options.who, what: 'apply' as const, note: '' };
  return applyDocuments(core, { documents, etag, change, ...(options.confirmMs === undefined ? {} : { confirmMs: options.confirmMs }) });
}

async function rollback(core: Core, revision: number, who: string): Promise<ApplyResult> {
  const { pending } = core;
  // Going back to what ran before is how an operator ends the wait for a confirmation that will not come.
  const ending = pending !== null && pending.previous.revision === revision;
  if (!ending) refusePending(core);
  const documents = await stored(core.store.revisionDocuments(revision));
  if (!documents) {
    const all = core.store.revisions();
    throw new Refusal('NOT_FOUND', `there is no revision ${revision}`, { cure: `revisions ${all[0]?.revision ?? 0} to ${all.at(-1)?.revision ?? 0} are kept: see weir revisions` });
  }
  const change = { who, what: 'rollback' as const, note: `to revision ${revision}` };
  const result = await applyDocuments(core, { documents, etag: etagOf(documents), change, edited: documents });
  if (ending) {
    pending.cancel();
    core.pending = null;
  }
  return result;
}

/** The one way into running. Nothing is changed before the engine took the plan; everything switches together after it did. */
async function applyDocuments(
  core: Core,
  options: {
    readonly documents: Documents;
    readonly etag: string;
    readonly change: Pick<RevisionView, 'who' | 'what' | 'note'>;
    readonly edited?: Documents;
    readonly confirmMs?: number;
  },
): Promise<ApplyResult> {
  const { documents, etag, change } = options;
  const { config, issues } = requireConfig(core, documents, options.edited ? change.note.replace('to ', '') : 'the edited configuration');
  const desired = desiredFor(core, config);
  await refuseUnsupported(core, config, desired);
  const view = await planText(core, await planTo(core, desired, config));
  // What the store says runs is another text while an automatic rollback could not be recorded.
  const same = etag === core.running.etag && etag === stateOf(core).running.etag;
  const next: StateChange = { ...(options.edited ? { edited: options.edited } : {}), ...(same ? {} : { running: documents, revision: change }) };
  const prepared = await stored(core.store.prepare(next));
  let plan: WholePlan;
  try {
    // Planned again: health may have changed the data plane while the disk took its time.
    plan = await act(core, { config, overrides: core.overrides }, 'also nat');
  } catch (error) {
    await prepared.abort();
    core.events.add({ kind: 'apply-failed', who: change.who, service: 'lvs', text: `${change.what} refused: ${textOf(error)}`, audit: true });
    throw error;
  }
  try {
    await stored(prepared.commit());
  } catch (error) {
    // The data plane must not run what no restart and no status knows of.
    core.acting = null;
    await follow(core, 'also nat').catch(() => {
      core.natOwed = true;
      core.trigger();
    });
    throw error;
  }
  const previous = core.running;
  core.running = { documents, etag, config, issues: core.parseText(documents).issues, revision: prepared.revision?.revision ?? previous.revision };
  core.acting = null;
  core.changed();
  core.events.add({ kind: change.what, who: change.who, service: 'lvs', text: appliedText(core.running, change, plan, same), audit: true });
  const confirmBy = options.confirmMs === undefined || same ? null : waitForConfirm(core, previous, options.confirmMs);
  return { ...view, issues: [...issues, ...core.restarts()], unsupported: [], revision: core.running.revision, confirmBy };
}

function waitForConfirm(core: Core, previous: Running, confirmMs: number): number {
  const deadlineMs = core.clock.now() + confirmMs;
  const { revision } = core.running;
  let cancel = (): void => undefined;
  const arm = (ms: number): void => {
    cancel = core.clock.after(ms, () => {
      core.queue
        .run(async () => {
          if (core.pending?.revision === revision) await takeBack(core);
        })
        .catch((error: unknown) => {
          // An operator who cut off their own access counts on this: it is never given up.
          core.events.add({ kind: 'apply-failed', who: 'weir', service: 'lvs', text: `the automatic rollback is tried again: ${textOf(error)}` });
          arm(1000);
        });
    });
  };
  arm(confirmMs);
  core.pending = { previous, revision, deadlineMs, cancel: () => cancel() };
  return deadlineMs;
}

async function confirm(core: Core, who: string): Promise<void> {
  const { pending } = core;
  if (!pending) throw new Refusal('NOTHING_TO_CONFIRM', 'no apply waits for a confirmation', { cure: 'it may have been taken back already: see weir events and weir status' });
  pending.cancel();
  core.pending = null;
  core.events.add({ kind: 'confirm', who, text: `revision ${pending.revision} confirmed`, audit: true });
}

async function save(core: Core, who: string): Promise<RevisionView> {
  refusePending(core);
  const state = stateOf(core);
  const overrides = withoutStale(core);
  const known = core.store.revisions().find((r) => r.revision === state.saved.revision);
  if (state.saved.etag === core.running.etag && overrides.length === state.overrides.length && known) return known;
  const made = await stored(core.store.commit({ saved: core.running.documents, overrides, revision: { who, what: 'save', note: '' } }));
  core.overrides = new Map([...core.overrides].filter(([, o]) => overrides.includes(o)));
  core.events.add({ kind: 'save', who, text: `revision ${made?.revision ?? 0} saved`, audit: true });
  return made as RevisionView;
}

/** Overrides outlive an apply, so that a rollback finds them; what is saved decides which servers there are. */
function withoutStale(core: Core): readonly StoredOverride[] {
  const servers = new Set(core.running.config.directors.flatMap((d) => d.servers.map((s) => `${d.name}|${s.name}`)));
  return [...core.overrides].filter(([key]) => servers.has(key)).map(([, override]) => override);
}

async function planText(core: Core, plan: WholePlan): Promise<Pick<PlanView, 'steps' | 'moves'>> {
  const { reading } = await readingOrNull(core);
  const steps = [...plan.nat.texts.map((text) => ({ op: 'nat', text })), ...plan.steps.map(({ op, text }) => ({ op, text }))];
  return { steps, moves: reading ? sessionsMoved(plan, reading) : 0 };
}

async function unsupportedTexts(core: Core, config: Config, desired: Desired): Promise<readonly string[]> {
  return [...core.engine.unsupported(desired).map((u) => u.message), ...(await natProblems(core, config))];
}

function refusePending(core: Core): void {
  const { pending } = core;
  if (!pending) return;
  const seconds = Math.max(0, Math.ceil((pending.deadlineMs - core.clock.now()) / 1000));
  throw new Refusal('CONFIRM_PENDING', `revision ${pending.revision} waits to be confirmed; it is taken back in ${seconds} s`, {
    cure: `confirm it (weir confirm), wait, or go back now (weir rollback ${pending.previous.revision})`,
  });
}

function requireMatch(core: Core, ifMatch: string | undefined): void {
  const { etag } = stateOf(core).edited;
  if (ifMatch === undefined || ifMatch === etag) return;
  throw new Refusal('EDITED_BY_ANOTHER', `the edited configuration has changed: expected ${ifMatch}, found ${etag}`, { cure: 'read it again, make your change to it, and send that' });
}

function requireConfirmMs(confirmMs: number | undefined): void {
  if (confirmMs === undefined || (Number.isFinite(confirmMs) && confirmMs >= MIN_CONFIRM_MS && confirmMs <= MAX_CONFIRM_MS)) return;
  throw new Refusal('BAD_REQUEST', `the time to confirm must be ${MIN_CONFIRM_MS} to ${MAX_CONFIRM_MS} ms, found ${confirmMs}`, { cure: 'for example 60 s: weir apply --confirm 60s' });
}

function appliedText(running: Running, change: Pick<RevisionView, 'what' | 'note'>, plan: WholePlan, same: boolean): string {
  const count = plan.steps.length + plan.nat.texts.length;
  const steps = count === 1 ? '1 step' : `${count} steps`;
  const what = same ? `revision ${running.revision} runs already` : `revision ${running.revision} runs`;
  return `${change.what}${change.note === '' ? '' : ` ${change.note}`}: ${what}, ${count === 0 ? 'nothing to change in the data plane' : steps}`;
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
