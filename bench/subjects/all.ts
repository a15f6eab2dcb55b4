/** Every subject by its name, and which of them can be measured here. */
import type { SubjectName } from '../args.ts';
import { CannotMeasure } from '../stage.ts';
import { dgram } from './dgram.ts';
import { ipvsadm, ipvsadmPlain } from './ipvsadm.ts';
import { nftables } from './nftables.ts';
import { nginx, nginxRequest } from './nginx.ts';
import { pen } from './pen.ts';
import { routing } from './routing.ts';
import type { Subject } from './subject.ts';
import { lvs, lvsPlain, weir, weirRequest, xdp } from './weir-start.ts';
import { limit, naive } from './xdp-programs.ts';

export const SUBJECTS: Readonly<Record<SubjectName, Subject>> = {
  limit,
  routing,
  nftables,
  nginx,
  'nginx-request': nginxRequest,
  pen,
  dgram,
  weir,
  'weir-request': weirRequest,
  naive,
  xdp,
  'ipvsadm-plain': ipvsadmPlain,
  'lvs-plain': lvsPlain,
  ipvsadm,
  lvs,
};

export interface Chosen {
  readonly names: readonly SubjectName[];
  readonly versions: Readonly<Record<string, string>>;
  /** Those that cannot be measured here, each with the reason. */
  readonly absent: readonly string[];
}

/** Returns which of `names` can be measured. Throws CannotMeasure when none can. */
export function choose(names: readonly SubjectName[]): Chosen {
  const chosen: SubjectName[] = [];
  const versions: Record<string, string> = {};
  const absent: string[] = [];
  for (const name of names) {
    const answer = SUBJECTS[name].version();
    if (answer.ok) {
      chosen.push(name);
      versions[name] = answer.version;
    } else absent.push(`${name}: ${answer.why}`);
  }
  if (chosen.length === 0) throw new CannotMeasure(`none of the subjects can be measured here:\n${absent.join('\n')}`);
  return { names: chosen, versions, absent };
}
