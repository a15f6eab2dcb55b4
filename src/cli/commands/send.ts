/** `weir send`: one datagram and its answer, to try a director by hand where no `nc` is at hand. */
import { parseEndpoint } from '../../net/endpoint.ts';
import type { Command } from '../command.ts';
import { parseDuration } from '../duration.ts';
import { CliError } from '../failure.ts';
import { clean } from '../text.ts';

const TIMEOUT_MS = 2000;

export const send: Command = {
  name: 'send',
  group: 'Other',
  short: 'send one UDP datagram and print the answer',
  args: [
    { form: '<address>', text: 'where to, address:port' },
    { form: '[text]', text: 'the payload (default: an empty datagram)' },
  ],
  options: [{ flags: '--timeout <time>', text: 'how long to wait for the answer (default 2s)' }],
  needs: 'nothing',
  json: true,
  examples: ['weir send 127.0.0.1:8000 hello', 'weir send [::1]:8000 hello'],
  async run({ args: [address = '', text = ''], options, programs }) {
    const endpoint = parseEndpoint(address);
    if (endpoint === undefined) throw new CliError('usage', `expected address:port, found '${address}'`, { cure: 'write it like 127.0.0.1:8000 or [::1]:8000' });
    const given = options.text('timeout');
    const timeoutMs = given === undefined ? TIMEOUT_MS : parseDuration(given);
    if (timeoutMs === null || timeoutMs === 0) throw new CliError('usage', `--timeout must be a time like 2s, got '${given}'`);
    const answer = await programs.send({ ip: endpoint.ip.text, port: endpoint.port, payload: new TextEncoder().encode(text), timeoutMs });
    if (answer === null) return { data: { answer: null }, text: () => 'sent; nothing came back in time\n', exit: 'failed' };
    const shown = new TextDecoder().decode(answer.payload);
    return { data: { answer: shown, bytes: answer.payload.length, from: answer.from, ms: answer.ms }, text: () => `${clean(shown, { lines: true })}\n` };
  },
};
