/**
 * The file operations the store needs, as an argument: tests stop them at every step. Each is one step of the crash model:
 * bytes are durable when writeSynced or appendSynced returned, names when syncDir did, and rename switches a name at once.
 */
import { constants } from 'node:fs';
import { link, mkdir, open, readdir, rename, stat, unlink } from 'node:fs/promises';
import { StoreError } from './error.ts';

export interface Files {
  /** Makes the directory and its parents, readable by the owner alone; one that is there is left as it is. Throws StoreError when every user may write to it. */
  makeDir(path: string): Promise<void>;
  /** Returns the names in a directory, sorted; none when it is not there. */
  list(path: string): Promise<readonly string[]>;
  /** Returns a file's bytes, or null when it is not there. */
  read(path: string): Promise<Uint8Array | null>;
  /** Makes a new file of mode 0600 in the place of whatever has the name. */
  writeSynced(path: string, bytes: Uint8Array): Promise<void>;
  appendSynced(path: string, bytes: Uint8Array): Promise<void>;
  /** Makes a file that was not there, whole at once; false when it was. */
  createExclusive(path: string, bytes: Uint8Array): Promise<boolean>;
  rename(from: string, to: string): Promise<void>;
  /** Removes a file; one that is not there is fine. */
  remove(path: string): Promise<void>;
  truncate(path: string, size: number): Promise<void>;
  syncDir(path: string): Promise<void>;
}

const FILE_MODE = 0o600;
const DIRECTORY_MODE = 0o700;

const OTHERS_WRITE = 0o002;
/** Whoever may put a link into the directory must not choose what is read or written through it: names here are files (open(2); a pipe would not answer). */
const NO_LINK = constants.O_NOFOLLOW | constants.O_NONBLOCK;

/** The real file system. Errors are Node's own, with code and path; a symbolic link in the place of a file is ELOOP. */
export const realFiles: Files = Object.freeze({
  async makeDir(path: string) {
    await mkdir(path, { recursive: true, mode: DIRECTORY_MODE });
    if (process.platform !== 'win32' && ((await stat(path)).mode & OTHERS_WRITE) !== 0) {
      throw new StoreError(path, 'every user of this host may write to this directory, and so could change what runs', `chmod 700 ${path}, or choose another directory with --state DIR`);
    }
  },
  async list(path: string) {
    return ((await absentAs([] as string[], readdir(path))) ?? []).sort();
  },
  read: (path: string) => absentAs(null, readPrivate(path)),
  writeSynced: writeNew,
  appendSynced: (path: string, bytes: Uint8Array) => writeWith(path, constants.O_CREAT | constants.O_APPEND, bytes),
  async createExclusive(path: string, bytes: Uint8Array) {
    // A link, so that whoever finds the name also finds the content.
    const temporary = `${path}.${process.pid}.tmp`;
    await writeNew(temporary, bytes);
    try {
      await link(temporary, path);
      return true;
    } catch (error) {
      if (isCode(error, 'EEXIST')) return false;
      throw error;
    } finally {
      await unlink(temporary);
    }
  },
  rename,
  remove: (path: string) => absentAs(undefined, unlink(path)),
  async truncate(path: string, size: number) {
    const handle = await open(path, constants.O_WRONLY | NO_LINK);
    try {
      await handle.truncate(size);
    } finally {
      await handle.close();
    }
  },
  async syncDir(path: string) {
    const handle = await open(path, constants.O_RDONLY);
    try {
      await handle.sync();
    } catch (error) {
      // Some file systems (and Windows) cannot sync a directory; the rename is all they offer.
      if (!isCode(error, 'EINVAL') && !isCode(error, 'EPERM') && !isCode(error, 'ENOTSUP')) throw error;
    } finally {
      await handle.close();
    }
  },
});

/** Replaces a file so that a kill at any instant leaves the old or the new: temporary name, sync, rename, sync of the directory. */
export async function replaceFile(files: Files, dir: string, name: string, bytes: Uint8Array): Promise<void> {
  const temporary = `${dir}/${name}.tmp`;
  await files.writeSynced(temporary, bytes);
  await files.rename(temporary, `${dir}/${name}`);
  await files.syncDir(dir);
}

/** Returns a file's bytes. Throws ELOOP for a link, and for anything else that is no file. */
export async function readPrivate(path: string): Promise<Uint8Array> {
  const handle = await open(path, constants.O_RDONLY | NO_LINK);
  try {
    if (!(await handle.stat()).isFile()) throw Object.assign(new Error(`expected a file: ${path}`), { code: 'ELOOP', path });
    return await handle.readFile();
  } finally {
    await handle.close();
  }
}

async function writeNew(path: string, bytes: Uint8Array): Promise<void> {
  await absentAs(undefined, unlink(path));
  await writeWith(path, constants.O_CREAT | constants.O_EXCL, bytes);
}

async function writeWith(path: string, flags: number, bytes: Uint8Array): Promise<void> {
  const handle = await open(path, constants.O_WRONLY | NO_LINK | flags, FILE_MODE);
  try {
    await handle.writeFile(bytes);
    await handle.sync();
  } finally {
    await handle.close();
  }
}

async function absentAs<A, T>(absent: A, promise: Promise<T>): Promise<A | T> {
  try {
    return await promise;
  } catch (error) {
    if (isCode(error, 'ENOENT')) return absent;
    throw error;
  }
}

function isCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code;
}
