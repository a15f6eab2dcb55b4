/** What the soak balances: directors, their servers, and the configuration text of it. Pure. */
import type { Place } from './place.ts';

export const BACKENDS = ['s1', 's2', 's3', 's4'] as const;
export type Backend = (typeof BACKENDS)[number];
/** The server that never dies: it answers when all others are out. */
export const SPARE = 'spare';

export const KINDS = ['two-way', 'request-reply', 'one-way'] as const;
export type Kind = (typeof KINDS)[number];
export type Family = 4 | 6;

/** Timers of the checks; what they promise is DETECTION_MS. */
const CHECK = { intervalMs: 500, timeoutMs: 250, fall: 2 };
/** A server that dies in silence is out within this time: fall × interval + timeout + 2 % (docs/reference/checks.md). */
export const DETECTION_MS = CHECK.fall * CHECK.intervalMs + CHECK.timeoutMs + CHECK.intervalMs / 50;
/** Sessions end after so long a silence, so that a soak can wait for the last of them. */
export const SESSION_IDLE_MS = 10_000;

export interface ServerSpec {
  readonly name: Backend;
  readonly weight: number;
  readonly mode: 'in' | 'drain' | 'disabled';
}

export interface DirectorSpec {
  readonly name: string;
  readonly kind: Kind;
  readonly family: Family;
  readonly balance: string;
  readonly servers: readonly ServerSpec[];
  /** Whether it has the spare server. */
  readonly sorry: boolean;
  /** `session max`; null: none. */
  readonly max: number | null;
  readonly onDown: 'move' | 'drop';
  readonly onDrain: 'move' | 'keep';
  readonly onRemove: 'move' | 'drop';
  /** Whether a NAT rule gives its traffic a source address. */
  readonly nat: boolean;
}

export interface Configuration {
  readonly directors: readonly DirectorSpec[];
}

/** `director/server`, and what an operator said of it. */
export type Overrides = ReadonlyMap<string, 'drain' | 'disable'>;

export interface State {
  readonly running: Configuration;
  readonly saved: Configuration;
  readonly overrides: Overrides;
}

/** Returns the configuration a soak begins with: each session kind in each family, all servers in all of them. */
export function firstConfiguration(): Configuration {
  const directors = ([4, 6] as const).flatMap((family) => KINDS.map((kind): DirectorSpec => ({
    name: `${kind}-${family}`, kind, family, balance: 'leastconn',
    servers: BACKENDS.map((name) => ({ name, weight: 10, mode: 'in' })),
    sorry: family === 4, max: null, onDown: 'move', onDrain: 'keep', onRemove: 'move', nat: false,
  })));
  return { directors };
}

/** Returns a configuration's text, all sections in one. */
export function configurationText({ directors }: Configuration, place: Place): string {
  return `${directors.map((d) => directorText(d, place)).join('\n')}\n${directors.filter((d) => d.nat).map((d) => natText(d, place)).join('\n')}
service lvs
    conntrack
`;
}

/** Returns whether new traffic may be given to a server: it is in the set, neither drained nor disabled, and has a weight. */
export function takesTraffic({ running, overrides }: Pick<State, 'running' | 'overrides'>, director: string, server: string): boolean {
  const spec = running.directors.find((d) => d.name === director)?.servers.find((s) => s.name === server);
  return spec !== undefined && spec.mode === 'in' && spec.weight > 0 && !overrides.has(`${director}/${server}`);
}

/** Returns whether a server's health is watched: it is in the set and not disabled. What begins to be watched is given traffic until its checks have spoken. */
export function isWatched({ running, overrides }: Pick<State, 'running' | 'overrides'>, director: string, server: string): boolean {
  const spec = running.directors.find((d) => d.name === director)?.servers.find((s) => s.name === server);
  return spec !== undefined && spec.mode !== 'disabled' && overrides.get(`${director}/${server}`) !== 'disable';
}

function directorText(d: DirectorSpec, place: Place): string {
  const vip = place.vip(d.name, d.family);
  const lines = [
    `balance ${d.balance}`,
    `session ${d.kind}${d.kind === 'one-way' ? '' : ` timeout ${SESSION_IDLE_MS / 1000}s`}${d.max === null ? '' : ` max ${d.max}`}`,
    `check interval ${CHECK.intervalMs}ms timeout ${CHECK.timeoutMs}ms rise 1 fall ${CHECK.fall}`,
    'option udpcheck send "check" expect "alive"',
    `on down ${d.onDown} drain ${d.onDrain} remove ${d.onRemove}`,
    ...d.servers.map(({ name, weight, mode }) => `server ${name} ${hostPort(place.server(name, d.family))} weight ${weight} check${mode === 'in' ? '' : ` ${mode}`}`),
    ...(d.sorry ? [`server ${SPARE} ${hostPort(place.server(SPARE, d.family))} sorry`] : []),
  ];
  return `director ${d.name} ${hostPort(vip)} UDP\n${lines.map((line) => `    ${line}\n`).join('')}`;
}

function natText(d: DirectorSpec, place: Place): string {
  const vip = place.vip(d.name, d.family);
  return `nat out-${d.name}\n    protocol udp\n    before destination ${vip.ip} dport ${vip.port}\n    after source ${place.natSource(d.family)}\n`;
}

function hostPort({ ip, port }: { readonly ip: string; readonly port: number }): string {
  return ip.includes(':') ? `[${ip}]:${port}` : `${ip}:${port}`;
}
