/** uPlot with the colours of the page. */
import uPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';
import type { Line } from './chart.tsx';

export function createPlot({ element, height, data, lines, text }: { readonly element: HTMLElement; readonly height: number; readonly data: uPlot.AlignedData; readonly lines: readonly Line[]; readonly text: (value: number) => string }): uPlot {
  const axis: uPlot.Axis = {
    stroke: () => colour(element, '--muted'), grid: { stroke: () => colour(element, '--line'), width: 1 }, ticks: { show: false }, font: '11px system-ui, sans-serif', gap: 4,
  };
  return new uPlot({
    width: element.clientWidth, height, legend: { show: false }, cursor: { y: false, points: { show: false } }, padding: [8, 28, 0, 0],
    scales: { x: { time: true }, y: { range: (_plot, _low, high) => [0, Math.max(1, high * 1.1)] } },
    axes: [{ ...axis, space: 90, size: 24, values: (_plot, splits) => splits.map((at) => new Date(at * 1000).toLocaleTimeString([], { hour: '2-digit', minute: '2-digit', second: '2-digit', hour12: false })) }, { ...axis, size: 72, space: 28, values: (_plot, splits) => splits.map(text) }],
    series: [{}, ...lines.map(({ label, colour: name, dash }): uPlot.Series => ({ label, width: 1.5, points: { show: false }, stroke: () => colour(element, name), ...(dash === true ? { dash: [4, 3] } : {}) }))],
  }, data, element);
}

/** The browser resolves `light-dark()` for a real property only. */
function colour(element: HTMLElement, name: string): string {
  element.style.color = `var(${name})`;
  const found = getComputedStyle(element).color;
  element.style.color = '';
  return found;
}
