/**
 * The one way the data plane is changed: everything is computed first, then written step by step, and a step that fails has the state
 * before written again. The record says what is to be true before the first step, so that a start after a crash goes on with it.
 */
import type { RunCommand } from '../../command/command.ts';
import { isLoopback } from '../../net/ip.ts';
import type { Desired } from '../../plan/desired.ts';
import { EngineError, Unsupported } from '../engine.ts';
import { attachAll, detachOthers } from './attach.ts';
import { BpfError } from './bpf-error.ts';
import { endSessions, sweepAll } from './commands.ts';
import { NO_BASE, withDrops, withServer, type BaseCounters } from './counters.ts';
import { readHost, type HostFacts } from './host.ts';
import { refuseOnHost, type Settings } from './host-refusals.ts';
import type { Kernel } from './kernel.ts';
import type { XdpMode } from './libbpf.ts';
import { devicesInPlay, linkPlan, type LinkPlan } from './links.ts';
import { awaitResolved, keepResolved, letGo, nextHops } from './neighbours.ts';
import type { RecordFile, XdpRecord } from './record.ts';
import { scan, tableOf } from './sessions.ts';
import { assignSlots, releaseSlots, type Slots } from './slots.ts';
import { targetOf, type Target } from './target.ts';
import { nowTick } from './ticks.ts';
import { directorAt, vipEntries, type VipEntries } from './vip-keys.ts';
import { linkSteps, unlinkSteps, writeSteps, type Outcome, type Step } from './writer.ts';
import { ipOfWords, swap16, type Words } from './addresses.ts';

/** The world of an application; the engine's dependencies hold it. */
export interface ApplyWorld extends Settings {
  readonly record: RecordFile;
  readonly run: RunCommand;
  readonly interfaces: readonly string[] | undefined;
  /** generic: everywhere. Else natively where every driver can, and generic where one cannot; with native, probe() refuses at once then. */
  readonly mode: XdpMode | undefined;
  turn(): Promise<void>;
  wait(ms: number): Promise<void>;
  /** 0..2^32-1. */
  random(): number;
  /** Called before each step: what tests stop at. */
  onStep?(text: string): void;
}

/** What came of it. `modeNote`: why it does not run natively, when that was found out now. */
export interface Applied {
  readonly record: XdpRecord;
  readonly facts: HostFacts;
  readonly managed: boolean;
  readonly modeNote: string | null;
  /** Rows that were given away. */
  readonly released: readonly number[];
}

interface Stage {
  readonly kernel: Kernel;
  readonly target: Target;
  readonly vips: VipEntries;
  readonly plan: LinkPlan;
}

/** Makes `next` true. Throws EngineError; then all is as `before` says, but for what `landed` names. `repair`: a crash may have left anything between two states. */
export async function become(kernel: Kernel, before: XdpRecord, next: Desired, world: ApplyWorld, repair = false): Promise<Applied> {
  let prepared: Prepared;
  try {
    prepared = await prepare(kernel, before, next, world);
  } catch (error) {
    throw asEngineError(error, []);
  }
  const { stage, facts, settled, applying, kept, managed, released } = prepared;
  let modeNote: string | null;
  try {
    modeNote = await write(stage, world, { repair, wanted: world.mode === 'generic' ? 'generic' : null });
  } catch (error) {
    throw await takeBack(error, { kernel, before: { ...settled, slots: applying.slots }, facts, world });
  }
  await letGo(world.run, settled.neighbours.filter((n) => !kept.some((k) => k.ip === n.ip && k.device === n.device)));
  const record: XdpRecord = { ...applying, phase: 'settled', neighbours: kept };
  world.record.save(record);
  return { record, facts, managed, modeNote, released };
}

interface Prepared {
  readonly stage: Stage;
  readonly facts: HostFacts;
  readonly settled: XdpRecord;
  readonly applying: XdpRecord;
  readonly kept: XdpRecord['neighbours'];
  readonly managed: boolean;
  readonly released: readonly number[];
}

