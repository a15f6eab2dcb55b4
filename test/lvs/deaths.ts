/**
 * Flows that never pause, each from one port, while their servers go: a process is killed (the kernel answers with ICMP), a host falls silent, a
 * server nobody answers for is closed, and all of them are removed. What each lost is told in ms.
 */
import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { createFlow, noteArrival, pace, type Flow } from '../failover/flow.ts';
import { outcomeOf } from '../failover/outcome.ts';
import { start, type Running } from '../fixtures/process.ts';
import { Scope, withScope } from '../fixtures/scope.ts';
import { until } from '../contract/mailbox.ts';
import type { Peer } from '../contract/world.ts';
import { address, HOSTS, type HostName } from './hosts.ts';
import { sh } from './netns.ts';
import type { Page } from './page.ts';
import { CHECK, director, FAR, NEAR, PORT, WHOLE } from './page-texts.ts';

/** The last good check may be just over; then `fall` checks fail, an interval apart, the last by its time-out. */
const DETECTION_MS = CHECK.fall * CHECK.intervalMs + CHECK.timeoutMs;
/** What the guest may be late by: it is 17 times slower than its host, which may be busy. The kernel alone would keep such flows for 300 s. */
const SLACK_MS = 4000;
const BEFORE_MS = 500;
/**
 * From the check's word to the kernel's table without the dead: the daemon's pass under way and the ones after it, up to 500 ms apart (src/daemon/runner.ts),
 * each 15 ms outside and a quarter of a second to a second in the guest. Seen: 0.5 to 3 s.
 */
const APPLIED_MS = 10_000;
/** From then on to the last datagram that may still go to the dead: the kernel's tick, and what is in the hands of a slow sender. */
const AT_ONCE_MS = 500;
const AFTER_MS = AT_ONCE_MS + 1000;
/** Log senders expect no answer; `busy` is one whose director takes it for two-way. */
const LOGS = [{ name: 'log', port: 514, session: 'one-way' }, { name: 'busy', port: 515, session: 'two-way' }] as const;
const LOG_HOSTS = NEAR.servers;
/** Their check needs no answer: it waits 375 ms for word that the port is closed, and in a guest as slow as this one that comes later now and then. One such check is not to bring a dead server back. */
const LOG_RISE = 4;

/** A server that is a process of its own: each datagram comes back with its name. */
const ECHO = `use Socket; my ($name, $ip, $port) = @ARGV; socket(S, PF_INET, SOCK_DGRAM, 0); bind(S, sockaddr_in($port, inet_aton($ip))) or die $!; $| = 1; print "ready\\n";
while (my $from = recv(S, my $data, 2048, 0)) { send(S, "$name:$data", 0, $from) }`;

interface Scene {
  readonly flows: ReadonlyMap<string, Flow>;
  readonly echoes: ReadonlyMap<HostName, Running>;
  readonly logs: readonly { readonly host: HostName; readonly name: string; readonly peer: Peer }[];
  /** The server a flow is at. */
  readonly home: (flow: string) => HostName;
  /** Runs the flows over `event` until `moved` holds and a little longer. Returns when the event began and ended. */
  readonly during: (event: () => Promise<void>, over: () => Promise<unknown>) => Promise<{ readonly eventMs: number; readonly endMs: number }>;
}

function layer4({ without = new Set<HostName>() }: { readonly without?: ReadonlySet<HostName> } = {}): string {
  const left = (hosts: readonly HostName[]): HostName[] => hosts.filter((h) => !without.has(h));
  const logs = LOGS.map(({ name, port, session }) => `director ${name} ${NEAR.vip}:${port} UDP
    session ${session}
    check interval ${CHECK.intervalMs}ms timeout ${CHECK.timeoutMs}ms rise ${LOG_RISE} fall ${CHECK.fall}
${left(LOG_HOSTS).map((host) => `    server ${host} ${HOSTS[host].ip}:${port} check\n`).join('')}`);
  return [director(NEAR, { servers: left(NEAR.servers) }), director(FAR, { servers: left(FAR.servers), option: 'icmpcheck' }), ...logs].join('');
}

