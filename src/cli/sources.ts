/** Configuration files as given on the command line: read whole, decoded, every problem at once. */
import { join } from 'node:path';
import { decodeText, MAX_BYTES } from '../config/decode.ts';
import { DOCUMENT_FILES, type SourceText } from './documents.ts';
import type { Issue } from '../config/issue.ts';
import { CliError } from './failure.ts';
import type { Io } from './command.ts';

/** What `-` is called in messages. */
export const STDIN_NAME = '(stdin)';

/**
 * Returns the texts of files, of the documents in directories, and of standard input (`-`), in the order given.
 * Throws CliError: `failed` when one cannot be read, `invalid` with all issues when one is not text.
 */
export async function readSources(paths: readonly string[], io: Pick<Io, 'files' | 'stdin'>): Promise<readonly SourceText[]> {
  const sources: SourceText[] = [];
  const issues: Issue[] = [];
  for (const path of await expand(paths, io)) {
    const decoded = decodeText(await bytesOf(path, io), path === '-' ? STDIN_NAME : path);
    if ('text' in decoded) sources.push({ file: path === '-' ? STDIN_NAME : path, text: decoded.text });
    else issues.push(...decoded.issues);
  }
  if (issues.length > 0) throw new CliError('invalid', 'this is not a configuration', { issues });
  return sources;
}

async function expand(paths: readonly string[], { files }: Pick<Io, 'files'>): Promise<readonly string[]> {
  if (paths.filter((path) => path === '-').length > 1) throw new CliError('usage', '`-` can be given once: there is one standard input');
  const all: string[] = [];
  for (const path of paths) {
    const kind = path === '-' ? 'file' : await files.kind(path).catch((error: unknown) => unreadable(path, error));
    if (kind === 'none') throw new CliError('failed', `no such file or directory: ${path}`);
    if (kind !== 'directory') {
      all.push(path);
      continue;
    }
    const found: string[] = [];
    for (const name of DOCUMENT_FILES) if (await files.kind(join(path, name)) === 'file') found.push(join(path, name));
    if (found.length === 0) throw new CliError('failed', `${path} holds none of ${DOCUMENT_FILES.join(', ')}`);
    all.push(...found);
  }
  return all;
}

async function bytesOf(path: string, io: Pick<Io, 'files' | 'stdin'>): Promise<Uint8Array> {
  try {
    return path === '-' ? await io.stdin(MAX_BYTES + 1) : await io.files.read(path);
  } catch (error) {
    return unreadable(path === '-' ? 'standard input' : path, error);
  }
}

function unreadable(what: string, error: unknown): never {
  throw new CliError('failed', `cannot read ${what}: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
}
