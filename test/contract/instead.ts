/** What kernel engines do where the contract expects an engine of sockets: shared by the differences of lvs and xdp. */
import assert from 'node:assert/strict';
import { desired, director } from './make.ts';
import type { Case } from './case.ts';
import type { Context } from './context.ts';
import type { ContractOptions } from './suite.ts';
import type { Family } from './world.ts';

export type Difference = ContractOptions['skip'][number];

/** Returns a difference: why, and what is run in the place of the case. */
export function instead(engine: string, test: string, reason: string, name: string, run: Case['run']): Difference {
  return { test, reason, instead: { name: `${name} (${engine}, for: ${test})`, run, timeoutMs: 60_000 } };
}

/** A director whose servers are of another family than its address is refused by name. */
export function mixed(family: Family): Case['run'] {
  return async ({ vip, world, engine }) => {
    const wanted = desired([director(await vip(0, family), [{ name: 'a', ip: world.serverIp(0, family === 4 ? 6 : 4), port: 9, weight: 1, state: 'up', sorry: false }])]);
    assert.match(engine.unsupported(wanted)[0]?.what ?? '', /^servers of another address family/);
  };
}

/** `close('remove')` may be called twice, and programs may have the address again. */
export async function closesTwice({ apply, vip, world, client, server, ask, engine }: Context): Promise<void> {
  const [at, a, c] = [await vip(), await server('a'), await client()];
  await apply(director(at, [a.line()]));
  await ask(c, at);
  await engine.close('remove');
  await (await world.openForeign(at.ip, at.port)).close();
  await engine.close('remove');
}

/** Datagrams for a director are taken before any socket on this host sees them. */
export async function occupied({ apply, vip, world, client, server, ask, defer }: Context): Promise<void> {
  const [at, a, c] = [await vip(), await server('a'), await client()];
  const program = await world.openForeign(at.ip, at.port);
  defer(() => program.close());
  await apply(director(at, [a.line()]));
  assert.equal(await ask(c, at), 'a');
  assert.equal(program.inbox.all.length, 0);
}

/** An address that this host does not have is balanced all the same, for when it comes: the standby of a pair. */
export async function standby({ apply, world, server, engine }: Context): Promise<void> {
  const a = await server('a');
  const wanted = director({ ip: world.serverIp(200), port: 53 }, [a.line()]);
  await apply(wanted);
  assert.deepEqual((await engine.observe()).directors, [wanted]);
}
