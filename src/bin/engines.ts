/** The engines of this build: how `run` makes one, and what each cannot do of a configuration. */
import { documentFile } from '../config/grammar.ts';
import { parseConfig } from '../config/parse.ts';
import { DOCUMENT_NAMES, type Documents } from '../client/types.ts';
import type { Parsed } from '../daemon/core.ts';
import { CliError } from '../cli/failure.ts';
import type { AutoContext, EngineCandidate } from '../engine/select.ts';
import { createLvsEngine } from '../engine/lvs/index.ts';
import { createUserspaceEngine } from '../engine/userspace/index.ts';
import { userspaceUnsupported } from '../engine/userspace/unsupported.ts';
import { createXdpEngine } from '../engine/xdp/index.ts';
import { desire } from '../plan/desire.ts';
import { natLimits } from '../plan/nat-limits.ts';

/** Returns the candidates that `selectEngine` tries. `workers`, `sessions` undefined: the engine's own choice. */
export function engineCandidates({ workers, sessions }: { readonly workers?: number | undefined; readonly sessions?: number | undefined } = {}): readonly EngineCandidate[] {
  const table = sessions === undefined ? {} : { sessions: 2 ** Math.ceil(Math.log2(sessions)) };
  return [
    { name: 'xdp', variant: 'native', notForAuto: xdpNotForAuto, create: (onEvent) => createXdpEngine({ onEvent, mode: 'native', ...table }) },
    { name: 'xdp', variant: 'generic', notForAuto: xdpNotForAuto, create: (onEvent) => createXdpEngine({ onEvent, mode: 'generic', ...table }) },
    { name: 'lvs', variant: null, notForAuto: lvsNotForAuto, create: (onEvent) => createLvsEngine({ onEvent }) },
    { name: 'userspace', variant: null, create: (onEvent) => createUserspaceEngine({ onEvent, ...(workers === undefined ? {} : { workers }), ...(sessions === undefined ? {} : { maxSessions: sessions }) }) },
  ];
}

// docs/adr/0009-auto-takes-lvs-where-it-is-meant.md: in lvs nat mode servers answer the client itself unless their way back leads through here or a NAT rule acts.
function lvsNotForAuto({ desired, conntrack }: AutoContext): string | null {
  if (conntrack || userspaceUnsupported(desired, 'linux').length > 0) return null;
  return 'not asked for';
}

// docs/adr/0021-auto-takes-xdp-where-every-way-back-is-arranged.md
function xdpNotForAuto({ desired, conntrack }: AutoContext): string | null {
  if (userspaceUnsupported(desired, 'linux').length > 0) return null;
  if (!conntrack) return 'not asked for';
  const bare = desired.directors.find((d) => d.mode === 'nat' && d.sourceNat === null);
  return bare === undefined ? null : `not asked for, and no NAT rule changes the source towards the servers of director ${bare.name}`;
}

/** Returns what the parser makes of the three documents, positions by their file names. */
export function parseDocuments(documents: Documents): Parsed {
  return parseConfig(DOCUMENT_NAMES.map((name) => ({ file: documentFile(name), document: name, text: documents[name] })));
}

/** Returns what `engine` cannot do of a configuration without errors, in words. Makes the engine for it: only it knows. Throws CliError. */
export async function engineLimits(engine: string, documents: Partial<Documents>): Promise<readonly string[]> {
  const candidate = engineCandidates({ workers: 1 }).find(({ name }) => name === engine);
  if (candidate === undefined) throw new CliError('failed', `engine ${engine} is not part of this build`, { cure: `this build has: ${engineCandidates().map(({ name }) => name).join(', ')}` });
  const { config } = parseDocuments({ layer4: '', nat: '', services: '', ...documents });
  if (config === null) return [];
  const made = await candidate.create(() => {});
  try {
    const desired = desire(config, { healthOf: () => 'unknown', overrideOf: () => null });
    const nat = engine === 'lvs' ? [] : natLimits(config);
    return [
      ...made.unsupported(desired).map(({ message }) => message),
      ...nat.map(({ rule, director, what }) => `engine ${engine} cannot do ${what} (NAT rule ${rule}, director ${director})`),
    ];
  } finally {
    // 'leave': what a running weir has put into the kernel is not this look's to take down.
    await made.close('leave');
  }
}
