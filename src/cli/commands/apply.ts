/** From text to traffic: plan, apply, confirm, save. */
import type { Client, Documents, PlanView } from '../../client/types.ts';
import { documentOfFile, documentsOf } from '../documents.ts';
import { issueText } from '../../config/issue.ts';
import { parseConfig } from '../../config/parse.ts';
import type { Command, Context } from '../command.ts';
import { formatDuration, formatTime, parseDuration } from '../duration.ts';
import { CliError } from '../failure.ts';
import { readSources } from '../sources.ts';
import { clean, paint, plural, type Colour, type Style } from '../text.ts';

const FILES = { form: '[file...]', text: 'files or directories that replace the edited configuration first; `-` is standard input' };

export const plan: Command = {
  name: 'plan',
  group: 'Configuration',
  short: 'show what an apply would change, and how many live sessions it would move',
  details: 'Shows the way from what the engine does now to the edited configuration. With FILE… these become the edited configuration first; nothing runs differently until `weir apply`.',
  args: [FILES],
  options: [],
  needs: 'daemon',
  json: true,
  examples: ['weir plan', 'weir plan new.conf'],
  async run(context) {
    const client = await context.client();
    await upload(client, context);
    const view = await client.plan();
    return { data: view, text: (style) => planText(view, style), ...(view.unsupported.length > 0 ? { exit: 'unsupported' as const } : {}) };
  },
};

export const apply: Command = {
  name: 'apply',
  group: 'Configuration',
  short: 'make the edited configuration run, all of it or none',
  details: 'With FILE… these become the edited configuration first, and files named layer4.conf, nat.conf or services.conf replace that document alone. '
    + 'With --confirm the change is taken back by itself unless `weir confirm` comes in time: use it when the change might lock you out. '
    + 'An apply survives a restart only once it is saved.',
  args: [FILES],
  options: [
    { flags: '--confirm <time>', text: 'roll back by itself after this time unless confirmed (`60s`, `5m`)' },
    { flags: '--save', text: 'save what was applied, so that it survives a restart; not together with --confirm' },
  ],
  needs: 'daemon',
  json: true,
  examples: ['weir apply', 'weir apply new.conf --save', 'weir apply --confirm 60s && weir status && weir confirm'],
  async run(context) {
    const { options, io } = context;
    const confirm = options.text('confirm');
    const confirmMs = confirm === undefined ? undefined : parseDuration(confirm);
    if (confirmMs === null || confirmMs === 0) throw new CliError('usage', `--confirm must be a time like 60s, got '${confirm}'`);
    if (confirmMs !== undefined && options.flag('save')) {
      throw new CliError('usage', '--save and --confirm exclude each other', { cure: 'save after `weir confirm`' });
    }
    const client = await context.client();
    const etag = await upload(client, context);
    if (io.errIsTty) io.err('applying…\n');
    const result = await client.apply({ ...(confirmMs === undefined ? {} : { confirmMs }), ...(etag === undefined ? {} : { ifMatch: etag }) });
    const saved = options.flag('save') ? await client.save() : null;
    return {
      data: { ...result, saved },
      text: (style) => [
        planText(result, style),
        `applied as revision ${result.revision}${saved === null ? '' : ', saved'}\n`,
        result.confirmBy === null ? '' : `rolled back by itself at ${formatTime(result.confirmBy)} (in ${formatDuration(result.confirmBy - io.now())}) unless you run: weir confirm\n`,
        saved === null && result.confirmBy === null ? 'it is not saved yet: weir save makes it survive a restart\n' : '',
      ].join(''),
    };
  },
};

export const confirm: Command = {
  name: 'confirm',
  group: 'Configuration',
  short: 'keep what `apply --confirm` made run',
  args: [],
  options: [],
  needs: 'daemon',
  json: true,
  examples: [],
  async run({ client }) {
    await (await client()).confirm();
    return { data: { confirmed: true }, text: () => 'confirmed; it is not saved yet: weir save makes it survive a restart\n' };
  },
};

