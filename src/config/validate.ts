/** What only the whole text can tell: names used twice, addresses claimed twice, settings that contradict or blind each other. */
import { isUnspecified } from '../net/ip.ts';
import { hostPortText } from '../net/endpoint.ts';
import type { DirectorDraft, Drafts } from './draft.ts';
import type { IssueCode } from './codes.ts';
import type { Position } from './issue.ts';
import type { Director, Server } from './model.ts';
import type { Reporter } from './report.ts';
import { networkSettings } from './network.ts';
import { reportOverlaps } from './overlap.ts';
import { portOf, validateChecks } from './validate-checks.ts';
import { validateNat } from './validate-nat.ts';

/** Reports everything that is wrong or doubtful across lines, sections and documents. */
export function validate(drafts: Drafts, report: Reporter): void {
  const { directors, natRules, services } = drafts;
  unique(directors.map(({ director }) => director), 'duplicate-director', (d) => d.name, (d) => `director '${d.name}'`, report);
  unique(natRules.map(({ rule }) => rule), 'duplicate-rule', (r) => r.name, (r) => `NAT rule '${r.name}'`, report);
  unique(services, 'duplicate-service', (s) => (s.name === '' ? '' : `${s.name} ${s.instance ?? ''}`), (s) => `service ${s.name}${s.instance === null ? '' : ` ${s.instance}`}`, report);
  for (const draft of directors) validateDirector(draft, report);
  reportOverlaps(directors, report);
  validateNat(drafts, report);
  for (const service of services) if (service.name === 'network') networkSettings(service, report);
}

/** Where a thing was first written, for messages. */
export function placeText(at: Position): string {
  return `${at.file}:${at.line}`;
}

/** Reports every thing whose name an earlier one has; things without a name are skipped (their line has an error already). */
function unique<T extends { readonly at: Position }>(things: readonly T[], code: IssueCode, key: (thing: T) => string, text: (thing: T) => string, report: Reporter): void {
  const first = new Map<string, T>();
  for (const thing of things) {
    const name = key(thing);
    if (name === '') continue;
    const other = first.get(name);
    if (other) report.add(code, thing.at, `expected each name once, ${text(thing)} is already defined at ${placeText(other.at)}`, { hint: 'rename or remove one of them' });
    else first.set(name, thing);
  }
}

function validateDirector(draft: DirectorDraft, report: Reporter): void {
  const { director, marks } = draft;
  if (director.servers.length === 0 && !marks.brokenServer && director.name !== '') {
    report.add('no-servers', director.at, `director '${director.name}' has no servers: everything sent to it is dropped`, { hint: 'add: server <name> <ip>[:<port>]' });
  }
  validateServers(director, report);
  validateChecks(draft, report);
  validateSession(draft, report);
}

function validateServers(director: Director, report: Reporter): void {
  unique(director.servers, 'duplicate-server', (s) => s.name, (s) => `server '${s.name}'`, report);
  const addresses = new Map<string, Server>();
  let sorry: Server | undefined;
  for (const server of director.servers) {
    const port = portOf(director, server);
    const key = `${server.ip.text}|${port ?? ''}`;
    const twin = addresses.get(key);
    if (!twin) addresses.set(key, server);
    else if (twin.name !== server.name) {
      report.add('duplicate-server-address', server.at, `expected each server address once, '${server.name}' is ${hostPortText(server.ip, port ?? 0)} as '${twin.name}' at ${placeText(twin.at)}`, {
        hint: 'give one of them more weight instead',
      });
    }
    if (server.sorry) {
      if (sorry) report.add('two-sorry', server.at, `expected one sorry server, '${sorry.name}' at ${placeText(sorry.at)} is one already`);
      sorry ??= server;
      if (server.checked) report.add('sorry-check', server.at, `expected 'sorry' without 'check', server '${server.name}' has both`, { hint: 'a sorry server is used when nothing else is left, whatever its state' });
    }
    validateForwarding(director, server, port, report);
  }
  mixedPorts(director, report);
}

function validateForwarding(director: Director, server: Server, port: number | null, report: Reporter): void {
  const { vip, ports, mode } = director;
  if (!vip) return;
  if (mode === 'gateway' && vip.family !== server.ip.family && !isUnspecified(vip)) {
    report.add('mixed-families', server.at, `expected an IPv${vip.family} server in mode gateway, '${server.name}' is ${server.ip.text}`, { hint: 'mode nat and mode tunnel can cross address families' });
  }
  if (vip.text === server.ip.text && (mode !== 'nat' || port === null || !ports || (port >= ports.first && port <= ports.last))) {
    report.add('server-is-vip', server.at, `expected a server other than its director, '${server.name}' is ${hostPortText(server.ip, port ?? 0)} itself`);
  }
  if (mode !== 'nat' && server.port !== null && (!ports || ports.first !== server.port || ports.last !== server.port)) {
    report.add('port-ignored', server.at, `mode ${mode} cannot change ports: server '${server.name}' gets the port the client used, not ${server.port}`, { hint: 'leave the port out, or use mode nat' });
  }
}

function mixedPorts(director: Director, report: Reporter): void {
  const { ports, servers, mode } = director;
  if ((ports && ports.first === ports.last) || mode !== 'nat') return;
  const keeps = servers.find((server) => server.port === null);
  const changes = servers.find((server) => server.port !== null);
  if (!keeps || !changes) return;
  report.add('mixed-server-ports', changes.at, `server '${changes.name}' gets everything on port ${changes.port}, while '${keeps.name}' at ${placeText(keeps.at)} gets the port the client used`, {
    hint: 'leave the port out on all servers, or write it on all',
  });
}

function validateSession({ director, marks }: DirectorDraft, report: Reporter): void {
  const { session, protocol } = director;
  if (protocol === 'tcp' && session.kind !== 'two-way') {
    report.add('session-tcp', marks.session ?? director.at, `expected two-way sessions on a TCP director, found ${session.kind}`, { hint: 'a TCP connection stays on its server by itself' });
  }
  if (marks.replies && session.kind !== 'request-reply') {
    report.add('replies-alone', marks.replies, `expected 'replies' with request-reply, found ${session.kind}`, { hint: `write: session request-reply replies <n>` });
  }
  if (session.rate !== null && session.sourceRate !== null && session.sourceRate >= session.rate && session.kind !== 'one-way' && marks.sourceRate) {
    report.add('no-effect', marks.sourceRate, `source-rate ${session.sourceRate} has no effect: rate ${session.rate} is reached first`, { hint: 'make it lower than the rate of all sources' });
  }
  if (marks.amplification && session.kind !== 'one-way' && director.mode !== 'nat') {
    report.add('no-effect', marks.amplification, `amplification has no effect in mode ${director.mode}: replies do not come through here`, { hint: 'leave it out, or limit replies at the servers' });
  }
  if (session.kind !== 'one-way') return;
  for (const [word, at] of [['timeout', marks.sessionTimeout], ['max', marks.sessionMax], ['rate', marks.sessionRate], ['source-rate', marks.sourceRate], ['amplification', marks.amplification]] as const) {
    if (at) report.add('no-effect', at, `${word} has no effect with one-way: no session is kept`, { hint: 'leave it out' });
  }
}
