/**
 * The contract suite: what every engine is held to, in the same words and with the same bytes.
 * A difference an engine is entitled to is a skip with its reason, beside a test of what the engine does instead.
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Engine, EngineEvent } from '../../src/engine/engine.ts';
import type { Case } from './case.ts';
import { balanceCases } from './cases/balance.ts';
import { changeCases } from './cases/changes.ts';
import { clientCases } from './cases/clients.ts';
import { counterCases } from './cases/counters.ts';
import { datagramCases } from './cases/datagrams.ts';
import { failureCases } from './cases/failures.ts';
import { modelCases } from './cases/model.ts';
import { pinCases } from './cases/pins.ts';
import { policyCases } from './cases/policies.ts';
import { sessionCases } from './cases/sessions.ts';
import { viewCases } from './cases/views.ts';
import { withContext } from './context.ts';
import type { World } from './world.ts';

export interface ContractOptions {
  readonly name: string;
  /** Makes a fresh engine that balances nothing yet. */
  readonly create: (onEvent: (event: EngineEvent) => void) => Promise<Engine>;
  readonly world: World;
  /** `test` is the exact name of a case (a name that no case has fails the suite); `instead` shows what this engine does there, and is run in its place. */
  readonly skip: readonly { readonly test: string; readonly reason: string; readonly instead?: Case }[];
}

const CASES: readonly Case[] = [
  ...datagramCases, ...clientCases, ...balanceCases, ...sessionCases, ...pinCases, ...policyCases, ...changeCases, ...counterCases, ...viewCases, ...failureCases, ...modelCases,
];

/** Registers one node:test test per case for this engine. */
export function runContract({ name, create, world, skip }: ContractOptions): void {
  describe(`contract: ${name} on ${world.name}`, () => {
    test('every skip names a case', () => {
      const names = new Set(CASES.map((c) => c.name));
      assert.equal(names.size, CASES.length, 'case names are unique');
      assert.deepEqual(skip.filter((s) => !names.has(s.test) || s.reason === ''), []);
    });
    for (const contractCase of CASES) {
      const skipped = skip.find((s) => s.test === contractCase.name);
      const { name: title, run, timeoutMs = 30_000 } = skipped?.instead ?? contractCase;
      test(title, { skip: skipped && !skipped.instead ? skipped.reason : false, timeout: timeoutMs }, (t) => {
        if (skipped) t.diagnostic(`instead of '${skipped.test}': ${skipped.reason}`);
        return withContext(create, world, run);
      });
    }
  });
}