async function withScene(page: Page, run: (scene: Scene, scope: Scope) => Promise<void>): Promise<void> {
  await page.closeServers();
  await withScope(async (scope) => {
    scope.defer(async () => {
      for (const host of FAR.servers) page.hosts.cable(host, true);
      await page.openServers();
      await page.apply(WHOLE);
    });
    const echoes = new Map<HostName, Running>();
    for (const name of [...NEAR.servers, ...FAR.servers]) {
      const echo = await start(scope, ['ip', 'netns', 'exec', name, 'perl', '-e', ECHO, name, HOSTS[name].ip, String(PORT)]);
      await echo.match(/ready/);
      echoes.set(name, echo);
    }
    const flows = new Map<string, Flow>();
    const logs = [];
    for (const { name, port } of LOGS) {
      for (const host of LOG_HOSTS) {
        const peer = await page.hosts.open(host, { port });
        scope.defer(() => peer.close());
        peer.inbox.listen(({ text }) => noteArrival(flows, host, text));
        logs.push({ host, name, peer });
      }
    }
    await page.apply({ ...WHOLE, layer4: layer4() });
    await page.status('all servers up', (s) => s.directors.length === 4 && s.directors.every(({ state }) => state === 'up'));
    for (const { name, vip, port } of [{ ...NEAR, port: PORT }, { ...FAR, port: PORT }, ...LOGS.map((log) => ({ ...log, vip: NEAR.vip }))]) {
      const client = await page.hosts.open('client');
      scope.defer(() => client.close());
      flows.set(name, createFlow(name, client, { ip: address(vip), port }));
    }
    // Of flows that are answered, the answers tell where they are.
    const arrivalsOf = (name: string): Flow['arrivals'] => {
      const flow = flows.get(name) ?? assert.fail(name);
      return flow.answers.length > 0 ? flow.answers : flow.arrivals;
    };
    await run({
      flows, echoes, logs,
      home: (name) => (arrivalsOf(name).at(-1)?.server ?? assert.fail(`nobody gets ${name}`)) as HostName,
      async during(event, over) {
        let done = false;
        const sending = pace([...flows.values()], () => done);
        try {
          await until('all flows to arrive', async () => [...flows.keys()].map((name) => arrivalsOf(name).length), (counts) => counts.every((n) => n > 10));
          await sleep(BEFORE_MS);
          const eventMs = performance.now();
          await event();
          const endMs = performance.now();
          await over();
          await sleep(AFTER_MS);
          return { eventMs, endMs };
        } finally {
          done = true;
          await sending;
          // What is under way arrives.
          await until('the last datagrams to arrive', async () => [...flows].map(([name, { sentMs }]) => arrivalsOf(name).some(({ sequence }) => sequence === sentMs.length - 1)), (there) => !there.includes(false)).catch(() => undefined);
        }
      },
    }, scope);
  });
}

