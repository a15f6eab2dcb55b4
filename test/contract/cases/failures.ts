/** Servers that refuse, ports that are taken, and the end. */
import assert from 'node:assert/strict';
import { EngineError } from '../../../src/engine/engine.ts';
import { parseIp } from '../../../src/net/ip.ts';
import type { Case } from '../case.ts';
import { until } from '../mailbox.ts';
import { desired, director, session } from '../make.ts';
import { planOf } from '../plan.ts';

export const failureCases: readonly Case[] = [
  {
    name: 'two-way: a server that refuses is evidence at once, and the next datagram goes elsewhere',
    async run({ apply, vip, client, server, ask, tell, events, reading }) {
      const at = await vip();
      const servers = [await server('a'), await server('b')];
      const [c, fresh] = [await client(), await client()];
      await apply(director(at, servers.map((s) => s.line())));
      const home = await ask(c, at);
      const other = home === 'a' ? 'b' : 'a';
      await servers.find((s) => s.name === home)!.peer.close();
      const before = Date.now();
      await tell(c, at);
      const event = await events.take((e) => e.kind === 'refused');
      assert.ok(event.kind === 'refused' && event.atMs >= before - 1000 && event.atMs <= Date.now() + 1000 && event.detail !== '');
      assert.deepEqual([event.director, event.server], ['main', home]);
      for (let n = 0; n < 3; n++) assert.equal(await ask(c, at), other);
      assert.equal(await ask(fresh, at), other);
      const { servers: read } = await reading();
      assert.ok(read.find((s) => s.name === home)!.icmpErrors >= 1);
      assert.equal(read.find((s) => s.name === other)!.icmpErrors, 0);
    },
  },
  {
    name: 'request-reply: after a refusal no request goes to the server that refused',
    async run({ apply, vip, client, server, ask, tell, events }) {
      const [at, c, a, b] = [await vip(), await client(), await server('a'), await server('b')];
      await apply(director(at, [a.line(), b.line()], { session: session('request-reply'), balance: 'roundrobin' }));
      await a.peer.close();
      await tell(c, at);
      await tell(c, at);
      await events.take((e) => e.kind === 'refused' && e.server === 'a');
      for (let n = 0; n < 6; n++) assert.equal(await ask(c, at), 'b');
    },
  },
  {
    name: 'one-way: after a refusal every datagram goes to the servers that are left',
    async run({ apply, vip, client, server, events }) {
      const [at, c, a, b] = [await vip(), await client(), await server('a', { behaviour: 'silent' }), await server('b', { behaviour: 'silent' })];
      await apply(director(at, [a.line(), b.line()], { session: session('one-way'), balance: 'roundrobin' }));
      await a.peer.close();
      await c.send('x', at);
      await c.send('x', at);
      await events.take((e) => e.kind === 'refused' && e.server === 'a');
      b.peer.inbox.drain();
      for (let n = 0; n < 10; n++) await c.send(`after ${n}`, at);
      for (let n = 0; n < 10; n++) await b.peer.inbox.take((d) => d.text === `after ${n}`);
    },
  },
  {
    name: 'a server that refused serves again once an apply says that it is up',
    async run({ apply, vip, world, client, server, ask, tell, events }) {
      const [at, c] = [await vip(), await client()];
      const port = await world.freePorts(1);
      const a = await server('a', { ip: world.serverIp(0), port });
      await apply(director(at, [a.line()]));
      assert.equal(await ask(c, at), 'a');
      await a.peer.close();
      await tell(c, at);
      await events.take((e) => e.kind === 'refused');
      await apply(director(at, [a.line({ state: 'down' })]));
      await server('a', { ip: world.serverIp(0), port });
      await apply(director(at, [a.line()]));
      assert.equal(await ask(c, at), 'a');
    },
  },
  {
    name: 'a client that is gone (its port closed) does no harm',
    async run({ apply, vip, client, server, ask }) {
      const [at, hold, a, c] = [await vip(), await server('h', { behaviour: 'silent' }), await server('a'), await client()];
      const gone = await client();
      await apply(director(at, [hold.line()]));
      await gone.send('bye', at);
      const { from } = await hold.peer.inbox.take();
      await gone.close();
      for (let n = 0; n < 3; n++) await hold.peer.send('too late', from);
      await apply(director(at, [a.line()]));
      for (let n = 0; n < 3; n++) assert.equal(await ask(c, at), 'a');
    },
  },
  {
    name: 'an occupied port is an EngineError with a cure; nothing changes and the other directors work',
    async run({ apply, vip, world, client, server, ask, engine, defer }) {
      const [at, taken, third, a, c] = [await vip(), await vip(), await vip(), await server('a'), await client()];
      const foreign = await world.openForeign(taken.ip, taken.port);
      defer(() => foreign.close());
      await apply(director(at, [a.line()]));
      assert.equal(await ask(c, at), 'a');
      const before = await engine.observe();
      const wanted = desired([
        director(at, [], { name: 'main' }),
        director(third, [a.line()], { name: 'fine' }),
        director(taken, [a.line()], { name: 'taken' }),
      ]);
      await assert.rejects(engine.apply(planOf(wanted, before)), (error) => {
        assert.ok(error instanceof EngineError, String(error));
        assert.ok(error.cure !== '' && error.message.includes(String(taken.port)), `${error.message}; ${error.cure}`);
        assert.deepEqual(error.landed, []);
        return true;
      });
      assert.deepEqual(await engine.observe(), before);
      assert.equal(await ask(c, at), 'a');
      await (await world.openForeign(third.ip, third.port)).close();
      await foreign.close();
      await apply(...wanted.directors.filter((d) => d.name !== 'main'));
      assert.equal(await ask(c, taken), 'a');
    },
  },
  {
    name: 'a VIP that is not on this host is an EngineError with a cure, and nothing changes',
    async run({ apply, vip, client, server, ask, engine }) {
      const [at, a, c] = [await vip(), await server('a'), await client()];
      await apply(director(at, [a.line()]));
      const before = await engine.observe();
      const strange = director({ ip: parseIp('192.0.2.77')!, port: at.port }, [a.line()], { name: 'strange' });
      await assert.rejects(engine.apply(planOf(desired([...before.directors, strange]), before)), (error) => error instanceof EngineError && error.cure !== '' && /192\.0\.2\.77/.test(error.message));
      assert.deepEqual(await engine.observe(), before);
      assert.equal(await ask(c, at), 'a');
    },
  },
  {
    name: "close('remove') frees every port and may be called twice",
    async run({ apply, vip, world, client, server, ask, engine }) {
      const [at, other, a, c] = [await vip(), await vip(0, 6), await server('a'), await client()];
      await apply(director(at, [a.line()]), director(other, [a.line()], { name: 'six' }));
      await ask(c, at);
      await engine.close('remove');
      for (const { ip, port } of [at, other]) {
        await until('the port to be free', async () => {
          try {
            await (await world.openForeign(ip, port)).close();
            return true;
          } catch {
            return false;
          }
        }, (free) => free, 2000);
      }
      await engine.close('remove');
    },
  },
];
