/**
 * `option execcheck`: a program of the operator judges the server. It must lie in the directory of check programs, which nobody else may write
 * to (docs/adr/0014): who may change the configuration over the API must not thereby run what they like on this host.
 *
 * No shell. Its environment is WEIR_DIRECTOR, WEIR_SERVER, WEIR_ADDRESS, WEIR_PORT, WEIR_TIMEOUT_MS, PATH and LC_ALL, nothing of weir's own.
 * Exit code 0 is up. With `dynamic`, the first number of its output is the share of its weight, or else an exit code of 2 to 102 less 2
 * (as keepalived's misc_dynamic). All else is down. After the timeout its whole process group is killed.
 */
import { spawn } from 'node:child_process';
import { lstat, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { SetTimer } from '../agenda.ts';
import type { Target } from '../health.ts';
import { attempt, cannot, fail, msText, pass, silence, type Check, type Finding } from './attempt.ts';
import { percentIn, percentText } from './weight.ts';

/** Programs that run at once, of all servers; one more is not started, and its check says so. */
export const MAX_PROGRAMS = 64;
/** Of what a program prints, so much is kept; the rest is read and forgotten. */
const OUTPUT_BYTES = 4096;
const DETAIL_CHARS = 120;
/** How long what is left in the pipe of a program that has ended is waited for. */
const DRAIN_MS = 100;
const DYNAMIC_CODES = { first: 2, last: 102 };
const PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/** Returns a check that runs `program` with `args` as they are. */
export function execCheck(probe: { readonly program: string; readonly args: readonly string[]; readonly dynamic: boolean }): Check {
  return (target, env) => {
    const startedMs = env.nowMs();
    return attempt(env, {
      timeoutMs: target.timeoutMs,
      onTimeout: () => silence(target.timeoutMs),
      begin: (settle) => {
        const { programs } = env;
        if (programs.running >= MAX_PROGRAMS) {
          settle(cannot(`${MAX_PROGRAMS} check programs run already: use longer intervals or shorter programs`));
          return () => undefined;
        }
        programs.running++;
        let over = false;
        let kill = (): void => undefined;
        const file = join(programs.directory, probe.program);
        trusted(programs.directory, file).then(
          () => {
            if (over) return;
            kill = run(file, { args: probe.args, env: environment(target), setTimer: env.setTimer }, (ended) => settle(judgeExit(ended, probe.dynamic, () => msText(env.nowMs() - startedMs))));
          },
          (cause: unknown) => settle(cannot(cause instanceof Error ? cause.message : String(cause))),
        );
        return () => {
          over = true;
          programs.running--;
          kill();
        };
      },
    });
  };
}

/** What became of a program; `error`: it could not be started. */
export interface Ended {
  readonly code: number | null;
  readonly signal: string | null;
  readonly output: string;
  readonly error: Error | null;
}

/** Returns what the end of a program says. */
export function judgeExit({ code, signal, output, error }: Ended, dynamic: boolean, took: () => string): Finding {
  if (error !== null) return cannot(`the program cannot be started: ${error.message}`);
  const said = firstLine(output);
  if (code === null) return fail(`ended by ${signal ?? 'a signal'}${said}`);
  const byCode = dynamic && code >= DYNAMIC_CODES.first && code <= DYNAMIC_CODES.last;
  if (code !== 0 && !byCode) return fail(`exit code ${code}${said}`);
  if (!dynamic) return pass(`exit code 0 in ${took()}${said}`);
  const percent = byCode ? code - DYNAMIC_CODES.first : percentIn(output);
  return { ...pass(`exit code ${code} in ${took()}${percentText(percent)}`), ...(percent === null ? {} : { weightPercent: percent }) };
}

/** Rejects unless the directory and the file belong to root or to weir's own user and only they may write them. */
async function trusted(directory: string, file: string): Promise<void> {
  for (const path of [directory, file]) {
    const found = await stat(path).catch((cause: NodeJS.ErrnoException) => {
      throw new Error(`${path} cannot be used: ${cause.code === 'ENOENT' ? 'it is not there' : cause.message}`);
    });
    // A link in the directory may lead elsewhere: who owns the link chose it, and the file it leads to is looked at by stat.
    const owners = [found.uid, (await lstat(path)).uid];
    if (owners.some((uid) => uid !== 0 && uid !== process.geteuid?.())) throw new Error(`${path} belongs to user ${owners[0]}: it must belong to root or to weir's own user`);
    if ((found.mode & 0o022) !== 0) throw new Error(`${path} may be written by others: chmod go-w ${path}`);
    if (path === file && !found.isFile()) throw new Error(`${path} is not a file`);
  }
}

function run(file: string, { args, env, setTimer }: { readonly args: readonly string[]; readonly env: NodeJS.ProcessEnv; readonly setTimer: SetTimer }, done: (ended: Ended) => void): () => void {
  // Its own process group: what it starts ends with it.
  const child = spawn(file, args, { shell: false, detached: true, cwd: '/', env, stdio: ['ignore', 'pipe', 'ignore'] });
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    if (output.length < OUTPUT_BYTES) output = (output + text).slice(0, OUTPUT_BYTES);
  });
  let exited = false;
  child.on('error', (error) => done({ code: null, signal: null, output: '', error }));
  child.on('exit', (code, signal) => {
    exited = true;
    const finish = (): void => done({ code, signal, output, error: null });
    child.stdout.once('close', finish);
    // A grandchild may hold the pipe open for ever.
    setTimer(finish, DRAIN_MS);
  });
  return () => {
    child.stdout.destroy();
    if (child.pid === undefined) return;
    try {
      process.kill(-child.pid, 'SIGKILL');
    } catch {
      // The group is empty: all of it has ended.
    }
    if (!exited) child.unref();
  };
}

function environment({ director, server, ip, port, timeoutMs }: Target): NodeJS.ProcessEnv {
  return { PATH, LC_ALL: 'C', WEIR_DIRECTOR: director, WEIR_SERVER: server, WEIR_ADDRESS: ip.text, WEIR_PORT: String(port), WEIR_TIMEOUT_MS: String(timeoutMs) };
}

function firstLine(output: string): string {
  // eslint-disable-next-line no-control-regex -- the point is to take them out
  const line = (output.split('\n', 1)[0] ?? '').replace(/[\u0000-\u001f\u007f]+/g, ' ').trim().slice(0, DETAIL_CHARS);
  return line === '' ? '' : `: ${line}`;
}
