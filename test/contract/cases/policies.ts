/** What becomes of live sessions when their server goes down, drains or is removed: `on {down|drain|remove} {move|keep|keep t|drop}`. */
import assert from 'node:assert/strict';
import type { OnAction } from '../../../src/balance/terms.ts';
import type { DesiredDirector } from '../../../src/plan/desired.ts';
import type { Case } from '../case.ts';
import type { Context, TestServer } from '../context.ts';
import { until } from '../mailbox.ts';
import { director, ON_DEFAULT, session } from '../make.ts';
import type { Peer } from '../world.ts';

type Event = 'down' | 'drain' | 'remove' | 'disable';
const EVENTS = ['down', 'drain', 'remove', 'disable'] as const;
const KEEP_MS = 1000;

export const policyCases: readonly Case[] = [
  ...EVENTS.flatMap((event) => [
    matrix(event, 'move', { kind: 'move' }, async ({ ask }, { c, at, other }) => {
      for (let n = 0; n < 3; n++) assert.equal(await ask(c, at), other);
    }),
    matrix(event, 'keep', { kind: 'keep', forMs: null }, async ({ ask, client }, { c, at, home, other }) => {
      for (let n = 0; n < 3; n++) assert.equal(await ask(c, at), home);
      assert.equal(await ask(await client(), at), other, 'new sessions go elsewhere');
    }),
    matrix(event, 'keep for a time', { kind: 'keep', forMs: KEEP_MS }, async ({ ask }, { c, at, home, other, sinceMs }) => {
      assert.equal(await ask(c, at), home);
      await until('the session to move', () => ask(c, at), (tag) => tag === other);
      const kept = performance.now() - sinceMs;
      assert.ok(kept >= KEEP_MS * 0.9, `moved after ${kept} ms already`);
      assert.ok(kept <= KEEP_MS + 5000, `moved only after ${kept} ms`);
      assert.equal(await ask(c, at), other);
    }),
    matrix(event, 'drop', { kind: 'drop' }, async ({ tell, ask, client, dropped }, { c, at, other, servers }) => {
      const before = servers.map((s) => s.peer.inbox.all.length);
      for (let n = 0; n < 3; n++) await tell(c, at);
      await dropped('on_policy', 3);
      assert.deepEqual(servers.map((s) => s.peer.inbox.all.length), before);
      assert.equal(await ask(await client(), at), other, 'new sessions are served');
    }),
  ]),
  {
    ...matrix('down', 'keep for a time', { kind: 'keep', forMs: KEEP_MS }, async ({ ask }, { c, at, other, sinceMs }) => {
      await until('the time to pass', async () => performance.now() - sinceMs, (ms) => ms > KEEP_MS + 300);
      assert.equal(await ask(c, at), other);
    }),
    name: 'the time a session is kept runs from the event, not from the next datagram',
  },
  {
    name: 'a reply of a kept session whose server was removed still reaches its client',
    async run({ apply, vip, client, server }) {
      const [at, c] = [await vip(), await client()];
      const [hold, b] = [await server('a', { behaviour: 'silent' }), await server('b')];
      const on = { ...ON_DEFAULT, remove: { kind: 'keep', forMs: null } } as const;
      await apply(director(at, [hold.line()], { on }));
      await c.send('question', at);
      const { from } = await hold.peer.inbox.take();
      await apply(director(at, [b.line()], { on }));
      await hold.peer.send('answer', from);
      assert.equal((await c.inbox.take()).text, 'answer');
    },
  },
  {
    name: 'a server that comes back keeps what it has and moves nobody',
    async run({ apply, vip, client, server, ask }) {
      const [at, one] = [await vip(), await client()];
      const [a, b] = [await server('a'), await server('b')];
      await apply(director(at, [a.line(), b.line({ state: 'down' })]));
      assert.equal(await ask(one, at), 'a');
      await apply(director(at, [a.line(), b.line()]));
      assert.equal(await ask(one, at), 'a');
      assert.equal(await ask(await client(), at), 'b');
    },
  },
  {
    name: 'moved sessions are counted on the server they left',
    async run({ apply, vip, client, server, ask, reading }) {
      const at = await vip();
      const [a, b] = [await server('a'), await server('b')];
      const clients = await Promise.all(Array.from({ length: 4 }, () => client()));
      await apply(director(at, [a.line(), b.line()]));
      for (const c of clients) await ask(c, at);
      await apply(director(at, [a.line({ state: 'down' }), b.line()]));
      for (const c of clients) assert.equal(await ask(c, at), 'b');
      const { servers, sessions } = await reading();
      assert.deepEqual(servers.map((s) => [s.name, s.sessionsMoved, s.sessions]), [['a', 2, 0], ['b', 0, 4]]);
      assert.equal(sessions, 4);
    },
  },
  {
    name: 'the sorry server is used only while every other one is out',
    async run({ apply, vip, client, server, ask }) {
      const at = await vip();
      const [a, b, sorry] = [await server('a'), await server('b'), await server('sorry')];
      const main = (stateA: 'up' | 'down' | 'drain' | 'disabled', stateB: 'up' | 'down'): DesiredDirector =>
        director(at, [sorry.line({ sorry: true, weight: 256 }), a.line({ state: stateA }), b.line({ state: stateB })]);
      const fresh = async (): Promise<string> => ask(await client(), at);
      await apply(main('up', 'up'));
      assert.deepEqual([await fresh(), await fresh()].toSorted(), ['a', 'b']);
      await apply(main('down', 'up'));
      assert.deepEqual([await fresh(), await fresh()], ['b', 'b']);
      for (const state of ['down', 'drain', 'disabled'] as const) {
        await apply(main(state, 'down'));
        assert.equal(await fresh(), 'sorry', state);
      }
      await apply(main('up', 'down'));
      assert.deepEqual([await fresh(), await fresh()], ['a', 'a']);
    },
  },
  {
    name: 'a moved session whose servers are all out goes to the sorry server',
    async run({ apply, vip, client, server, ask }) {
      const [at, c] = [await vip(), await client()];
      const [a, sorry] = [await server('a'), await server('sorry')];
      await apply(director(at, [a.line(), sorry.line({ sorry: true })]));
      assert.equal(await ask(c, at), 'a');
      await apply(director(at, [a.line({ state: 'down' }), sorry.line({ sorry: true })]));
      assert.equal(await ask(c, at), 'sorry');
    },
  },
  {
    name: 'one-way and request-reply datagrams leave a draining server at once',
    async run({ apply, vip, client, server, ask }) {
      const [at, c] = [await vip(), await client()];
      const [a, b] = [await server('a'), await server('b')];
      await apply(director(at, [a.line(), b.line()], { session: session('request-reply'), balance: 'roundrobin' }));
      assert.deepEqual([await ask(c, at), await ask(c, at)].toSorted(), ['a', 'b']);
      await apply(director(at, [a.line({ state: 'drain' }), b.line()], { session: session('request-reply'), balance: 'roundrobin' }));
      for (let n = 0; n < 4; n++) assert.equal(await ask(c, at), 'b');
    },
  },
];

