/** What libbpf or the kernel refused: the call, errno in words, what was said of it, and what helps. */

/** The end of a log that goes into the message: there stands the reason. */
const MESSAGE_LOG = 2000;

/** A call that failed. `errno` 0: nothing the kernel refused. `log` is what libbpf and the verifier said, at most 64 KiB; its end is in the message. */
export class BpfError extends Error {
  override readonly name = 'BpfError';
  readonly errno: number;
  readonly cure: string;
  readonly log: string;
  constructor(what: string, errno: number, options: { readonly cure?: string; readonly log?: string } = {}) {
    const log = options.log ?? '';
    super(`${what}${errno === 0 ? '' : `: ${errnoText(errno)}`}${log === '' ? '' : `\n${log.slice(-MESSAGE_LOG)}`}`);
    this.errno = errno;
    this.cure = options.cure ?? cureOf(errno);
    this.log = log;
  }
}

export const EPERM = 1;
export const ENOENT = 2;
export const ENOMEM = 12;
export const EACCES = 13;
export const EBUSY = 16;
export const ENODEV = 19;
export const EINVAL = 22;
export const ENOSPC = 28;
export const ERANGE = 34;
export const EOPNOTSUPP = 95;

const TEXT: Readonly<Record<number, string>> = {
  1: 'operation not permitted (EPERM)', 2: 'no such thing (ENOENT)', 3: 'no such process (ESRCH)', 7: 'too big (E2BIG)', 9: 'bad file descriptor (EBADF)', 11: 'try again (EAGAIN)',
  12: 'out of memory (ENOMEM)', 13: 'permission denied (EACCES)', 16: 'busy (EBUSY)', 17: 'it exists already (EEXIST)', 19: 'no such device (ENODEV)', 20: 'not a directory (ENOTDIR)',
  22: 'invalid argument (EINVAL)', 24: 'too many open files (EMFILE)', 28: 'no space (ENOSPC)', 30: 'read-only file system (EROFS)', 34: 'out of range (ERANGE)', 38: 'not implemented (ENOSYS)',
  95: 'not supported (EOPNOTSUPP)', 524: 'not supported (ENOTSUPP)',
};

/** Returns errno in words. */
export function errnoText(errno: number): string {
  return TEXT[errno] ?? `errno ${errno}`;
}

/** Returns what helps against an errno when the call itself knows nothing better. */
function cureOf(errno: number): string {
  switch (errno) {
    case EPERM:
    case EACCES:
      return 'run weir as root, or give it CAP_BPF, CAP_NET_ADMIN, CAP_PERFMON and CAP_SYS_ADMIN (on kernels before 5.11 also LimitMEMLOCK=infinity)';
    case ENOMEM:
      return 'fewer sessions (option sessions), more memory, or LimitMEMLOCK=infinity where a limit on locked memory holds';
    case ENOSPC:
      return 'the kernel has no room for it: see its log (dmesg)';
    case EINVAL:
    case EOPNOTSUPP:
    case 38:
    case 524:
      return 'a kernel of 5.15 or newer with CONFIG_BPF_SYSCALL and BTF (CONFIG_DEBUG_INFO_BTF) is needed';
    default:
      return 'see the message and the kernel log (dmesg)';
  }
}
