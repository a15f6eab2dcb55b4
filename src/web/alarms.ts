/** What is wrong with weir itself, told apart from what the checker says of a text: each alarm with how bad it is and the way to its cure. */
import type { Issue } from '../config/issue.ts';

export interface Alarm {
  readonly issue: Issue;
  readonly tone: 'bad' | 'warn';
  readonly action: { readonly label: string; readonly href: string } | null;
}

/** By the code of the daemon's warning. Bad: traffic is lost, or nobody knows. A later alarm is a row here. */
const ALARMS: Readonly<Record<string, Pick<Alarm, 'tone' | 'action'>>> = {
  'lvs-stopped': { tone: 'bad', action: { label: 'Start it in Services', href: '#/services' } },
  'data-plane-behind': { tone: 'bad', action: { label: 'Log of lvs', href: '#/services?log=lvs' } },
  'no-counters': { tone: 'bad', action: { label: 'Log of lvs', href: '#/services?log=lvs' } },
  'engine-restart': { tone: 'warn', action: { label: 'Restart it in Services', href: '#/services' } },
  'service-restart': { tone: 'warn', action: { label: 'Restart it in Services', href: '#/services' } },
  'nat-behind': { tone: 'warn', action: { label: 'Log of lvs', href: '#/services?log=lvs' } },
};

/** Returns the alarms among the daemon's warnings, the bad ones first, and the warnings of texts. */
export function alarmsOf(warnings: readonly Issue[]): { readonly alarms: readonly Alarm[]; readonly rest: readonly Issue[] } {
  const own = warnings.filter(({ at }) => at.file === 'weir');
  const alarms = own.map((issue): Alarm => ({ issue, ...(ALARMS[issue.code] ?? { tone: 'warn', action: null }) }));
  return { alarms: [...alarms.filter(({ tone }) => tone === 'bad'), ...alarms.filter(({ tone }) => tone === 'warn')], rest: warnings.filter(({ at }) => at.file !== 'weir') };
}
