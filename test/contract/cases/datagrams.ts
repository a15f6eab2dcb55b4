/** Bytes and addresses: what goes in comes out, unchanged, from where it was sent to. */
import assert from 'node:assert/strict';
import { endpointText, type Endpoint } from '../../../src/net/endpoint.ts';
import type { Case } from '../case.ts';
import { fromText } from '../context.ts';
import { director } from '../make.ts';

/** The most a UDP datagram over IPv4 carries: 65535 less both headers. */
const BIGGEST = 65_507;

export const datagramCases: readonly Case[] = [
  {
    name: 'a zero-length datagram passes in both directions',
    async run({ apply, vip, client, server }) {
      const [at, echo, c] = [await vip(), await server('a', { behaviour: 'echo' }), await client()];
      await apply(director(at, [echo.line()]));
      for (let n = 0; n < 3; n++) {
        await c.send('', at);
        const answer = await c.inbox.take();
        assert.equal(answer.data.length, 0);
        assert.equal(fromText(answer), endpointText(at));
      }
      assert.equal(echo.peer.inbox.all.length, 3);
    },
  },
  {
    name: 'a datagram of 65,507 bytes passes unchanged in both directions',
    async run({ apply, vip, client, server }) {
      const [at, echo, c] = [await vip(), await server('a', { behaviour: 'echo' }), await client()];
      await apply(director(at, [echo.line()]));
      const data = Buffer.alloc(BIGGEST, 'weir: an odd filler.');
      await c.send(data, at);
      assert.ok((await c.inbox.take()).data.equals(data));
      assert.ok(echo.peer.inbox.all[0]?.data.equals(data));
    },
  },
  {
    name: 'datagrams sent back to back keep their boundaries, their order and every byte',
    async run({ apply, vip, client, server }) {
      const [at, echo, c] = [await vip(), await server('a', { behaviour: 'echo' }), await client()];
      await apply(director(at, [echo.line()]));
      // Runs of equal sizes with a short one at the end are what GRO and GSO join; a zero and a growing one are what they must not.
      const sizes = [...Array.from({ length: 12 }, () => 1200), 700, 0, 1, 2, 1472, 1473, 1500, 9000, ...Array.from({ length: 8 }, () => 100), 99, 101];
      const sent = sizes.map((size, n) => Buffer.alloc(size, String.fromCharCode(65 + n)));
      await Promise.all(sent.map((data) => c.send(data, at)));
      for (const data of sent) {
        const answer = await c.inbox.take(() => true);
        assert.ok(answer.data.equals(data), `expected ${data.length} bytes of ${data.toString('latin1', 0, 1)}, got ${answer.data.length} of ${answer.text.slice(0, 1)}`);
      }
      assert.deepEqual(echo.peer.inbox.all.map((d) => d.data.length), sizes);
    },
  },
  {
    name: 'the reply leaves from the VIP that was hit, with a director on each of several addresses',
    async run({ apply, world, client, server, ask }) {
      const [a, port, c] = [await server('a'), await world.freePorts(1), await client()];
      const vips: Endpoint[] = [0, 1, 2].flatMap((n) => world.vip(n) ?? []).map((ip) => ({ ip, port }));
      await apply(...vips.map((at, n) => director(at, [a.line()], { name: `d${n}` })));
      for (let round = 0; round < 2; round++) for (const at of vips) assert.equal(await ask(c, at), 'a');
    },
  },
  {
    name: 'the reply leaves from the address that was hit, with one director on all addresses',
    async run({ apply, world, client, server, ask }) {
      const any = world.anyVip();
      if (!any) return;
      const [a, port, c] = [await server('a'), await world.freePorts(1), await client()];
      await apply(director({ ip: any, port }, [a.line()]));
      const vips = [0, 1, 2].flatMap((n) => world.vip(n) ?? []).map((ip) => ({ ip, port }));
      for (let round = 0; round < 2; round++) for (const at of vips) assert.equal(await ask(c, at), 'a');
    },
  },
  {
    name: 'one client on several VIPs of one director has its replies kept apart',
    async run({ apply, world, client, server }) {
      const any = world.anyVip();
      if (!any) return;
      const [hold, port, c] = [await server('a', { behaviour: 'silent' }), await world.freePorts(1), await client()];
      await apply(director({ ip: any, port }, [hold.line()]));
      const vips = [0, 1, 2].flatMap((n) => world.vip(n) ?? []).map((ip) => ({ ip, port }));
      for (const at of vips) await c.send(endpointText(at), at);
      const held = [];
      for (let n = 0; n < vips.length; n++) held.push(await hold.peer.inbox.take());
      for (const datagram of held.toReversed()) await hold.peer.send(datagram.text, datagram.from);
      for (let n = 0; n < vips.length; n++) {
        const answer = await c.inbox.take();
        assert.equal(fromText(answer), answer.text, 'the answer to what was sent to one address leaves from that address');
      }
    },
  },
  {
    name: 'a server with port 0 keeps the port the client used, over a range of ports',
    async run({ apply, world, client, server, ask }) {
      const [first, c, vipIp] = [await world.freePorts(4), await client(), world.vip(0)!];
      const ports = [first, first + 1, first + 2, first + 3];
      const servers = await Promise.all(ports.map((port) => server(`p${port}`, { ip: world.serverIp(3), port })));
      await apply(director({ ip: vipIp, port: first }, [servers[0].line({ name: 's', port: 0 })], { ports: { first, last: first + 3 } }));
      for (const port of ports) assert.equal(await ask(c, { ip: vipIp, port }), `p${port}`);
      // And again: each port is its own session.
      for (const port of ports.toReversed()) assert.equal(await ask(c, { ip: vipIp, port }), `p${port}`);
    },
  },
  {
    name: 'a server with a port of its own is used from every port of a range',
    async run({ apply, world, client, server, ask }) {
      const [first, c, vipIp, a] = [await world.freePorts(5), await client(), world.vip(0)!, await server('a')];
      await apply(director({ ip: vipIp, port: first }, [a.line()], { ports: { first, last: first + 4 } }));
      for (let port = first; port < first + 5; port++) assert.equal(await ask(c, { ip: vipIp, port }), 'a');
    },
  },
  {
    name: 'an IPv6 client reaches an IPv6 server',
    async run({ apply, vip, world, client, server, ask }) {
      const [at, a, c] = [await vip(0, 6), await server('a', { family: 6 }), await client({ ip: world.clientIp(0, 6) })];
      await apply(director(at, [a.line()]));
      for (let n = 0; n < 3; n++) assert.equal(await ask(c, at), 'a');
    },
  },
  {
    name: 'an IPv6 client reaches an IPv4 server, big and empty datagrams too',
    async run({ apply, vip, world, client, server, ask }) {
      const [at, a, echo, c] = [await vip(0, 6), await server('a'), await server('e', { behaviour: 'echo' }), await client({ ip: world.clientIp(0, 6) })];
      await apply(director(at, [a.line()]));
      assert.equal(await ask(c, at), 'a');
      await apply(director(at, [echo.line()]));
      for (const size of [BIGGEST, 0, 1473]) {
        await c.send(Buffer.alloc(size, 7), at);
        assert.equal((await c.inbox.take()).data.length, size);
      }
    },
  },
  {
    name: 'an IPv4 client reaches an IPv6 server',
    async run({ apply, vip, client, server, ask }) {
      const [at, a, c] = [await vip(), await server('a', { family: 6 }), await client()];
      await apply(director(at, [a.line()]));
      for (let n = 0; n < 3; n++) assert.equal(await ask(c, at), 'a');
    },
  },
];
