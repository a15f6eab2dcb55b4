/** `weir import`: what other balancers run, as weir configuration, with a report of what it does not say. */
import { decodeText, MAX_BYTES } from '../../config/decode.ts';
import { reportText, type ImportNote } from '../../import/draft.ts';
import { IMPORT_KINDS, IMPORTERS } from '../../import/importers.ts';
import type { Command, Io } from '../command.ts';
import { CliError } from '../failure.ts';
import { STDIN_NAME } from '../sources.ts';
import { clean, plural } from '../text.ts';

export const importCommand: Command = {
  name: 'import',
  group: 'Configuration',
  short: 'make a configuration of what keepalived, ldirectord, ipvsadm or nginx have',
  details: 'Prints the configuration, or with --output writes it to a file, and reports on standard error, with line numbers, what was carried over, what means something else, and what was not carried over. '
    + 'What comes out has no errors; look at what `weir check` warns of. ipvsadm is what `ipvsadm --save --numeric` prints; of nginx.conf the stream block is read.',
  args: [
    { form: '<kind>', text: 'what FILE is', choices: IMPORT_KINDS },
    { form: '<file>', text: 'the file, or `-` for standard input' },
  ],
  options: [
    { flags: '-o, --output <file>', text: 'write the configuration there instead of printing it' },
    { flags: '-q, --quiet', text: 'report only what was not carried over as it is' },
    { flags: '--strict', text: 'exit 1 when anything was not carried over as it is' },
  ],
  needs: 'nothing',
  json: true,
  examples: ['weir import keepalived /etc/keepalived/keepalived.conf > layer4.conf', 'ipvsadm --save --numeric | weir import ipvsadm -'],
  async run({ args: [word, file = ''], options, io }) {
    const kind = IMPORT_KINDS.find((known) => known === word);
    if (kind === undefined) throw new CliError('usage', `expected ${IMPORT_KINDS.join(', ')}, found '${word ?? ''}'`);
    const text = await textOf(file, io);
    const { layer4, services, notes } = IMPORTERS[kind](text);
    const configuration = `${layer4}${services === '' ? '' : `\n${services}`}`;
    const output = options.text('output');
    if (output !== undefined) await io.files.write(output, configuration);
    const lost = notes.filter((note) => note.kind !== 'carried');
    const shown = options.flag('quiet') ? lost : notes;
    if (!options.flag('json')) io.err(clean(`${reportText(shown, file === '-' ? STDIN_NAME : file)}${summary(notes)}`, { lines: true }));
    return {
      data: { configuration, notes },
      text: () => (output === undefined ? (io.outIsTty ? clean(configuration, { lines: true }) : configuration) : ''),
      ...(options.flag('strict') && lost.length > 0 ? { exit: 'failed' as const } : {}),
    };
  },
};

function summary(notes: readonly ImportNote[]): string {
  const count = (kind: ImportNote['kind']): number => notes.filter((note) => note.kind === kind).length;
  return `${plural(count('carried'), 'director')} carried over; ${plural(count('changed'), 'thing')} with another meaning; ${count('dropped')} not carried over\n`;
}

async function textOf(file: string, io: Io): Promise<string> {
  let bytes: Uint8Array;
  try {
    bytes = file === '-' ? await io.stdin(MAX_BYTES + 1) : await io.files.read(file);
  } catch (error) {
    throw new CliError('failed', `cannot read ${file}: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
  }
  const decoded = decodeText(bytes, file === '-' ? STDIN_NAME : file);
  if (!('text' in decoded)) throw new CliError('invalid', 'this is not a text', { issues: decoded.issues });
  return decoded.text;
}
