/** How engines on node:dgram differ: it does not tell which local address a datagram was sent to (no IP_PKTINFO), so they refuse what needs it. */
import assert from 'node:assert/strict';
import type { Case } from './case.ts';
import { desired, director } from './make.ts';
import { planOf } from './plan.ts';
import type { ContractOptions } from './suite.ts';
import type { Family } from './world.ts';

const REASON = 'node:dgram does not tell which local address was hit, and a reply from another address is worse than none';

/** Returns the contract's differences of an engine that receives through node:dgram. */
export function withoutPktinfo(): ContractOptions['skip'] {
  return [
    { test: 'the reply leaves from the address that was hit, with one director on all addresses', reason: REASON, instead: refused(4) },
    { test: 'one client on several VIPs of one director has its replies kept apart', reason: REASON, instead: refused(6) },
  ];
}

function refused(family: Family): Case {
  return {
    name: `without IP_PKTINFO, a director on all IPv${family} addresses is unsupported by name and refused, and nothing changes`,
    async run({ apply, vip, world, client, server, ask, engine }) {
      const [at, a, c, port] = [await vip(), await server('a'), await client(), await world.freePorts(1)];
      await apply(director(at, [a.line()]));
      const before = await engine.observe();
      const wanted = desired([...before.directors, director({ ip: world.anyVip(family)!, port }, [a.line()], { name: 'wild' })]);
      assert.deepEqual(engine.unsupported(wanted).map((u) => u.director), ['wild']);
      await assert.rejects(engine.apply(planOf(wanted, before)));
      assert.deepEqual(await engine.observe(), before);
      assert.equal(await ask(c, at), 'a');
    },
  };
}