/** Servers die in three ways; the checks tell, and from then on nothing goes to them. */
export async function serversDie(page: Page, t: TestContext): Promise<void> {
  await withScene(page, async ({ flows, echoes, logs, home, during }) => {
    const homes = new Map<string, HostName>();
    const downAt = new Map<string, number>();
    let appliedMs = 0;
    const { eventMs } = await during(async () => {
      for (const name of flows.keys()) homes.set(name, home(name));
      echoes.get(homes.get('near') as HostName)?.signal('SIGKILL');
      page.hosts.cable(homes.get('far') as HostName, false);
      // A one-way flow has both for a home: the one that `busy` is at dies.
      for (const { host, peer } of logs) if (host === homes.get('busy')) await peer.close();
      homes.set('log', homes.get('busy') as HostName);
    }, async () => {
      const { directors } = await page.status('all four to have a server down', (s) => s.directors.every(({ state }) => state === 'degraded'));
      for (const { name, servers } of directors) {
        const [down] = servers.filter(({ state }) => state === 'down');
        assert.equal(down?.name, homes.get(name), `${name}: ${down?.reason}`);
        downAt.set(name, (down?.sinceMs ?? 0) - performance.timeOrigin);
      }
      await until('the kernel to send nothing to the dead', async () => deadLeft(homes), (left) => left.length === 0, APPLIED_MS);
      appliedMs = performance.now();
      await until('all flows to be at another server', async () => [...flows.keys()].map((name) => home(name) === homes.get(name)), (stayed) => !stayed.includes(true));
    });
    for (const [name, flow] of flows) {
      const detectedMs = Math.round((downAt.get(name) ?? 0) - eventMs);
      const seen = { sentMs: flow.sentMs, arrivals: flow.answers.length > 0 ? flow.answers : flow.arrivals, answers: [] };
      // What was sent more than a moment after the kernel's table changed is at the other server, all of it.
      const { gapMs, lost } = outcomeOf(seen, eventMs, eventMs);
      const late = outcomeOf(seen, appliedMs + AT_ONCE_MS, appliedMs + AT_ONCE_MS);
      t.diagnostic(`${name}: server down after ${detectedMs} ms by its check, a gap of ${gapMs} ms (${lost} datagrams lost)`);
      assert.ok(detectedMs <= DETECTION_MS + SLACK_MS, `${name}: down after ${detectedMs} ms`);
      assert.ok(lost > 0, `${name}: the server was dead and nothing was lost: is the test blind?`);
      assert.equal(late.lost, 0, `${name}: ${late.lost} datagrams lost later than ${AT_ONCE_MS} ms after the kernel had no dead server (${Math.round(appliedMs - eventMs)} ms after it died, known after ${detectedMs} ms; the gap was ${gapMs} ms)`);
      assert.ok(!late.servers.includes(homes.get(name) as string), `${name} still goes to ${homes.get(name)}`);
    }
  });
}

/** Returns the lines of `ipvsadm -Ln` by which a flow can still go to the server it was at. */
function deadLeft(homes: ReadonlyMap<string, HostName>): string[] {
  const dead = new Map([{ ...NEAR, port: PORT }, { ...FAR, port: PORT }, ...LOGS.map((log) => ({ ...log, vip: NEAR.vip }))].map(({ name, vip, port }) => [`${vip}:${port}`, `${HOSTS[homes.get(name) as HostName].ip}:${port}`]));
  let service = '';
  return sh('ipvsadm', '-Ln').split('\n').filter((line) => {
    const [first = '', at = '', , weight] = line.trim().split(/ +/);
    if (first === 'UDP') service = at;
    return first === '->' && dead.get(service) === at && weight !== '0';
  });
}

/** The servers that flows are at are taken out of the configuration: nothing is lost, whatever never pauses. */
export async function serversGo(page: Page, t: TestContext): Promise<void> {
  await withScene(page, async ({ flows, home, during }) => {
    const homes = new Map<string, HostName>();
    let without = new Set<HostName>();
    const { eventMs, endMs } = await during(async () => {
      for (const name of flows.keys()) homes.set(name, home(name));
      // One server of the near pair goes for all three directors that have it.
      homes.set('near', homes.get('busy') as HostName).set('log', homes.get('busy') as HostName);
      without = new Set(homes.values());
      await page.apply({ ...WHOLE, layer4: layer4({ without }) });
    }, async () => until('all flows to be at servers that are left', async () => [...flows.keys()].map(home), (hosts) => !hosts.some((h) => without.has(h))));
    for (const [name, flow] of flows) {
      const seen = { sentMs: flow.sentMs, arrivals: flow.answers.length > 0 ? flow.answers : flow.arrivals, answers: [] };
      const { gapMs, lost, servers } = outcomeOf(seen, eventMs, endMs);
      t.diagnostic(`${name}: a gap of ${gapMs} ms (${lost} datagrams lost) over an apply of ${Math.round(endMs - eventMs)} ms`);
      assert.deepEqual(servers.filter((s) => without.has(s as HostName)), [], `${name}: nothing sent after the apply goes to a removed server`);
      assert.ok(gapMs <= 100, `${name}: a gap of ${gapMs} ms`);
    }
  });
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
