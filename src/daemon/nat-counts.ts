/** What NAT rules took: the table's counters, and the traffic of each director since the rule began to act on it inside the engine. */
import type { NatRuleView } from '../client/types.ts';
import type { NatRule } from '../config/model.ts';
import type { Reading } from '../engine/engine.ts';
import { NatError } from '../nat/nft.ts';
import { createShared } from '../stats/reading.ts';
import { readingOrNull, type Core } from './core.ts';
import { natRuleNames } from './nat.ts';
import { natRuleViews, rewritesOf, type Rewrite, type Taken } from './nat-views.ts';

export interface NatCounts {
  /** Called when the running configuration changed: rules that act anew begin at zero. */
  follow(): void;
  views(): Promise<readonly NatRuleView[]>;
}

/** The table is read by a process: at most once a second, whoever asks. */
const FLOWS_MAX_AGE_MS = 1000;

interface Base extends Taken {
  readonly epoch: string;
}

/** Returns counts of nothing; `follow` begins. */
export function createNatCounts(core: Core): NatCounts {
  const flows = createShared({ clock: core.clock, maxAgeMs: FLOWS_MAX_AGE_MS, read: () => readFlows(core) });
  let bases = new Map<string, Promise<Base | null>>();

  function rewrites(): readonly Rewrite[] {
    return core.engine.name === 'lvs' || core.lvs === 'stopped' ? [] : rewritesOf(core.running.config);
  }

  async function baseOf(director: string): Promise<Base | null> {
    const { reading } = await readingOrNull(core);
    return reading === null ? null : { epoch: reading.epoch, ...totals(reading, director) };
  }

  return {
    follow() {
      const next = new Map<string, Promise<Base | null>>();
      for (const rewrite of rewrites()) {
        const key = keyOf(rewrite);
        next.set(key, bases.get(key) ?? baseOf(rewrite.director));
      }
      bases = next;
    },
    async views() {
      const { config } = core.running;
      if (config.natRules.length === 0) return [];
      const inTable = natRuleNames(core, config);
      const acting = rewrites();
      const [took, { reading }, from] = await Promise.all([inTable.size === 0 ? null : flows.get(), readingOrNull(core), Promise.all(acting.map((one) => bases.get(keyOf(one)) ?? Promise.resolve(null)))]);
      const known = new Map(acting.map((one, i) => [keyOf(one), from[i] ?? null]));
      // An engine that could not be read when the rule began is asked again: it counts from there.
      for (const one of acting) if (known.get(keyOf(one)) === null) bases.set(keyOf(one), baseOf(one.director));
      return natRuleViews(config, {
        inTable, flows: took, rewrites: acting,
        taken: (rewrite) => (reading === null ? null : since(known.get(keyOf(rewrite)) ?? null, reading, rewrite.director)),
      });
    },
  };
}

/** Counters of another epoch began at zero, after the rule did. Without a base nobody knows what came before. */
function since(base: Base | null, reading: Reading, director: string): Taken | null {
  const now = totals(reading, director);
  if (base === null) return null;
  if (base.epoch !== reading.epoch) return now;
  return { flows: Math.max(0, now.flows - base.flows), packets: Math.max(0, now.packets - base.packets) };
}

function totals(reading: Reading, director: string): Taken {
  const found = reading.directors.find(({ name }) => name === director);
  return { flows: found?.sessionsCreated ?? 0, packets: (found?.packetsIn ?? 0) + (found?.packetsOut ?? 0) };
}

/** A rule whose words change is another rule; where it stands in the text is no word of it. */
function keyOf({ rule, director }: Rewrite): string {
  const { at: _at, ...words } = rule satisfies NatRule;
  return `${director} ${JSON.stringify(words)}`;
}

/** Null: the table cannot be read; views and metrics go on without. */
async function readFlows(core: Core): Promise<ReadonlyMap<string, number> | null> {
  try {
    return core.nat === null ? null : new Map([...(await core.nat.read())].map(([name, { packets }]) => [name, packets]));
  } catch (error) {
    if (error instanceof NatError) return null;
    throw error;
  }
}
