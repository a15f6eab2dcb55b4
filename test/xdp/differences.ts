/**
 * Where the xdp engine differs from the contract: why, and what is run in the place of the case. It sees frames, not sockets: what the
 * contract says of sockets on the balancer is not its business.
 */
import assert from 'node:assert/strict';
import { endpointText } from '../../src/net/endpoint.ts';
import type { Case } from '../contract/case.ts';
import { closesTwice, instead, mixed, occupied, standby, type Difference } from '../contract/instead.ts';
import { director } from '../contract/make.ts';

/** Returns the differences. `clientItself`: no source NAT, servers see the client. */
export function differences({ clientItself }: { readonly clientItself: boolean }): readonly Difference[] {
  const differs = (test: string, reason: string, name: string, run: Case['run']): Difference => instead('xdp', test, reason, name, run);
  const families = 'it changes addresses, not protocols';
  return [
    differs('an IPv6 client reaches an IPv4 server, big and empty datagrams too', families, 'another family is unsupported by name', mixed(6)),
    differs('an IPv4 client reaches an IPv6 server', families, 'another family is unsupported by name', mixed(4)),
    differs("close('remove') frees every port and may be called twice", `its two directors share an IPv4 server: ${families}`, "close('remove') may be called twice, and the address is as free as ever", closesTwice),
    differs('an occupied port is an EngineError with a cure; nothing changes and the other directors work', 'frames are taken before any socket sees them', 'a port that a program has is balanced all the same', occupied),
    differs('a VIP that is not on this host is an EngineError with a cure, and nothing changes', 'the standby of a pair has the director before it has the address', 'a VIP that is not on this host is taken, for when it comes', standby),
    ...(clientItself ? [differs("a datagram to a session's source port from anybody but its server reaches no client", "servers see the client itself: who sends to it is not the balancer's to say", 'a datagram from a stranger to a client is routed as it is, and is no reply of the session', stranger),
      differs('a purged client starts a new session from another source port', 'servers see the client itself: its port is the one it has, in the new session too', 'a purged client starts a new session, from its own port', purged)] : []),
  ];
}

/** What anybody sends to the client comes from his own address: the client can tell it from the answers of the VIP. */
const stranger: Case['run'] = async ({ apply, vip, world, client, server, ask, reading }) => {
  const [at, a, c, intruder] = [await vip(), await server('a'), await client(), await client({ ip: world.serverIp(4) })];
  await apply(director(at, [a.line()]));
  await ask(c, at);
  await intruder.send('forged', c.at);
  const { from } = await c.inbox.take((d) => d.text === 'forged');
  assert.equal(from.ip.text, intruder.at.ip.text);
  assert.equal((await reading()).packetsOut, 1);
};

const purged: Case['run'] = async ({ apply, vip, client, server, ask, engine, reading }) => {
  const [at, a, c] = [await vip(), await server('a'), await client()];
  await apply(director(at, [a.line()]));
  await ask(c, at);
  assert.equal(await engine.purge({ client: endpointText(c.at) }), 1);
  await ask(c, at);
  assert.deepEqual(a.peer.inbox.all.map((d) => d.from.port), [c.at.port, c.at.port]);
  assert.equal((await reading()).sessionsCreated, 2);
};