/** Computes everything, gives out rows, asks for next hops, and writes down what is about to become true. Changes nothing that traffic sees. */
async function prepare(kernel: Kernel, before: XdpRecord, next: Desired, world: ApplyWorld): Promise<Prepared> {
  const facts = await hostFacts(world, next, before.desired);
  const plan = linksOf(kernel, next, facts, world);
  refuseOnHost(next, facts, plan, world);
  const { record: settled, released } = release(kernel, before, world.record);
  const slots = assign(kernel, settled.slots, next, world);
  const names = new Set(next.directors.map((d) => d.name));
  const bases = Object.fromEntries(Object.entries(settled.bases).filter(([name]) => names.has(name)));
  const applying: XdpRecord = { ...settled, desired: next, phase: 'applying', slots, bases };
  const { kept, managed } = await keepResolved(world.run, nextHops(next, facts));
  const known = new Set(settled.neighbours.map((n) => `${n.ip} ${n.device}`));
  await awaitResolved(world.run, kept.filter((n) => !known.has(`${n.ip} ${n.device}`)), world.wait);
  world.record.save({ ...applying, neighbours: [...settled.neighbours, ...kept] });
  return { stage: { kernel, plan, ...stageOf(next, slots, facts) }, facts, settled, applying, kept, managed, released };
}

/** Returns target and addresses of a desired state that has its rows. */
export function stageOf(desired: Desired, slots: Slots, facts: HostFacts): { readonly target: Target; readonly vips: VipEntries } {
  const target = targetOf(desired, slots, facts);
  return { target, vips: vipEntries(target.claims, facts.addresses.filter((a) => a.global && !isLoopback(a.ip)).map((a) => a.ip)) };
}

/** Returns where the program is to run. Throws EngineError for an interface that was asked for and is not there. */
export function linksOf(kernel: Kernel, desired: Desired, facts: HostFacts, world: Pick<ApplyWorld, 'interfaces'>): LinkPlan {
  const devices = desired.directors.length === 0 ? [] : devicesInPlay(desired, facts, world.interfaces);
  for (const device of world.interfaces ?? []) {
    if (!facts.links.some((l) => l.name === device)) throw new EngineError(`there is no interface ${device} for the xdp engine`, { cure: `this host has: ${facts.links.filter((l) => l.ethernet).map((l) => l.name).join(', ')}` });
  }
  const rows = Array.from({ length: kernel.links.count }, (_, id) => kernel.links.get(id, 'own_ifindex'));
  return linkPlan(devices, facts, rows);
}

async function hostFacts(world: ApplyWorld, ...states: readonly Desired[]): Promise<HostFacts> {
  try {
    return await readHost(world.run, states.flatMap((s) => s.directors.flatMap((d) => d.servers.map((server) => server.ip))));
  } catch (cause) {
    throw new EngineError(`the host's interfaces and routes cannot be read: ${cause instanceof Error ? cause.message : String(cause)}`, { cure: 'apt-get install iproute2', cause });
  }
}

/** Gives up rows that nobody needs; their counters stay with their director. */
function release(kernel: Kernel, before: XdpRecord, file: RecordFile): { readonly record: XdpRecord; readonly released: readonly number[] } {
  const { slots, servers, directors } = releaseSlots(before.slots, before.desired, (slot) => kernel.servers.get(slot, 'refs'));
  if (servers.length === 0 && directors.length === 0) return { record: before, released: [] };
  const bases: Record<string, BaseCounters> = { ...before.bases };
  for (const { director, slot } of servers) if (director !== null) bases[director] = withServer(bases[director] ?? NO_BASE, kernel.serverCounts(slot));
  for (const { director, slot } of directors) if (director !== null) bases[director] = withDrops(bases[director] ?? NO_BASE, kernel.dropCounts(slot));
  const record: XdpRecord = { ...before, slots, bases };
  // Rows are emptied only once the file says that they have no owner.
  file.save(record);
  return { record, released: servers.map((s) => s.slot) };
}

/** Gives rows to everything that has none; such a row is emptied while nothing leads to it. */
function assign(kernel: Kernel, slots: Slots, next: Desired, world: ApplyWorld): Slots {
  let assigned: Slots;
  try {
    assigned = assignSlots(slots, next);
  } catch (error) {
    if (!(error instanceof Unsupported)) throw error;
    throw new EngineError(error.message, { cure: 'wait until the sessions of what was removed have ended, or split the configuration over several balancers' });
  }
  const servers = new Set(slots.flatMap((s) => Object.values(s.servers)));
  const directors = new Set(slots.map((s) => s.slot));
  for (const director of assigned) {
    if (!directors.has(director.slot)) {
      kernel.directors.clear(director.slot);
      kernel.clearDirector(director.slot);
    }
    for (const slot of Object.values(director.servers)) {
      if (servers.has(slot)) continue;
      kernel.servers.clear(slot);
      kernel.clearServer(slot);
      // Rows of one server share its ports: two that began at the same would get into each other's way.
      kernel.servers.set(slot, 'port_next', world.random());
    }
  }
  return assigned;
}

