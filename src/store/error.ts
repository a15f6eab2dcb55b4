/** What went wrong with the state directory: always with the path and what to do about it. */
export class StoreError extends Error {
  readonly path: string;
  readonly cure: string;
  constructor(path: string, problem: string, cure: string, cause?: unknown) {
    super(`${path}: ${problem}`, { cause });
    this.name = 'StoreError';
    this.path = path;
    this.cure = cure;
  }
}

/** Returns `error` as a StoreError about `path`; one that is already is returned as it is. */
export function storeError(path: string, error: unknown): StoreError {
  if (error instanceof StoreError) return error;
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  return new StoreError(path, error instanceof Error ? error.message : String(error), CURES[code] ?? 'see the message and try again', error);
}

const CURES: Readonly<Record<string, string>> = {
  ENOSPC: 'free space on this file system and try again',
  EDQUOT: 'raise the disk quota or free space, and try again',
  EROFS: 'mount the file system read-write, or choose another directory with --state DIR',
  EACCES: 'run weir as the owner of the state directory, or choose another with --state DIR',
  EPERM: 'run weir as the owner of the state directory, or choose another with --state DIR',
  ELOOP: 'find out who put a link, or something that is no file, into the state directory, and remove it',
  ENOTDIR: 'choose another directory with --state DIR',
  EMFILE: 'raise the limit of open files (LimitNOFILE= in the systemd unit, ulimit -n) and try again',
  ENFILE: 'all open files of this host are taken (sysctl fs.file-max): find out by what, and try again',
  EIO: 'the disk failed: check it (dmesg), and move the state directory to a good one',
};
