/** What goes on: status and servers. */
import type { DirectorView, ResponseView, ServerView, StatusView } from '../../client/types.ts';
import { issueText } from '../../config/issue.ts';
import type { Answer, Command, Context } from '../command.ts';
import { formatDuration, formatTime, parseDuration } from '../duration.ts';
import { CliError } from '../failure.ts';
import { clean, millis, paint, plural, short, table, type Cell, type Colour, type Style } from '../text.ts';

const WATCH = { flags: '--watch [time]', text: 'show again every so often until stopped (default 2s)' };
const WATCH_MS = 2000;
const WATCH_MIN_MS = 200;
const MANY_CAPABILITIES = 12;

export const status: Command = {
  name: 'status',
  group: 'Daemon',
  short: 'show engine, directors, servers, and whether anything waits to be applied or saved',
  args: [],
  options: [WATCH],
  needs: 'daemon',
  json: true,
  examples: ['weir status', 'weir status --watch 1s', 'weir status --json'],
  run: (context) => watched(context, async () => {
    const view = await (await context.client()).status();
    return { data: view, text: (style) => statusText(view, style) };
  }),
};

export const servers: Command = {
  name: 'servers',
  group: 'Servers and sessions',
  short: 'list servers with state, reason, weight, traffic and response times',
  details: 'P50, P90 and P99: half, nine tenths and 99 of 100 of the replies of the last 10 to 20 seconds came sooner after their request; `-` when none came. Left out where the engine does not see replies.',
  args: [{ form: '[director]', text: 'of this director alone' }],
  options: [WATCH],
  needs: 'daemon',
  json: true,
  examples: ['weir servers', 'weir servers web --json'],
  run: (context) => watched(context, async () => {
    const all = await (await context.client()).servers();
    const [director] = context.args;
    const list = director === undefined ? all : all.filter((server) => server.director === director);
    if (director !== undefined && list.length === 0) {
      const known = [...new Set(all.map((server) => server.director))];
      throw new CliError('notFound', `no director '${director}' with servers`, { cure: known.length === 0 ? 'nothing is configured yet' : `there are: ${known.join(', ')}` });
    }
    return { data: list, text: (style) => serversText(list, style) };
  }),
};

/** Runs `look` once, or with --watch again and again: on a terminal in place, else one after the other. */
async function watched(context: Context, look: () => Promise<Answer>): Promise<Answer> {
  const { options, io } = context;
  const given = options.text('watch');
  if (given === undefined && !options.flag('watch')) return look();
  const everyMs = given === undefined ? WATCH_MS : parseDuration(given);
  if (everyMs === null || everyMs < WATCH_MIN_MS) throw new CliError('usage', `--watch must be a time of at least ${WATCH_MIN_MS}ms, got '${given}'`);
  while (!io.signal.aborted) {
    const answer = await look();
    if (options.flag('json')) {
      io.out(`${JSON.stringify(answer.data)}\n`);
    } else {
      const style: Style = { colour: context.colour, nowMs: io.now() };
      // Home, then each line cleared to its end, then what is below: no flicker.
      const text = answer.text?.(style) ?? '';
      io.out(io.outIsTty ? `\u001b[H${text.replaceAll('\n', '\u001b[K\n')}\u001b[J` : `${text}\n`);
    }
    await io.sleep(everyMs);
  }
  return { data: null, text: null };
}

function statusText(view: StatusView, style: Style): string {
  const lines = [
    `weir ${clean(view.version)}, up ${formatDuration(style.nowMs - view.startedAtMs)}, engine ${clean(view.engine.name)} (${clean(view.engine.why)})`,
  ];
  if (view.privileges !== null) lines.push(privilegesText(view.privileges));
  if (view.confirmBy !== null) lines.push(paint(`rolls back in ${formatDuration(view.confirmBy - style.nowMs)} (${formatTime(view.confirmBy)}) unless you run: weir confirm`, 'yellow', style));
  if (view.diff.editedToRunning !== '') lines.push(paint('edits are not applied yet: weir plan, weir apply', 'yellow', style));
  if (view.diff.runningToSaved !== '') lines.push(paint('what runs is not saved: weir save', 'yellow', style));
  for (const warning of view.warnings) lines.push(issueText(warning));
  const dropped = nonZero(view.drops);
  if (dropped.length > 0) lines.push(`dropped: ${dropped.join(', ')}`);
  const directors = view.directors.map((director) => directorText(director, style));
  if (directors.length === 0) lines.push('no directors: weir apply FILE');
  return `${lines.join('\n')}\n${directors.map((text) => `\n${text}`).join('')}`;
}