interface Scene {
  readonly c: Peer;
  readonly at: Parameters<Context['ask']>[1];
  readonly servers: readonly TestServer[];
  /** The client's server before the event, and the one that is left. */
  readonly home: string;
  readonly other: string;
  readonly sinceMs: number;
}

/** One client on one of two servers, which then meets `event` under the policy. A disabled server counts as removed. */
function matrix(event: Event, words: string, action: OnAction, check: (context: Context, scene: Scene) => Promise<void>): Case {
  return {
    name: `on ${event === 'disable' ? 'remove, by disabled,' : event} ${words}`,
    async run(context) {
      const { apply, vip, client, server, ask } = context;
      const [at, c] = [await vip(), await client()];
      const servers = [await server('a'), await server('b')];
      const on = { ...ON_DEFAULT, [event === 'disable' ? 'remove' : event]: action };
      await apply(director(at, servers.map((s) => s.line()), { on }));
      const home = await ask(c, at);
      const sinceMs = performance.now();
      const states = { down: 'down', drain: 'drain', disable: 'disabled', remove: 'up' } as const;
      const lines = servers.map((s) => s.line(s.name === home ? { state: states[event] } : {})).filter((s) => event !== 'remove' || s.name !== home);
      await apply(director(at, lines, { on }));
      await check(context, { c, at, servers, home, other: home === 'a' ? 'b' : 'a', sinceMs });
    },
  };
}
