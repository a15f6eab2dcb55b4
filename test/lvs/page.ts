/** The page at work: the hosts, a `weir run` of the built program as the appliance, its API by the typed client, and a client that asks a VIP. */
import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import type { ApplyResult, Client, Documents, StatusView } from '../../src/client/types.ts';
import type { Issue } from '../../src/config/issue.ts';
import { PATIENCE_MS, until } from '../contract/mailbox.ts';
import type { Peer } from '../contract/world.ts';
import { Scope } from '../fixtures/scope.ts';
import { startWeir, type Weir } from '../fixtures/weir.ts';
import { address, makeHosts, setSysctl, type HostName, type Hosts } from './hosts.ts';
import { sh } from './netns.ts';
import { FAR, IPVSADM, NEAR, PORT, RULESET, type Shape } from './page-texts.ts';
import { KEPT } from './power.ts';

/** Longer than an answer takes in this slow guest, so that its absence means something. */
const SILENCE_MS = 1000;

/** What one question came to: who got it, what address that server saw, and what came back (null: nothing). */
export interface Asked {
  readonly server: HostName;
  readonly seen: string;
  readonly from: string | null;
}

export class Page {
  readonly scope = new Scope();
  readonly hosts: Hosts;
  readonly #servers = new Map<HostName, Peer>();
  #weir: { readonly scope: Scope; readonly weir: Weir } | null = null;
  #asked = 0;

  constructor() {
    this.hosts = makeHosts(this.scope, FAR.vip);
  }

  get client(): Client {
    return (this.#weir ?? assert.fail('weir does not run')).weir.client;
  }

  /** Starts weir on the state that outlives the guest, with `conf` as FILE the first time. */
  async start(conf?: string): Promise<void> {
    const scope = new Scope();
    this.#weir = { scope, weir: await startWeir(scope, { state: `${KEPT}/state`, engine: null, ...(conf === undefined ? {} : { conf }) }) };
  }

  /** Ends weir as a service manager does. */
  async stop(): Promise<void> {
    await this.#weir?.scope.end();
    this.#weir = null;
  }

  /** Ends all of it, and clears the kernel of what a weir that is not there any more has left. */
  async end(): Promise<void> {
    await this.stop();
    await this.scope.end();
    sh('ipvsadm', '-C');
    sh('nft', 'flush', 'ruleset');
    setSysctl('net/ipv4/vs/conntrack', 0);
    rmSync('/run/weir', { recursive: true, force: true });
  }

  /** Opens the servers of both shapes; each answers with its name. */
  async openServers(): Promise<void> {
    for (const name of [...NEAR.servers, ...FAR.servers]) this.#servers.set(name, await this.hosts.open(name, { port: PORT, behaviour: { tag: name } }));
  }

  async closeServers(): Promise<void> {
    for (const peer of this.#servers.values()) await peer.close();
    this.#servers.clear();
  }

  /** OK and Apply of some documents. */
  async apply(documents: Partial<Documents>): Promise<ApplyResult> {
    await this.client.edit(documents);
    return this.client.apply({});
  }

  /** Sends one question from a port of its own to the VIP; a server gets it in any case. */
  async ask(shape: Shape): Promise<Asked> {
    const client = await this.hosts.open('client');
    const text = `question ${++this.#asked}`;
    await client.send(text, { ip: address(shape.vip), port: PORT });
    const [server, seen] = await Promise.any(shape.servers.map(async (name) => {
      const peer = this.#servers.get(name) ?? assert.fail(`${name} is not open`);
      const { from } = await peer.inbox.take((d) => d.text === text);
      return [name, from.ip.text] as const;
    }));
    const answer = await client.inbox.take(() => true, SILENCE_MS).catch(() => null);
    if (answer !== null) assert.equal(answer.text, `${server}:${text}`);
    await client.close();
    return { server, seen, from: answer?.from.ip.text ?? null };
  }

  /** Asks until both servers have answered: each time from the VIP, and each server saw the VIP. */
  async balances(shape: Shape): Promise<void> {
    const seen = new Set<HostName>();
    for (let n = 0; n < 6 && seen.size < 2; n++) {
      const { server, ...rest } = await this.ask(shape);
      assert.deepEqual(rest, { seen: shape.vip, from: shape.vip }, shape.title);
      seen.add(server);
    }
    assert.deepEqual([...seen].toSorted(), shape.servers, 'both servers take their share');
  }

  /** Waits for a status. */
  status(what: string, good: (status: StatusView) => boolean): Promise<StatusView> {
    return until(what, () => this.client.status(), good, 3 * PATIENCE_MS);
  }

  /** The kernel holds just what the whole configuration plans, and weir would change nothing. */
  async holdsWhole(): Promise<void> {
    assert.equal(sh('ipvsadm', '-Ln').replace(/(-> .*?)\d+( +)\d+ *$/gm, '$1n$2n').replaceAll(/ +$/gm, ''), IPVSADM);
    const ruleset = sh('nft', 'list', 'ruleset').replaceAll(/packets \d+ bytes \d+/g, 'packets n bytes n');
    assert.equal(ruleset.replace(/(?:\tcounter [^}]*\}\n\n)+/, (counters) => counters.split(/(?<=\}\n\n)/).toSorted().join('')), RULESET);
    assert.deepEqual((await this.client.plan()).steps, []);
  }
}

/** Returns the warnings by code, without the one that the page's own check always has. */
export function codes(issues: readonly Issue[]): string[] {
  return issues.map(({ code }) => code).filter((code) => code !== 'check-blind').toSorted();
}

/** Sets what an appliance's /etc/sysctl.d sets; weir only says when it is missing. */
export function forward(on: boolean): void {
  setSysctl('net/ipv4/ip_forward', on ? 1 : 0);
  for (const device of ['all', 'eth0', 'eth1']) setSysctl(`net/ipv4/conf/${device}/rp_filter`, 0);
}
