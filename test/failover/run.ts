/** Runs all cells at once: every cell is a director and a flow of its own, and one apply brings all the events. */
import assert from 'node:assert/strict';
import type { Engine, EngineEvent } from '../../src/engine/engine.ts';
import type { Unsupported } from '../../src/engine/engine.ts';
import type { DesiredDirector } from '../../src/plan/desired.ts';
import * as make from '../contract/make.ts';
import { planOf } from '../contract/plan.ts';
import type { World } from '../contract/world.ts';
import { afterwards, allCells, before, fateOf, KEEP_MS, type Cell, type Fate, type FailoverEvent } from './cells.ts';
import { createFlow, noteArrival, pace, type Flow } from './flow.ts';
import { faultOf, outcomeOf, type Bound, type Outcome } from './outcome.ts';

export interface Row {
  readonly cell: Cell;
  /** null: the engine refuses the cell by name, `refused`. */
  readonly fate: Fate | null;
  readonly refused: string | null;
  readonly outcome: Outcome | null;
  readonly bound: Bound | null;
  /** What is wrong, in words; null: nothing. */
  readonly fault: string | null;
}

export interface FailoverOptions {
  readonly world: World;
  readonly create: (onEvent: (event: EngineEvent) => void) => Promise<Engine>;
  /** What a cell may cost in this engine, and what becomes of it where that differs from fateOf (an engine whose data plane ends with its process). */
  readonly boundOf: (cell: Cell) => Bound;
  readonly fateOf?: (cell: Cell) => Fate;
  /** Ends an engine as a killed process would, leaving what outlives one. Absent: `kill` is as `restart`. */
  readonly kill?: (engine: Engine) => Promise<void>;
  readonly events?: readonly FailoverEvent[];
}

const WARM_MS = 300;
const SETTLE_MS = 400;
/** Nothing for so long: all is there. */
const QUIET_MS = 150;
const MOST_LOOKS = 100;

/** Returns a row per cell, in the table's order. */
export async function runFailover(options: FailoverOptions): Promise<readonly Row[]> {
  const cells = allCells(options.events);
  const rows: Row[] = [];
  const inPlace = cells.filter((c) => c.event !== 'restart' && c.event !== 'kill');
  for (const group of [inPlace, cells.filter((c) => c.event === 'restart'), cells.filter((c) => c.event === 'kill')]) if (group.length > 0) rows.push(...(await runGroup(options, group)));
  return rows;
}

interface Lane {
  readonly cell: Cell;
  readonly director: DesiredDirector;
  readonly flow: Flow;
}

async function runGroup(options: FailoverOptions, cells: readonly Cell[]): Promise<readonly Row[]> {
  const { world, create } = options;
  let engine = await create(() => undefined);
  const closing: (() => Promise<void>)[] = [];
  const flows = new Map<string, Flow>();
  const rows = new Map<Cell, Row>();
  try {
    const server = async (name: string, n: number) => {
      const peer = await world.openServer({ behaviour: { tag: name }, ip: world.serverIp(n) });
      closing.push(() => peer.close());
      peer.inbox.listen(({ text }) => noteArrival(flows, name, text));
      return make.server(name, peer.at);
    };
    const servers = [await server('a', 0), await server('b', 1)] as const;
    const lanes: Lane[] = [];
    for (const cell of cells) {
      const vip = world.vip(0);
      assert.ok(vip);
      const port = await world.freePorts(1);
      const director = before(cell, vip, port, servers);
      const refused = engine.unsupported(make.desired([director]));
      if (refused.length > 0) {
        rows.set(cell, refusedRow(cell, refused));
        continue;
      }
      const client = await world.openClient({ ip: world.clientIp(0) });
      closing.push(() => client.close());
      const flow = createFlow(cell.name, client, { ip: vip, port });
      flows.set(cell.name, flow);
      lanes.push({ cell, director, flow });
    }
    const apply = async (directors: readonly DesiredDirector[]): Promise<void> => engine.apply(planOf(make.desired(directors), await engine.observe()));
    await apply(lanes.map((l) => l.director));
    let over = false;
    const sending = pace(lanes.map((l) => l.flow), () => over);
    await sleep(WARM_MS);
    const eventMs = performance.now();
    if (cells[0]?.event === 'restart' || cells[0]?.event === 'kill') {
      if (cells[0].event === 'kill' && options.kill) await options.kill(engine);
      else await engine.close('leave');
      engine = await create(() => undefined);
    } else {
      await apply(lanes.filter((l) => l.cell.event !== 'again').map((l) => afterwards(l.cell, l.director)));
    }
    await apply(lanes.map((l) => afterwards(l.cell, l.director)));
    const endMs = performance.now();
    await sleep(KEEP_MS + SETTLE_MS);
    over = true;
    await sending;
    await arrived([...flows.values()]);
    for (const { cell, flow } of lanes) {
      const fate = (options.fateOf ?? fateOf)(cell);
      const outcome = outcomeOf(flow, eventMs, endMs);
      const bound = options.boundOf(cell);
      rows.set(cell, { cell, fate, refused: null, outcome, bound, fault: faultOf(fate, outcome, bound) });
    }
  } finally {
    await engine.close('remove');
    await Promise.all(closing.map((close) => close()));
  }
  return cells.flatMap((cell) => rows.get(cell) ?? []);
}

/** What is under way arrives. A loopback or a veth holds nothing back, but a slow machine reads its sockets late: it is over when nothing comes any more. */
async function arrived(flows: readonly Flow[]): Promise<void> {
  const count = (): number => flows.reduce((sum, { arrivals, answers }) => sum + arrivals.length + answers.length, 0);
  for (let seen = -1, looks = 0; seen !== count() && looks < MOST_LOOKS; looks++) {
    seen = count();
    await sleep(QUIET_MS);
  }
}

function refusedRow(cell: Cell, refused: readonly Unsupported[]): Row {
  return { cell, fate: null, refused: refused[0]?.what ?? '', outcome: null, bound: null, fault: null };
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
