/** A live graph of a few lines over time, with uPlot; the numbers stand above it as text: the newest, or those under the pointer. */
import { useEffect, useRef, useState } from 'preact/hooks';
import type uPlot from 'uplot';

export interface Line {
  readonly label: string;
  /** Null leaves the line open there. */
  readonly values: readonly (number | null)[];
  /** A custom property of the style sheet: `--accent`. */
  readonly colour: string;
  readonly dash?: 'dashed' | 'dotted';
}

const HEIGHT = 132;

interface ChartProps {
  readonly title: string;
  /** Seconds since 1970. */
  readonly times: readonly number[];
  readonly lines: readonly Line[];
  readonly text: (value: number | null) => string;
  readonly spanMs: number;
  /** The top of the scale is never below it; default 1. */
  readonly least?: number;
}

/** Lines are fixed once it is made: give it a key of their labels where they may change. */
export function Chart({ title, times, lines, text, spanMs, least = 1 }: ChartProps) {
  const place = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  /** The sample under the pointer, in this graph or another of the page. */
  const [pointed, setPointed] = useState<number | null>(null);
  const data: uPlot.AlignedData = [[...times], ...lines.map(({ values }) => [...values])];
  const latest = useRef({ data, spanMs });
  latest.current = { data, spanMs };

  useEffect(() => {
    let gone = false;
    let observer: ResizeObserver | undefined;
    const scheme = matchMedia('(prefers-color-scheme: dark)');
    const draw = (): void => plot.current?.redraw();
    void import('./uplot.ts').then(({ createPlot }) => {
      const element = place.current;
      if (gone || element === null) return;
      plot.current = createPlot({ element, height: HEIGHT, data: latest.current.data, lines, text, least, spanMs: () => latest.current.spanMs, onPoint: setPointed });
      observer = new ResizeObserver(() => plot.current?.setSize({ width: element.clientWidth, height: HEIGHT }));
      observer.observe(element);
      scheme.addEventListener('change', draw);
    });
    return () => {
      gone = true;
      observer?.disconnect();
      scheme.removeEventListener('change', draw);
      plot.current?.destroy();
      plot.current = null;
    };
  }, []);
  useEffect(() => plot.current?.setData(data));

  const at = pointed !== null && pointed < times.length ? pointed : times.length - 1;
  const valueAt = ({ values }: Line): string => text(values[at] ?? null);
  return (
    <figure class="panel chart">
      <figcaption>
        <h3>{title}{pointed !== null && times[at] !== undefined && <span class="at">at {new Date(times[at] * 1000).toLocaleTimeString('sv-SE')}</span>}</h3>
        <dl>{lines.map((line) => <div key={line.label}><dt><i class={line.dash ?? ''} style={{ color: `var(${line.colour})` }} />{line.label}</dt><dd>{valueAt(line)}</dd></div>)}</dl>
      </figcaption>
      <div ref={place} class="plot" role="img" aria-label={`${title}, the last ${times.length} samples; now ${lines.map(({ label, values }) => `${label} ${text(values.at(-1) ?? null)}`).join(', ')}`} />
    </figure>
  );
}

/** The place of a graph that cannot be drawn, with the reason in it. */
export function NoChart({ title, why }: { readonly title: string; readonly why: string }) {
  return <figure class="panel chart"><figcaption><h3>{title}</h3></figcaption><p class="plot none">{why}</p></figure>;
}
