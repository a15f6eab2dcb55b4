/** What goes on as it goes on: events, traffic, metrics. */
import type { EventView, SampleView } from '../../client/types.ts';
import type { Command } from '../command.ts';
import { formatTime } from '../duration.ts';
import { CliError } from '../failure.ts';
import { clean, short, table, type Style } from '../text.ts';

export const events: Command = {
  name: 'events',
  group: 'Daemon',
  short: 'print the event log: server states, applies, sign-ins',
  args: [],
  options: [
    { flags: '-f, --follow', text: 'go on printing events as they come, until stopped' },
    { flags: '--since <seq>', text: 'those after the event of this number' },
    { flags: '--service <name>', text: 'the log of one service: lvs, health, api, "network eth0"' },
  ],
  needs: 'daemon',
  json: true,
  examples: ['weir events', 'weir events --service health --follow', 'weir events --follow --json'],
  async run({ options, client, io }) {
    const since = sinceOf(options.text('since'));
    const service = options.text('service');
    const query = { ...(since === undefined ? {} : { since }), ...(service === undefined ? {} : { service }) };
    const api = await client();
    if (!options.flag('follow')) {
      const list = await api.events(query);
      return { data: list, text: () => list.map(eventText).join('') };
    }
    let last = since ?? 0;
    const print = (event: EventView): void => {
      // The log and the stream overlap: an event is printed once.
      if (event.seq <= last) return;
      last = event.seq;
      if (service !== undefined && event.service !== service) return;
      io.out(options.flag('json') ? `${JSON.stringify(event)}\n` : eventText(event));
    };
    for (const event of await api.events(query)) print(event);
    await api.stream((message) => { if (message.type === 'event') print(message.event); }, io.signal, { sinceSeq: last });
    return { data: null, text: null, ...(io.signal.aborted ? {} : { exit: 'unreachable' as const }) };
  },
};

export const traffic: Command = {
  name: 'traffic',
  group: 'Daemon',
  short: 'print rates per director: datagrams, bytes, sessions, drops',
  args: [],
  options: [{ flags: '-f, --follow', text: 'go on printing each sample as it comes, until stopped' }],
  needs: 'daemon',
  json: true,
  examples: ['weir traffic --follow'],
  async run({ options, client, io, colour }) {
    const api = await client();
    if (!options.flag('follow')) {
      const samples = await api.series();
      const latest = samples.at(-1);
      return { data: samples, text: (style) => (latest === undefined ? 'no samples yet\n' : sampleText(latest, style)) };
    }
    await api.stream((message) => {
      if (message.type !== 'sample') return;
      io.out(options.flag('json') ? `${JSON.stringify(message.sample)}\n` : sampleText(message.sample, { colour, nowMs: io.now() }));
    }, io.signal);
    return { data: null, text: null, ...(io.signal.aborted ? {} : { exit: 'unreachable' as const }) };
  },
};

export const metrics: Command = {
  name: 'metrics',
  group: 'Daemon',
  short: 'print all counters in the Prometheus text format',
  args: [],
  options: [],
  needs: 'daemon',
  json: false,
  examples: [],
  async run({ client, io }) {
    const text = await (await client()).metrics();
    return { data: text, text: () => (io.outIsTty ? clean(text, { lines: true }) : text) };
  },
};

function sinceOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  if (!/^\d{1,15}$/.test(text)) throw new CliError('usage', `--since must be the number of an event, got '${text}'`);
  return Number(text);
}

function eventText(event: EventView): string {
  return clean(`${formatTime(event.atMs)}  ${event.kind}  ${event.who}  ${event.text}`) + '\n';
}

function sampleText(sample: SampleView, style: Style): string {
  const rows = sample.directors.map((d) => [
    d.name, short(d.packetsInPerS), short(d.packetsOutPerS), short(d.bytesInPerS), short(d.bytesOutPerS), d.sessions, short(d.newSessionsPerS), short(d.dropsPerS),
  ]);
  return `${formatTime(sample.atMs)}\n${table(['DIRECTOR', 'IN/S', 'OUT/S', 'BYTES IN/S', 'BYTES OUT/S', 'SESSIONS', 'NEW/S', 'DROPS/S'], rows, style)}`;
}
