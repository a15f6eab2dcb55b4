/**
 * The difference between what shall be and what is, as steps. Pure; the same input gives the same steps in the same order:
 * directors that go, then each director that stays by name (itself, servers that go, change, come), then directors that come.
 */
import { hostPortText } from '../net/endpoint.ts';
import { portRangeText } from '../net/ports.ts';
import type { OnAction, SessionPolicy } from '../balance/terms.ts';
import { serverKey, type Desired, type DesiredDirector, type DesiredServer, type SourceNat } from './desired.ts';
import type { Plan, PlanStep } from './plan.ts';

/** Returns the steps from `observed` to `desired`; `diff(x, x)` has none. */
export function diff(desired: Desired, observed: Desired): Plan {
  const wanted = new Map(desired.directors.map((d) => [d.name, d]));
  const present = new Map(observed.directors.map((d) => [d.name, d]));
  const gone = byName(observed.directors).filter((d) => !wanted.has(d.name));
  const came = byName(desired.directors).filter((d) => !present.has(d.name));
  const steps: PlanStep[] = gone.map((director) => ({ op: 'remove-director', director, text: `remove director ${headText(director)}` }));
  for (const to of byName(desired.directors)) {
    const from = present.get(to.name);
    // Most passes of ten thousand servers find one that changed: the others must cost next to nothing.
    if (from && !sameDirector(from, to)) steps.push(...directorSteps(from, to));
  }
  for (const director of came) steps.push({ op: 'add-director', director, text: `add director ${headText(director)}: ${addedText(director)}` });
  return { steps, next: desired };
}

/** Returns what `steps` make of `from`: for engines that work step by step, and for tests. Unknown names are added or ignored. */
export function applySteps(from: Desired, steps: readonly PlanStep[]): Desired {
  const directors = new Map(from.directors.map((d) => [d.name, d]));
  const order = new Map<string, readonly string[]>();
  for (const step of steps) applyStep(directors, order, step);
  for (const [name, keys] of order) {
    const director = directors.get(name);
    if (director) directors.set(name, { ...director, servers: ordered(director.servers, keys) });
  }
  return { directors: byName([...directors.values()]) };
}

/** Returns what differs between two directors apart from their servers, each as `word old -> new`; empty when nothing does. */
export function directorChanges(from: DesiredDirector, to: DesiredDirector): readonly string[] {
  return DIRECTOR_FIELDS.flatMap(([name, text]) => {
    const [a, b] = [text(from), text(to)];
    return a === b ? [] : [`${name} ${a} -> ${b}`];
  });
}

const DIRECTOR_FIELDS: readonly (readonly [string, (d: DesiredDirector) => string])[] = [
  ['address', (d) => addressText(d)],
  ['protocol', (d) => d.protocol],
  ['mode', (d) => d.mode],
  ['balance', (d) => d.balance],
  ['persistence', (d) => (d.persistence ? `${d.persistence.timeoutMs}ms/${d.persistence.prefix4}/${d.persistence.prefix6}` : 'none')],
  ['session', (d) => sessionText(d.session)],
  ['on down', (d) => onText(d.on.down)],
  ['on drain', (d) => onText(d.on.drain)],
  ['on remove', (d) => onText(d.on.remove)],
  ['source nat', (d) => natText(d.sourceNat)],
];

const SERVER_FIELDS: readonly (readonly [string, (s: DesiredServer) => string])[] = [
  ['state', (s) => s.state],
  ['weight', (s) => String(s.weight)],
  ['sorry', (s) => (s.sorry ? 'yes' : 'no')],
];

function directorSteps(from: DesiredDirector, to: DesiredDirector): PlanStep[] {
  const old = new Map(from.servers.map((s) => [serverKey(s), s]));
  const next = new Map(to.servers.map((s) => [serverKey(s), s]));
  const removed = from.servers.filter((s) => !next.has(serverKey(s)));
  const added = to.servers.filter((s) => !old.has(serverKey(s)));
  const kept = from.servers.filter((s) => next.has(serverKey(s)));
  const changes = [...directorChanges(from, to)];
  // Adding appends; any other order is a change of the director itself.
  const reached = [...kept, ...added].map(serverKey);
  if (reached.some((key, i) => key !== serverKey(to.servers[i] as DesiredServer))) changes.push('server order');
  const steps: PlanStep[] = [];
  if (changes.length > 0) steps.push({ op: 'change-director', from, to, text: `director ${to.name}: ${changes.join(', ')}` });
  for (const server of removed) steps.push({ op: 'remove-server', director: to.name, server, text: `remove server ${serverText(to.name, server)}` });
  for (const server of kept) {
    const after = next.get(serverKey(server)) as DesiredServer;
    if (sameServer(server, after)) continue;
    const what = SERVER_FIELDS.flatMap(([name, text]) => (text(server) === text(after) ? [] : [`${name} ${text(server)} -> ${text(after)}`]));
    if (what.length === 0) continue;
    steps.push({ op: 'change-server', director: to.name, from: server, to: after, text: `server ${serverText(to.name, server)}: ${what.join(', ')}` });
  }
  for (const server of added) steps.push({ op: 'add-server', director: to.name, server, text: `add server ${serverText(to.name, server)}: ${serverWords(server)}` });
  return steps;
}

