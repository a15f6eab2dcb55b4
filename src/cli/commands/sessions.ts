/** Sessions: list, purge, pin, and where a client would go. */
import type { ExplainView, SessionsQuery, SessionsView } from '../../client/types.ts';
import type { Command, Options } from '../command.ts';
import { formatDuration } from '../duration.ts';
import { CliError } from '../failure.ts';
import { serverTarget } from '../target.ts';
import { clean, paint, plural, short, table, type Style } from '../text.ts';

type Session = SessionsView['sessions'][number];

const FILTERS = [
  { flags: '--director <name>', text: 'of this director' },
  { flags: '--server <name>', text: 'on this server' },
  { flags: '--client <address>', text: 'of this client, an address or address:port' },
];
const LIMIT = 50;
const PAGE = 1000;

export const sessions: Command = {
  name: 'sessions',
  group: 'Servers and sessions',
  short: 'list live sessions',
  args: [],
  options: [
    ...FILTERS,
    { flags: '--limit <n>', text: `how many (default ${LIMIT})` },
    { flags: '--all', text: 'all of them, page by page' },
    { flags: '--cursor <cursor>', text: 'go on where a page ended' },
  ],
  needs: 'daemon',
  json: true,
  examples: ['weir sessions --client 192.0.2.7', 'weir sessions --all --json'],
  async run({ options, client, io, colour }) {
    const api = await client();
    const limit = limitOf(options);
    const filter = { ...filterOf(options), ...cursorOf(options) };
    if (!options.flag('all') && limit <= PAGE) {
      const view = await api.sessions({ ...filter, limit });
      return { data: view, text: (style) => sessionsText(view, style) };
    }
    // Pages are printed as they come: a million sessions need not fit in memory, unless somebody wants them as one JSON value.
    const json = options.flag('json');
    const all: Session[] = [];
    let wanted = options.flag('all') ? Number.POSITIVE_INFINITY : limit;
    let listed = 0;
    let page: SessionsView;
    let more: boolean;
    const ask = (query: SessionsQuery): Promise<SessionsView> => {
      const asked = api.sessions({ ...query, limit: Math.min(PAGE, wanted) });
      // It may fail while the page before is printed: that is told when its turn comes.
      asked.catch(() => undefined);
      return asked;
    };
    let coming = ask(filter);
    do {
      page = await coming;
      listed += page.sessions.length;
      wanted -= page.sessions.length;
      more = page.next !== null && wanted > 0 && !io.signal.aborted;
      // The daemon makes the next page while this one is printed.
      if (more) coming = ask({ ...filter, cursor: page.next ?? '' });
      if (json) all.push(...page.sessions);
      else io.out(rowsText(page.sessions, { colour, nowMs: io.now() }, listed === page.sessions.length));
      if (io.errIsTty && !io.outIsTty) io.err(`\r${listed} of ${page.total} sessions`);
    } while (more);
    if (io.errIsTty && !io.outIsTty) io.err('\n');
    if (json) return { data: { sessions: all, next: page.next, total: page.total }, text: () => '' };
    return { data: null, text: () => endText(listed, page) };
  },
};

export const purge: Command = {
  name: 'purge',
  group: 'Servers and sessions',
  short: 'end live sessions; their next datagram is balanced anew',
  args: [],
  options: [...FILTERS, { flags: '--blackholed', text: 'only sessions whose datagrams go nowhere: those `weir status` warns of' }, { flags: '--all', text: 'every session there is' }],
  needs: 'daemon',
  json: true,
  examples: ['weir purge --server srv1', 'weir purge --client 192.0.2.7:5353', 'weir purge --blackholed'],
  async run({ options, client }) {
    const filter = { ...filterOf(options), ...(options.flag('blackholed') ? { blackholed: true } : {}) };
    if (Object.keys(filter).length === 0 && !options.flag('all')) {
      throw new CliError('usage', 'expected --director, --server, --client or --blackholed, found none of them', { cure: '--all ends every session there is' });
    }
    const purged = await (await client()).purge(filter);
    return { data: { purged }, text: () => `${plural(purged, 'session')} ended\n` };
  },
};