async function write({ kernel, target, vips, plan }: Stage, world: ApplyWorld, { repair, wanted }: { readonly repair: boolean; readonly wanted: XdpMode | null }): Promise<string | null> {
  const outcome: Outcome = { policies: repair, vips: repair };
  let modeNote: string | null = null;
  const attachStep: Step = { text: 'interfaces', run: () => void (modeNote = plan.attach.length === 0 ? null : attachAll(kernel, plan.attach, wanted).why) };
  for (const step of [...linkSteps(kernel, plan.links), attachStep, ...writeSteps(kernel, target, vips, outcome)]) take(step, world);
  if (outcome.vips || hasStrangers(kernel, target)) await endLost(kernel, target, vips, world);
  if (outcome.policies) await sweepAll(kernel, world.turn);
  for (const step of unlinkSteps(kernel, plan.links)) take(step, world);
  take({ text: 'interfaces that are left', run: () => detachOthers(kernel, plan.attach) }, world);
  return modeNote;
}

function take(step: Step, world: ApplyWorld): void {
  world.onStep?.(step.text);
  step.run();
}

/** Writes the state before again; returns the error that says what did not go back. */
async function takeBack(error: unknown, { kernel, before, facts, world }: { readonly kernel: Kernel; readonly before: XdpRecord; readonly facts: HostFacts; readonly world: ApplyWorld }): Promise<EngineError> {
  const landed: string[] = [];
  const { target, vips } = stageOf(before.desired, before.slots, facts);
  try {
    const plan = linksOf(kernel, before.desired, facts, world);
    const outcome: Outcome = { policies: false, vips: false };
    const steps = [...linkSteps(kernel, plan.links), ...writeSteps(kernel, target, vips, outcome), ...unlinkSteps(kernel, plan.links), { text: 'interfaces', run: () => detachOthers(kernel, plan.attach) }];
    for (const step of steps) {
      try {
        step.run();
      } catch {
        landed.push(step.text);
      }
    }
    if (hasStrangers(kernel, target) || outcome.vips) await endLost(kernel, target, vips, world);
  } catch (cause) {
    landed.push(`sessions of what was taken back (${cause instanceof Error ? cause.message : String(cause)})`);
  }
  // With something landed the next start, and the next apply, go on from an apply under way.
  world.record.save({ ...before, phase: landed.length === 0 ? 'settled' : 'applying' });
  return asEngineError(error, landed);
}

function asEngineError(error: unknown, landed: readonly string[]): EngineError {
  if (error instanceof EngineError && landed.length === 0) return error;
  const message = error instanceof Error ? error.message : String(error);
  return new EngineError(message, { cure: error instanceof BpfError || error instanceof EngineError ? error.cure : 'see the message and the kernel log (dmesg)', landed, cause: error });
}

/** True when a director row that is not in the target has sessions. */
function hasStrangers(kernel: Kernel, target: Target): boolean {
  const wanted = new Set(target.directors.map((d) => d.slot));
  for (let slot = 0; slot < kernel.directors.count; slot++) if (!wanted.has(slot) && kernel.directors.get(slot, 'sessions') !== 0) return true;
  return false;
}

/** Ends the sessions whose director is gone, or has not the address any more that their client uses. */
async function endLost(kernel: Kernel, target: Target, vips: VipEntries, world: ApplyWorld): Promise<void> {
  const wanted = new Set(target.directors.map((d) => d.slot));
  const { sessions } = kernel;
  const lost: number[] = [];
  const known = new Map<string, number | undefined>();
  await scan(tableOf(kernel), { match: { servers: null, client: null }, now: nowTick(), turn: world.turn, expired: true }, (record) => {
    const director = sessions.get(record, 'director');
    if (!wanted.has(director) || directorOf(kernel, vips, record, known) !== director) lost.push(record);
    return true;
  });
  await endSessions(kernel, lost, world.turn);
}

/** The director whose address a session's client uses; clients of one address ask the same. */
function directorOf(kernel: Kernel, vips: VipEntries, record: number, known: Map<string, number | undefined>): number | undefined {
  const { sessions } = kernel;
  const words: Words = [sessions.get(record, 'vip6_be', 0), sessions.get(record, 'vip6_be', 1), sessions.get(record, 'vip6_be', 2), sessions.get(record, 'vip4_be')];
  const port = swap16(sessions.get(record, 'vip_port_be'));
  const key = `${words.join()},${port}`;
  if (known.size > KNOWN_MAX) known.clear();
  if (!known.has(key)) known.set(key, directorAt(vips, ipOfWords(words, sessions.get(record, 'family')), port));
  return known.get(key);
}

/** Addresses remembered while sessions are looked through. */
const KNOWN_MAX = 65_536;
