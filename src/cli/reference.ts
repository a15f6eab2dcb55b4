/** docs/reference/cli.md, made from the table of commands: a test holds the file to it. */
import type { Command } from './command.ts';
import { COMMANDS } from './commands.ts';
import { EXIT_CODES } from './exit-codes.ts';
import { optionsOf } from './options.ts';

/** Returns the page. */
export function cliReference(commands: readonly Command[] = COMMANDS): string {
  const groups = [...new Set(commands.map(({ group }) => group))];
  return `<!-- Made from the table of commands in src/cli; \`WEIR_UPDATE=1 npm test -- unit --file src/cli/reference\` writes it again. -->
# weir on the command line

\`weir\` is \`./bin/weir\` in a clone. Every command but \`run\`, \`check\`, \`fmt\`, \`send\`, \`completion\` and \`version\` talks to a running daemon over its API.

**Which daemon.** \`--api URL\`, else \`WEIR_API\`, else the \`api.json\` of the state directory: \`--state DIR\`, else \`WEIR_STATE\`,
else \`$XDG_STATE_HOME/weir\` or \`~/.local/state/weir\`, else the \`state\` directory of the clone, which \`npm start\` uses.

**Which token.** \`--token-file FILE\`, else \`WEIR_TOKEN\`, else \`cli.token\` of that state directory, which only the user that runs weir can read.
The state directory's token is sent to that directory's daemon alone, never to another \`--api\`.

**Output.** Text for people, with colours on a terminal unless \`NO_COLOR\` is set; control characters in what the daemon says are spelled out.
\`--json\` prints one JSON value instead (a value a line for what goes on, like \`events --follow\`); failures are \`{"error": {"code", "message", "cure", "issues"}}\`.
The shapes are those of [the API](api.md).

**Times** are written \`90\` (seconds), \`60s\`, \`5m\`, \`1m30s\`, \`500ms\`, \`2h\`, \`30d\`.

## Exit codes

| code | name | meaning |
|---|---|---|
${EXIT_CODES.map(({ code, name, text }) => `| ${code} | ${name} | ${text} |`).join('\n')}

SIGINT and SIGTERM end \`weir run\` and everything that follows or watches in order, with code 0; a second SIGINT ends it at once, with 130.
\`weir run\`: restart it on 1 and 70; on 2, 5 and 7 the same start fails again until somebody changes the configuration or the options.

${groups.map((group) => `## ${group}\n\n${commands.filter((command) => command.group === group).map(commandText).join('\n')}`).join('\n')}`;
}

function commandText(command: Command): string {
  const usage = ['weir', command.name, ...(optionsOf(command).length > 0 ? ['[options]'] : []), ...command.args.map(({ form }) => form)].join(' ');
  const args = command.args.map(({ form, text, choices }) => `| \`${form}\` | ${cell(text)}${choicesText(choices)} |`);
  const options = optionsOf(command).map(({ flags, text, choices }) => `| \`${cell(flags)}\` | ${cell(text)}${choicesText(choices)} |`);
  const rows = [...args, ...options];
  return [
    `### weir ${command.name}\n`,
    `\`${usage}\`\n`,
    `${command.short.charAt(0).toUpperCase()}${command.short.slice(1)}.${command.details === undefined ? '' : ` ${command.details}`}\n`,
    ...(rows.length === 0 ? [] : [`| | |\n|---|---|\n${rows.join('\n')}\n`]),
    ...(command.examples.length === 0 ? [] : [`\`\`\`sh\n${command.examples.join('\n')}\n\`\`\`\n`]),
  ].join('\n');
}

function choicesText(choices: readonly string[] | undefined): string {
  return choices === undefined ? '' : ` (${choices.map((choice) => `\`${choice}\``).join(', ')})`;
}

function cell(text: string): string {
  return text.replaceAll('|', '\\|');
}