function sameDirector(a: DesiredDirector, b: DesiredDirector): boolean {
  if (a === b) return true;
  return a.servers.length === b.servers.length && a.servers.every((s, i) => sameServer(s, b.servers[i] as DesiredServer)) && directorChanges(a, b).length === 0;
}

function sameServer(a: DesiredServer, b: DesiredServer): boolean {
  return a === b || (a.state === b.state && a.weight === b.weight && a.name === b.name && a.port === b.port && a.ip.text === b.ip.text && a.sorry === b.sorry);
}

function applyStep(directors: Map<string, DesiredDirector>, order: Map<string, readonly string[]>, step: PlanStep): void {
  switch (step.op) {
    case 'add-director':
      directors.set(step.director.name, step.director);
      return;
    case 'remove-director':
      directors.delete(step.director.name);
      return;
    case 'change-director':
      directors.set(step.to.name, { ...step.to, servers: directors.get(step.to.name)?.servers ?? step.from.servers });
      order.set(step.to.name, step.to.servers.map(serverKey));
      return;
    case 'add-server':
      return setServers(directors, step.director, (servers) => [...servers, step.server]);
    case 'remove-server':
      return setServers(directors, step.director, (servers) => servers.filter((s) => serverKey(s) !== serverKey(step.server)));
    case 'change-server':
      return setServers(directors, step.director, (servers) => servers.map((s) => (serverKey(s) === serverKey(step.to) ? step.to : s)));
    default:
      step satisfies never;
  }
}

function setServers(directors: Map<string, DesiredDirector>, name: string, change: (servers: readonly DesiredServer[]) => readonly DesiredServer[]): void {
  const director = directors.get(name);
  if (director) directors.set(name, { ...director, servers: change(director.servers) });
}

function ordered(servers: readonly DesiredServer[], keys: readonly string[]): DesiredServer[] {
  const rank = new Map(keys.map((key, i) => [key, i]));
  const at = (s: DesiredServer): number => rank.get(serverKey(s)) ?? keys.length;
  return [...servers].sort((a, b) => at(a) - at(b));
}

function byName(directors: readonly DesiredDirector[]): DesiredDirector[] {
  return [...directors].sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
}

function headText(d: DesiredDirector): string {
  return `${d.name} ${addressText(d)} ${d.protocol}`;
}

function addedText(d: DesiredDirector): string {
  const servers = d.servers.length === 1 ? '1 server' : `${d.servers.length} servers`;
  return `balance ${d.balance}, mode ${d.mode}, ${servers}`;
}

/** Returns `10.0.0.3:8000`, `10.0.0.3:8000-8010`, the bare address for all ports, or `no address`. */
function addressText(d: Pick<DesiredDirector, 'vip' | 'ports'>): string {
  if (d.vip === null) return 'no address';
  if (d.ports === null) return d.vip.text;
  const ports = portRangeText(d.ports);
  return d.vip.family === 6 ? `[${d.vip.text}]:${ports}` : `${d.vip.text}:${ports}`;
}

function serverText(director: string, server: DesiredServer): string {
  return `${director}/${server.name} ${hostPortText(server.ip, server.port)}`;
}

function serverWords(server: DesiredServer): string {
  return `weight ${server.weight}, state ${server.state}${server.sorry ? ', sorry' : ''}`;
}

function sessionText(session: SessionPolicy): string {
  const replies = session.kind === 'request-reply' ? ` replies ${session.replies}` : '';
  const timeout = session.timeoutMs === null ? '' : ` timeout ${session.timeoutMs}ms`;
  const limits = ([['max', session.max], ['rate', session.rate], ['source-rate', session.sourceRate], ['amplification', session.amplification]] as const).map(([word, limit]) => (limit === null ? '' : ` ${word} ${limit}`));
  return `${session.kind}${replies}${timeout}${limits.join('')}`;
}

function onText(action: OnAction): string {
  return action.kind === 'keep' && action.forMs !== null ? `keep ${action.forMs}ms` : action.kind;
}

function natText(nat: SourceNat | null): string {
  if (nat === null) return 'none';
  const addresses = nat.addresses === null ? 'masquerade' : nat.addresses.first.text === nat.addresses.last.text ? nat.addresses.first.text : `${nat.addresses.first.text}-${nat.addresses.last.text}`;
  return `${addresses}${nat.ports === null ? '' : `:${portRangeText(nat.ports)}`} (rule ${nat.rule})`;
}
