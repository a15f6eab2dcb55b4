/** `weir check`: everything that is wrong with a configuration, without a daemon. */
import { documentOfFile, documentsOf } from '../documents.ts';
import { issueText } from '../../config/issue.ts';
import { parseConfig } from '../../config/parse.ts';
import type { Command } from '../command.ts';
import { readSources } from '../sources.ts';
import { clean, paint, plural } from '../text.ts';

export const check: Command = {
  name: 'check',
  group: 'Configuration',
  short: 'check a configuration: every error and warning at once, without a daemon',
  details: 'All FILE… together are one configuration, as for `weir run`. A file named layer4.conf, nat.conf or services.conf holds that document, any other may hold all sections. '
    + 'Prints file:line:col, what was expected, what was found, and the cure. Exits 2 on errors, 0 on warnings alone.',
  args: [{ form: '<file...>', text: 'files, directories with the three documents, or `-` for standard input' }],
  options: [
    { flags: '--engine <name>', text: 'also say what this engine cannot do of it (then exit 7)', choices: ['userspace', 'xdp', 'lvs'] },
    { flags: '--here', text: 'also hold it against this host: its addresses, interfaces, routes, forwarding and filters' },
    { flags: '--strict', text: 'treat warnings as errors' },
    { flags: '-q, --quiet', text: 'print issues alone' },
  ],
  needs: 'nothing',
  json: true,
  examples: ['weir check /etc/weir', 'weir check new.conf --engine xdp', 'weir check /etc/weir --engine lvs --here', 'ssh lb cat new.conf | weir check -'],
  async run({ args, options, io, programs }) {
    const sources = await readSources(args, io);
    const { config, issues: ofText } = parseConfig(sources.map(({ file, text }) => ({ file, text, document: documentOfFile(file) ?? 'any' })));
    const engine = options.text('engine');
    const issues = [...ofText, ...(options.flag('here') && config !== null ? await programs.hostIssues(config, engine) : [])];
    const unsupported = engine === undefined || config === null ? [] : await programs.unsupported(engine, documentsOf(sources));
    const errors = issues.filter((issue) => issue.severity === 'error').length;
    const warnings = issues.length - errors;
    const bad = errors > 0 || (options.flag('strict') && warnings > 0);
    const ok = !bad && unsupported.length === 0;
    const counts = `${plural(config?.directors.length ?? 0, 'director')}, ${plural(config?.natRules.length ?? 0, 'NAT rule')}, ${plural(config?.services.length ?? 0, 'service')}`;
    return {
      data: { ok, errors, warnings, issues, unsupported },
      text: (style) => [
        ...issues.map((issue) => `${issueText(issue)}\n`),
        ...unsupported.map((what) => `${clean(`engine ${engine}: ${what}`)}\n`),
        options.flag('quiet') ? '' : ok
          ? `${paint('ok', 'green', style)}: ${counts}${warnings === 0 ? '' : `, ${plural(warnings, 'warning')}`}\n`
          : `${paint('not ok', 'red', style)}: ${plural(errors, 'error')}, ${plural(warnings, 'warning')}${unsupported.length === 0 ? '' : `, ${unsupported.length} not supported by ${engine}`}\n`,
      ].join(''),
      ...(bad ? { exit: 'invalid' as const } : unsupported.length > 0 ? { exit: 'unsupported' as const } : {}),
    };
  },
};
