/** What one contract test works with: a fresh engine, and clients and servers that are closed after it whatever happens. */
import assert from 'node:assert/strict';
import { DROP_REASONS, type DropReason } from '../../src/engine/drops.ts';
import type { DirectorReading, Engine, EngineEvent, SessionFilter, SessionView } from '../../src/engine/engine.ts';
import { hostPortText, type Endpoint } from '../../src/net/endpoint.ts';
import type { Ip } from '../../src/net/ip.ts';
import type { DesiredDirector, DesiredServer } from '../../src/plan/desired.ts';
import { Mailbox, PATIENCE_MS, until } from './mailbox.ts';
import * as make from './make.ts';
import { planOf } from './plan.ts';
import type { Behaviour, Datagram, Family, Peer, World } from './world.ts';

/** A server and its line in a director. */
export interface TestServer {
  readonly name: string;
  readonly peer: Peer;
  /** Its DesiredServer, with changes. */
  readonly line: (options?: Partial<DesiredServer>) => DesiredServer;
}

export interface Context {
  readonly world: World;
  readonly engine: Engine;
  readonly events: Mailbox<EngineEvent>;
  /** Makes the engine do exactly these directors, from what it says it does now. */
  readonly apply: (...directors: DesiredDirector[]) => Promise<void>;
  /** An endpoint on the n-th VIP with a port nobody else has. */
  readonly vip: (n?: number, family?: Family) => Promise<Endpoint>;
  readonly client: (options?: { readonly ip?: Ip; readonly port?: number }) => Promise<Peer>;
  /** A server that answers `name:` and what it got, unless `behaviour` says otherwise. */
  readonly server: (name: string, options?: { readonly behaviour?: Behaviour; readonly ip?: Ip; readonly port?: number; readonly family?: Family }) => Promise<TestServer>;
  /** Sends one datagram nobody sent before and returns the tag of the server that answered; the answer came from `vip`. */
  readonly ask: (client: Peer, vip: Endpoint) => Promise<string>;
  /** Sends one datagram that nobody will answer; returns its text. */
  readonly tell: (client: Peer, vip: Endpoint) => Promise<string>;
  /** The reading of one director, drops completed with zeros. */
  readonly reading: (name?: string) => Promise<DirectorReading & { readonly drops: Record<DropReason, number> }>;
  /** Waits until a drop counter of the director has this value. */
  readonly dropped: (reason: DropReason, count: number, name?: string) => Promise<void>;
  /** All sessions that match, over all pages. */
  readonly sessions: (filter?: SessionFilter) => Promise<SessionView[]>;
  readonly defer: (cleanup: () => Promise<void>) => void;
}

/** Runs `body` with a fresh context; closes everything after it, the engine first. */
export async function withContext(create: (onEvent: (event: EngineEvent) => void) => Promise<Engine>, world: World, body: (context: Context) => Promise<void>): Promise<void> {
  const events = new Mailbox<EngineEvent>('engine events', (e) => JSON.stringify(e));
  const engine = await create((event) => events.push(event));
  const cleanups: (() => Promise<void>)[] = [];
  let asked = 0;
  const open = async <T extends Peer>(opening: Promise<T>): Promise<T> => {
    const peer = await opening;
    cleanups.push(() => peer.close());
    return peer;
  };
  const context: Context = {
    world,
    engine,
    events,
    async apply(...directors) {
      await engine.apply(planOf(make.desired(directors), await engine.observe()));
    },
    async vip(n = 0, family = 4) {
      const ip = world.vip(n, family);
      assert.ok(ip, `world ${world.name} has no VIP ${n} of IPv${family}`);
      return { ip, port: await world.freePorts(1) };
    },
    client: (options) => open(world.openClient(options)),
    async server(name, { behaviour = { tag: name }, ...options } = {}) {
      const peer = await open(world.openServer({ behaviour, ...options }));
      return { name, peer, line: (changes) => make.server(name, peer.at, changes) };
    },
    async ask(client, vip) {
      const text = `q${++asked}`;
      await client.send(text, vip);
      const answer = await client.inbox.take((d) => d.text.endsWith(`:${text}`));
      assert.equal(fromText(answer), hostPortText(vip.ip, vip.port), 'the reply leaves from the address that was hit');
      return answer.text.slice(0, -text.length - 1);
    },
    async tell(client, vip) {
      const text = `t${++asked}`;
      await client.send(text, vip);
      return text;
    },
    async reading(name = 'main') {
      const found = (await engine.read()).directors.find((d) => d.name === name);
      assert.ok(found, `no director ${name} in the reading`);
      return { ...found, drops: allDrops(found.drops) };
    },
    async dropped(reason, count, name = 'main') {
      await until(`${reason} of ${name} to be ${count}`, () => context.reading(name), (r) => r.drops[reason] === count);
    },
    async sessions(filter = {}) {
      const all: SessionView[] = [];
      let cursor: string | null = null;
      do {
        const page = await engine.sessions(filter, cursor === null ? { limit: 1000 } : { limit: 1000, cursor });
        all.push(...page.sessions);
        cursor = page.next;
      } while (cursor !== null);
      return all;
    },
    defer: (cleanup) => cleanups.push(cleanup),
  };
  try {
    await body(context);
  } finally {
    await within(engine.close('remove'), "the engine's close");
    await Promise.all(cleanups.map((cleanup) => cleanup()));
  }
}

/** Returns `ip:port` of the sender. */
export function fromText(datagram: Datagram): string {
  return hostPortText(datagram.from.ip, datagram.from.port);
}

/** Returns how often each of `names` occurs in `tags`, in the order of `names`. */
export function tally(tags: readonly string[], names: readonly string[]): number[] {
  for (const tag of tags) assert.ok(names.includes(tag), `answered by ${tag}, not by one of ${names.join(', ')}`);
  return names.map((name) => tags.filter((tag) => tag === name).length);
}

/** Returns all drop reasons, those not given as 0. */
export function allDrops(drops: Readonly<Partial<Record<DropReason, number>>>): Record<DropReason, number> {
  return Object.fromEntries(DROP_REASONS.map(({ name }) => [name, drops[name] ?? 0])) as Record<DropReason, number>;
}

async function within<T>(promise: Promise<T>, what: string): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what} did not end within ${PATIENCE_MS} ms`)), PATIENCE_MS);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}
