/**
 * Which capabilities a weir that is started as root keeps: those that its engines and any later apply may need, and no other. Pure.
 * docs/adr/0025 says why they are chosen at the start and not one by one as a configuration asks for them.
 */
import { CAPABILITIES, type Capability } from './capabilities.ts';

/** What is known at the start. */
export interface KeepFacts {
  /** Engines that may be chosen from here on: one where it is named, all with `auto`. */
  readonly engines: readonly ('userspace' | 'lvs' | 'xdp')[];
  /** Whether the configuration has NAT rules or `service network` sections; true also where it is not known. */
  readonly configuresNetwork: boolean;
  /** A file or directory weir works with that belongs to another user, or null. */
  readonly foreignPath: string | null;
}

export interface Kept {
  readonly capability: Capability;
  /** What it is for, in words. */
  readonly why: string;
}

/** Returns what is kept, by number. */
export function capabilitiesToKeep(facts: KeepFacts): readonly Kept[] {
  const kept: Kept[] = [
    { capability: 'NET_BIND_SERVICE', why: 'ports below 1024' },
    { capability: 'NET_RAW', why: 'checks by ICMP, and check vip' },
  ];
  const kernelEngines = facts.engines.filter((engine) => engine !== 'userspace');
  const network = [...kernelEngines.map((engine) => `engine ${engine}`), ...(facts.configuresNetwork ? ['NAT rules and service network'] : [])];
  if (network.length > 0) kept.push({ capability: 'NET_ADMIN', why: network.join(', ') });
  if (kernelEngines.includes('xdp')) kept.push({ capability: 'BPF', why: 'engine xdp' }, { capability: 'PERFMON', why: 'engine xdp' });
  if (facts.foreignPath !== null) {
    const why = `${facts.foreignPath} belongs to another user`;
    kept.push({ capability: 'DAC_OVERRIDE', why }, { capability: 'FOWNER', why });
  }
  return kept.toSorted((a, b) => CAPABILITIES.indexOf(a.capability) - CAPABILITIES.indexOf(b.capability));
}
