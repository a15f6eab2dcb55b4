/** Where the daemon is and by which token it is asked: from options, environment, or the state directory of a daemon on this machine. */
import { homedir } from 'node:os';
import { join } from 'node:path';
import { CliError } from './failure.ts';
import type { Files, Io, Options } from './command.ts';

/** What a client is made with. */
export interface Connection {
  readonly baseUrl: string;
  readonly token: string | undefined;
}

/** The file `weir run` writes into its state directory for the CLI, and takes away when it ends. */
export const API_FILE = 'api.json';
/** The file that holds the CLI's token, written by the daemon, readable by its user alone. */
export const TOKEN_FILE = 'cli.token';

/**
 * Returns the state directories to look at, the first being where `weir run` keeps its own: `--state`, else WEIR_STATE, else
 * `$XDG_STATE_HOME/weir` or `~/.local/state/weir`. A client of a clone looks at the clone's `state` too, where `npm start` keeps its own.
 */
export function stateDirectories(options: { readonly state: string | undefined; readonly env: Io['env']; readonly clone?: string | undefined }): readonly [string, ...string[]] {
  const { state, env, clone } = options;
  const explicit = state ?? nonEmpty(env['WEIR_STATE']);
  if (explicit !== undefined) return [explicit];
  const home = nonEmpty(env['XDG_STATE_HOME']) ?? join(nonEmpty(env['HOME']) ?? homedir(), '.local/state');
  return [join(home, 'weir'), ...(clone === undefined ? [] : [join(clone, 'state')])];
}

/** Returns where to connect. Throws CliError `unreachable` naming the places looked at. */
export async function findDaemon(options: {
  readonly options: Options; readonly env: Io['env']; readonly files: Files; readonly clone?: string | undefined; alive(pid: number): boolean;
}): Promise<Connection> {
  const { options: given, env, files } = options;
  const directories = stateDirectories({ state: given.text('state'), env, clone: options.clone });
  const running = await firstRunning(directories, files, (pid) => options.alive(pid));
  const explicit = given.text('api') ?? nonEmpty(env['WEIR_API']);
  const ownToken = await explicitToken(given, env, files);
  if (explicit !== undefined) {
    // The state directory's token is for its own daemon: it is not shown to whoever answers at another address.
    const token = ownToken ?? (running !== null && sameOrigin(running.url, explicit) ? await tokenOf(running.directory, files) : undefined);
    return { baseUrl: baseUrl(explicit), token };
  }
  if (running === null) {
    throw new CliError('unreachable', `no running weir found; looked for ${directories.map((directory) => join(directory, API_FILE)).join(' and ')}`, {
      cure: 'start one with `weir run FILE`, or say where it is: `--api URL` (WEIR_API) or `--state DIR` (WEIR_STATE)',
    });
  }
  return { baseUrl: running.url, token: ownToken ?? await tokenOf(running.directory, files) };
}

async function firstRunning(directories: readonly string[], files: Files, alive: (pid: number) => boolean): Promise<{ directory: string; url: string } | null> {
  for (const directory of directories) {
    const text = await readText(join(directory, API_FILE), files);
    if (text === undefined) continue;
    const { url, pid } = apiFile(text, join(directory, API_FILE));
    if (alive(pid)) return { directory, url };
  }
  return null;
}

function apiFile(text: string, path: string): { url: string; pid: number } {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === 'object' && value !== null && 'url' in value && 'pid' in value && typeof value.url === 'string' && typeof value.pid === 'number') {
      return { url: value.url, pid: value.pid };
    }
  } catch {
    // Told below, with the same words as any other wrong content.
  }
  throw new CliError('unreachable', `${path} is not what weir writes`, { cure: 'restart `weir run`, or say where it is with `--api URL`' });
}

async function explicitToken(given: Options, env: Io['env'], files: Files): Promise<string | undefined> {
  const path = given.text('tokenFile');
  if (path === undefined) return nonEmpty(env['WEIR_TOKEN']);
  const text = await readText(path, files, true);
  const token = text?.trim();
  if (token === undefined || token === '') throw new CliError('usage', `${path} holds no token`, { cure: 'make one with `weir token create NAME`' });
  return token;
}

async function tokenOf(directory: string, files: Files): Promise<string | undefined> {
  try {
    return nonEmpty((await readText(join(directory, TOKEN_FILE), files))?.trim());
  } catch (error) {
    if (error instanceof CliError) throw new CliError('notAllowed', error.message, { cure: 'run this as the user that runs weir, or give a token with `--token-file` or WEIR_TOKEN' });
    throw error;
  }
}

/** Returns the file's text; undefined when it is not there, unless it must be. Throws CliError when it cannot be read. */
async function readText(path: string, files: Files, must = false): Promise<string | undefined> {
  try {
    return new TextDecoder().decode(await files.read(path));
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    if (!must && (code === 'ENOENT' || code === 'ENOTDIR')) return undefined;
    throw new CliError('failed', `cannot read ${path}: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
  }
}

function baseUrl(text: string): string {
  const url = text.includes('://') ? text : `http://${text}`;
  if (!URL.canParse(url) || !/^https?:$/.test(new URL(url).protocol)) {
    throw new CliError('usage', `expected the address of the API like http://127.0.0.1:8440, found '${text}'`);
  }
  return url.replace(/\/+$/, '');
}

function sameOrigin(a: string, b: string): boolean {
  return new URL(a).origin === new URL(baseUrl(b)).origin;
}

function nonEmpty(text: string | undefined): string | undefined {
  return text === '' ? undefined : text;
}

