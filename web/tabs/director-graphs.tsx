/** The live graphs of one director, all over the same span of time. */
import { useState } from 'preact/hooks';
import type { DirectorView } from '../../src/client/types.ts';
import { dropLines, graphOf, type DirectorSample } from '../../src/web/graph.ts';
import { bitRateText, countText, msText } from '../../src/web/numbers.ts';
import { Chart, NoChart, type Line } from '../parts/chart.tsx';
import { useDirectorHistory } from '../state/director-history.ts';

const SPANS = [[60_000, '1 min'], [300_000, '5 min'], [900_000, '15 min']] as const;
/** Lines are told apart by their dashes first, by colour second. */
const LOOKS: readonly Pick<Line, 'colour' | 'dash'>[] = [{ colour: '--accent' }, { colour: '--text', dash: 'dashed' }, { colour: '--muted', dash: 'dotted' }, { colour: '--muted' }];

const count = (value: number | null): string => (value === null ? '–' : countText(value));
const bits = (value: number | null): string => (value === null ? '–' : bitRateText(value));

export function DirectorGraphs({ director, engine }: { readonly director: DirectorView; readonly engine: string }) {
  const [chosen, setChosen] = useState<number | null>(null);
  const known = useDirectorHistory(director.name);
  const knownMs = (known.at(-1)?.atMs ?? 0) - (known[0]?.atMs ?? 0);
  // Until somebody chooses: no longer than what is known, so that a young director's graphs are not all empty.
  const spanMs = chosen ?? (knownMs > 2 * SPANS[0][0] ? SPANS[1][0] : SPANS[0][0]);
  const { times, points } = graphOf(known, director.name, spanMs);
  const line = (label: string, look: number, pick: (one: DirectorSample) => number | null): Line => ({ label, values: points.map((one) => (one === null ? null : pick(one))), ...(LOOKS[look] ?? { colour: '--muted' }) });
  const drops = dropLines(points).map(({ reason, values }, i): Line => ({ label: reason, values, ...(LOOKS[i] ?? { colour: '--muted' }) }));
  const shared = { times, spanMs };
  return (
    <section class="graphs" aria-label="Graphs">
      <div class="segments" role="group" aria-label="Graphs show the last">
        {SPANS.map(([ms, label]) => <button key={ms} type="button" aria-pressed={ms === spanMs} onClick={() => setChosen(ms)}>{label}</button>)}
      </div>
      <div class="charts">
        <Chart {...shared} title="Packets a second" text={count} lines={[line('in', 0, (one) => one.packetsInPerS), line('out', 1, (one) => one.packetsOutPerS)]} />
        <Chart {...shared} title="Throughput" text={bits} least={1000} lines={[line('in', 0, (one) => one.bytesInPerS), line('out', 1, (one) => one.bytesOutPerS)]} />
        {director.responses === null ? <NoChart title="Response time" why={`Engine ${engine} does not see replies.`} /> : (
          <Chart {...shared} title="Response time" text={msText} least={0.1} lines={[line('p50', 0, (one) => one.responses?.p50Ms ?? null), line('p90', 1, (one) => one.responses?.p90Ms ?? null), line('p99', 2, (one) => one.responses?.p99Ms ?? null)]} />
        )}
        <Chart {...shared} title="Sessions" text={count} lines={[line('live', 0, (one) => one.sessions)]} />
        <Chart {...shared} title="New sessions a second" text={count} lines={[line('new', 0, (one) => one.newSessionsPerS)]} />
        <Chart {...shared} key={drops.map(({ label }) => label).join()} title="Drops a second, by reason" text={count} lines={drops.length === 0 ? [line('none', 0, (one) => one.dropsPerS)] : drops} />
      </div>
    </section>
  );
}
