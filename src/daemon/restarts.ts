/** What the configuration asks for and only a restart of a service brings: told by the status, and by the apply that left it so. */
import type { Issue } from '../config/issue.ts';
import type { Core } from './core.ts';
import type { EngineWanted } from './lvs.ts';
import type { Behind } from './network.ts';

/** Returns warning `code` about weir itself, in the shape of issues: it belongs to no line, so its file is `weir`. */
export function fault(code: string, message: string, hint: string): Issue {
  return { severity: 'warning', code, message, hint, at: { file: 'weir', line: 1, col: 1, endCol: 1 } };
}

/** Returns a warning for each service that must be restarted; none for an engine whose service is stopped. */
export function restartIssues(core: Pick<Core, 'lvs' | 'engine' | 'engineWanted'>, facts: { readonly wanted: EngineWanted; readonly behind: readonly Behind[] }): readonly Issue[] {
  const engine = core.lvs === 'running' && facts.wanted !== core.engineWanted ? [fault('engine-restart', `engine ${facts.wanted} is asked for, ${core.engine.name} runs`, 'restart the service lvs to change to it')] : [];
  return [...engine, ...facts.behind.map(({ service, text }) => fault('service-restart', `service ${service}: ${text}`, `restart it: weir service restart ${service}`))];
}
