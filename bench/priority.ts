/** Priority of a process group that the bench started. */
import { existsSync, writeFileSync } from 'node:fs';

/**
 * Sets the weight of the session that `leader` leads. With autogroups (the kernel's default) a nice value only counts among the processes of one
 * session, and each session weighs the same: a nice -20 generator got half of a CPU beside one stranger. Does nothing on kernels without them.
 */
export function weighSession(leader: number, nice: number): void {
  const path = `/proc/${leader}/autogroup`;
  if (existsSync(path)) writeFileSync(path, String(nice));
}
