/** argv to an exit code: the table of commands made into a commander program, one command run, its answer or its failure printed. */
import { Command as Commander, CommanderError, Option, Argument as CommanderArgument } from 'commander';
import type { Client } from '../client/types.ts';
import { EXIT, EXIT_CODES } from './exit-codes.ts';
import { failureOf, failureText, CliError } from './failure.ts';
import type { Command, Io, Options, Programs } from './command.ts';
import { optionsOf, typedOptions } from './options.ts';
import { clean, json } from './text.ts';

/** What the program is made of. */
export interface Parts {
  readonly commands: readonly Command[];
  readonly io: Io;
  readonly programs: Programs;
  /** Returns a client for the daemon that the options name. Throws CliError when there is none. */
  connect(options: Options): Promise<Client>;
}

/** Runs `argv` (without node and script) and returns the exit code. Never throws. */
export async function runCli(argv: readonly string[], parts: Parts): Promise<number> {
  const { io } = parts;
  let code: number = EXIT.ok;
  // What is told of an error must be JSON too, also when the command line itself is wrong.
  const wantsJson = argv.includes('--json');
  const fail = (thrown: unknown): void => {
    const failure = failureOf(thrown);
    code = failure.exit;
    if (wantsJson) io.out(json({ error: failure.error }));
    else io.err(clean(failureText(failure), { lines: true }));
  };
  const program = build(parts, async (command, args, values) => {
    try {
      code = await runOne(command, args, values, parts);
    } catch (error) {
      fail(error);
    }
  });
  try {
    await program.parseAsync([...argv], { from: 'user' });
  } catch (error) {
    if (!(error instanceof CommanderError)) fail(error);
    else if (!HELP_CODES.has(error.code) || !argv.some((word) => HELP_WORDS.has(word))) fail(usageError(error, argv));
  }
  return code;
}

/** How commander ends after it has shown what was asked for; without having been asked, help means that a command is missing. */
const HELP_CODES: ReadonlySet<string> = new Set(['commander.help', 'commander.helpDisplayed', 'commander.version']);
const HELP_WORDS: ReadonlySet<string> = new Set(['help', '-h', '--help', '-V', '--version']);

async function runOne(command: Command, args: readonly string[], values: Readonly<Record<string, unknown>>, parts: Parts): Promise<number> {
  const { io, programs } = parts;
  const options = typedOptions(values);
  let client: Promise<Client> | undefined;
  const colour = io.outIsTty && (io.env['NO_COLOR'] ?? '') === '' && io.env['TERM'] !== 'dumb';
  const answer = await command.run({ args, options, io, programs, colour, client: () => (client ??= parts.connect(options)) });
  if (answer.text !== null) io.out(options.flag('json') ? json(answer.data) : answer.text({ colour, nowMs: io.now() }));
  return EXIT[answer.exit ?? 'ok'];
}

/** Makes commander's program: help and errors through `io`, nothing ends the process. */
function build(parts: Parts, act: (command: Command, args: readonly string[], values: Readonly<Record<string, unknown>>) => Promise<void>): Commander {
  const { io, commands, programs } = parts;
  const program = new Commander('weir')
    .description('A UDP load balancer with ALOHA-style configuration.')
    .version(`weir ${programs.version}`, '-V, --version', 'print the version')
    .addHelpText('after', `\nExit codes: ${EXIT_CODES.map(({ code, name }) => `${code} ${name}`).join(', ')} (docs/reference/cli.md)`)
    .helpCommand('help [command]', 'show the help of a command')
    .showSuggestionAfterError(true);
  settle(program, io);
  const parents = new Map<string, Commander>();
  for (const command of commands) {
    const [first = '', second] = command.name.split(' ');
    let parent = program;
    if (second !== undefined) {
      parent = parents.get(first) ?? settle(program.command(first).description(parentText(commands, first)).helpGroup(command.group), io);
      parents.set(first, parent);
    }
    const made = settle(parent.command(second ?? first), io)
      .summary(command.short)
      .description(`${sentence(command.short)}${command.details === undefined ? '' : `\n\n${command.details}`}`)
      .helpGroup(command.group);
    for (const { form, text, choices } of command.args) {
      const argument = new CommanderArgument(form, text);
      made.addArgument(choices === undefined ? argument : argument.choices([...choices]));
    }
    for (const { flags, text, choices } of optionsOf(command)) {
      const option = new Option(flags, text);
      made.addOption(choices === undefined ? option : option.choices([...choices]));
    }
    if (command.examples.length > 0) made.addHelpText('after', `\nExamples:\n${command.examples.map((line) => `  ${line}`).join('\n')}`);
    made.action(async () => {
      await act(command, made.args, made.opts());
    });
  }
  return program;
}

function settle(command: Commander, io: Io): Commander {
  return command
    .exitOverride()
    .allowExcessArguments(false)
    .configureOutput({
      writeOut: (text) => io.out(text),
      writeErr: (text) => io.err(text),
      // Errors are thrown as CommanderError and told once, by runCli.
      outputError: () => {},
      getOutHasColors: () => false,
      getErrHasColors: () => false,
    });
}

function parentText(commands: readonly Command[], parent: string): string {
  return commands.filter(({ name }) => name.startsWith(`${parent} `)).map(({ short }) => short.replace(/[,;].*/, '')).join('; ');
}

function sentence(text: string): string {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}.`;
}

function usageError(error: CommanderError, argv: readonly string[]): CliError {
  // `weir` and `weir token` alone: commander has shown the help.
  if (error.code === 'commander.help') return new CliError('usage', 'expected a command', { cure: 'weir help lists them' });
  const command = argv.find((word) => !word.startsWith('-'));
  const known = error.code === 'commander.unknownCommand' || command === undefined ? 'weir help' : `weir help ${command}`;
  return new CliError('usage', error.message.replace(/^error: /, '').replace(/\n\(Did you mean (.*)\?\)$/, " (did you mean '$1'?)"), { cure: `see: ${known}` });
}
