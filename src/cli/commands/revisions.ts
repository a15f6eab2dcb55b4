/** Looking at configurations that are, were, or will be: show, diff, revisions, rollback. */
import { DOCUMENT_NAMES, type DocumentsView, type RevisionView, type Stage } from '../../client/types.ts';
import { joinDocuments } from '../../config/documents.ts';
import type { Command } from '../command.ts';
import { formatDuration, formatTime } from '../duration.ts';
import { CliError } from '../failure.ts';
import { clean, paint, table, type Style } from '../text.ts';
import { planText } from './apply.ts';

const STAGES: readonly Stage[] = ['edited', 'running', 'saved'];

export const show: Command = {
  name: 'show',
  group: 'Configuration',
  short: 'print the edited, running or saved configuration, or one of its documents',
  args: [
    { form: '[stage]', text: 'which one (default running)', choices: STAGES },
    { form: '[document]', text: 'one document alone (default all three)', choices: DOCUMENT_NAMES },
  ],
  options: [],
  needs: 'daemon',
  json: true,
  examples: ['weir show', 'weir show saved layer4 > layer4.conf'],
  async run({ args, client, io }) {
    const view = await (await client()).documents(stageOf(args[0] ?? 'running'));
    return { data: view, text: () => documentsText(view, args[1], io.outIsTty) };
  },
};

export const diff: Command = {
  name: 'diff',
  group: 'Configuration',
  short: 'show where edited, running and saved differ',
  args: [],
  options: [],
  needs: 'daemon',
  json: true,
  examples: [],
  async run({ client }) {
    const { diff: view, etags } = await (await client()).status();
    return { data: { etags, ...view }, text: (style) => diffsText(view, style) };
  },
};

export const revisions: Command = {
  name: 'revisions',
  group: 'Configuration',
  short: 'list the revisions, or print one',
  args: [{ form: '[revision]', text: 'print this one instead of the list' }, { form: '[document]', text: 'one document of it', choices: DOCUMENT_NAMES }],
  options: [],
  needs: 'daemon',
  json: true,
  examples: ['weir revisions', 'weir revisions 7 layer4'],
  async run({ args: [number, document], client, io }) {
    const api = await client();
    if (number === undefined) {
      const list = await api.revisions();
      return { data: list, text: (style) => revisionsText(list, style) };
    }
    const view = await api.revision(revisionNumber(number));
    return { data: view, text: () => documentsText(view, document, io.outIsTty) };
  },
};

export const rollback: Command = {
  name: 'rollback',
  group: 'Configuration',
  short: 'make an earlier revision run again',
  details: 'Applies the revision as it was, as a new revision. It is not saved until `weir save`.',
  args: [{ form: '<revision>', text: 'its number in `weir revisions`' }],
  options: [{ flags: '--save', text: 'save it too' }],
  needs: 'daemon',
  json: true,
  examples: ['weir rollback 7'],
  async run({ args: [number = ''], options, client }) {
    const api = await client();
    const result = await api.rollback(revisionNumber(number));
    const saved = options.flag('save') ? await api.save() : null;
    return {
      data: { ...result, saved },
      text: (style) => `${planText(result, style)}revision ${number} runs again, as revision ${result.revision}${saved === null ? '; it is not saved yet: weir save' : ', saved'}\n`,
    };
  },
};

function stageOf(text: string): Stage {
  const stage = STAGES.find((name) => name === text);
  if (stage === undefined) throw new CliError('usage', `expected ${STAGES.join(', ')}, found '${text}'`);
  return stage;
}

function revisionNumber(text: string): number {
  if (!/^[1-9]\d{0,8}$/.test(text)) throw new CliError('usage', `expected the number of a revision, found '${text}'`, { cure: '`weir revisions` lists them' });
  return Number(text);
}

/** To a file or a pipe the documents go byte for byte (all three as one file that splits into them again); to a terminal without what could steer it. */
function documentsText({ documents }: DocumentsView, only: string | undefined, terminal: boolean): string {
  const one = DOCUMENT_NAMES.find((name) => name === only);
  const text = one === undefined ? joinDocuments(documents) : documents[one];
  return terminal ? clean(text, { lines: true }) : text;
}

function diffsText(view: { readonly editedToRunning: string; readonly runningToSaved: string }, style: Style): string {
  return [
    view.editedToRunning === '' ? 'edited and running are equal\n' : `edited differs from running (weir apply makes it run):\n${colourDiff(view.editedToRunning, style)}`,
    view.runningToSaved === '' ? 'running and saved are equal\n' : `running differs from saved (weir save keeps it):\n${colourDiff(view.runningToSaved, style)}`,
  ].join('');
}

function colourDiff(text: string, style: Style): string {
  return text.replace(/\n$/, '').split('\n').map((line) => {
    if (line.startsWith('+')) return `${paint(line, 'green', style)}\n`;
    if (line.startsWith('-')) return `${paint(line, 'red', style)}\n`;
    return `${clean(line, { lines: true })}\n`;
  }).join('');
}

function revisionsText(list: readonly RevisionView[], style: Style): string {
  if (list.length === 0) return 'no revisions yet\n';
  const rows = list.map((r) => [r.revision, formatTime(r.atMs), `${formatDuration(style.nowMs - r.atMs)} ago`, r.what, r.who, r.note]);
  return table(['REVISION', 'WHEN', 'AGE', 'WHAT', 'WHO', 'NOTE'], rows, style);
}
