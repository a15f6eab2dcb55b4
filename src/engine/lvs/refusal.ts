/** What the kernel refused, in words that cure. */
import { EngineError } from '../engine.ts';
import { EEXIST, ENOENT, EPERM, NetlinkError } from './socket.ts';

const NO_PERMISSION = 'run weir as root, or give it CAP_NET_ADMIN; one that was started for engine userspace has given it up: restart it';

/** Returns why ip_vs cannot be used here and what helps. */
export function refusalOf(error: unknown): { readonly what: string; readonly cure: string } {
  if (error instanceof NetlinkError && error.errno === EPERM) return { what: 'no permission for ip_vs (CAP_NET_ADMIN)', cure: NO_PERMISSION };
  if (error instanceof NetlinkError && error.errno === ENOENT) {
    return { what: 'this kernel has no ip_vs', cure: 'load the module (modprobe ip_vs); where there is none, install a kernel that has it (Debian: linux-image-amd64) or use another engine' };
  }
  return { what: `ip_vs does not answer: ${error instanceof Error ? error.message : String(error)}`, cure: 'see the kernel log (dmesg)' };
}

/** Returns a failed step as the contract wants it. `landed` are the steps that could not be taken back. */
export function stepRefusal(error: unknown, landed: readonly string[]): EngineError {
  if (error instanceof EngineError) return error;
  const message = error instanceof Error ? error.message : String(error);
  return new EngineError(message, { cure: cureOf(error), landed, cause: error });
}

function cureOf(error: unknown): string {
  if (!(error instanceof NetlinkError)) return 'see the message';
  const scheduler = /\((\w+)\)/.exec(error.message)?.[1];
  if (error.errno === ENOENT && scheduler !== undefined) return `this kernel lacks the scheduler: modprobe ip_vs_${scheduler}, or choose another balance`;
  if (error.errno === EEXIST) return 'see what is there: ipvsadm -Ln';
  if (error.errno === EPERM) return NO_PERMISSION;
  return 'see what is there (ipvsadm -Ln) and the kernel log (dmesg)';
}
