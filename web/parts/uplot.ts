/** uPlot with the colours of the page. */
import uPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';
import type { Line } from './chart.tsx';

const DASHES = { dashed: [5, 3], dotted: [1.5, 3] } as const;

export function createPlot({ element, height, data, lines, text, least, spanMs, onPoint }: {
  readonly element: HTMLElement;
  readonly height: number;
  readonly data: uPlot.AlignedData;
  readonly lines: readonly Line[];
  readonly text: (value: number | null) => string;
  /** The top of the scale is never below it: noise is not made large. */
  readonly least: number;
  /** How far back the graph reaches, whether there are samples or not: its scale must not run while they come in. */
  readonly spanMs: () => number;
  /** The index of the sample under the pointer, null when there is none. */
  readonly onPoint: (index: number | null) => void;
}): uPlot {
  const axis: uPlot.Axis = {
    stroke: () => colour(element, '--muted'), grid: { stroke: () => colour(element, '--line'), width: 1 }, ticks: { show: false, size: 0 }, font: '11px system-ui, sans-serif', gap: 4,
  };
  return new uPlot({
    width: element.clientWidth, height, legend: { show: false }, padding: [8, 8, 0, 0],
    cursor: { y: false, points: { show: false }, drag: { x: false, y: false }, sync: { key: 'weir' } },
    hooks: { setCursor: [(plot) => onPoint(plot.cursor.idx ?? null)] },
    scales: {
      x: { time: true, range: (_plot, _low, high) => [high - spanMs() / 1000, high] },
      y: { range: (_plot, _low, high) => [0, Math.max(least, (high ?? 0) * 1.1)] },
    },
    axes: [
      { ...axis, space: 80, size: 20, values: (_plot, splits) => splits.map((at) => new Date(at * 1000).toLocaleTimeString('sv-SE').slice(0, spanMs() > 120_000 ? 5 : 8)) },
      { ...axis, size: (_plot, values) => 10 + 6.3 * Math.max(4, ...(values ?? []).map((value) => value.length)), space: 28, values: (_plot, splits) => splits.map(text) },
    ],
    series: [{}, ...lines.map(({ label, colour: name, dash }): uPlot.Series => ({ label, width: 1.5, points: { show: false }, stroke: () => colour(element, name), ...(dash === undefined ? {} : { dash: [...DASHES[dash]] }) }))],
  }, data, element);
}

/** The browser resolves `light-dark()` for a real property only. */
function colour(element: HTMLElement, name: string): string {
  element.style.color = `var(${name})`;
  const found = getComputedStyle(element).color;
  element.style.color = '';
  return found;
}
