/** What a service manager is told of weir's life (man 3 sd_notify), and the watchdog it may ask for. Does nothing where there is no manager. */
import type { Clock } from '../clock/clock.ts';
import { notify } from './notify.ts';

export interface ManagerOptions {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly pid: number;
  readonly clock: Clock;
  /** Microseconds of CLOCK_MONOTONIC, as systemd counts. */
  readonly monotonicUs: () => bigint;
  /** Resolves, or rejects, when the data plane has answered; does neither while it hangs. */
  readonly answers: () => Promise<unknown>;
  readonly send?: typeof notify;
}

/** The states systemd knows. */
export interface Manager {
  /** Start or reload are over: weir serves. From the first call on the watchdog hears of it as long as the data plane answers. */
  ready(): void;
  reloading(): void;
  stopping(): void;
  close(): void;
}

/** Returns the manager of this process. */
export function createManager({ env, pid, clock, monotonicUs, answers, send = notify }: ManagerOptions): Manager {
  const everyMs = watchdogMs(env, pid);
  let cancel: (() => void) | null = null;
  let waiting = false;
  let closed = false;

  async function beat(): Promise<void> {
    if (waiting) return;
    waiting = true;
    // An engine that fails says so in status, and weir goes on; one that hangs is what the watchdog is for.
    await answers().catch(() => undefined);
    waiting = false;
    if (!closed) send('WATCHDOG=1', env);
  }

  function watch(ms: number): void {
    void beat();
    cancel = clock.after(ms, () => watch(ms));
  }

  return {
    ready() {
      send(`READY=1\nMAINPID=${pid}`, env);
      if (everyMs !== null && cancel === null) watch(everyMs);
    },
    reloading: () => void send(`RELOADING=1\nMONOTONIC_USEC=${monotonicUs()}`, env),
    stopping: () => void send('STOPPING=1', env),
    close() {
      closed = true;
      cancel?.();
    },
  };
}

/** Returns how often the watchdog is to hear of this process: half the time it waits (man 3 sd_watchdog_enabled); null when it does not wait for it. */
function watchdogMs(env: ManagerOptions['env'], pid: number): number | null {
  const us = Number(env['WATCHDOG_USEC']);
  const forPid = env['WATCHDOG_PID'];
  return Number.isFinite(us) && us > 0 && (forPid === undefined || forPid === String(pid)) ? us / 2000 : null;
}