export const save: Command = {
  name: 'save',
  group: 'Configuration',
  short: 'make the running configuration survive a restart',
  args: [],
  options: [],
  needs: 'daemon',
  json: true,
  examples: [],
  async run({ client }) {
    const view = await (await client()).save();
    return { data: view, text: () => `saved as revision ${view.revision}\n` };
  },
};

export const edit: Command = {
  name: 'edit',
  group: 'Configuration',
  short: 'replace the edited configuration with files, without applying it',
  details: 'What `OK` does in the web UI: the text is kept, with its errors shown, and nothing runs differently. '
    + 'Files named layer4.conf, nat.conf or services.conf replace that document; a file of any other name is a whole configuration.',
  args: [{ form: '<file...>', text: 'files or directories; `-` is standard input' }],
  options: [{ flags: '--if-match <etag>', text: 'refuse when the edited configuration is not the one of this etag any more' }],
  needs: 'daemon',
  json: true,
  examples: ['weir show edited layer4 > layer4.conf; vi layer4.conf; weir edit layer4.conf'],
  async run(context) {
    const documents = await documentsFrom(context);
    const ifMatch = context.options.text('ifMatch');
    const result = await (await context.client()).edit(documents, ifMatch === undefined ? {} : { ifMatch });
    const invalid = result.issues.some((issue) => issue.severity === 'error');
    return {
      data: result,
      text: () => `${result.issues.map((issue) => `${issueText(issue)}\n`).join('')}edited (etag ${clean(result.etag)}); ${invalid ? 'it has errors and cannot be applied' : 'weir plan shows what an apply would change'}\n`,
      ...(invalid ? { exit: 'invalid' as const } : {}),
    };
  },
};

/** Makes the files of the command line, if any, the edited configuration; returns its etag. Errors are told at their place in the file, and then nothing was edited. */
async function upload(client: Client, context: Context): Promise<string | undefined> {
  if (context.args.length === 0) return undefined;
  const sources = await readSources(context.args, context.io);
  const own = parseConfig(sources.map(({ file, text }) => ({ file, text, document: documentOfFile(file) ?? 'any' })));
  if (own.issues.some((issue) => issue.severity === 'error')) throw new CliError('invalid', 'the configuration has errors; nothing was applied', { issues: own.issues });
  const documents = documentsOf(sources);
  const before = await client.documents('edited');
  const running = await client.documents('running');
  if (before.etag !== running.etag) context.io.err('note: replacing edits that were not applied yet\n');
  const { etag, issues } = await client.edit(documents, { ifMatch: before.etag });
  if (issues.some((issue) => issue.severity === 'error')) throw new CliError('invalid', 'the configuration has errors; nothing was applied', { issues });
  return etag;
}

async function documentsFrom({ args, io }: Context): Promise<Partial<Documents>> {
  return documentsOf(await readSources(args, io));
}

const STEP_MARKS: Readonly<Record<string, readonly [mark: string, colour: Colour]>> = { add: ['+', 'green'], remove: ['-', 'red'], change: ['~', 'yellow'] };

/** Returns the plan, a line a step, with what it costs and what stands against it. */
export function planText(view: PlanView, style: Style): string {
  const steps = view.steps.map(({ op, text }) => {
    const [mark, colour] = STEP_MARKS[op.replace(/-.*/, '')] ?? ['*', 'bold'];
    return `${paint(`${mark} ${text}`, colour, style)}\n`;
  });
  return [
    ...view.issues.map((issue) => `${issueText(issue)}\n`),
    ...(steps.length === 0 ? ['nothing to change in the data plane\n'] : steps),
    ...(view.moves > 0 ? [`${plural(view.moves, 'live session')} would lose ${view.moves === 1 ? 'its' : 'their'} server\n`] : []),
    ...view.unsupported.map((what) => `${paint(`cannot be applied: ${what}`, 'red', style)}\n`),
  ].join('');
}
