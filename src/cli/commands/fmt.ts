/** `weir fmt`: canonical layout; words, order and comments stay. */
import type { Issue } from '../../config/issue.ts';
import { formatDocument } from '../../config/format.ts';
import type { Command } from '../command.ts';
import { CliError } from '../failure.ts';
import { readSources, STDIN_NAME } from '../sources.ts';
import { clean } from '../text.ts';

export const fmt: Command = {
  name: 'fmt',
  group: 'Configuration',
  short: 'lay configuration files out the one way: indentation and spaces, never words or comments',
  details: 'Prints the text, or with --write puts it back in its file, or with --check says which files are laid out otherwise (exit 1). A file with errors is left alone: nobody knows what it means.',
  args: [{ form: '<file...>', text: 'files, directories with the three documents, or `-` for standard input' }],
  options: [
    { flags: '-w, --write', text: 'write each file back, when it changes' },
    { flags: '-c, --check', text: 'change nothing; exit 1 when a file would change' },
  ],
  needs: 'nothing',
  json: true,
  examples: ['weir fmt -w /etc/weir', 'weir show running layer4 | weir fmt -'],
  async run({ args, options, io }) {
    if (options.flag('write') && options.flag('check')) throw new CliError('usage', '--write and --check exclude each other');
    const sources = await readSources(args, io);
    const issues: Issue[] = [];
    const files = sources.map((source) => {
      const formatted = formatDocument(source.text, source.file);
      issues.push(...formatted.issues);
      return { file: source.file, text: formatted.text, changed: formatted.text !== source.text };
    });
    if (issues.length > 0) throw new CliError('invalid', 'nothing was laid out: correct the errors first', { issues });
    const changed = files.filter((file) => file.changed);
    if (options.flag('write')) for (const { file, text } of changed) if (file !== STDIN_NAME) await io.files.write(file, text);
    const names = changed.map(({ file }) => `${clean(file)}\n`).join('');
    const check = options.flag('check');
    return {
      data: { files: files.map(({ file, text, changed: differs }) => ({ file, changed: differs, ...(check || options.flag('write') ? {} : { text }) })) },
      text: () => {
        if (check) return names;
        if (options.flag('write')) return `${names}${files.filter(({ file }) => file === STDIN_NAME).map(({ text }) => text).join('')}`;
        const all = files.map(({ text }) => text).join('');
        return io.outIsTty ? clean(all, { lines: true }) : all;
      },
      ...(check && changed.length > 0 ? { exit: 'failed' as const } : {}),
    };
  },
};
