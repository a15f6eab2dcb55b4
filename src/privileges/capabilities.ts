/** Capabilities by name and number (include/uapi/linux/capability.h), and what /proc/<pid>/status says a process has. Pure. */

/** In the order of their numbers; a kernel may know more. */
export const CAPABILITIES = [
  'CHOWN', 'DAC_OVERRIDE', 'DAC_READ_SEARCH', 'FOWNER', 'FSETID', 'KILL', 'SETGID', 'SETUID', 'SETPCAP', 'LINUX_IMMUTABLE', 'NET_BIND_SERVICE', 'NET_BROADCAST',
  'NET_ADMIN', 'NET_RAW', 'IPC_LOCK', 'IPC_OWNER', 'SYS_MODULE', 'SYS_RAWIO', 'SYS_CHROOT', 'SYS_PTRACE', 'SYS_PACCT', 'SYS_ADMIN', 'SYS_BOOT', 'SYS_NICE',
  'SYS_RESOURCE', 'SYS_TIME', 'SYS_TTY_CONFIG', 'MKNOD', 'LEASE', 'AUDIT_WRITE', 'AUDIT_CONTROL', 'SETFCAP', 'MAC_OVERRIDE', 'MAC_ADMIN', 'SYSLOG', 'WAKE_ALARM',
  'BLOCK_SUSPEND', 'AUDIT_READ', 'PERFMON', 'BPF', 'CHECKPOINT_RESTORE',
] as const;

export type Capability = (typeof CAPABILITIES)[number];

/** What a process may do beyond its user. Sets are bit masks: bit n is capability n. */
export interface Privileges {
  readonly uid: number;
  readonly permitted: bigint;
  readonly effective: bigint;
  readonly bounding: bigint;
  readonly noNewPrivileges: boolean;
}

/** Returns the mask of capabilities. */
export function maskOf(capabilities: Iterable<Capability>): bigint {
  let mask = 0n;
  for (const name of capabilities) mask |= 1n << BigInt(CAPABILITIES.indexOf(name));
  return mask;
}

/** Returns the names in a mask, `CAP_` in front, by number; a number without a name as `CAP_<n>`. */
export function namesOf(mask: bigint): readonly string[] {
  const names: string[] = [];
  for (let n = 0; n < 64; n++) if ((mask >> BigInt(n)) & 1n) names.push(`CAP_${CAPABILITIES[n] ?? n}`);
  return names;
}

/** Returns the privileges that the text of /proc/<pid>/status (or /proc/<pid>/task/<tid>/status) tells. Throws RangeError when it is none. */
export function parseStatus(text: string): Privileges {
  const field = (name: string, form: string): string => {
    const found = new RegExp(`^${name}:\\s*(${form})`, 'm').exec(text)?.[1];
    if (found === undefined) throw new RangeError(`expected a line ${name}: in the status of a process`);
    return found;
  };
  const set = (name: string): bigint => BigInt(`0x${field(name, '[0-9a-f]+')}`);
  // Real, effective, saved and file system user: the second is the one that acts.
  const uid = Number(field('Uid', '\\d+\\s+\\d+').split(/\s+/)[1]);
  return { uid, permitted: set('CapPrm'), effective: set('CapEff'), bounding: set('CapBnd'), noNewPrivileges: field('NoNewPrivs', '\\d') === '1' };
}
