/** NAT rules as part of an apply: what the table shall hold, what stands in the way, and both or neither with the engine's steps. */
import type { Config } from '../config/model.ts';
import { compileRules } from '../nat/compile.ts';
import { ABSENT, type ObservedTable } from '../nat/listing.ts';
import { NatError } from '../nat/nft.ts';
import { planNat, type NatPlan } from '../nat/plan.ts';
import type { TableRule } from '../nat/table-rule.ts';
import { natLimits } from '../plan/nat-limits.ts';
import { Refusal } from './control.ts';
import type { Core } from './core.ts';

/** `before` is what the kernel had, to go back to. */
export interface NatChange extends NatPlan {
  readonly before: ObservedTable;
}

export const NO_NAT_CHANGE: NatChange = Object.freeze({ texts: [], script: null, rules: [], before: ABSENT });

/** Returns what would change in the table; nothing where NAT cannot be had (natProblems says why). Throws Refusal APPLY_FAILED. */
export async function natPlanFor(core: Core, config: Config): Promise<NatChange> {
  if (core.nat === null || (await core.nat.probe()).length > 0) return NO_NAT_CHANGE;
  try {
    const before = await core.nat.observe();
    return { ...planNat(tableRules(core, config), before), before };
  } catch (error) {
    throw natRefusal(error);
  }
}

/** Returns why the NAT rules of a configuration cannot be had with this engine on this host, in words; empty when they can. */
export async function natProblems(core: Core, config: Config): Promise<readonly string[]> {
  const { name } = core.engine;
  const limits = name === 'lvs' ? [] : natLimits(config).map(({ rule, director, what }) => `engine ${name} cannot do ${what} (NAT rule ${rule}, director ${director})`);
  const rules = [...new Set(tableRules(core, config).filter((rule) => rule.action.kind !== 'accept').map((rule) => rule.name))];
  if (rules.length === 0) return limits;
  const refusals = core.nat === null ? [{ what: 'this build has no NAT table', cure: 'leave the rules out' }] : await core.nat.probe();
  const which = `${rules.length === 1 ? 'NAT rule' : 'NAT rules'} ${rules.slice(0, 8).join(', ')}${rules.length > 8 ? ', …' : ''}`;
  return [...limits, ...refusals.map(({ what, cure }) => `${which}: ${what} (${cure})`)];
}

/** Changes the table and returns a function that puts it back as it was. Throws Refusal APPLY_FAILED with the table as it was. */
export async function applyNat(core: Core, change: NatChange): Promise<() => Promise<void>> {
  const { nat } = core;
  if (nat === null || change.script === null) return async () => undefined;
  try {
    await nat.apply(change);
    core.natOwed = false;
  } catch (error) {
    throw natRefusal(error);
  }
  return async () => {
    try {
      await nat.apply(planNat(change.before.rules, await nat.observe()));
    } catch {
      core.natOwed = true;
      core.trigger();
    }
  };
}

/** Returns the names of the NAT rules that stand in the table for a configuration, exceptions for directors left out. */
export function natRuleNames(core: Core, config: Config): ReadonlySet<string> {
  return new Set(core.nat === null ? [] : tableRules(core, config).filter((rule) => rule.action.kind !== 'accept').map((rule) => rule.name));
}

/** Only lvs leaves the source of balanced traffic to this table; the other engines change it themselves (sourceNat of the desired state). */
function tableRules(core: Core, config: Config): readonly TableRule[] {
  return compileRules({ rules: config.natRules, directors: config.directors, balanced: core.engine.name === 'lvs' ? 'table' : 'engine' });
}

function natRefusal(error: unknown): Refusal {
  if (error instanceof Refusal) return error;
  const message = error instanceof Error ? error.message : String(error);
  return new Refusal('APPLY_FAILED', `the NAT rules: ${message}`, { cure: error instanceof NatError ? error.cure : 'see the message', cause: error });
}
