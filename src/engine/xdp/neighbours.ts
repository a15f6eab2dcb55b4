/**
 * The next hops of servers, kept resolved: the program only looks them up. From Linux 5.16 on the kernel does it itself (flag managed);
 * before, each is asked for again every while. An entry that somebody set by hand is left as it is.
 */
import { CommandError, type RunCommand } from '../../command/command.ts';
import type { Ip } from '../../net/ip.ts';
import type { Desired } from '../../plan/desired.ts';
import type { HostFacts } from './host.ts';

export interface Neighbour {
  readonly ip: string;
  readonly device: string;
}

/** Returns the next hops of all servers: each server on-link, or its gateway. */
export function nextHops(desired: Desired, facts: HostFacts): readonly Neighbour[] {
  const ethernet = new Set(facts.links.filter((l) => l.ethernet).map((l) => l.name));
  const found = new Map<string, Neighbour>();
  for (const director of desired.directors) {
    for (const { ip } of director.servers) {
      const way = facts.ways.get(ip.text);
      if (way == null || way.local || !ethernet.has(way.device)) continue;
      const hop: Ip = way.gateway ?? ip;
      found.set(`${hop.text} ${way.device}`, { ip: hop.text, device: way.device });
    }
  }
  return [...found.values()];
}

/** How long the first answers of neighbours are waited for, and how often it is looked. */
const ANSWER_MS = 500;
const LOOK_MS = 10;

/**
 * Waits until each of these is resolved, or has failed: a datagram for one that is not would be lost. Gives up after half a second: one
 * that is down answers nobody.
 */
export async function awaitResolved(run: RunCommand, hops: readonly Neighbour[], wait: (ms: number) => Promise<void>): Promise<void> {
  const open = new Set(hops.map((n) => `${n.ip} ${n.device}`));
  for (let waited = 0; open.size > 0 && waited < ANSWER_MS; waited += LOOK_MS) {
    const { stdout } = await run(['ip', '-j', 'neigh', 'show']);
    for (const n of parseNeighbours(stdout)) if (n.lladdr !== undefined || n.state?.includes('FAILED') === true) open.delete(`${n.dst} ${n.dev}`);
    if (open.size > 0) await wait(LOOK_MS);
  }
}

interface JsonNeighbour {
  readonly dst: string;
  readonly dev: string;
  readonly lladdr?: string;
  readonly state?: readonly string[];
}

function parseNeighbours(stdout: string): readonly JsonNeighbour[] {
  return stdout.trim() === '' ? [] : (JSON.parse(stdout) as readonly JsonNeighbour[]);
}

/** Asks the kernel to keep these resolved; returns those that were asked for, and whether the kernel goes on by itself. */
export async function keepResolved(run: RunCommand, hops: readonly Neighbour[]): Promise<{ readonly kept: readonly Neighbour[]; readonly managed: boolean }> {
  if (hops.length === 0) return { kept: [], managed: true };
  const { stdout } = await run(['ip', '-j', 'neigh', 'show', 'nud', 'permanent', 'nud', 'noarp']);
  const byHand = new Set(parseNeighbours(stdout).map((n) => `${n.dst} ${n.dev}`));
  const kept = hops.filter((n) => !byHand.has(`${n.ip} ${n.device}`));
  const lines = (how: string): string => kept.map((n) => `neigh replace ${n.ip} dev ${n.device} ${how}\n`).join('');
  try {
    await run(['ip', '-force', '-batch', '-'], { input: lines('managed') });
    return { kept, managed: true };
  } catch (error) {
    if (!(error instanceof CommandError) || error.kind !== 'failed') throw error;
    await run(['ip', '-force', '-batch', '-'], { input: lines('use') }).catch(() => undefined);
    return { kept, managed: false };
  }
}

/** Takes entries away that were asked for; one that is gone already is no fault. */
export async function letGo(run: RunCommand, hops: readonly Neighbour[]): Promise<void> {
  if (hops.length === 0) return;
  await run(['ip', '-force', '-batch', '-'], { input: hops.map((n) => `neigh del ${n.ip} dev ${n.device}\n`).join('') }).catch(() => undefined);
}
