/**
 * What a command is: a row of the table in commands.ts, from which the parser, the help, the completion and docs/reference/cli.md are made.
 * A command returns data; JSON is that data, text is drawn from the same data by `text`. Nothing here knows of process or sockets.
 */
import type { Client, Documents } from '../client/types.ts';
import type { Issue } from '../config/issue.ts';
import type { Config } from '../config/model.ts';
import type { ExitName } from './exit-codes.ts';
import type { Style } from './text.ts';

/** One row. Rows whose name has two words stand below a command of the first (`token create`). */
export interface Command {
  readonly name: string;
  /** The heading it stands under in the help. */
  readonly group: 'Daemon' | 'Configuration' | 'Servers and sessions' | 'Access' | 'Other';
  /** One line for the list of commands. */
  readonly short: string;
  /** More, for `weir help NAME` and the reference. */
  readonly details?: string;
  readonly args: readonly Argument[];
  readonly options: readonly CommandOption[];
  /** 'daemon': it talks to a running daemon, and takes the options that say which. 'state': it takes --state alone. */
  readonly needs: 'nothing' | 'state' | 'daemon';
  /** Whether `--json` makes sense; where it does, it is stable. */
  readonly json: boolean;
  readonly examples: readonly string[];
  run(context: Context): Promise<Answer>;
}

/** `form` as commander writes it: `<name>`, `[name]`, `[file...]`. */
export interface Argument {
  readonly form: string;
  readonly text: string;
  readonly choices?: readonly string[];
}

/** `flags` as commander writes them: `--confirm <time>`, `-w, --watch`. */
export interface CommandOption {
  readonly flags: string;
  readonly text: string;
  readonly choices?: readonly string[];
}

/** What a command gives back. `text` null: the command has printed what there was to print, as it went. */
export interface Answer {
  readonly data: unknown;
  readonly text: ((style: Style) => string) | null;
  readonly exit?: ExitName;
}

/** What a command is given. */
export interface Context {
  readonly args: readonly string[];
  readonly options: Options;
  /** Connects on first use. */
  client(): Promise<Client>;
  readonly io: Io;
  /** Whether text may have colours. */
  readonly colour: boolean;
  readonly programs: Programs;
}

/** Options by their long name in camel case. */
export interface Options {
  flag(name: string): boolean;
  text(name: string): string | undefined;
}

/** The outside world of the CLI. */
export interface Io {
  out(text: string): void;
  err(text: string): void;
  readonly outIsTty: boolean;
  readonly errIsTty: boolean;
  readonly env: Readonly<Record<string, string | undefined>>;
  now(): number;
  /** Resolves after `ms`, or at once when the signal aborts. */
  sleep(ms: number): Promise<void>;
  /** Aborts on the first SIGINT or SIGTERM. */
  readonly signal: AbortSignal;
  readonly files: Files;
  /** Reads standard input to its end; at most `limit` bytes, else throws. */
  stdin(limit: number): Promise<Uint8Array>;
  /** Asks on the terminal without showing what is typed; null where there is no terminal. */
  secret(question: string): Promise<string | null>;
}

/** The file system as far as the CLI uses it. Errors are those of node:fs. */
export interface Files {
  read(path: string): Promise<Uint8Array>;
  /** Whole or not at all. */
  write(path: string, text: string): Promise<void>;
  kind(path: string): Promise<'file' | 'directory' | 'other' | 'none'>;
}

/** What the CLI starts or asks without knowing it: handed in by src/bin, since the CLI knows only the client and the configuration language. */
export interface Programs {
  readonly version: string;
  /** Runs the daemon until it is told to stop; returns the exit code. */
  daemon(options: DaemonOptions): Promise<number>;
  /** Returns what an engine cannot do of a configuration's text, in words. */
  unsupported(engine: string, documents: Partial<Documents>): Promise<readonly string[]>;
  /** Returns what this host lacks for a configuration, at its places in the text. */
  hostIssues(config: Config, engine: string | undefined): Promise<readonly Issue[]>;
  /** Sends one datagram and returns what came back and from where; null when nothing did in time. Throws when it cannot be sent or is refused. */
  send(options: { readonly ip: string; readonly port: number; readonly payload: Uint8Array; readonly timeoutMs: number }): Promise<{ readonly payload: Uint8Array; readonly from: string; readonly ms: number } | null>;
}

/** The options of `weir run`, as written. */
export interface DaemonOptions {
  readonly files: readonly string[];
  readonly engine: string | undefined;
  readonly state: string | undefined;
  readonly api: string | undefined;
  readonly workers: number | undefined;
  /** Records of the session table; undefined: the engine's own choice. */
  readonly sessions: number | undefined;
  readonly tlsCert: string | undefined;
  readonly tlsKey: string | undefined;
  readonly insecure: boolean;
  readonly passwordFile: string | undefined;
  /** The directory of check programs (execcheck); undefined: /etc/weir/checks. */
  readonly checks: string | undefined;
  readonly demo: boolean;
  /** Takes the sockets and sessions of the weir that runs on the state directory; `or-restart` stops it where that cannot be. */
  readonly takeover: 'only' | 'or-restart' | null;
}