export const pin: Command = {
  name: 'pin',
  group: 'Servers and sessions',
  short: 'move live sessions of one client to a server, where they stay',
  details: 'The next datagram of each goes there. A pinned session ends as any other does: when it is idle too long, or when `on down`, `on drain` or `on remove` takes it from its server.',
  args: [
    { form: '<client>', text: 'an address:port for one session, an address for all of that client' },
    { form: '<director>', text: 'the director, or `director/server` in one word' },
    { form: '[server]', text: 'the server they go to' },
  ],
  options: [],
  needs: 'daemon',
  json: true,
  examples: ['weir pin 192.0.2.7:40000 web srv1', 'weir pin 192.0.2.7 web/srv1'],
  async run({ args: [from = '', ...to], client }) {
    const [director, server] = serverTarget(to);
    const pinned = await (await client()).pin({ client: from, director, server });
    return { data: { pinned }, text: () => clean(`${plural(pinned, 'session')} of ${from} with ${director}/${server} now\n`, { lines: true }) };
  },
};

export const explain: Command = {
  name: 'explain',
  group: 'Servers and sessions',
  short: 'say which server a client would be sent to now, and why',
  args: [
    { form: '<client>', text: 'the client, address:port' },
    { form: '<vip>', text: 'the virtual address it sends to, address:port' },
  ],
  options: [{ flags: '--tcp', text: 'for a TCP director' }],
  needs: 'daemon',
  json: true,
  examples: ['weir explain 192.0.2.7:40000 203.0.113.1:53', 'weir explain [2001:db8::7]:40000 [2001:db8::1]:53'],
  async run({ args: [from = '', vip = ''], options, client }) {
    const view = await (await client()).explain({ client: from, vip, protocol: options.flag('tcp') ? 'tcp' : 'udp' });
    return { data: view, text: (style) => explainText(view, style) };
  },
};

function filterOf(options: Options): Pick<SessionsQuery, 'director' | 'server' | 'client'> {
  const names = ['director', 'server', 'client'] as const;
  return Object.fromEntries(names.flatMap((name) => {
    const value = options.text(name);
    return value === undefined ? [] : [[name, value]];
  }));
}

function cursorOf(options: Options): Pick<SessionsQuery, 'cursor'> {
  const cursor = options.text('cursor');
  return cursor === undefined ? {} : { cursor };
}

function limitOf(options: Options): number {
  const text = options.text('limit');
  if (text === undefined) return LIMIT;
  if (!/^[1-9]\d{0,8}$/.test(text)) throw new CliError('usage', `--limit must be a number from 1, got '${text}'`);
  return Number(text);
}

function sessionsText(view: SessionsView, style: Style): string {
  if (view.sessions.length === 0) return `no sessions match, of ${view.total}\n`;
  return `${rowsText(view.sessions, style, true)}${endText(view.sessions.length, view)}`;
}

function rowsText(list: readonly Session[], style: Style, heading: boolean): string {
  if (list.length === 0) return '';
  const rows = list.map((s) => [
    s.director, s.client, s.vip, s.server, s.serverAddress, s.sourcePort, formatDuration(s.ageMs), formatDuration(s.idleMs), formatDuration(s.expiresInMs), short(s.packetsIn), short(s.packetsOut),
  ]);
  const text = table(['DIRECTOR', 'CLIENT', 'VIP', 'SERVER', 'ADDRESS', 'PORT', 'AGE', 'IDLE', 'EXPIRES', 'IN', 'OUT'], rows, style);
  return heading ? text : text.slice(text.indexOf('\n') + 1);
}

function endText(listed: number, { next, total }: SessionsView): string {
  return next === null ? `${listed} listed of ${total}\n` : `${listed} listed of ${total}; go on with --cursor ${clean(next)}, or --all\n`;
}

function explainText(view: ExplainView, style: Style): string {
  const to = view.server === null ? paint('it would be dropped', 'red', style) : `it would go to ${paint(view.server, 'bold', style)}`;
  const head = view.director === null ? 'no director takes it' : `director ${clean(view.director)}: ${to}`;
  const rows = view.candidates.map((c) => [c.server, c.state, c.weight, c.sessions, c.note]);
  return `${head}\n  because ${clean(view.why)}\n${rows.length === 0 ? '' : table(['SERVER', 'STATE', 'WEIGHT', 'SESSIONS', 'NOTE'], rows, style)}`;
}
