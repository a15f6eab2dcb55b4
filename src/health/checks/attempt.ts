/**
 * One try of a check: begin, wait for the first word, clean up, never throw.
 * Here is also the one place that says which errors are the server's fault and which are this host's.
 */
import type { SetTimer } from '../agenda.ts';
import type { CheckResult, Target } from '../health.ts';
import type { IcmpSockets } from '../icmp-socket.ts';
import type { Neighbours } from '../neighbours.ts';
import type { VipPaths } from '../vip-path/vip-paths.ts';

/** What checks need of the world. `cancels` holds a function for each try under way; calling it ends the try at once. */
export interface CheckEnv {
  /** Monotonic, in ms with fractions. */
  readonly nowMs: () => number;
  readonly setTimer: SetTimer;
  /** 0..1; ids that a stranger must not guess come from node:crypto. */
  readonly random: () => number;
  readonly neighbours: Neighbours;
  readonly icmp: IcmpSockets;
  readonly paths: VipPaths;
  /** Where the programs of execcheck lie, and how many run. */
  readonly programs: { readonly directory: string; running: number };
  readonly cancels: Set<() => void>;
}

/** Runs one check of a kind; settles within the target's timeout, never rejects. */
export type Check = (target: Target, env: CheckEnv) => Promise<CheckResult>;

/** What a try found; the latency is added to it. */
export type Finding = Omit<CheckResult, 'latencyMs'>;

export interface Attempt {
  readonly timeoutMs: number;
  /** What it means that nothing came within the timeout. */
  readonly onTimeout: () => Finding;
  /** Starts; calls `settle` once or more (the first counts); returns what undoes it. A throw is a finding too. */
  readonly begin: (settle: (finding: Finding) => void) => () => void;
}

/** Resolves to what the try found, with its latency. All is cleaned up by then. */
export function attempt(env: CheckEnv, { timeoutMs, onTimeout, begin }: Attempt): Promise<CheckResult> {
  return new Promise((resolve) => {
    const startedMs = env.nowMs();
    let cleanUp: (() => void) | null = null;
    let settled = false;
    const cancel = (): void => settle(cannot('stopped before it was done'));
    const settle = (finding: Finding): void => {
      if (settled) return;
      settled = true;
      cancelTimer();
      env.cancels.delete(cancel);
      cleanUp?.();
      resolve({ ...finding, latencyMs: env.nowMs() - startedMs });
    };
    const cancelTimer = env.setTimer(() => settle(onTimeout()), timeoutMs);
    env.cancels.add(cancel);
    try {
      const undo = begin(settle);
      if (settled) undo();
      else cleanUp = undo;
    } catch (cause) {
      settle(errorFinding(cause));
    }
  });
}

/** Returns a finding of success. */
export function pass(detail: string): Finding {
  return { ok: true, detail };
}

/** Returns a finding of failure. */
export function fail(detail: string): Finding {
  return { ok: false, detail };
}

/** Returns a finding that says nothing of the server: the check could not run. */
export function cannot(detail: string): Finding {
  return { ok: false, detail, finding: 'cannot' };
}

/** Returns the finding that nothing came in time. */
export function silence(timeoutMs: number): Finding {
  return fail(`no answer within ${timeoutMs} ms`);
}

/** Returns `1.2 ms`, for details. */
export function msText(ms: number): string {
  return `${ms.toFixed(ms < 10 ? 1 : 0)} ms`;
}

/** Returns what a socket error says of the server: refused, unreachable, or nothing because this host is at fault. `refused` words a refusal. */
export function errorFinding(cause: unknown, refused = 'connection refused'): Finding {
  const code = cause instanceof Error && 'code' in cause && typeof cause.code === 'string' ? cause.code : '';
  switch (code) {
    case 'ECONNREFUSED':
      return { ok: false, detail: refused, finding: 'refused' };
    case 'ECONNRESET':
      return fail('connection reset');
    case 'EHOSTUNREACH':
      return fail('host unreachable');
    case 'ENETUNREACH':
      return fail('network unreachable: this host has no route to it');
    case 'EHOSTDOWN':
      return fail('host down');
    case 'ETIMEDOUT':
      return fail('connection timed out');
    case 'EADDRNOTAVAIL':
      return cannot("the check's source address is not on this host (EADDRNOTAVAIL): correct `check source` or add the address");
    case 'EMFILE':
    case 'ENFILE':
      return cannot(`this process has no file descriptor left (${code}): raise LimitNOFILE`);
    case 'ENOBUFS':
    case 'ENOMEM':
      return cannot(`this host has no buffer left (${code})`);
    case 'EPERM':
    case 'EACCES':
      return cannot(`this host's own firewall or policy refused the probe (${code})`);
    default:
      return cannot(`the probe failed here: ${cause instanceof Error ? cause.message : String(cause)}`);
  }
}
