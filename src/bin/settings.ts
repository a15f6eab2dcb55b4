/** The options of `weir run` read and checked before anything is touched: addresses, TLS files, the password, the configuration. */
import { readFile } from 'node:fs/promises';
import { MAX_PASSWORD, MIN_PASSWORD } from '../api/auth/password.ts';
import { DEFAULT_LISTEN, parseListen, refuseOpen, type ListenAddress } from '../api/listen.ts';
import type { DaemonOptions, Io } from '../cli/command.ts';
import { documentOfFile, documentsOf } from '../cli/documents.ts';
import { CliError } from '../cli/failure.ts';
import { readSources } from '../cli/sources.ts';
import { clean } from '../cli/text.ts';
import type { Documents } from '../client/types.ts';
import { issueText } from '../config/issue.ts';
import { parseConfig } from '../config/parse.ts';

/** What the API is started with; `password` null: one is generated when the state is new. */
export interface Settings {
  readonly address: ListenAddress;
  readonly tls: { readonly cert: Buffer; readonly key: Buffer } | undefined;
  readonly insecure: boolean;
  readonly password: string | null;
}

/** Returns the settings. Throws CliError or ListenError. */
export async function readSettings(options: DaemonOptions): Promise<Settings> {
  const address = parseListen(options.api ?? DEFAULT_LISTEN);
  if ((options.tlsCert === undefined) !== (options.tlsKey === undefined)) throw new CliError('usage', '--tls-cert and --tls-key go together');
  const tls = options.tlsCert === undefined || options.tlsKey === undefined ? undefined : { cert: await readOr(options.tlsCert, 'certificate'), key: await readOr(options.tlsKey, 'key') };
  refuseOpen(address, { tls: tls !== undefined, insecure: options.insecure });
  return { address, tls, insecure: options.insecure, password: options.passwordFile === undefined ? null : await readPassword(options.passwordFile) };
}

async function readPassword(file: string): Promise<string> {
  const [line = ''] = (await readOr(file, 'password')).toString('utf8').split(/\r?\n/, 1);
  if (line.length < MIN_PASSWORD || line.length > MAX_PASSWORD) throw new CliError('failed', `the password in ${file} must have ${MIN_PASSWORD}-${MAX_PASSWORD} characters, its first line has ${line.length}`);
  return line;
}

/** Returns a file's bytes. Throws CliError that says what it was for. */
export async function readOr(file: string, what: string): Promise<Buffer> {
  try {
    return await readFile(file);
  } catch (error) {
    throw new CliError('failed', `cannot read the ${what}: ${messageOf(error)}`, { cause: error });
  }
}

/** Returns the documents of FILE…; all three, empty where FILE has none. Throws CliError `invalid` with every issue at its place in FILE. */
export async function readConfiguration(files: readonly string[], io: Io): Promise<Documents> {
  const sources = await readSources(files, io);
  const { issues } = parseConfig(sources.map(({ file, text }) => ({ file, text, document: documentOfFile(file) ?? 'any' })));
  if (issues.some(({ severity }) => severity === 'error')) throw new CliError('invalid', 'the configuration has errors', { issues });
  // Its warnings are of FILE; status shows them again by document.
  for (const issue of issues) io.err(`${clean(issueText(issue), { lines: true })}\n`);
  return { layer4: '', nat: '', services: '', ...documentsOf(sources) };
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
