/** The status view and its cached diffs. */
import type { StatusView, Documents } from '../client/types.ts';
import { DOCUMENT_NAMES } from '../client/types.ts';
import type { Issue } from '../config/issue.ts';
import { stateOf } from './apply.ts';
import { readingOrNull, type Core } from './core.ts';
import type { EngineWanted } from './lvs.ts';
import type { Behind } from './network.ts';
import type { RunnerState } from './runner.ts';
import type { Reading } from '../engine/engine.ts';
import { unifiedDiff } from './textdiff.ts';
import { directorViews, totalDrops, type ViewSource } from './views.ts';

/** Returns a function that makes the status; status is asked for often, so a diff is made once for each pair of texts. */
export function createStatus(
  core: Core,
  options: {
    readonly version: string;
    readonly startedAtMs: () => number;
    readonly source: ViewSource;
    readonly runner: () => RunnerState;
    readonly engineWanted: () => EngineWanted;
    readonly hostIssues: () => readonly Issue[];
    readonly behind: () => readonly Behind[];
    readonly recentFrom: (now: Reading) => Reading | null;
  },
): () => Promise<StatusView> {
  const editedDiff = diffCache('running', 'edited');
  const savedDiff = diffCache('saved', 'running');
  return async () => {
    const { reading, error } = await readingOrNull(core);
    const { edited, running, saved } = stateOf(core);
    const warnings = [...core.running.issues, ...options.hostIssues()].filter((i) => i.severity === 'warning');
    return {
      version: options.version,
      node: process.version,
      startedAtMs: options.startedAtMs(),
      engine: { name: core.engine.name, why: core.engineWhy, epoch: reading?.epoch ?? '', gauges: reading?.gauges ?? {} },
      etags: { edited: edited.etag, running: running.etag, saved: saved.etag },
      diff: { editedToRunning: editedDiff(running, edited), runningToSaved: savedDiff(saved, running) },
      confirmBy: core.pending?.deadlineMs ?? null,
      warnings: [...warnings, ...faults(core, { error, runner: options.runner(), wanted: options.engineWanted(), behind: options.behind() })],
      directors: directorViews(core.running.config.directors, reading, reading === null ? null : options.recentFrom(reading), options.source),
      drops: totalDrops(reading),
    };
  };
}

/** What is wrong with weir itself, in the shape of issues: they belong to no line, so their file is `weir`. */
function faults(core: Core, facts: { readonly error: Error | null; readonly runner: RunnerState; readonly wanted: EngineWanted; readonly behind: readonly Behind[] }): readonly Issue[] {
  const found: Issue[] = [];
  const add = (code: string, message: string, hint: string): void => {
    found.push({ severity: 'warning', code, message, hint, at: { file: 'weir', line: 1, col: 1, endCol: 1 } });
  };
  const { lastError, failures, retryAtMs } = facts.runner;
  if (lastError) {
    const seconds = Math.max(0, Math.ceil(((retryAtMs ?? core.clock.now()) - core.clock.now()) / 1000));
    const cure = 'cure' in lastError && typeof lastError.cure === 'string' ? lastError.cure : 'restart the service lvs';
    add('data-plane-behind', `the data plane does not follow the running configuration: ${lastError.message} (${failures} tries, next in ${seconds} s)`, cure);
  }
  if (facts.error) add('no-counters', `the engine's counters cannot be read: ${facts.error.message}`, 'restart the service lvs');
  if (core.lvs === 'stopped') add('lvs-stopped', 'the service lvs is stopped: nothing is balanced', 'start it: weir service start lvs');
  else if (facts.wanted !== core.engineWanted) add('engine-restart', `engine ${facts.wanted} is asked for, ${core.engine.name} runs`, 'restart the service lvs to change to it');
  for (const { service, text } of facts.behind) add('service-restart', `service ${service}: ${text}`, `restart it: weir service restart ${service}`);
  if (core.natOwed) add('nat-behind', 'the NAT table is not what the running configuration says', 'weir tries again by itself; reload the service lvs to try now');
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

