/** The Services tab: list them, start, stop, restart, reload one. */
import type { ServiceAction, ServiceView } from '../../client/types.ts';
import type { Command } from '../command.ts';
import { formatDuration } from '../duration.ts';
import { CliError } from '../failure.ts';
import { clean, table, type Cell, type Style } from '../text.ts';

const ACTIONS: readonly ServiceAction[] = ['start', 'stop', 'restart', 'reload'];

export const services: Command = {
  name: 'services',
  group: 'Daemon',
  short: 'list the services and whether they run',
  args: [],
  options: [],
  needs: 'daemon',
  json: true,
  examples: [],
  async run({ client }) {
    const list = await (await client()).services();
    return { data: list, text: (style) => servicesText(list, style) };
  },
};

export const service: Command = {
  name: 'service',
  group: 'Daemon',
  short: 'start, stop, restart or reload a service',
  args: [
    { form: '<action>', text: 'what to do', choices: ACTIONS },
    { form: '<name>', text: 'its name, like `lvs`' },
    { form: '[instance]', text: 'its instance, like `eth0` of `network eth0`' },
  ],
  options: [],
  needs: 'daemon',
  json: true,
  examples: ['weir service restart lvs', 'weir service reload network eth0'],
  async run({ args: [word, name = '', instance], client }) {
    const action = ACTIONS.find((known) => known === word);
    if (action === undefined) throw new CliError('usage', `expected ${ACTIONS.join(', ')}, found '${word}'`);
    const view = await (await client()).service(name, instance ?? null, action);
    const failed = view.state === 'failed';
    return {
      data: view,
      text: () => `${clean(`${nameOf(view)} is ${view.state}${view.lastError === null ? '' : `: ${view.lastError}`}`)}\n`,
      ...(failed ? { exit: 'failed' as const } : {}),
    };
  },
};

function servicesText(list: readonly ServiceView[], style: Style): string {
  if (list.length === 0) return 'no services\n';
  const rows = list.map((s): Cell[] => [
    nameOf(s),
    { text: s.state, colour: s.state === 'running' ? 'green' : s.state === 'failed' ? 'red' : 'dim' },
    s.autostart ? 'yes' : 'no',
    formatDuration(style.nowMs - s.sinceMs),
    s.lastError ?? '',
  ]);
  return table(['SERVICE', 'STATE', 'AUTOSTART', 'SINCE', 'LAST ERROR'], rows, style);
}

function nameOf({ name, instance }: ServiceView): string {
  return instance === null ? name : `${name} ${instance}`;
}
