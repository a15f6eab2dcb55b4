/**
 * The file operations the store needs, as an argument: tests stop them at every step. Each is one step of the crash model:
 * bytes are durable when writeSynced or appendSynced returned, names when syncDir did, and rename switches a name at once.
 */
import { constants } from 'node:fs';
import { link, mkdir, open, readFile, readdir, rename, truncate, unlink } from 'node:fs/promises';

export interface Files {
  /** Makes the directory and its parents, readable by the owner alone; one that is there is left as it is. */
  makeDir(path: string): Promise<void>;
  /** Returns the names in a directory, sorted; none when it is not there. */
  list(path: string): Promise<readonly string[]>;
  /** Returns a file's bytes, or null when it is not there. */
  read(path: string): Promise<Uint8Array | null>;
  /** Replaces a file's content, or makes it with mode 0600. */
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

/** The real file system. Errors are Node's own, with code and path. */
export const realFiles: Files = Object.freeze({
  async makeDir(path: string) {
    await mkdir(path, { recursive: true, mode: DIRECTORY_MODE });
  },
  async list(path: string) {
    return ((await absentAs([] as string[], readdir(path))) ?? []).sort();
  },
  read: (path: string) => absentAs(null, readFile(path)),
  writeSynced: (path: string, bytes: Uint8Array) => writeWith(path, 'w', bytes),
  appendSynced: (path: string, bytes: Uint8Array) => writeWith(path, 'a', bytes),
  async createExclusive(path: string, bytes: Uint8Array) {
    // A link, so that whoever finds the name also finds the content.
    const temporary = `${path}.${process.pid}.tmp`;
    await writeWith(temporary, 'w', bytes);
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
  truncate,
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

async function writeWith(path: string, flags: 'w' | 'a', bytes: Uint8Array): Promise<void> {
  const handle = await open(path, flags, FILE_MODE);
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