function privilegesText({ uid, capabilities, noNewPrivileges }: NonNullable<StatusView['privileges']>): string {
  // All there are is a root that gave nothing up: a list of forty names says less.
  const may = capabilities.length === 0 ? 'no capability' : capabilities.length > MANY_CAPABILITIES ? `${capabilities.length} capabilities` : capabilities.map((name) => clean(name)).join(' ');
  return `runs as user ${uid} with ${may}${noNewPrivileges ? ', and can get no other' : ''}`;
}

function directorText(director: DirectorView, style: Style): string {
  const colour: Colour = director.state === 'up' ? 'green' : director.state === 'down' ? 'red' : 'yellow';
  const drops = nonZero(director.drops);
  const head = [
    `${paint(director.name, 'bold', style)} ${clean(`${director.vip} ${director.protocol} ${director.balance} ${director.mode}`)}`,
    paint(director.state, colour, style),
    `${plural(director.sessions, 'session')} (${short(director.sessionsCreated)} created), in ${short(director.packetsIn)}, out ${short(director.packetsOut)} datagrams${responsesText(director.responses)}${drops.length === 0 ? '' : `, dropped: ${drops.join(', ')}`}`,
  ].join('  ');
  return `${head}\n${director.servers.length === 0 ? '  no servers\n' : indent(serversText(director.servers, style, false))}`;
}

/** Returns the table of servers; with their director in front unless it is one director's. */
function serversText(list: readonly ServerView[], style: Style, withDirector = true): string {
  if (list.length === 0) return 'no servers\n';
  const answered = list.some(({ responses }) => responses !== null);
  const rows = list.map((server): Cell[] => [
    ...(withDirector ? [server.director] : []),
    server.sorry ? `${server.name} (sorry)` : server.name,
    server.address,
    { text: stateText(server), colour: stateColour(server.state) },
    weightText(server),
    server.sessions,
    short(server.packetsIn),
    short(server.packetsOut),
    ...(answered ? [millis(server.responses?.p50Ms ?? null), millis(server.responses?.p90Ms ?? null), millis(server.responses?.p99Ms ?? null)] : []),
    formatDuration(style.nowMs - server.sinceMs),
    server.reason,
  ]);
  return table([...(withDirector ? ['DIRECTOR'] : []), 'SERVER', 'ADDRESS', 'STATE', 'WEIGHT', 'SESSIONS', 'IN', 'OUT', ...(answered ? ['P50', 'P90', 'P99'] : []), 'SINCE', 'REASON'], rows, style);
}

/** Nothing where the engine does not see replies, or none came lately. */
function responsesText(responses: ResponseView | null): string {
  if (responses === null || responses.replies === 0) return '';
  return `, answered in ${millis(responses.p50Ms)} (p50) ${millis(responses.p90Ms)} (p90) ${millis(responses.p99Ms)} (p99)`;
}

function stateText(server: ServerView): string {
  return server.override === null ? server.state : `${server.state} (${server.override} by operator)`;
}

function stateColour(state: ServerView['state']): Colour {
  switch (state) {
    case 'up': return 'green';
    case 'down': return 'red';
    case 'unknown': return 'dim';
    case 'drain':
    case 'disabled': return 'yellow';
  }
}

function nonZero(counts: Readonly<Record<string, number>>): string[] {
  return Object.entries(counts).filter(([, count]) => count > 0).map(([name, count]) => `${clean(name)} ${short(count)}`);
}

function indent(text: string): string {
  return text.replace(/^(?=.)/gm, '  ');
}

/** Returns `10`, `0/10` when it takes nothing new, `3/10 (30%)` when it has a share. */
function weightText({ weight, configuredWeight, weightPercent }: ServerView): string {
  const share = weightPercent < 100 && weight > 0 ? ` (${weightPercent}%)` : '';
  return weight === configuredWeight ? `${weight}${share}` : `${weight}/${configuredWeight}${share}`;
}
