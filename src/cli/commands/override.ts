/** What an operator does to a server by hand: drain, disable, enable, reset. Kept over an apply, until `reset`. */
import type { Command } from '../command.ts';
import { serverTarget } from '../target.ts';
import { clean } from '../text.ts';

type Action = 'drain' | 'disable' | 'enable' | 'reset';

export const drain = row('drain', 'take no new sessions to a server; `on drain` says what happens to live ones');
export const disable = row('disable', 'take a server out at once, as if it were down');
export const enable = row('enable', 'use a server that the configuration drains or disables, as its checks say');
export const reset = row('reset', 'forget drain, disable or enable: the configuration and the checks decide again');

function row(name: Action, short: string): Command {
  return {
    name,
    group: 'Servers and sessions',
    short,
    args: [
      { form: '<director>', text: 'its director, or `director/server` in one word' },
      { form: '[server]', text: 'its name' },
    ],
    options: [],
    needs: 'daemon',
    json: true,
    examples: [`weir ${name} web srv1`, `weir ${name} web/srv1`],
    async run({ args, client }) {
      const [director, server] = serverTarget(args);
      const view = await (await client()).override(director, server, name);
      return { data: view, text: () => `${clean(`${view.director}/${view.name} is ${view.state}: ${view.reason}`)}\n` };
    },
  };
}
