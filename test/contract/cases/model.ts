/**
 * A model-based property: any sequence of datagrams and changes, held against an oracle of a few lines.
 * Each datagram is answered by a server the rules allow, to the client that sent it, from the address it was sent to; what nobody may take is counted.
 */
import assert from 'node:assert/strict';
import fc from 'fast-check';
import type { ServerState } from '../../../src/balance/terms.ts';
import { endpointText, type Endpoint } from '../../../src/net/endpoint.ts';
import type { Case } from '../case.ts';
import type { Context, TestServer } from '../context.ts';
import { director } from '../make.ts';
import type { Peer } from '../world.ts';

const CLIENTS = 5;
const SERVERS = ['a', 'b', 'c', 'd'];
/** Fixed, so that a failure repeats; WEIR_MODEL_SEED tries others. */
const SEED = Number(process.env['WEIR_MODEL_SEED'] ?? 20_260_101);

/** The oracle: with the default policies a session stays on a server that is up, unknown or draining, and leaves any other. */
interface Model {
  readonly servers: Map<string, { state: ServerState; weight: number }>;
  readonly homes: Map<number, string>;
  /** Clients whose server was taken away since they last sent: an engine may have moved them by now, or may do so with their next datagram. */
  readonly unsure: Set<number>;
  unserved: number;
}

interface Real {
  readonly context: Context;
  readonly at: Endpoint;
  readonly clients: readonly Peer[];
  readonly machines: ReadonlyMap<string, TestServer>;
}

type Command = fc.AsyncCommand<Model, Real>;

export const modelCases: readonly Case[] = [
  {
    name: 'any sequence of datagrams, applies and purges: each answer is from an allowed server to the right client',
    timeoutMs: 60_000,
    async run(context) {
      const { vip, client, server, engine } = context;
      const machines = new Map(await Promise.all(SERVERS.map(async (name) => [name, await server(name)] as const)));
      const clients = await Promise.all(Array.from({ length: CLIENTS }, () => client()));
      await fc.assert(
        fc
          .asyncProperty(fc.commands(COMMANDS, { maxCommands: 30 }), async (commands) => {
            const real: Real = { context, at: await vip(), clients, machines };
            const model: Model = { servers: new Map([['a', { state: 'up', weight: 1 }]]), homes: new Map(), unsure: new Set(), unserved: 0 };
            await context.apply();
            await applyModel(model, real);
            await fc.asyncModelRun(() => ({ model, real }), commands);
            assert.deepEqual(clients.flatMap((c) => c.inbox.drain().map((d) => d.text)), [], 'nobody got what was not for him');
            const live = await context.sessions();
            assert.equal(live.length, (await engine.read()).directors[0]?.sessions);
            assert.ok(live.every((s) => machines.has(s.server)));
          }),
        { seed: SEED, numRuns: 60, endOnFailure: false, interruptAfterTimeLimit: 20_000 },
      );
    },
  },
];

const name = fc.constantFrom(...SERVERS);
const who = fc.nat(CLIENTS - 1);

const COMMANDS = [
  who.map((n) => ask(n)),
  who.map((n) => ask(n)),
  who.map((n) => ask(n)),
  fc.tuple(name, fc.constantFrom<ServerState>('up', 'unknown', 'drain', 'down', 'disabled'), fc.constantFrom(0, 1, 1, 5)).map(([n, state, weight]) => set(n, state, weight)),
  fc.tuple(name, fc.constantFrom<ServerState>('up', 'unknown'), fc.constantFrom(1, 10)).map(([n, state, weight]) => set(n, state, weight)),
  name.map((n) => remove(n)),
  fc.option(who).map((n) => purge(n)),
];

function ask(n: number): Command {
  return {
    check: () => true,
    toString: () => `ask(${n})`,
    async run(model, { context, clients, at }) {
      const open = [...model.servers.keys()].filter((key) => takesNew(model, key));
      const home = model.homes.get(n);
      if (model.unsure.has(n) && open.length === 0) return;
      const allowed = home !== undefined ? [home] : model.unsure.has(n) ? [...model.servers.keys()].filter((key) => keepsOld(model, key)) : open;
      if (allowed.length === 0) {
        await context.tell(clients[n], at);
        await context.dropped('no_server', ++model.unserved);
        return;
      }
      const tag = await context.ask(clients[n], at);
      assert.ok(allowed.includes(tag), `client ${n} was answered by ${tag}, allowed ${allowed.join(', ')}`);
      model.homes.set(n, tag);
      model.unsure.delete(n);
    },
  };
}

function set(server: string, state: ServerState, weight: number): Command {
  return {
    check: () => true,
    toString: () => `set(${server}, ${state}, ${weight})`,
    async run(model, real) {
      model.servers.set(server, { state, weight });
      await applyModel(model, real);
    },
  };
}

function remove(server: string): Command {
  return {
    check: (model) => model.servers.has(server),
    toString: () => `remove(${server})`,
    async run(model, real) {
      model.servers.delete(server);
      await applyModel(model, real);
    },
  };
}

function purge(n: number | null): Command {
  return {
    check: () => true,
    toString: () => `purge(${n ?? 'all'})`,
    async run(model, { context, clients }) {
      let [sure, unsure] = [0, 0];
      const ended = await context.engine.purge(n === null ? {} : { client: endpointText(clients[n].at) });
      for (const i of n === null ? clients.keys() : [n]) {
        if (model.homes.delete(i)) sure++;
        if (model.unsure.delete(i)) unsure++;
      }
      assert.ok(ended >= sure && ended <= sure + unsure, `${ended} sessions ended where the model has ${sure} and perhaps ${unsure} more`);
    },
  };
}

function takesNew(model: Model, server: string): boolean {
  const { state, weight } = model.servers.get(server)!;
  return weight > 0 && (state === 'up' || state === 'unknown');
}

function keepsOld(model: Model, server: string): boolean {
  const state = model.servers.get(server)?.state;
  return state === 'up' || state === 'unknown' || state === 'drain';
}

async function applyModel(model: Model, { context, at, machines }: Real): Promise<void> {
  for (const [n, home] of model.homes) {
    if (keepsOld(model, home)) continue;
    model.homes.delete(n);
    model.unsure.add(n);
  }
  await context.apply(director(at, [...model.servers].toSorted(([x], [y]) => (x < y ? -1 : 1)).map(([key, s]) => machines.get(key)!.line(s))));
}
