/** The status view and its cached diffs. */
import type { BlackholeView, PrivilegesView, StatusView, Documents } from '../client/types.ts';
import { DOCUMENT_NAMES } from '../client/types.ts';
import type { Issue } from '../config/issue.ts';
import { stateOf } from './apply.ts';
import { readingOrNull, type Core } from './core.ts';
import { lossIssues } from './losses.ts';
import { fault } from './restarts.ts';
import type { RunnerState } from './runner.ts';
import type { Reading } from '../engine/engine.ts';
import { unifiedDiff } from './textdiff.ts';
import { directorViews, totalDrops, type ViewSource } from './views.ts';

/** Returns a function that makes the status; status is asked for often, so a diff is made once for each pair of texts. */
export function createStatus(
  core: Core,
  options: {
    readonly version: string;
    readonly privileges: PrivilegesView | null;
    readonly startedAtMs: () => number;
    readonly source: ViewSource;
    readonly runner: () => RunnerState;
    readonly hostIssues: () => readonly Issue[];
    readonly blackholes: () => readonly BlackholeView[];
    readonly recentFrom: (now: Reading) => Reading | null;
  },
): () => Promise<StatusView> {
  const editedDiff = diffCache('running', 'edited');
  const savedDiff = diffCache('saved', 'running');
  return async () => {
    const { reading, error } = await readingOrNull(core);
    const { edited, running, saved } = stateOf(core);
    const blackholes = options.blackholes();
    const from = reading === null ? null : options.recentFrom(reading);
    const warnings = [...core.running.issues, ...options.hostIssues()].filter((i) => i.severity === 'warning');
    return {
      version: options.version,
      node: process.version,
      startedAtMs: options.startedAtMs(),
      engine: { name: core.engine.name, why: core.engineWhy, epoch: reading?.epoch ?? '', gauges: reading?.gauges ?? {} },
      privileges: options.privileges,
      etags: { edited: edited.etag, running: running.etag, saved: saved.etag },
      diff: { editedToRunning: editedDiff(running, edited), runningToSaved: savedDiff(saved, running) },
      confirmBy: core.pending?.deadlineMs ?? null,
      warnings: [...warnings, ...faults(core, { error, runner: options.runner(), blackholes }), ...lossIssues(from, reading)],
      blackholes,
      directors: directorViews(core.running.config.directors, reading, from, options.source),
      drops: totalDrops(reading),
    };
  };
}

/** Alarms named one by one; the status has them all. */
const MOST_NAMED = 20;

/** What is wrong with weir itself. */
function faults(core: Core, facts: { readonly error: Error | null; readonly runner: RunnerState; readonly blackholes: readonly BlackholeView[] }): readonly Issue[] {
  const found: Issue[] = [];
  const { lastError, failures, retryAtMs } = facts.runner;
  if (lastError) {
    const seconds = Math.max(0, Math.ceil(((retryAtMs ?? core.clock.steady()) - core.clock.steady()) / 1000));
    const cure = 'cure' in lastError && typeof lastError.cure === 'string' ? lastError.cure : 'restart the service lvs';
    found.push(fault('data-plane-behind', `the data plane does not follow the running configuration: ${lastError.message} (${failures} tries, next in ${seconds} s)`, cure));
  }
  if (facts.error) found.push(fault('no-counters', `the engine's counters cannot be read: ${facts.error.message}`, 'restart the service lvs'));
  if (core.lvs === 'stopped') found.push(fault('lvs-stopped', 'the service lvs is stopped: nothing is balanced', 'start it: weir service start lvs'));
  found.push(...core.restarts());
  for (const { text } of facts.blackholes.slice(0, MOST_NAMED)) found.push(fault('blackhole', text, 'weir purge --blackholed ends these sessions; their next datagrams are balanced anew'));
  if (core.natOwed) found.push(fault('nat-behind', 'the NAT table is not what the running configuration says', 'weir tries again by itself; reload the service lvs to try now'));
  return found;
}

function diffCache(beforeName: string, afterName: string): (before: Stage, after: Stage) => string {
  let kept = { key: '', text: '' };
  return (before, after) => {
    const key = `${before.etag}|${after.etag}`;
    if (kept.key !== key) {
      const parts = DOCUMENT_NAMES.map((name) =>
        unifiedDiff({ name: `${beforeName}/${name}.conf`, text: before.documents[name] }, { name: `${afterName}/${name}.conf`, text: after.documents[name] }),
      );
      kept = { key, text: parts.join('') };
    }
    return kept.text;
  };
}

interface Stage { readonly etag: string; readonly documents: Documents }

