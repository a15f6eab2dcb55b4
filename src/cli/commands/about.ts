/** The program about itself: version, completion. */
import type { Command } from '../command.ts';
import { completionScript } from '../completion.ts';

export const version: Command = {
  name: 'version',
  group: 'Other',
  short: 'print the version of this program, and of Node.js',
  args: [],
  options: [],
  needs: 'nothing',
  json: true,
  examples: [],
  async run({ programs }) {
    const data = { version: programs.version, node: process.version };
    return { data, text: () => `weir ${data.version} (Node.js ${data.node})\n` };
  },
};

/** Made for a table of commands, which holds this one too. */
export function completion(table: () => readonly Command[]): Command {
  return {
    name: 'completion',
    group: 'Other',
    short: 'print the completion script of a shell',
    args: [{ form: '[shell]', text: 'which shell', choices: ['bash'] }],
    options: [],
    needs: 'nothing',
    json: false,
    examples: ['weir completion bash > /etc/bash_completion.d/weir', 'source <(weir completion bash)'],
    async run() {
      const text = completionScript(table());
      return { data: text, text: () => text };
    },
  };
}
