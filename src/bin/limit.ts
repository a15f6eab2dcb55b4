/** `weir run` as root: gives up every privilege that neither its engines nor a later apply can need, before anything else is loaded. */
import { existsSync, statSync, statfsSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import type { DaemonOptions, Io } from '../cli/command.ts';
import { stateDirectories } from '../cli/connection.ts';
import { documentsOf } from '../cli/documents.ts';
import { readSources } from '../cli/sources.ts';
import { DOCUMENT_NAMES, type Documents, type PrivilegesView } from '../client/types.ts';
import { documentFile } from '../config/grammar.ts';
import type { Config } from '../config/model.ts';
import { parseConfig } from '../config/parse.ts';
import { maskOf, namesOf } from '../privileges/capabilities.ts';
import { capabilitiesToKeep, type KeepFacts } from '../privileges/keep.ts';
import { executeAgain, keepOnly, ownPrivileges } from '../privileges/process.ts';
import { realFiles } from '../store/files.ts';
import { peekSaved } from '../store/peek.ts';
import { engineCandidates } from './engines.ts';

/** Set while the program is executed again, so that a kernel that gives nothing up is asked once. */
const AGAIN = 'WEIR_LIMITED';
const BPFFS = '/sys/fs/bpf';
/** include/uapi/linux/magic.h */
const BPF_FS_MAGIC = 0xcafe4a11;
const CAP_SETPCAP = maskOf(['SETPCAP']);

/**
 * Gives privileges up where this is root and has more than it keeps: the program then begins again, and this does not return. Elsewhere it
 * does nothing; status says what the process has.
 */
export async function limitPrivileges(options: DaemonOptions, context: { readonly io: Io; readonly packageDirectory: string }): Promise<void> {
  const { env } = context.io;
  const tried = env[AGAIN] === String(process.pid);
  delete process.env[AGAIN];
  const own = ownPrivileges();
  // Without CAP_SETPCAP nothing could be given up for good; a service manager or a container has chosen already.
  if (own === null || own.uid !== 0 || tried || (own.effective & CAP_SETPCAP) === 0n) return;
  const facts = await keepFacts(options, context);
  const kept = capabilitiesToKeep(facts).map(({ capability }) => capability);
  if ((own.permitted & ~maskOf(kept)) === 0n && own.noNewPrivileges) return;
  if (facts.engines.includes('xdp')) await mountBpffs();
  try {
    keepOnly(kept);
    executeAgain({ ...process.env, [AGAIN]: String(process.pid) });
  } catch (error) {
    context.io.err(`weir: privileges were not given up: ${error instanceof Error ? error.message : String(error)}\n`);
  }
}

/** To mount takes CAP_SYS_ADMIN, the one thing of the xdp engine that does: it is done while it can be. */
async function mountBpffs(): Promise<void> {
  if (!existsSync(BPFFS) || statfsSync(BPFFS).type === BPF_FS_MAGIC) return;
  try {
    (await import('../engine/xdp/libbpf.ts')).mountBpffs(BPFFS);
  } catch {
    // No libbpf, or not allowed: the engine's probe says what it lacks.
  }
}

async function keepFacts(options: DaemonOptions, { io, packageDirectory }: { readonly io: Io; readonly packageDirectory: string }): Promise<KeepFacts> {
  const [stateDirectory] = stateDirectories({ state: options.state, env: io.env });
  const directory = resolve(stateDirectory);
  // Either may come to run: an unchanged FILE leaves what was saved since.
  const configs = [await givenDocuments(options, io), await peekSaved(realFiles, directory)].map(configOf);
  const known = configs.filter((config) => config !== null);
  return {
    engines: enginesOf(options.engine, known),
    configuresNetwork: known.length === 0 || known.some(({ natRules, services }) => natRules.length > 0 || services.some(({ name }) => name === 'network')),
    foreignPath: [nearestExisting(directory), packageDirectory, ...options.files.filter((file) => file !== '-'), options.tlsCert, options.tlsKey, options.passwordFile].find(isForeign) ?? null,
  };
}

/** FILE as far as it can be read here: what is wrong with it is said when it is loaded. Standard input can be read once, so not here. */
async function givenDocuments(options: DaemonOptions, io: Io): Promise<Partial<Documents> | null> {
  if (options.files.length === 0 || options.files.includes('-')) return null;
  return readSources(options.files, io).then(documentsOf, () => null);
}

function configOf(documents: Partial<Documents> | null): Config | null {
  if (documents === null) return null;
  return parseConfig(DOCUMENT_NAMES.map((name) => ({ file: documentFile(name), document: name, text: documents[name] ?? '' }))).config;
}

function enginesOf(option: string | undefined, configs: readonly Config[]): KeepFacts['engines'] {
  const named = option === undefined ? configs.map((config) => config.services.find(({ name }) => name === 'lvs')?.engine ?? 'auto') : [option];
  const built = [...new Set(engineCandidates().map(({ name }) => name))];
  return named.length === 0 || named.includes('auto') ? built : built.filter((engine) => named.includes(engine));
}

/** Returns what this process may do, for status; null where that cannot be told. */
export function privilegesView(): PrivilegesView | null {
  const own = ownPrivileges();
  return own && { uid: own.uid, capabilities: namesOf(own.effective), noNewPrivileges: own.noNewPrivileges };
}

function nearestExisting(path: string): string {
  return existsSync(path) || dirname(path) === path ? path : nearestExisting(dirname(path));
}

function isForeign(path: string | undefined): boolean {
  return path !== undefined && existsSync(path) && statSync(path).uid !== 0;
}
